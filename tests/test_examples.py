"""Every example runs, and shows what its README says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detcost.cli import main
from detcost.evidence import reading
from detcost.evidence.schema import Evidence
from detcost.experiment.profiles import Profile
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from paths import ROOT, TESTS

EXAMPLES = ROOT / "examples"
#: The programs in ``own/``, and the name of the scenario that measures each.
PROGRAMS = {
    "digits": "fit",
    "photos": "pipeline",
    "ratings": "adam",
    "prices": "predict",
    "transformer": "block",
    "reviews": "inference",
}
PLAIN = TESTS / "programs" / "plain.py"
#: Enough processes to see what differs from call to call or from process to process.
BRIEF = Profile(
    *("brief", (1,), 1.0, 0),
    rounds=1,
    calls=4,
    pythons=1,
    processes=2,
    perturbed=0,
    trials=2,
    quiet_builds=0,
    settle_seconds=0.0,
    burst_seconds=1e-4,
)
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
    folder = tmp_path_factory.mktemp("all") / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run_here(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of detcost in this process, whose workers it uses."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        patch.setattr(sys, "argv", shlex.split(command))
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(command, code, printed.getvalue(), "")


@pytest.fixture(scope="module")
def outputs(folder: Path, shared_workers: None, brief: None) -> dict[str, str]:
    """What each command of the README printed, run one after another."""
    printed = {}
    for command in commands():
        start = run_here if command.startswith("detcost") else run
        done = start(command, folder)
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


def test_the_readme_names_every_example():
    text = (EXAMPLES / "README.md").read_text()
    files = [path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")]
    assert len(files) > 12
    assert [name for name in files if f"`{name}`" not in text] == []


def test_a_program_knows_nothing_of_detcost_which_takes_five_lines_at_most():
    for program in PROGRAMS:
        assert "detcost" not in (EXAMPLES / "own" / f"{program}.py").read_text()
        lines = (EXAMPLES / "own" / f"measure_{program}.py").read_text().splitlines()
        assert len([line for line in lines if line]) <= 5


@with_two_cores
def test_only_the_pipeline_races_and_op_determinism_cures_it(evidence):
    photos = evidence["measure_photos.py:pipeline"]
    assert all(differing(photos["default"]))
    assert differing(photos["op_determinism"]) == [0, 0]
    for record in evidence["measure_prices.py:predict"].values():
        assert differing(record) == [0, 0]
        assert record.cost is not None


@pytest.fixture(scope="module")
def plain(outputs: dict[str, str], folder: Path) -> dict[str, list[dict[str, list[str]]]]:
    """The digests of each program's calls in two processes each, with TensorFlow alone.

    ``PLAIN`` calls the programs as their authors would. ``outputs`` has saved the two models.
    """
    runs = {
        "default": [PLAIN, "default", *PROGRAMS],
        "op_determinism": [PLAIN, "op_determinism", "photos"],
    }
    digests = {}
    for setting, words in runs.items():
        processes = [
            subprocess.Popen(
                [sys.executable, *words], cwd=folder / "own", stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        digests[setting] = [json.loads(process.communicate()[0]) for process in processes]
    return digests


@pytest.fixture(scope="module")
def measured(outputs: dict[str, str], folder: Path, factory) -> dict[str, Evidence]:
    """The evidence of each program under default, from few processes."""
    with contextlib.chdir(folder):
        request = Request.parse(
            [f"own/measure_{program}.py:{name}" for program, name in PROGRAMS.items()],
            [],
            ["CPU:0"],
            scopes=["repeat", "process"],
            profile=BRIEF,
            size="small",
            dtype=None,
            seed=42,
        )
        records = list(Run(request, factory=factory))
    assert [(record.scenario, record.reason) for record in records if record.reason] == []
    return dict(zip(PROGRAMS, records, strict=True))


@with_two_cores
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_answer_is_that_of_plain_tensorflow(program, plain, measured):
    """Two fresh processes of plain TensorFlow give the same calls where detcost says so."""
    first, second = (process[program] for process in plain["default"])
    same, moves = first == second, len(set(first)) > 1
    assert same == (program != "photos")
    record = measured[program]
    assert (record.divergence["process"].divergent == 0) == same
    assert (record.divergence["repeat"].divergent == 0) == same
    if same:
        assert record.carries_state == moves


def test_op_determinism_cures_the_pipeline_in_plain_tensorflow_too(plain):
    first, second = plain["op_determinism"]
    assert first == second


@with_two_cores
def test_the_guard_passes_and_its_control_differs(outputs):
    [text] = [text for command, text in outputs.items() if command.startswith("pytest")]
    assert re.search(r"with_the_same_changes: repeat: 0 of \d+ differed \(rate at most ", text)
    assert re.search(r"process: 0 of 16 differed \(rate at most 17 %, 95 %\)", text)
    assert re.search(r"not_by_default: process: (\d+) of \1 differed", text)


def test_the_answer_is_json(outputs):
    [text] = [text for command, text in outputs.items() if command.startswith("detcost choose")]
    answer = json.loads(text)
    assert answer["best"] == "op_determinism"
    qualifies = {one["setting"]: one["qualifies"] for one in answer["candidates"]}
    assert qualifies == {"default": CORES < 2, "op_determinism": True}
