"""A project's own run of pytest, in processes of its own, with workers that run TensorFlow."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from paths import ROOT

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]
GUIDE = (ROOT / "docs" / "guard.md").read_text()
PROGRAM = re.search(r"^```python\n(# test_my_model.py\n.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^pytest .*", GUIDE, re.MULTILINE)
RACE = """
import pytest
from . import model

@pytest.mark.reproducible(rate=0.5)
@pytest.mark.parametrize("size", [3])
def test_race(size):
    return lambda: {"same": model.same(size), "other": model.other(size)}
"""
MODEL = """
import os
import tensorflow as tf

def same(size):
    return tf.ones(size)

def other(size):
    return tf.constant([os.getpid()] * size)
"""
WITHOUT_ASV = "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in ("asv", "asv_runner"):
        (folder / "hidden" / name).mkdir(parents=True)
        (folder / "hidden" / name / "__init__.py").write_text(WITHOUT_ASV)
    (folder / "races").mkdir()
    (folder / "races" / "test_races.py").write_text(RACE)
    (folder / "races" / "model.py").write_text(MODEL)
    assert PROGRAM
    (folder / "test_my_model.py").write_text(PROGRAM[1])
    return folder


@pytest.fixture(scope="module")
def run(project) -> subprocess.CompletedProcess[str]:
    """Run the guide's program and one that fails, in two processes of xdist."""
    assert COMMANDS[1] == COMMANDS[0] + " --detcost-baseline bits.json --detcost-update-baseline"
    words = [*COMMANDS[1].split()[1:], "races", "--import-mode=importlib", "-p", "no:randomly"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", *words],
        cwd=project,
        # With a hash seed of the user's, detcost starts one Python instead of several.
        env={**os.environ, "PYTHONPATH": str(project / "hidden"), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_stays_passes_and_what_races_fails_beside_it(run):
    assert "1 failed, 2 passed" in run.stdout, run.stdout + run.stderr
    [line] = re.findall(r"test_training_keeps_its_bits: (.*)", run.stdout)
    assert re.match(r"repeat: 0 of 30 differed .*; process: 0 of 16 differed ", line)


def test_the_failure_names_what_differs_and_commands_that_work(run, project, monkeypatch, detcost):
    for line in (
        "races.test_races.py:test_race[3] is not reproducible under default on CPU:0",
        "repeat: 0 of 16 differed (rate at most 17 %, 95 %)",
        "process: 7 of 7 differed (rate 100 %, 59 % to 100 %, 95 %)",
        "process differs first: step()['other']",
        "the operation: A value that Python code gives at races/model.py:9 differs between two ",
    ):
        assert line in run.stdout
    monkeypatch.chdir(project)
    # In CI, pytest's summary has the whole text once more.
    [evidence] = set(re.findall(r"evidence: (.*)", run.stdout))
    code, out, err = detcost("show", "--results", evidence)
    assert code == 0, err
    assert "test_race[3]" in out
    [command] = set(re.findall(r"every setting: (.*)", run.stdout))
    file, _, name = shlex.split(command)[2].rpartition(":")
    assert (Path(file).is_file(), name) == (True, "test_race[3]")


def test_the_baseline_has_the_bits_of_what_passed_alone(run, project):
    tests = json.loads((project / "bits.json").read_text())["tests"]
    [(name, [bits])] = tests.items()
    assert name == "test_my_model.py::test_training_keeps_its_bits"
    assert len(set(bits["digests"])) == 3  # the weights move from call to call
    assert bits["versions"]["tensorflow"].startswith("2.")
