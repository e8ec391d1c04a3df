"""The versions of NVIDIA's driver and libraries in force. Runs in workers.

TensorFlow reports what it was built with. The libraries that it loads decide bits and speed.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/version")


def versions() -> dict[str, str]:
    """Return the versions of driver, runtime, cuDNN and cuBLAS; empty without an NVIDIA GPU.

    A library that cannot be opened is left out.
    """
    found = {
        "nvidia_driver": _driver(),
        "cuda_driver": _cuda("libcuda.so.1", "cuDriverGetVersion"),
        "cuda_runtime": _cuda("libcudart.so.12", "cudaRuntimeGetVersion"),
        "cudnn": _ask("libcudnn.so.9", _cudnn),
        "cublas": _ask("libcublas.so.12", _cublas),
    }
    return {name: version for name, version in found.items() if version}


def _driver() -> str | None:
    try:
        found = re.search(r"\s(\d+(?:\.\d+)+)\s", _DRIVER.read_text())
    except OSError:
        return None
    return found[1] if found else None


def _ask(library: str, version: Callable[[ctypes.CDLL], str]) -> str | None:
    try:
        return version(ctypes.CDLL(library))
    except (OSError, AttributeError):
        return None


def _cuda(library: str, function: str) -> str | None:
    def version(opened: ctypes.CDLL) -> str:
        number = ctypes.c_int()
        getattr(opened, function)(ctypes.byref(number))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    return _ask(library, version)


def _cudnn(opened: ctypes.CDLL) -> str:
    opened.cudnnGetVersion.restype = ctypes.c_size_t
    number = opened.cudnnGetVersion()
    return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"


def _cublas(opened: ctypes.CDLL) -> str:
    numbers = []
    for part in range(3):  # major, minor and patch level, of libraryPropertyType
        number = ctypes.c_int()
        opened.cublasGetProperty(part, ctypes.byref(number))
        numbers.append(str(number.value))
    return ".".join(numbers)
