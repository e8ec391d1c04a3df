"""Caps on the instruction sets that oneDNN and XLA use: the bits another CPU would give.

Both libraries choose machine code by what the CPU can do, and both can be told to pretend that
it can do less. :func:`caps` lists what there is to pretend here. :func:`apply` does it in a
worker and returns what the library then says, or shows, is in force. :func:`lever_caps` is what
the lever ``isa`` of a setting stands for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from detcost.variables import Variable

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
    for library, needs in _NEEDS.items():
        held = [Cap(library, isa) for isa, needed in needs.items() if needed <= flags]
        found += itertools.dropwhile(lambda cap: word and cap not in least, held[:-1])
    return found


def apply(cap: Cap) -> str | None:
    """Cap a library in this process, and return what is then in force.

    Both libraries read their variable once, at their first use, so this comes before the first
    op; and it runs an op, so it comes after all that TensorFlow wants set before that. The op
    takes some 50 ms with oneDNN and 80 ms with XLA, mostly starting what later ops then find
    started; it prints nothing and changes no bit of theirs.

    Returns
    -------
    str or None
        ``cap.isa`` if the cap took. Otherwise what is in force instead, as for a word that the
        library does not know or a cap above the CPU; ``None`` if the library does not tell, as
        when it is not in this build or had been used before.
    """
    os.environ[cap.variable.name] = cap.variable.value
    return onednn_in_force() if cap.library == "oneDNN" else XlaProbe().shown()


def onednn_in_force() -> str | None:
    """Run an op, which must be the first, and return the set to which oneDNN then dispatches.

    oneDNN works that out from its cap and the CPU. It is in the words of oneDNN's variable, or
    ``None`` if oneDNN does not tell.
    """
    import tensorflow as tf

    # oneDNN introduces itself when it is first asked to be verbose, whatever it was asked about;
    # the filter is for something TensorFlow has none of, so that it keeps silent ever after.
    os.environ["ONEDNN_VERBOSE"] = "profile_exec,filter=ukernel"
    with tempfile.TemporaryFile() as printed:
        with _stdout_into(printed), tf.device("/CPU:0"):
            tf.linalg.matmul(tf.ones((16, 16)), tf.ones((16, 16)))
        printed.seek(0)
        return _onednn_says(printed.read().decode())


class XlaProbe:
    """Shows the newest instruction set that XLA uses in this process.

    The probe is made before the first op, since XLA reads its flags once. It may compile later:
    TensorFlow's log tells only of the first function that XLA compiles in a process, and that
    one may have to be the program's own.

    Notes
    -----
    XLA is shown by its effect: a function is compiled whose machine code differs with the
    set, up to ``AVX512``. The later sets add nothing that this code would use; of them it is
    known that XLA compiled with that word in its options and that AVX-512 came out, but not
    that XLA knows the word or that the CPU has as much.
    """

    def __init__(self) -> None:
        # The folder itself is made late: a process that is killed before leaves nothing behind.
        self._dump = Path(tempfile.gettempdir(), f"detcost-isa-{secrets.token_hex(8)}")
        flags = f"--xla_dump_to={self._dump} --xla_dump_hlo_module_re={_detcost_isa_probe.__name__}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"

    def shown(self) -> str | None:
        """Return the set, in the words of XLA's flag; ``None`` if XLA does not show it."""
        self._dump.mkdir(mode=0o700)
        try:
            _compile_probe()
            return _xla_shows(_read(self._dump, "*.debug_options"), _read(self._dump, "*.o"))
        finally:
            shutil.rmtree(self._dump)


_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
_BF16 = _AVX512 | {"avx512_vnni", "avx512_bf16"}
_FP16 = _BF16 | {"avx512_fp16", "avx_vnni"}
_AMX = frozenset({"amx_tile", "amx_int8", "amx_bf16"})

#: The words each library's variable takes, ascending, and what it wants of the CPU for each.
#: oneDNN's AVX10.2 is not among them: it came with oneDNN 3.9, and TensorFlow 2.21 brings 3.7.
_NEEDS: dict[Library, dict[str, frozenset[str]]] = {
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


def _onednn_says(introduction: str) -> str | None:
    """Return the set that oneDNN names, in the word of its variable where there is one."""
    said = re.search(r"cpu,isa:(.*)", introduction)
    return _ONEDNN_SAYS.get(said[1].strip(), said[1].strip()) if said else None


#: What oneDNN calls what it dispatches to. The last three are newer names for known sets.
_ONEDNN_SAYS = {
    "Intel SSE4.1": "SSE41",
    "Intel AVX": "AVX",
    "Intel AVX2": "AVX2",
    "Intel AVX2 with Intel DL Boost": "AVX2_VNNI",
    "Intel AVX2 with Intel DL Boost, float16 and bfloat16 support": "AVX2_VNNI_2",
    "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions": "AVX512_CORE",
    "Intel AVX-512 with Intel DL Boost": "AVX512_CORE_VNNI",
    "Intel AVX-512 with Intel DL Boost and bfloat16 support": "AVX512_CORE_BF16",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support": "AVX512_CORE_FP16",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16 "
    "and 8-bit integer support": "AVX512_CORE_AMX",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16, "
    "float16 and 8-bit integer support": "AVX512_CORE_AMX_FP16",
    "Intel AVX 10.1": "AVX512_CORE_FP16",
    "Intel AVX10.1 and Intel AMX with bfloat16 and 8-bit integer support": "AVX512_CORE_AMX",
    "Intel AVX10.1 and Intel AMX with bfloat16, float16 and 8-bit integer support": (
        "AVX512_CORE_AMX_FP16"
    ),
}


@contextlib.contextmanager
def _stdout_into(file: IO[bytes]) -> Iterator[None]:
    """Send to a file what native code of this process prints, too."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _compile_probe() -> None:
    import tensorflow as tf
    from tensorflow.python.eager import context

    # A program may have left eager mode, or told TensorFlow to run its functions eagerly.
    with context.eager_mode(), tf.device("/CPU:0"):
        numbers = tf.zeros((8,), tf.int64)
        probe = tf.function(_detcost_isa_probe, jit_compile=True, autograph=False)
        probe.get_concrete_function(numbers, numbers)(numbers, numbers)


def _detcost_isa_probe(x: Any, y: Any) -> Any:
    """Find the larger of two integers, under a name that no user's function has."""
    import tensorflow as tf

    return tf.math.maximum(x, y)


def _read(directory: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob(pattern))


def _xla_shows(options: bytes, code: bytes) -> str | None:
    """Return the word among XLA's options if machine code of the probe bears it out."""
    said = re.search(rb'xla_cpu_max_isa: "(.*)"', options)
    word = said[1].decode() if said else None
    shown = _newest_in(code)
    return word if shown == _SHOWS_AS.get(word, word) else shown


def _newest_in(code: bytes) -> str | None:
    """Return the newest instruction set of which machine code of the probe makes use."""
    used = [isa for isa, larger in _LARGER.items() if re.search(larger, code, re.DOTALL)]
    return used[-1] if used else None


def _byte(low_bits: int) -> bytes:
    """Return a pattern for any byte that ends in these three bits."""
    return b"[" + re.escape(bytes(range(low_bits, 256, 8))) + b"]"


#: The instruction that finds the larger of two vectors of 64-bit integers, ascending. Each of
#: these sets brought a better one, and has but one encoding of it.
_LARGER = {
    "SSE4_2": rb"\x66[\x40-\x4f]?\x0f\x38\x37",  # pcmpgtq xmm
    "AVX": rb"\xc4." + _byte(0b001) + rb"\x37",  # vpcmpgtq xmm
    "AVX2": rb"\xc4." + _byte(0b101) + rb"\x37",  # vpcmpgtq ymm
    "AVX512": rb"\x62." + _byte(0b101) + rb".\x3d",  # vpmaxsq
}
_SHOWS_AS: dict[str | None, str] = dict.fromkeys(
    ("AVX512_VNNI", "AVX512_BF16", "AMX", "AMX_FP16"), "AVX512"
)
