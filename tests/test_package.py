"""The import of detcost is fast, and a missing TensorFlow is one line."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import detcost
from cli_output import without_progress

MAIN = "from detcost.cli.main import main; main()"
MISSING = "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')"


def python(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def imported_after(code: str) -> set[str]:
    """Return the packages that a new interpreter has imported after it ran the code."""
    run = python(f"import atexit, sys\natexit.register(lambda: print(*sys.modules))\n{code}")
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}


@pytest.fixture
def without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make TensorFlow missing in every new interpreter."""
    (tmp_path / "tensorflow.py").write_text(MISSING)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))


def test_importing_detcost_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "numpy", "pandas", "scipy", "rich", "typer", "asv"}
    assert imported_after("import detcost") & heavy == set()


def test_a_user_s_scenario_file_needs_nothing_heavy_of_detcost():
    code = "import detcost\n@detcost.scenario(family='mine')\ndef mine(bench): ..."
    heavy = {"tensorflow", "pandas", "scipy", "rich", "typer"}
    assert imported_after(code) & heavy == set()


def test_every_public_name_is_there():
    for name in detcost.__all__:
        assert getattr(detcost, name).__name__.lower() == name.lower()
    with pytest.raises(AttributeError, match="no attribute 'measur'"):
        _ = detcost.measur


def test_star_import_gives_the_public_names():
    assert "Evidence" in python("from detcost import *; print(Evidence.__name__)").stdout


@pytest.mark.parametrize("what", ["scenarios", "settings"])
def test_listing_needs_no_tensorflow(what, without_tensorflow):
    run = python(MAIN, "list", what)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout


@pytest.mark.parametrize(
    "code",
    [
        f"import sys; sys.argv = ['detcost', 'list', 'scenarios']; {MAIN}",
        "import detcost.experiment.run, detcost.tables.evidence_tables; detcost.measure",
        "import detcost.workers.forkserver",
    ],
    ids=["a command", "a measurement", "a fork server"],
)
def test_tensorflow_and_scipy_are_loaded_where_they_are_used(code):
    """The coordinator never has TensorFlow. SciPy's statistics alone take 0.8 s to load."""
    assert imported_after(code) & {"tensorflow", "scipy"} == set()


@pytest.mark.parametrize("words", [("measure", "matmul_square"), ("list", "devices")])
def test_without_tensorflow_one_line_says_what_to_install(without_tensorflow, words):
    run = python(MAIN, *words)
    assert run.returncode == 2
    (line,) = without_progress(run.stderr)
    assert "TensorFlow is not installed" in line
    assert "detcost[tensorflow]" in line
    assert "detcost[cuda]" in line
    assert run.stdout == ""


def test_the_error_of_a_tensorflow_that_does_not_load_is_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcuda.so.1: no such file')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    run = python(MAIN, "measure", "matmul_square", PYTHONPATH=path)
    assert run.returncode == 2
    (line,) = without_progress(run.stderr)
    assert "TensorFlow cannot be imported: ImportError: libcuda.so.1: no such file" in line


def test_the_version_is_the_distribution_s():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert f'version = "{detcost.__version__}"' in text


@pytest.mark.parametrize("package", ["pandas", "scipy"])
def test_requirements_keep_the_numpy_of_tensorflow_2_16(package):
    """A release that needs NumPy 2 would replace NumPy, which TensorFlow 2.16 cannot import."""
    wanted = [Requirement(text) for text in importlib.metadata.requires(package) or []]
    applies = [r for r in wanted if r.name == "numpy" and (not r.marker or r.marker.evaluate())]
    assert applies
    assert all(requirement.specifier.contains("1.26.4") for requirement in applies)


def test_the_command_is_installed():
    """Tests of commands run them in this process, or by the module."""
    command = [Path(sys.executable).parent / "detcost", "--version"]
    assert subprocess.check_output(command, text=True).startswith("detcost ")


def test_the_package_is_marked_as_typed():
    assert (Path(detcost.__file__).parent / "py.typed").exists()


def test_tensorflow_is_an_extra_and_never_a_dependency():
    wanted = [Requirement(text) for text in importlib.metadata.requires("detcost") or []]
    plain = [r.name for r in wanted if not r.marker or "extra" not in str(r.marker)]
    assert "numpy" in plain
    assert not [name for name in plain if name.startswith(("tensorflow", "tf-"))]
