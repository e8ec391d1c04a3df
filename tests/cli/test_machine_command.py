"""``detcost machine`` prints and writes what the machine is, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_command_prints_what_it_writes(home: Path, detcost):
    code, out, err = detcost("machine", "--name", "box")
    assert (code, err) == (0, "")
    assert "box, in " in out
    assert '"box"' in (home / ".asv-machine.json").read_text()


def test_a_name_that_is_a_path_is_refused(home: Path, detcost):
    code, _, err = detcost("machine", "--name", "../box")
    assert code == 2
    assert "names a folder" in err
    assert list(home.iterdir()) == []


def test_several_machines_in_the_file_ask_asv_for_the_name(home: Path, detcost):
    (home / ".asv-machine.json").write_text('{"version": 1, "a": {"num_cpu": "9999"}}')
    code, _, err = detcost("machine", "--name", "box")
    assert code == 0
    assert "asv run --machine box" in err


def test_tensorflow_is_not_imported():
    program = (
        "import sys; from detcost.host import asv_machine; asv_machine.write();"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
