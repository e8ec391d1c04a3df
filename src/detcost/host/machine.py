"""The machine's inventory, and conditions that make results less reliable. No TensorFlow."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psutil

from detcost.host import gpus


class HostWarning(msgspec.Struct, frozen=True):
    """A condition that makes results less reliable, with its remedy."""

    what: str
    remedy: str


@cache
def describe() -> dict[str, Any]:
    """Return the machine's inventory for a record. Unknown values are ``None``.

    Memory is in bytes. ``gpus`` are NVIDIA's, whether TensorFlow sees them or not.
    """
    cpu, flags = processor()
    return {
        "name": os.environ.get("DETCOST_MACHINE") or platform.node(),
        "os": platform.platform(),
        "arch": platform.machine(),
        "cpu": cpu,
        "cpu_flags": [flag for flag in flags if flag in _DISPATCH_FLAGS],
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "virtualisation": virtualisation(flags),
        "governor": governor(),
        "gpus": gpus.models(),
    }


#: Instruction sets by which oneDNN, Eigen and XLA choose their kernels.
_DISPATCH_FLAGS = frozenset(
    {"sse4_1", "sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"}
    | {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"}
    | {"amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "asimd", "sve", "bf16", "i8mm"}
)


def processor() -> tuple[str | None, list[str]]:
    """Return the CPU's model and its flags. It takes a second unless Linux tells both."""
    text = _read("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*:\s*(.+)", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)", text, re.MULTILINE)
    if model and flags:
        return model[1].strip(), sorted(flags[1].split())
    import cpuinfo

    found = cpuinfo.get_cpu_info()
    return found.get("brand_raw"), list(found.get("flags", []))


def usable_core_numbers() -> list[int]:
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(usable_core_numbers())


def governor() -> str | None:
    """Return the frequency governor of the first core; ``None`` if unknown."""
    return _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def virtualisation(cpu_flags: list[str]) -> str | None:
    """Return the kind of container or virtual machine; ``None`` if none was detected."""
    layers = ["container"] if Path("/.dockerenv").exists() else []
    if "hypervisor" in cpu_flags:
        layers.append("virtual machine")
    return " in a ".join(layers) or None


def load() -> float | None:
    """Return the average number of runnable processes over the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def throttled() -> int | None:
    """Return how often heat has throttled the first core since boot; ``None`` if unknown."""
    count = _read("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count")
    return int(count) if count else None


def host_warnings() -> list[HostWarning]:
    """Return present conditions that make timings noisy or incomparable."""
    machine = describe()
    return [*_noise(machine), *_limits(machine)]


def _noise(machine: dict[str, Any]) -> Iterator[HostWarning]:
    busy = load()
    if busy is not None and busy > 0.25 * machine["usable_cores"]:
        yield HostWarning(
            f"load is {busy:.2f} before the measurement starts", "end other processes"
        )
    if machine["governor"] not in (None, "performance"):
        yield HostWarning(
            f"the CPU governor is {machine['governor']}",
            "sudo cpupower frequency-set -g performance",
        )
    if machine["virtualisation"]:
        yield HostWarning(
            f"this is a {machine['virtualisation']}: others share its cores and caches",
            "use ratios, not seconds; if seconds matter, measure on bare metal",
        )


def _limits(machine: dict[str, Any]) -> Iterator[HostWarning]:
    if machine["usable_cores"] < machine["logical_cores"]:
        yield HostWarning(
            f"only {machine['usable_cores']} of {machine['logical_cores']} cores may be used, "
            "which changes TensorFlow's thread pools",
            "remove taskset, --cpu-affinity or the container's CPU limit",
        )
    if machine["usable_cores"] == 1:
        yield HostWarning(
            "one core: races between threads cannot show", "measure divergence on more cores"
        )
    if psutil.virtual_memory().available < 4 << 30:
        yield HostWarning("under 4 GiB of memory free", "end other processes, or use --size small")
    if throttled():
        yield HostWarning("heat has throttled the CPU", "let it cool; improve cooling")


def peak_memory() -> int:
    """Return the peak resident bytes of this process, including bytes shared with its parent."""
    status = _read("/proc/self/status")
    if status:  # getrusage would include the peak of the parent before exec
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None
