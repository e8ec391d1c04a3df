"""The plugin in a real asv, with small projects that measure nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from asv.config import Config
from asv.plugins import virtualenv

from asv_project import CONFIGURATION, Project
from detcost.asv_integration import command, plugin, progress_relay
from detcost.asv_integration.tensorflow_build import Build
from detcost.evidence import journal
from detcost.experiment import profiles

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BENCHMARKS = """
import json, os
from detcost.asv_integration.progress_relay import relay

def setup_cache():
    relay("block 1 of 4")
    return "figures"

def track_environment(cache):
    with open(os.environ["DUMP"], "w") as file:
        json.dump(dict(os.environ), file)
    return 1

track_environment.setup_cache = setup_cache
"""


def environment(project: Project, *args: str, **variables: str) -> dict[str, str]:
    """Return the environment of a benchmark in ``asv run`` with this Python."""
    dump = project.root / "environment.json"
    project.asv("run", "--environment", "existing", *args, DUMP=str(dump), **variables)
    return dict(json.loads(dump.read_text()))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, BENCHMARKS)


def test_an_existing_environment_is_named_by_versions(project):
    environment(project, "--set-commit-hash", "HEAD")

    (name,) = project.results()
    assert name == f"{project.head[:8]}-existing-py{PYTHON}-tensorflow2.99.0.json"
    result = json.loads((project.root / "results/box" / name).read_text())
    assert result["requirements"] == {"tensorflow": "2.99.0"}
    assert result["python"] == PYTHON


def test_evidence_goes_beside_the_result_under_its_name(project):
    variables = environment(project, "--set-commit-hash", "HEAD")

    (name,) = project.results()
    assert variables["DETCOST_EVIDENCE"] == str(
        project.root / "results/box" / name.replace(".json", journal.SUFFIX)
    )
    assert variables["ASV_COMMIT"] == project.head
    assert variables["DETCOST_MACHINE"] == "box"
    assert "DETCOST_PROFILE" not in variables
    assert variables["ASV_ENV_NAME"] == f"existing-py{PYTHON}-tensorflow2.99.0"


@pytest.mark.parametrize("args", [("--set-commit-hash", "HEAD", "--dry-run"), ()])
def test_without_a_result_of_asv_there_is_no_evidence(project, args):
    assert "DETCOST_EVIDENCE" not in environment(project, *args, DETCOST_EVIDENCE="of another run")


def test_quick_is_the_quick_profile_unless_one_is_set(project):
    assert environment(project, "-q")["DETCOST_PROFILE"] == "quick"
    assert environment(project, "-q", DETCOST_PROFILE="full")["DETCOST_PROFILE"] == "full"


def test_another_size_has_results_of_its_own(project):
    environment(project, "--set-commit-hash", "HEAD", DETCOST_SIZE="small")
    environment(project, "--set-commit-hash", "HEAD", DETCOST_SIZE="medium")
    small, medium = sorted(project.results())
    assert "tensorflow2.99.0-DETCOST_SIZEsmall" in small
    assert medium.endswith("tensorflow2.99.0.json")


def test_progress_of_setup_cache_is_shown(project):
    assert "block 1 of 4\n" in project.asv(
        "run", "--environment", "existing", DUMP=str(project.root / "environment.json")
    )


def test_a_mistyped_profile_is_one_line_before_anything_is_installed(project):
    assert project.asv("run", code=1, DETCOST_PROFILE="quik") == (
        '· DETCOST_PROFILE: no profile "quik"; there are quick, standard, full\n'
    )


def test_an_interpreter_without_tensorflow_is_named_without(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)

    (python,) = tmp_path.glob(f"{'Scripts' if os.name == 'nt' else 'bin'}/python{PYTHON}*")
    assert plugin.inventory(str(python)) == (PYTHON, {})


@pytest.fixture
def virtualenv_and_calls(monkeypatch, tmp_path):
    """Return a virtualenv that does not exist, and the list of its pip calls."""
    calls: list[list[str]] = []
    cpu = Build("tensorflow-cpu", "CPU", "no NVIDIA driver was found")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugin, "build", lambda name="tensorflow": cpu)
    monkeypatch.setattr(
        virtualenv.Virtualenv, "_run_pip", lambda self, args, **kwargs: calls.append(args)
    )
    conf = Config.from_json(CONFIGURATION)
    return plugin.Virtualenv(conf, PYTHON, {"tensorflow": "2.21.0"}, {}), calls


def test_a_virtualenv_has_the_release_s_name_and_a_fitting_build(virtualenv_and_calls):
    environment, calls = virtualenv_and_calls
    environment._install_requirements()

    assert environment.name == f"virtualenv-py{PYTHON}-tensorflow2.21.0"
    assert [call[-1] for call in calls if any("tensorflow" in word for word in call)] == [
        "tensorflow-cpu==2.21.0"
    ]


def test_existing_constraint_files_pin_every_package(virtualenv_and_calls):
    environment, calls = virtualenv_and_calls
    pins = Path("constraints").absolute()
    pins.mkdir()
    for name in ("detcost", "tensorflow-2.21.0", "tensorflow-2.20.0"):
        (pins / f"{name}.txt").touch()
    environment._install_requirements()

    for call in calls:
        assert call[-2:] == [
            f"--constraint={pins / 'detcost.txt'}",
            f"--constraint={pins / 'tensorflow-2.21.0.txt'}",
        ]


def test_each_commit_of_a_run_has_evidence_of_its_own(virtualenv_and_calls, monkeypatch, tmp_path):
    environment, _ = virtualenv_and_calls
    options = {"machine": None, "quick": False, "dry_run": False, "set_commit_hash": None}
    monkeypatch.setattr(command, "command_line", lambda: options)
    monkeypatch.setattr(command.MachineCollection, "load", lambda name: {"machine": "box"})
    monkeypatch.setattr(
        virtualenv.Virtualenv, "run", lambda self, args, env: env["DETCOST_EVIDENCE"]
    )
    for commit in ("a" * 40, "b" * 40):
        monkeypatch.setattr(
            virtualenv.Virtualenv, "installed_commit_hash", property(lambda self, c=commit: c)
        )
        stem = f"{commit[:8]}-virtualenv-py{PYTHON}-tensorflow2.21.0"
        assert environment.run([]) == str(tmp_path / "results/box" / (stem + journal.SUFFIX))


def test_a_line_is_relayed_whole_and_never_fails(monkeypatch, tmp_path):
    channel = tmp_path / "channel"
    monkeypatch.delenv(progress_relay.VARIABLE, raising=False)
    progress_relay.relay("no variable")
    monkeypatch.setenv(progress_relay.VARIABLE, str(channel))
    progress_relay.relay("no file any more")
    assert not channel.exists()

    channel.touch()
    progress_relay.relay("two\nlines")
    progress_relay.relay("and a stray \udcff")
    assert channel.read_text() == "two lines\nand a stray ?\n"


def test_words_are_equal_in_the_plugin_and_the_package():
    assert plugin.SUFFIX == journal.SUFFIX
    assert tuple(profiles.PROFILES) == command.PROFILES


def test_an_asv_that_measures_waits_for_the_one_before_it_and_says_so(project):
    lock = project.root / "lock"
    with open(lock, "w") as held:
        hold(held)
        process = project.start(
            "run", "-E", "existing", DUMP=str(project.root / "environment.json")
        )
        waits = process.stdout.readline()
        assert process.poll() is None
        held.close()
    rest, _ = process.communicate()
    assert waits == "· waiting: a neighbour, process 7 measures on this machine\n"
    assert process.returncode == 0, rest
    environment = json.loads((project.root / "environment.json").read_text())
    assert environment["DETCOST_MACHINE_LOCK"] == "", "what it starts does not wait for it"


def test_an_asv_that_only_reads_does_not_wait(project):
    environment(project, "--set-commit-hash", "HEAD")
    with open(project.root / "lock", "w") as held:
        hold(held)
        project.asv("publish", "--no-pull")


def hold(lock: IO[str]) -> None:
    """Hold the machine as another process would."""
    fcntl = pytest.importorskip("fcntl")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write("a neighbour, process 7")
    lock.flush()
