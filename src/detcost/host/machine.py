"""What machine this is, and what about it would make figures untrustworthy. No TensorFlow."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psutil


class HostWarning(msgspec.Struct, frozen=True):
    """Something that makes figures less trustworthy, and what to do about it."""

    what: str
    remedy: str


@cache
def describe() -> dict[str, Any]:
    """Return the inventory a record carries; unknown values are ``None``.

    Memory is in bytes. Takes about a second, for the CPU's name and flags.
    """
    import cpuinfo

    cpu = cpuinfo.get_cpu_info()
    return {
        "name": os.environ.get("DETCOST_MACHINE") or platform.node(),
        "os": platform.platform(),
        "arch": platform.machine(),
        "cpu": cpu.get("brand_raw"),
        "cpu_flags": [flag for flag in cpu.get("flags", []) if flag in _DISPATCH_FLAGS],
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "virtualisation": virtualisation(cpu.get("flags", [])),
        "governor": governor(),
    }


#: Instruction sets that decide which kernels oneDNN, Eigen and XLA choose.
_DISPATCH_FLAGS = frozenset(
    {"sse4_1", "sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"}
    | {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"}
    | {"amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "asimd", "sve", "bf16", "i8mm"}
)


def usable_core_numbers() -> list[int]:
    """Return the system's numbers of the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(usable_core_numbers())


def governor() -> str | None:
    """Return the frequency governor of the first core, where the system tells."""
    return _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def virtualisation(cpu_flags: list[str]) -> str | None:
    """Return the hypervisor or container this runs under; ``None`` on bare metal as far as seen."""
    inside = ["container"] if Path("/.dockerenv").exists() else []
    if "hypervisor" in cpu_flags:
        inside.append("virtual machine")
    return " in a ".join(inside) or None


def load() -> float | None:
    """Return the average number of runnable processes over the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def throttled() -> int | None:
    """Return how often the first core was slowed down for heat since boot, where told."""
    count = _read("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count")
    return int(count) if count else None


def host_warnings() -> list[HostWarning]:
    """Return what here and now makes timings noisy or not comparable, each with a remedy."""
    machine, found = describe(), []
    busy = load()
    if busy is not None and busy > 0.25 * machine["usable_cores"]:
        found.append(
            HostWarning(
                f"load is {busy:.2f} before anything was started", "end what else runs here"
            )
        )
    if machine["governor"] not in (None, "performance"):
        found.append(
            HostWarning(
                f"the CPU governor is {machine['governor']}",
                "sudo cpupower frequency-set -g performance",
            )
        )
    if machine["virtualisation"]:
        found.append(
            HostWarning(
                f"this is a {machine['virtualisation']}: neighbours share its cores and caches",
                "trust ratios, not seconds; use bare metal where seconds matter",
            )
        )
    if machine["usable_cores"] < machine["logical_cores"]:
        found.append(
            HostWarning(
                f"only {machine['usable_cores']} of {machine['logical_cores']} cores may be used, "
                "which changes TensorFlow's thread pools",
                "drop taskset, --cpu-affinity or the container's CPU limit",
            )
        )
    if machine["usable_cores"] == 1:
        found.append(
            HostWarning("one core: thread races cannot show", "measure divergence on more cores")
        )
    if psutil.virtual_memory().available < 4 << 30:
        found.append(
            HostWarning(
                "under 4 GiB of memory free", "end what else runs here, or use --size small"
            )
        )
    if throttled():
        found.append(
            HostWarning("the CPU has been slowed down for heat", "let it cool; improve cooling")
        )
    return found


def peak_memory() -> int:
    """Return this process's peak resident bytes, those shared with its parent included."""
    status = _read("/proc/self/status")
    if status:  # getrusage would count what the parent had used before exec, too
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
