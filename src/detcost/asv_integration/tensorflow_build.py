"""Chooses the TensorFlow build that fits this machine. It can run as a script.

This module imports only the standard library. One release of TensorFlow has several
distributions. Every machine of a farm requires the release alone ("tensorflow 2.21.0"), and this
module chooses the build, so that results have one name and stay comparable.

``tensorflow-metal`` is never chosen. Its last release (1.2.0, January 2025) does not load with
TensorFlow 2.18 and later, so Apple GPUs cannot be measured.
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
        Its name for pip, with extras, such as ``tensorflow[and-cuda]``.
    label
        ``CPU`` or ``CUDA``.
    why
        The property of the machine that decides the choice.
    """

    distribution: str
    label: str
    why: str

    def requirement(self, version: str = "") -> str:
        """Return pip's requirement. ``version`` is a number, a specifier, or empty for any."""
        return self.distribution + (f"=={version}" if version[:1].isdigit() else version)

    def __str__(self) -> str:
        return f"the {self.label} build, {self.distribution} ({self.why})"


@cache
def build(package: str = "tensorflow") -> Build:
    """Return the build of ``package`` (``tensorflow`` or ``tf-nightly``) that fits this machine."""
    return choose(platform.system(), platform.machine(), has_nvidia(), package)


def requirement(version: str = "", package: str = "tensorflow") -> str:
    """Return the requirement for pip, such as ``tensorflow-cpu==2.21.0``."""
    return build(package).requirement(version)


def choose(system: str, machine: str, nvidia: bool, package: str = "tensorflow") -> Build:
    """Return the build for the names from :func:`platform.system` and :func:`platform.machine`.

    ``nvidia`` is whether an NVIDIA driver works.
    """
    if system != "Linux":
        return Build(package, "CPU", f"TensorFlow has no GPU build for {system}")
    if machine not in X86_64:
        return Build(package, "CPU", f"TensorFlow has no other build for Linux on {machine}")
    if nvidia:
        return Build(f"{package}[and-cuda]", "CUDA", "an NVIDIA driver was found")
    return Build(f"{package}-cpu", "CPU", "no NVIDIA driver was found")


def has_nvidia() -> bool:
    """Return whether an NVIDIA driver works. Under WSL only ``nvidia-smi`` shows it."""
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
    """Print the requirement. Print the build and the reason on standard error."""
    print(f"TensorFlow: {build()}", file=sys.stderr)
    print(requirement(*sys.argv[1:2]))


if __name__ == "__main__":
    main()
