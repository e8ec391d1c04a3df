"""Apply caps on instruction sets in a worker, and find out which sets are in force.

:mod:`detcost.settings.instruction_sets` lists the caps.
"""

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
    """Cap a library in this process, and return the instruction set then in force.

    Each library reads its variable once, at its first use. So call this before the first op.
    It runs an op itself. So call it after everything that TensorFlow needs before the first op.
    The op takes about 50 ms with oneDNN and 80 ms with XLA. Most of that is initialisation,
    which later ops save. The op prints nothing and does not affect the results of later ops.

    Returns
    -------
    str or None
        ``cap.isa`` if the cap took effect. Otherwise the set in force, for example if the
        library does not know the word or the CPU has less. ``None`` if the library does not
        report a set, for example if it was used before or is not in this build.
    """
    os.environ[cap.variable.name] = cap.variable.value
    return onednn_in_force() if cap.library == "oneDNN" else XlaProbe().in_force()


def onednn_in_force() -> str | None:
    """Return the set that oneDNN uses, in the words of its variable; ``None`` if unknown.

    Runs an op, which must be the first one of the process.
    """
    import tensorflow as tf

    # oneDNN prints its set at the first use in verbose mode, whatever the filter. TensorFlow
    # uses no ukernel, so the filter keeps oneDNN silent from then on.
    os.environ["ONEDNN_VERBOSE"] = "profile_exec,filter=ukernel"
    with tempfile.TemporaryFile() as printed:
        with _stdout_into(printed), tf.device("/CPU:0"):
            tf.linalg.matmul(tf.ones((16, 16)), tf.ones((16, 16)))
        printed.seek(0)
        return _parse_onednn_set(printed.read().decode())


class XlaProbe:
    """Finds the newest instruction set that XLA uses in this process.

    Create the probe before the first op, since XLA reads its flags once. The probe may compile
    later, because TensorFlow logs only the first function that XLA compiles in a process.
    That function may have to be one of the program.

    Notes
    -----
    The probe compiles a function whose machine code differs between the sets up to ``AVX512``.
    Newer sets do not change this code. For them the probe shows that XLA compiled with the
    word in its options and emitted AVX-512. It does not show that XLA knows the word, or that
    the CPU has the set.
    """

    def __init__(self) -> None:
        # in_force() creates the directory, so that a process killed earlier leaves none behind.
        self._dump = Path(tempfile.gettempdir(), f"detcost-isa-{secrets.token_hex(8)}")
        flags = f"--xla_dump_to={self._dump} --xla_dump_hlo_module_re={_detcost_isa_probe.__name__}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"

    def in_force(self) -> str | None:
        """Return the set in the words of XLA's flag; ``None`` if unknown."""
        self._dump.mkdir(mode=0o700)
        try:
            _compile_probe()
            return _xla_set(_read(self._dump, "*.debug_options"), _read(self._dump, "*.o"))
        finally:
            shutil.rmtree(self._dump)


def _parse_onednn_set(printed: str) -> str | None:
    """Return the set that oneDNN printed, in the word of its variable if there is one."""
    match = re.search(r"cpu,isa:(.*)", printed)
    return _WORD_BY_ONEDNN_NAME.get(match[1].strip(), match[1].strip()) if match else None


#: oneDNN's printed names of its sets. The last three are newer names of known sets.
_WORD_BY_ONEDNN_NAME = {
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
    """Redirect standard output to a file, that of native code included."""
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

    # A program may have left eager mode, or switched functions to eager execution.
    with context.eager_mode(), tf.device("/CPU:0"):
        numbers = tf.zeros((8,), tf.int64)
        probe = tf.function(_detcost_isa_probe, jit_compile=True, autograph=False)
        probe.get_concrete_function(numbers, numbers)(numbers, numbers)


def _detcost_isa_probe(x: Any, y: Any) -> Any:
    """Return the larger of two integers. No function of a user has this name."""
    import tensorflow as tf

    return tf.math.maximum(x, y)


def _read(directory: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob(pattern))


def _xla_set(options: bytes, code: bytes) -> str | None:
    """Return the word in XLA's options if the probe's code confirms it, or else that of the code.

    Parameters
    ----------
    options, code
        XLA's options and the machine code of the probe, as XLA dumped them.
    """
    match = re.search(rb'xla_cpu_max_isa: "(.*)"', options)
    word = match[1].decode() if match else None
    newest = _newest_in(code)
    return word if newest == _SAME_CODE.get(word, word) else newest


def _newest_in(code: bytes) -> str | None:
    """Return the newest instruction set in the machine code of the probe."""
    used = [isa for isa, larger in _LARGER.items() if re.search(larger, code, re.DOTALL)]
    return used[-1] if used else None


def _byte(low_bits: int) -> bytes:
    """Return a pattern for any byte with these three low bits."""
    return b"[" + re.escape(bytes(range(low_bits, 256, 8))) + b"]"


#: The encodings of the instruction that finds the larger of two vectors of 64-bit integers,
#: ascending. Each of these sets introduced a better instruction with a single encoding.
_LARGER = {
    "SSE4_2": rb"\x66[\x40-\x4f]?\x0f\x38\x37",  # pcmpgtq xmm
    "AVX": rb"\xc4." + _byte(0b001) + rb"\x37",  # vpcmpgtq xmm
    "AVX2": rb"\xc4." + _byte(0b101) + rb"\x37",  # vpcmpgtq ymm
    "AVX512": rb"\x62." + _byte(0b101) + rb".\x3d",  # vpmaxsq
}
#: Newer sets, whose code for the probe is that of an older set.
_SAME_CODE: dict[str | None, str] = dict.fromkeys(
    ("AVX512_VNNI", "AVX512_BF16", "AMX", "AMX_FP16"), "AVX512"
)
