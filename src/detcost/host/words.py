"""A machine in stable, coarse words, which neither a reboot nor a new kernel changes.

They are taken from a description: the field ``machine`` of a record, or asv's ``machine.json``.
Both are untrusted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
#: Words of a processor's or a GPU's name that tell nothing about it.
_EMPTY = {
    "amd",
    "intel",
    "nvidia",
    "cpu",
    "processor",
    "geforce",
    "tesla",
    "gpu",
    "with",
    "graphics",
}
#: The levels by which oneDNN and XLA choose their kernels, newest first, with a flag of each.
_LEVELS = (
    ("amx_fp16", "amx_fp16"),
    ("amx", "amx_tile"),
    ("avx512_fp16", "avx512_fp16"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx512", "avx512f"),
    ("avx2_vnni", "avx_vnni"),
    ("avx2", "avx2"),
    ("avx", "avx"),
    ("sse4", "sse4_1"),
    ("sve_bf16", "sve bf16"),
    ("sve", "sve"),
    ("neon_bf16", "bf16"),
    ("neon", "asimd"),
)
#: The most characters of a word. Descriptions may be hostile.
_LONGEST = 40


def processor(model: object) -> str:
    """Return a processor's model in words, such as ``xeon-gold-6148`` or ``epyc``.

    Empty if it is unknown.
    """
    text = re.sub(r"\((r|tm|c)\)|@.*|\b\d+-core\b", " ", str(model or "").lower())
    return _joined(text)


def level(flags: Iterable[object]) -> str:
    """Return the newest instruction set among a processor's flags, such as ``avx512_bf16``.

    Empty if no flag is known.
    """
    present = set(map(str, flags))
    return next((word for word, needed in _LEVELS if present.issuperset(needed.split())), "")


def memory_gib(size: object) -> int | None:
    """Return the memory that may be installed: the next of 1, 2, 3, 4, 6, 8, 12, 16, … GiB.

    A system reports somewhat less than that, and not always the same. ``None`` if unknown.

    Parameters
    ----------
    size
        Bytes as a number or a text, or a text with a unit, such as ``16GB``.
    """
    match = re.fullmatch(r"(\d{1,20}(?:\.\d{1,9})?) ?([kmgt]?)(?:i?b)?", str(size).strip().lower())
    gib = float(match[1]) * _UNITS[match[2]] / (1 << 30) if match else 0.0
    if not 0 < gib < 1 << 30:
        return None
    power = 1 << max(0, math.ceil(math.log2(gib)))
    return power * 3 // 4 if power >= 4 and gib <= power * 3 / 4 else power


def gpus(models: Iterable[object]) -> str:
    """Return GPUs in words, such as ``h200`` or ``2x-a100-sxm4-80gb``; empty without any."""
    counts = Counter(filter(None, (_joined(str(model).lower()) for model in models)))
    named = (f"{count}x-{word}" if count > 1 else word for word, count in sorted(counts.items()))
    return "-".join(named)


def identity(machine: Mapping[str, Any]) -> str:
    """Return what a machine is, in words: machines that differ in them are not the same one.

    They are the processor, its instruction sets, the number of its cores, the memory and the
    GPUs, such as ``xeon-amx-16core-128g-h200``. Unknown ones are left out.
    """
    size = memory_gib(machine.get("memory_bytes", machine.get("ram")))
    return _together(
        processor(machine.get("cpu")),
        _level_of(machine),
        _cores(machine.get("logical_cores", machine.get("num_cpu"))),
        f"{size}g" if size else "",
        gpus(gpu_models(machine)),
    )


def proposed_name(machine: Mapping[str, Any]) -> str:
    """Return a name for a machine that tells what it is, such as ``epyc-avx512-2core-vm``."""
    return _together(
        processor(machine.get("cpu")),
        _level_of(machine).partition("_")[0],
        _cores(machine.get("logical_cores")),
        gpus(gpu_models(machine)),
        "vm" if "virtual machine" in str(machine.get("virtualisation")) else "",
    )


def can_name_a_folder(name: str) -> bool:
    """Return whether a machine's name can be the name of its folder, and leads to no other."""
    return bool(re.fullmatch(r"[^\W_][\w.+@() -]{0,99}", name)) and not name.endswith((" ", "."))


def gpu_models(machine: Mapping[str, Any]) -> list[str]:
    """Return the models of the GPUs in a description.

    The system's list counts if there is one, since TensorFlow may not see every GPU.
    """
    if isinstance(listed := machine.get("gpus"), list):
        return list(map(str, listed))
    if isinstance(seen := machine.get("accelerators"), list):
        return [str(device).partition(" ")[2] for device in seen]
    text = machine.get("gpu")
    return str(text).split(", ") if text and text != "none" else []


def _level_of(machine: Mapping[str, Any]) -> str:
    flags = machine.get("cpu_flags")
    if isinstance(flags, list) and (known := level(flags)):
        return known
    return _joined(str(machine.get("isa") or "")) or _other_architecture(machine.get("arch"))


def _other_architecture(arch: object) -> str:
    """Return the architecture. The usual one, which goes without saying, is empty."""
    word = _joined(str(arch or "").lower())
    return "" if word in ("x86_64", "amd64") else word


def _cores(number: object) -> str:
    return f"{number}core" if re.fullmatch(r"\d{1,6}", str(number)) else ""


def _together(*words: str) -> str:
    return "-".join(filter(None, words)) or "unknown"


def _joined(text: str) -> str:
    words = re.findall(r"[a-z0-9_.+]+", text.lower())
    return "-".join(word for word in words if word not in _EMPTY)[:_LONGEST].strip("-.")
