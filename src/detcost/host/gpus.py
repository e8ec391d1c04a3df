"""The models of this machine's NVIDIA GPUs, without TensorFlow."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_LISTED = Path("/proc/driver/nvidia/gpus")


def models() -> list[str]:
    """Return the model of each NVIDIA GPU, as the driver names it; empty if none is found."""
    described = sorted(_LISTED.glob("*/information"))
    found = [match[1] for file in described if (match := re.search(r"Model:\s*(.+)", _text(file)))]
    return found or _by_tool()


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _by_tool() -> list[str]:
    """Ask the driver's tool, which is the only source under WSL."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listing.stdout.splitlines() if line.strip()]
