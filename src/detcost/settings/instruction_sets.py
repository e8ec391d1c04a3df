"""Caps on the instruction sets that oneDNN and XLA use: the bits another CPU would give.

Both libraries choose machine code by what the CPU can do, and both can be told to pretend that
it can do less. :func:`caps` lists what there is to pretend on a CPU. :func:`lever_caps` is what
the lever ``isa`` of a setting stands for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal

import msgspec

from detcost.settings.variables import Variable

Library = Literal["oneDNN", "XLA"]


class Cap(msgspec.Struct, frozen=True):
    """A library and the newest instruction set it may use, in the library's own word."""

    library: Library
    isa: str

    @property
    def label(self) -> str:
        """How evidence names it: ``oneDNN=AVX2``."""
        return f"{self.library}={self.isa}"

    @property
    def variable(self) -> Variable:
        """What tells the library, if it is set before the library's first use."""
        if self.library == "oneDNN":
            return Variable("ONEDNN_MAX_CPU_ISA", self.isa)
        # Of a flag given twice, XLA takes the last.
        return Variable("XLA_FLAGS", f"--xla_cpu_max_isa={self.isa}", appended=True)


#: What each word of the lever ``isa`` means to the libraries, ascending. Their later sets are
#: no words of it: each library has its own, and few CPUs share them.
LEVER_CAPS: dict[str, tuple[Cap, ...]] = {
    "SSE4": (Cap("oneDNN", "SSE41"), Cap("XLA", "SSE4_2")),
    "AVX": (Cap("oneDNN", "AVX"), Cap("XLA", "AVX")),
    "AVX2": (Cap("oneDNN", "AVX2"), Cap("XLA", "AVX2")),
    "AVX512": (Cap("oneDNN", "AVX512_CORE"), Cap("XLA", "AVX512")),
}


def lever_caps(word: str | None) -> tuple[Cap, ...]:
    """Return the caps that a word of the lever ``isa`` stands for; none without the lever."""
    return LEVER_CAPS[word] if word else ()


def caps(cpu_flags: Iterable[str], word: str | None = None) -> list[Cap]:
    """Return every cap below what a CPU with these flags has, each library's in ascending order.

    A library's highest is left out: it is what runs without a cap. XLA's sets are a chain.
    oneDNN's have a fork, ``AVX2_VNNI`` beside ``AVX512_CORE``, and are in the order in which
    oneDNN itself prefers the later. A CPU other than x86 has no caps.

    Parameters
    ----------
    cpu_flags
        What the CPU can do, as Linux spells it.
    word
        That of the lever ``isa``, in a setting that has it. Caps below it are left out: they
        stand for CPUs on which the lever does not take.
    """
    flags = frozenset(cpu_flags)
    least = lever_caps(word)
    found: list[Cap] = []
    for library, needs in REQUIRED_FLAGS.items():
        held = [Cap(library, isa) for isa, needed in needs.items() if needed <= flags]
        found += itertools.dropwhile(lambda cap: word and cap not in least, held[:-1])
    return found


_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
_BF16 = _AVX512 | {"avx512_vnni", "avx512_bf16"}
_FP16 = _BF16 | {"avx512_fp16", "avx_vnni"}
_AMX = frozenset({"amx_tile", "amx_int8", "amx_bf16"})

#: The words each library's variable takes, ascending, and what it wants of the CPU for each.
#: oneDNN's AVX10.2 is not among them: it came with oneDNN 3.9, and TensorFlow 2.21 brings 3.7.
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
