"""The versions of NVIDIA's libraries, as the libraries report them."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detcost.host import cuda


def writes(number: int) -> Any:
    def function(*arguments: Any) -> int:
        arguments[-1]._obj.value = number
        return 0

    return function


class CudnnVersion:
    restype: Any = ctypes.c_int

    def __call__(self) -> int:
        return 91900


LIBRARIES = {
    "libcuda.so.1": SimpleNamespace(cuDriverGetVersion=writes(13000)),
    "libcudart.so.12": SimpleNamespace(cudaRuntimeGetVersion=writes(12090)),
    "libcudnn.so.9": SimpleNamespace(cudnnGetVersion=CudnnVersion()),
    "libcublas.so.12": SimpleNamespace(cublasGetProperty=lambda part, at: writes(part + 1)(at)),
}


def test_each_library_reports_its_version(monkeypatch, tmp_path: Path):
    driver = tmp_path / "version"
    driver.write_text("NVRM version: Open Kernel Module for x86_64  580.159.04  Release\n")
    monkeypatch.setattr(cuda, "_DRIVER", driver)
    monkeypatch.setattr(ctypes, "CDLL", LIBRARIES.__getitem__)
    assert cuda.versions() == {
        "nvidia_driver": "580.159.04",
        "cuda_driver": "13.0",
        "cuda_runtime": "12.9",
        "cudnn": "9.19.0",
        "cublas": "1.2.3",
    }


@pytest.mark.parametrize("opened", [OSError("no such file"), SimpleNamespace()])
def test_a_library_that_is_absent_or_odd_is_left_out(opened, monkeypatch, tmp_path: Path):
    def cdll(name: str) -> Any:
        if isinstance(opened, OSError):
            raise opened
        return opened

    monkeypatch.setattr(cuda, "_DRIVER", tmp_path / "absent")
    monkeypatch.setattr(ctypes, "CDLL", cdll)
    assert cuda.versions() == {}
