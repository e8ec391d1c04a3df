"""The models of GPUs: from the driver's files, else from its tool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

from detcost.host import gpus


def test_each_gpu_of_the_driver_is_listed(monkeypatch, tmp_path: Path):
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 3\n")
    monkeypatch.setattr(gpus, "_LISTED", tmp_path)
    assert gpus.models() == ["NVIDIA H200", "NVIDIA H200"]


def test_the_driver_s_tool_lists_them_otherwise(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(gpus, "_LISTED", tmp_path)
    listing = SimpleNamespace(stdout="Tesla T4\n\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: listing)
    assert gpus.models() == ["Tesla T4"]


def test_a_machine_without_either_has_none(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(gpus, "_LISTED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.models() == []
