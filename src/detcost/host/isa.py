"""Caps on instruction sets, applied in a worker, and what the libraries then say is in force."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from detcost.settings.instruction_sets import Cap


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
