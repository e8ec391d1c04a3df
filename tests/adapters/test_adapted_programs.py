"""Adapters in real workers: what they run, and what they refuse."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detcost.cli.templates import TEMPLATES
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A user's folder, with the program and the models that it saved."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(PROGRAMS / "adapted.py", folder)
    subprocess.run([sys.executable, "adapted.py"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def digests(factory: ForkWorkerFactory, folder: Path) -> Callable[..., list[str]]:
    """Return the digests of a scenario's first calls in a fresh process."""

    def calls(name: str, times: int = 2, file: str = "adapted.py") -> list[str]:
        worker = factory.start(Cell(f"{folder / file}:{name}", parse("default"), "CPU:0", "small"))
        with contextlib.closing(worker):
            return [worker.build().digest, *worker.repeat(times - 1)]

    return calls


@pytest.mark.parametrize("name", ["fit", "batch"])
def test_a_training_is_the_one_written_by_hand(digests, name):
    first, second = digests(name)
    assert [first, second] == digests(f"{name}_by_hand")
    assert first != second


def test_values_serve_as_well_as_functions_that_make_them(digests):
    first, second = digests("fit_of_values")
    assert first != second


def test_weights_alone_move_as_well(digests):
    assert len({*digests("weights"), *digests("batch")}) == 4


@pytest.mark.parametrize("name", ["fit_reset", "batch_reset"])
def test_reset_puts_everything_back(digests, name):
    """Also the weights of a model that its first batch builds, and Adam's slots."""
    assert len(set(digests(name, times=3))) == 1


@pytest.mark.parametrize(
    "name", ["remainder", "first_of_endless", "library", "one_row", "ids", "ids_given", "served"]
)
def test_a_program_without_state_repeats(digests, name):
    assert len(set(digests(name))) == 1


def test_made_inputs_are_the_same_in_every_process(digests):
    assert digests("served") == digests("served") != digests("served_given")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not_compiled", "<lambda>: the model is not compiled; call its compile() before detcost"),
        ("endless", "the data set repeats without end; pass elements=, such as 100"),
        ("too_few", "the data set has 10 elements, but elements=12; pass at most 10"),
        (
            "changing",
            "the data set gave 3 elements and then 4; "
            "pass elements=, so that all calls have the same number",
        ),
        (
            "subclass",
            "subclass.keras: the model does not say what its inputs are; pass inputs=",
        ),
        ("unlike", "served: inputs= has y, but the signature scale, x"),
        (
            "mistyped",
            'served: no signature "serving_defalt"; did you mean "serving_default"?',
        ),
        ("words", 'served, input "text": no string can be made for it; pass inputs='),
    ],
)
def test_what_an_adapter_cannot_do_is_one_line(digests, name, reason):
    with pytest.raises(CellError) as raised:
        digests(name)
    assert raised.value.reason == reason


@pytest.mark.parametrize("kind", TEMPLATES)
def test_what_init_writes_runs_unedited(detcost, digests, folder, monkeypatch, kind):
    monkeypatch.chdir(folder)
    words = {"saved-model": ["served"], "keras-file": ["ids.keras"]}.get(kind, [])
    file = f"my_{kind.replace('-', '_')}.py"
    assert detcost("init", file, f"--{kind}", *words)[0] == 0
    name = (folder / file).read_text().splitlines()[-1].partition(" = ")[0]
    assert len(digests(name, file=file)) == 2
