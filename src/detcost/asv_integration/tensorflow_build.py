"""Which TensorFlow build fits this machine. Standard library only, and runnable as a script.

One release of TensorFlow comes as several distributions. Asking for the release
alone ("tensorflow 2.21.0") on every machine of a farm, and choosing the build
here, keeps results comparable under one name.

``tensorflow-metal`` is never chosen: its last release (1.2.0, January 2025) fails
to load with TensorFlow 2.18 and later, so Apple GPUs are out of reach for the
versions measured here.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
X86_64 = ("x86_64", "AMD64")


@dataclass(frozen=True)
class Build:
    """A distribution of TensorFlow.

    Attributes
    ----------
    distribution
        What pip knows it by, extras included, such as ``tensorflow[and-cuda]``.
    label
        ``CPU`` or ``CUDA``.
    why
        What about the machine decided it.
    """

    distribution: str
    label: str
    why: str

    def requirement(self, version: str = "") -> str:
        """Return pip's requirement for ``version``: a number, a specifier, or nothing for any."""
        return self.distribution + (f"=={version}" if version[:1].isdigit() else version)

    def __str__(self) -> str:
        return f"the {self.label} build, {self.distribution} ({self.why})"


@cache
def build(package: str = "tensorflow") -> Build:
    """Return the build of ``package`` (``tensorflow`` or ``tf-nightly``) that fits this machine."""
    return choose(platform.system(), platform.machine(), has_nvidia(), package)


def requirement(version: str = "", package: str = "tensorflow") -> str:
    """Return what to ask pip for, such as ``tensorflow-cpu==2.21.0``."""
    return build(package).requirement(version)


def choose(system: str, machine: str, nvidia: bool, package: str = "tensorflow") -> Build:
    """Return the build for what :func:`platform.system` and :func:`platform.machine` say.

    ``nvidia`` tells whether an NVIDIA driver is at work.
    """
    if system != "Linux":
        return Build(package, "CPU", f"TensorFlow has no GPU build for {system}")
    if machine not in X86_64:
        return Build(package, "CPU", f"TensorFlow has no other build for Linux on {machine}")
    if nvidia:
        return Build(f"{package}[and-cuda]", "CUDA", "an NVIDIA driver was found")
    return Build(f"{package}-cpu", "CPU", "no NVIDIA driver was found")


def has_nvidia() -> bool:
    """Return whether an NVIDIA driver is at work. Under WSL only ``nvidia-smi`` can tell."""
    if NVIDIA_DRIVER.exists():
        return True
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return "GPU 0" in listing.stdout


def main() -> None:
    """Print the requirement for the version named, and on standard error which build and why."""
    print(f"TensorFlow: {build()}", file=sys.stderr)
    print(requirement(*sys.argv[1:2]))


if __name__ == "__main__":
    main()
