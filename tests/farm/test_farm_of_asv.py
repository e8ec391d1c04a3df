"""A farm whose jobs are real runs of asv, in a small project that measures nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from asv_project import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a farm's machines run no Windows")

SUITES = """
class Whole:
    def track_answer(self):
        return 42

class Broken:
    def track_answer(self):
        raise RuntimeError("no answer")
"""
PLAN = """
tensorflow = ["2.99.0"]
suites = ["figures.Whole"]
profile = "quick"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("farm"), SUITES)
    (made.root / "plan.toml").write_text(PLAN)
    (made.root / "broken.toml").write_text(PLAN.replace("Whole", "Broken"))
    return made


def farm(project: Project, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "detcost", "farm", *words],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_plan_on_this_machine_alone_ends_in_one_tree_that_asv_publishes(project):
    farm(project, "run", "plan.toml", "--environment", "existing")
    (name,) = project.results()
    stored = json.loads((project.root / "results/box" / name).read_text())
    assert stored["results"]["figures.Whole.track_answer"][0] == [42]
    assert stored["requirements"] == {"tensorflow": "2.99.0"}
    assert stored["env_vars"]["DETCOST_PROFILE"] == "quick"
    project.asv("publish", "--no-pull")
    assert "1 of 1 jobs done" in farm(project, "status")


def test_a_plan_that_is_done_is_not_run_again(project):
    before = (project.root / "farm/run.json").stat().st_mtime
    farm(project, "run", "plan.toml", "--environment", "existing")
    assert "1 of 1 jobs done" in farm(project, "status")
    assert (project.root / "farm/run.json").stat().st_mtime > before
    assert len(list((project.root / ".asv/farm").iterdir())) == 1


def test_what_asv_did_not_measure_is_a_failure_with_a_log(project):
    words = ("run", "broken.toml", "--environment", "existing", "--ledger", "broken")
    assert "asv measured nothing" in " ".join(farm(project, *words, code=1).split())
    status = json.loads(farm(project, "status", "--ledger", "broken", "--json", code=1))
    (box,) = status["machines"]
    assert (box["machine"], box["failed"]) == ("box", 1)
    assert "figures" in (project.root / "broken/logs" / box["log"]).read_text()
