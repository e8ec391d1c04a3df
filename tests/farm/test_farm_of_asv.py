"""A farm whose jobs are real runs of asv, in a small project that measures nothing."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys

import pytest
import typer

from asv_project import Project
from detcost.cli.main import app
from detcost.farm import plan
from paths import ROOT

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
    before = (project.root / "ledger/run.json").stat().st_mtime
    farm(project, "run", "plan.toml", "--environment", "existing")
    assert "1 of 1 jobs done" in farm(project, "status")
    assert (project.root / "ledger/run.json").stat().st_mtime > before
    assert len(list((project.root / ".asv/farm").iterdir())) == 1


def test_what_asv_did_not_measure_is_a_failure_with_a_log(project):
    words = ("run", "broken.toml", "--environment", "existing", "--ledger", "broken")
    assert "asv measured nothing" in " ".join(farm(project, *words, code=1).split())
    status = json.loads(farm(project, "status", "--ledger", "broken", "--json", code=1))
    (box,) = status["machines"]
    assert (box["machine"], box["failed"]) == ("box", 1)
    assert "figures" in (project.root / "broken/logs" / box["log"]).read_text()


GUIDE = (ROOT / "docs/farm.md").read_text()


def test_the_guide_s_plan_is_one_and_every_option_in_it_exists():
    (text,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert plan.parse(text.encode()).profile == "quick"
    commands = re.findall(r"detcost (farm \w+|merge)([^\n`\"&]*)", GUIDE)
    assert len(commands) > 10
    for name, words in commands:
        command = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", words)) <= known, name


def test_the_guide_s_farm_of_two_processes_works_under_its_certificate(project):
    listed = re.findall(r"^ *(detcost farm .*(?:certificates).*)$", GUIDE, re.MULTILINE)
    make, run, join = (shlex.split(line)[2:] for line in listed[:3])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = [[w.replace("HOST:8786", f"127.0.0.1:{port}") for w in words] for words in (run, join)]
    farm(project, *make)
    member = subprocess.Popen(
        [sys.executable, "-m", "detcost", "farm", *here[1], "--environment", "existing"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        printed = farm(project, *here[0], "--ledger", "guide")
    finally:
        member.terminate()
        assert member.wait(30) == 130
    assert "1 of 1 jobs done" in printed
