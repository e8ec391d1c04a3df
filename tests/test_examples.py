"""Every example runs, and shows what its README says."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detcost
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the examples alone: they need nothing else of the repository."""
    folder = tmp_path_factory.mktemp("examples")
    for example in EXAMPLES.glob("*.py"):
        shutil.copy(example, folder)
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, str]:
    """What each command of the README printed, run one after another."""
    printed = {}
    for command in commands():
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        printed[command] = done.stdout
    return printed


@pytest.fixture(scope="module")
def evidence(outputs: dict[str, str], folder: Path) -> dict[str, dict[str, Evidence]]:
    """What the commands measured, by scenario and setting."""
    records, problems = reading.read(folder / "examples.trials.jsonl")
    assert problems == []
    measured: dict[str, dict[str, Evidence]] = {}
    for record in records:
        measured.setdefault(record.scenario, {})[record.setting] = record
    return measured


def differing(record: Evidence) -> list[int]:
    """Return how many repeats and processes differed."""
    return [record.divergence[scope].divergent for scope in ("repeat", "process")]


def test_the_readme_runs_every_example(outputs):
    commands_run = " ".join(outputs)
    assert [p.name for p in EXAMPLES.glob("*.py") if p.name not in commands_run] == []


def test_a_keras_model_is_measured_with_its_state(evidence):
    measured = evidence["keras_fit.py:classifier"]
    assert set(measured) == {"default", "op_determinism"}
    for record in measured.values():
        assert record.carries_state
        assert differing(record) == [0, 0]
        assert record.cost is not None


@with_two_cores
def test_only_the_stateful_pipeline_races(evidence):
    stateful = evidence["data_pipeline.py:stateful_augmentation"]
    assert all(differing(stateful["default"]))
    assert differing(stateful["op_determinism"]) == [0, 0]
    for record in evidence["data_pipeline.py:stateless_augmentation"].values():
        assert differing(record) == [0, 0]


def test_the_guard_passes_if_no_output_differed(outputs):
    [text] = [text for command, text in outputs.items() if "ci_guard" in command]
    assert re.search(r"^repeat: 0 of \d+ differed, rate at most ", text, re.MULTILINE)
    assert re.search(r"^process: 0 of 6 differed, rate at most 39", text, re.MULTILINE)


@with_two_cores
def test_the_guard_fails_if_an_output_differed(evidence, monkeypatch, capsys):
    """On the evidence that is there: measuring it again would take as long again."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    ci_guard = importlib.import_module("ci_guard")
    scenario = "data_pipeline.py:stateful_augmentation"
    measured = detcost.Measurement([evidence[scenario]["default"]])
    monkeypatch.setattr(detcost, "measure", lambda *given, **options: measured, raising=False)
    assert ci_guard.main(scenario, "default") == 1
    printed = capsys.readouterr()
    assert "process: 6 of 6 differed" in printed.out
    assert re.search(r"^FAILED: .*stateful_augmentation, repeat: .* differed", printed.err)


def test_the_guard_has_no_traceback_for_a_mistake(folder):
    wrong = run("python ci_guard.py keras_fit.py:classifier op_determinsm", folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    [line] = wrong.stderr.splitlines()
    assert line.startswith("ci_guard: ")
    assert 'did you mean "op_determinism"?' in line


def test_the_answer_is_json(outputs):
    [text] = [text for command, text in outputs.items() if command.startswith("detcost choose")]
    answer = json.loads(text)
    assert answer["best"] in ("default", "op_determinism")
    assert all(candidate["qualifies"] for candidate in answer["candidates"])
