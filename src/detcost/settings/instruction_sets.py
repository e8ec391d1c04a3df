"""Caps on the instruction sets of oneDNN and XLA, which give the bits of an older CPU.

Both libraries choose machine code by the CPU's instruction sets. A variable can hide the newer
sets from each of them. :func:`caps` lists the caps that make a difference on a CPU.
:func:`lever_caps` gives the caps of the lever ``isa``. :mod:`detcost.host.isa` applies caps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal

import msgspec

from detcost.settings.environment_variables import Variable

Library = Literal["oneDNN", "XLA"]


class Cap(msgspec.Struct, frozen=True):
    """The newest instruction set that a library may use, in the library's own spelling."""

    library: Library
    isa: str

    @property
    def label(self) -> str:
        """The name in evidence, such as ``oneDNN=AVX2``."""
        return f"{self.library}={self.isa}"

    @property
    def variable(self) -> Variable:
        """The variable that applies the cap, if set before the first use of the library."""
        if self.library == "oneDNN":
            return Variable("ONEDNN_MAX_CPU_ISA", self.isa)
        # XLA uses the last occurrence of a repeated flag.
        return Variable("XLA_FLAGS", f"--xla_cpu_max_isa={self.isa}", appended=True)


#: The caps of each word of the lever ``isa``, ascending. Newer sets have no word: each library
#: divides them in its own way, and few CPUs share them.
LEVER_CAPS: dict[str, tuple[Cap, ...]] = {
    "SSE4": (Cap("oneDNN", "SSE41"), Cap("XLA", "SSE4_2")),
    "AVX": (Cap("oneDNN", "AVX"), Cap("XLA", "AVX")),
    "AVX2": (Cap("oneDNN", "AVX2"), Cap("XLA", "AVX2")),
    "AVX512": (Cap("oneDNN", "AVX512_CORE"), Cap("XLA", "AVX512")),
}


def lever_caps(word: str | None) -> tuple[Cap, ...]:
    """Return the caps of a word of the lever ``isa``; none without the lever."""
    return LEVER_CAPS[word] if word else ()


def caps(cpu_flags: Iterable[str], word: str | None = None) -> list[Cap]:
    """Return every cap below the newest set of a CPU, ascending for each library.

    The newest set of a library is left out, because it runs without a cap. XLA's sets form a
    chain. oneDNN's sets fork at ``AVX2_VNNI`` and ``AVX512_CORE``. They are listed in oneDNN's
    own order of preference. Only x86 CPUs have caps.

    Parameters
    ----------
    cpu_flags
        The CPU's flags, in Linux's spelling.
    word
        The word of the lever ``isa``, if the setting has that lever. Caps below it are left
        out: they stand for CPUs on which the lever does not take effect.
    """
    flags = frozenset(cpu_flags)
    lowest = lever_caps(word)
    below: list[Cap] = []
    for library, required in REQUIRED_FLAGS.items():
        supported = [Cap(library, isa) for isa, needed in required.items() if needed <= flags]
        below += itertools.dropwhile(lambda cap: word and cap not in lowest, supported[:-1])
    return below


def newest_set(library: Library, cpu_flags: Iterable[str]) -> str | None:
    """Return the newest set of a library that a CPU has; ``None`` if it is no x86 CPU."""
    flags = frozenset(cpu_flags)
    supported = [isa for isa, needed in REQUIRED_FLAGS[library].items() if needed <= flags]
    return supported[-1] if supported else None


_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
_BF16 = _AVX512 | {"avx512_vnni", "avx512_bf16"}
_FP16 = _BF16 | {"avx512_fp16", "avx_vnni"}
_AMX = frozenset({"amx_tile", "amx_int8", "amx_bf16"})

#: The words of each library's variable, ascending, with the CPU flags that each requires.
#: oneDNN's AVX10.2 is missing: it came with oneDNN 3.9, and TensorFlow 2.21 contains 3.7.
REQUIRED_FLAGS: dict[Library, dict[str, frozenset[str]]] = {
    "oneDNN": {
        "SSE41": frozenset({"sse4_1"}),
        "AVX": frozenset({"avx"}),
        "AVX2": frozenset({"avx2"}),
        "AVX2_VNNI": frozenset({"avx2", "avx_vnni"}),
        "AVX2_VNNI_2": frozenset({"avx2", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"}),
        "AVX512_CORE": _AVX512,
        "AVX512_CORE_VNNI": _AVX512 | {"avx512_vnni"},
        "AVX512_CORE_BF16": _BF16,
        "AVX512_CORE_FP16": _FP16,
        "AVX512_CORE_AMX": _FP16 | _AMX,
        "AVX512_CORE_AMX_FP16": _FP16 | _AMX | {"amx_fp16"},
    },
    "XLA": {
        "SSE4_2": frozenset({"sse4_2"}),
        "AVX": frozenset({"avx"}),
        "AVX2": frozenset({"avx2"}),
        "AVX512": frozenset({"avx512f"}),
        "AVX512_VNNI": frozenset({"avx512_vnni"}),
        "AVX512_BF16": frozenset({"avx512_bf16"}),
        "AMX": _AMX,
        "AMX_FP16": _AMX | {"amx_fp16"},
    },
}
