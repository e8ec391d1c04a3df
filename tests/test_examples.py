"""Every example runs, and shows what its README says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detcost.evidence import reading
from detcost.evidence.schema import Evidence
from paths import ROOT

EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]
with_two_cores = pytest.mark.skipif(CORES < 2, reason="nothing races on one core")


def commands() -> list[str]:
    """Return the commands of the README, in its order."""
    text = (EXAMPLES / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(command),
        cwd=folder,
        env={**os.environ, "PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def copied(folder: Path) -> Path:
    for example in EXAMPLES.glob("*.py"):
        shutil.copy(example, folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the examples alone: they need nothing else of the repository."""
    return copied(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, str]:
    """What each command of the README printed, run one after another."""
    printed = {}
    for command in commands():
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        printed[command] = done.stdout
    return printed


def records(folder: Path, scenario: str) -> dict[str, Evidence]:
    """Return the evidence of a scenario by setting."""
    found, problems = reading.read(folder / "ci.trials.jsonl")
    assert problems == []
    return {record.setting: record for record in found if record.scenario == scenario}


def test_the_readme_runs_every_example(outputs):
    words = " ".join(outputs)
    assert [path.name for path in EXAMPLES.glob("*.py") if path.name not in words] == []


def test_a_keras_model_is_measured_with_its_state(outputs, folder):
    measured = records(folder, "keras_fit.py:classifier")
    assert set(measured) == {"default", "op_determinism"}
    for record in measured.values():
        assert record.carries_state
        assert record.divergence["repeat"].divergent == 0
        assert record.divergence["process"].divergent == 0
        assert record.cost is not None


@with_two_cores
def test_a_guard_passes_and_fails_by_the_bits(outputs, folder):
    [passed] = [text for command, text in outputs.items() if "ci_guard" in command]
    assert re.search(r"^process: 0 of 6 differed, rate at most 39", passed, re.MULTILINE)
    failed = run("python ci_guard.py data_pipeline.py:stateful_augmentation default", folder)
    assert failed.returncode == 1
    assert re.search(r"^FAILED: data_pipeline.py:stateful_aug.* differed", failed.stderr)
    wrong = run("python ci_guard.py keras_fit.py:classifiers default", folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Traceback" not in wrong.stderr


@with_two_cores
def test_only_the_stateful_pipeline_races(outputs):
    [text] = [text for command, text in outputs.items() if "data_pipeline" in command]
    stateful, stateless = text.split("data_pipeline.py:stateless_augmentation")
    default, determinism = re.findall(r"│ (?:default|op_determinism) .*", stateful)
    assert "│ 0/6 " not in default
    assert "│ 0/6 " in determinism
    assert stateless.count("│ 0/6 ") == 2


def test_the_answer_is_json(outputs):
    [text] = [text for command, text in outputs.items() if command.startswith("detcost choose")]
    answer = json.loads(text)
    assert answer["best"] in ("default", "op_determinism")
    assert all(candidate["qualifies"] for candidate in answer["candidates"])
