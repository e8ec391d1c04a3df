"""What a user of asv sees: short figures, the reason of every failure, no files left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from asv_project import Project
from detcost.asv_integration.suite import SETTINGS
from paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="asv forks no server on Windows")

#: Suites that measured on a machine without a GPU, and suites that fail in every way.
SUITES = """
import os, signal, tempfile, time
from detcost.asv_integration.suite import SETTINGS, ScenarioSuite
from detcost.evidence.schema import StepSeconds
from factories import cost, record

SECONDS = [0.2, 0.3, 0.4, 0.5, 0.6]

def measured(setting):
    step = StepSeconds(0.4, None, None, [second + float(os.environ["LATER"]) for second in SECONDS])
    return record(setting=setting, step_seconds=step, cost=cost(1.0123456789, 1.0, 1.03))

class Whole(ScenarioSuite):
    scenario = "matmul_square"
    def setup_cache(self):
        return {("CPU:0", setting): measured(setting) for setting in SETTINGS}

class Crashed(ScenarioSuite):
    scenario = "matmul_square"
    def setup_cache(self):
        xla = record(setting="xla", status="crashed", reason="killed by SIGSEGV")
        return {("CPU:0", "default"): measured("default"), ("CPU:0", "xla"): xla}

class Unknown(ScenarioSuite):
    scenario = "matmul_sqare"
    def setup_cache(self):
        return self.measure()

class WithoutTensorFlow(ScenarioSuite):
    scenario = "matmul_square"
    def setup_cache(self):
        os.environ["DETCOST_PROFILE"] = "quick"  # starts fewer processes
        return self.measure()

class Endless(ScenarioSuite):
    scenario = "matmul_square"
    timeout = 1
    def setup_cache(self):
        tempfile.mkdtemp(prefix="detcost-reference-")
        time.sleep(60)

class Interrupted(ScenarioSuite):
    scenario = "matmul_square"
    timeout = 60
    def setup_cache(self):
        tempfile.mkdtemp(prefix="detcost-reference-")
        time.sleep(60)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("asv"), SUITES)
    broken = made.root / "packages/tensorflow/__init__.py"
    broken.parent.mkdir()
    broken.write_text("raise ModuleNotFoundError(\"No module named 'tensorflow'\")")
    return made


@pytest.fixture(scope="module")
def output(project):
    """Return what a run with failures of every kind prints."""
    failures = str(project.root / "failures")
    later = {"LATER": "0", "DETCOST_FAILURES": failures}
    return project.run("--bench", "figures.[^I]", code=2, **later)


def result(project: Project, ending: str) -> dict[str, list[object]]:
    """Return what asv has stored for the suite Whole, by figure and column."""
    (path,) = (project.root / "results/box").glob(f"*{ending}.json")
    stored = json.loads(path.read_text())
    return {
        name.removeprefix("figures.Whole."): dict(zip(stored["result_columns"], row, strict=False))
        for name, row in stored["results"].items()
        if ".Whole." in name
    }


NOT_MEASURED = [
    "figures.Crashed CPU:0 xla: crashed: killed by SIGSEGV",
    'figures.Endless: took longer than its limit of 1 s; set a longer "timeout" in its class, or a '
    "smaller DETCOST_PROFILE",
    'figures.Unknown: no scenario "matmul_sqare"; did you mean "matmul_square"?',
    'figures.WithoutTensorFlow: TensorFlow is not installed; pip install "detcost[tensorflow]" or '
    '"detcost[cuda]"',
]


def test_the_figures_of_a_scenario_are_two_tables_and_a_line_each(output):
    lines = output[output.index("figures.Whole.time_step") :]
    lines = lines[: lines.index("Setting up")].splitlines()
    assert len(lines) <= 40
    assert sum("op_determinism+threads=1+xla" in line for line in lines) == 2
    assert any(re.search(r"track_divergence_repeat +0 in 9 of 9$", line) for line in lines)
    assert "1.0123456789" not in output


def test_no_row_is_about_a_gpu_that_is_not_here(output):
    assert "GPU:0" not in output


def test_the_last_lines_are_the_reasons_without_a_traceback(output):
    assert output.endswith("Not measured:\n" + "".join(f"  {line}\n" for line in NOT_MEASURED))
    assert "Traceback" not in output


def test_a_failed_class_is_skipped_with_its_reason_in_one_line(output):
    for line in NOT_MEASURED[1:]:
        place, reason = line.split(": ", 1)
        assert re.findall(rf".*{re.escape(place)}\b.*skipped.*", output)[0].endswith(reason)
        assert output.count(f"{place}.") == 0


def test_a_file_gets_the_reasons_for_make(project, output):
    assert (project.root / "failures").read_text().splitlines() == NOT_MEASURED


def test_failures_leave_neither_temporary_files_nor_empty_evidence(project, output):
    assert os.listdir(project.temporary) == []
    assert not list((project.root / "results").rglob("*.jsonl"))


def test_ctrl_c_is_one_line_and_leaves_nothing(project, output):
    process = project.start("run", "-E", "existing", "--bench", "figures.Interrupted")
    until = time.monotonic() + 30
    while not list(project.temporary.glob("*/detcost-reference-*")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 1
    assert printed.splitlines()[-1].endswith("·· Interrupted.")
    assert "Traceback" not in printed
    assert os.listdir(project.temporary) == []


def test_a_quick_run_stores_every_median_apart_from_the_better_results(project, output):
    before = result(project, "tensorflow2.99.0")
    project.run("--quick", "--bench", "Whole.time_step", LATER="1")
    assert result(project, "tensorflow2.99.0") == before
    quick = result(project, "tensorflow2.99.0-DETCOST_PROFILEquick")["time_step"]
    assert (quick["result"][0], quick["stats_repeat"][0]) == (1.4, 5)


def test_a_chosen_cell_is_stored_with_the_others_of_its_measurement(project, output):
    printed = project.asv(
        *("-v", "run", "-E", "existing", "--set-commit-hash", "HEAD"),
        *("--bench", "Whole.time_step.*'op_determinism'"),
        LATER="2",
    )
    stored = result(project, "tensorflow2.99.0")["time_step"]["result"]
    assert stored[: len(SETTINGS)] == pytest.approx([2.4] * len(SETTINGS))
    assert "GPU:0" in printed, "-v prints asv's own table"


def test_existing_and_virtualenv_are_two_published_series(project, output):
    (existing,) = (project.root / "results/box").glob("*-existing-*2.99.0.json")
    stored = json.loads(existing.read_text())
    stored |= {"env_vars": {}, "env_name": stored["env_name"].replace("existing", "virtualenv")}
    other = existing.with_name(existing.name.replace("existing", "virtualenv"))
    other.write_text(json.dumps(stored))
    project.asv("publish", "--no-pull")
    index = json.loads((project.root / "html/index.json").read_text())
    kinds = [(p["env-ASV_ENV_TYPE"], p["env-DETCOST_PROFILE"]) for p in index["graph_param_list"]]
    assert len(kinds) == len(set(kinds)) == 3


def test_make_bench_ends_with_the_reasons_though_there_is_no_table(tmp_path):
    for name, text in {
        "asv": 'case $1 in run) echo "zz.Zz: no scenario" >"$DETCOST_FAILURES"; exit 2; esac',
        "python": "",
        "detcost": "exit 1",
    }.items():
        program = tmp_path / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    for stamp in ("pip.stamp", "bench.stamp"):
        (tmp_path / ".venv" / stamp).touch()
    made = subprocess.run(
        ["make", "bench"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 2
    assert made.stderr.splitlines()[:2] == ["Not measured:", "  zz.Zz: no scenario"]
