"""Scenarios are found by name, in this package or in a user's file."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import detcost.scenarios.families
from detcost.errors import UsageError
from detcost.scenarios import registry
from detcost.settings.grammar import LEVERS

OWN = '''
import dataclasses
import pickle
import detcost
import helper_of_mine

@dataclasses.dataclass
class Batch:
    size: int

assert pickle.loads(pickle.dumps(Batch(1))) == Batch(1)

@detcost.scenario(
    family="mine", dtypes=("float64", "float32"), ignores=("xla",), float64_reference=True
)
def second(bench):
    """What it
       computes."""
    return lambda: helper_of_mine.ANSWER

@detcost.scenario(family="mine", core=True, draws=True)
def first(bench):
    return lambda: 1

def no_scenario(bench):
    return lambda: 2
'''


@pytest.fixture(autouse=True)
def _imports_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the import system after a user's file is loaded."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "helper_of_mine.py").write_text("ANSWER = 42")
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def refusal(reference: str) -> str:
    with pytest.raises(UsageError) as caught:
        registry.load(reference)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_names_of_built_in_scenarios_are_unique():
    modules = [
        importlib.import_module(f"detcost.scenarios.families.{info.name}")
        for info in pkgutil.iter_modules(detcost.scenarios.families.__path__)
    ]
    names = [name for module in modules for name in registry.in_module(module)]
    assert len(names) == len(set(names)) == len(registry.built_in()) > 15


@pytest.mark.parametrize("entry", registry.built_in().values(), ids=lambda entry: entry.name)
def test_a_built_in_scenario_describes_itself(entry):
    assert len(entry.summary) > 20
    assert "\n" not in entry.summary
    assert entry.family
    assert entry.dtypes
    assert entry.ignores <= {lever.name for lever in LEVERS}
    assert registry.find_built_in(entry.name) is registry.load(entry.name) is entry


def test_the_controls_exist():
    assert {"control_varies", "control_stable"} <= set(registry.built_in())


def test_the_error_of_a_misspelt_name_suggests_the_scenario():
    assert 'did you mean "matmul_square"?' in refusal("matmul_sqare")


def test_the_error_of_another_unknown_name_names_the_list():
    assert "detcost list scenarios" in refusal("qqqq")


def test_a_scenario_of_a_file_is_found(own):
    entry = registry.load(f"{own}:second")
    assert (entry.name, entry.family, entry.summary) == ("second", "mine", "What it computes.")
    assert (entry.core, entry.dtypes) == (False, ("float64", "float32"))
    assert (entry.ignores, entry.float64_reference, entry.draws) == ({"xla"}, True, False)
    assert entry.build(None)() == 42


def test_a_scenario_of_a_module_is_found(own, monkeypatch):
    package = own.parent / "package_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    own.rename(package / "own.py")
    monkeypatch.syspath_prepend(own.parent)
    entry = registry.load("package_of_mine.own:first")
    assert (entry.core, entry.float64_reference, entry.draws) == (True, False, True)
    assert "no_such" in refusal("package_of_mine.no_such:first")


def test_scenarios_have_the_order_of_the_file(own):
    registry.load(f"{own}:first")
    assert list(registry.in_module(sys.modules["detcost_user_own"])) == ["second", "first"]


def test_the_error_of_a_misspelt_name_suggests_one_of_the_file(own):
    assert refusal(f"{own}:secnd") == f'{own}: no scenario "secnd"; did you mean "second"?'


def test_the_error_of_a_plain_function_names_the_decorator(own):
    assert "@detcost.scenario" in refusal(f"{own}:qqq")


def test_a_missing_file_is_an_error(tmp_path):
    assert refusal(f"{tmp_path}/own.py:first").startswith(f"{tmp_path}/own.py: no such file;")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"def (", "SyntaxError"),
        (b"\x00\x01\xff", "SyntaxError"),
        (b"raise RuntimeError('first line\\nsecond line')", "RuntimeError: first line"),
        (b"import sys; sys.exit(3)", "SystemExit: 3"),
        (b"import nothing_of_the_kind", "nothing_of_the_kind"),
        (b"raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_the_error_of_a_file_that_cannot_run_has_its_reason(tmp_path, text, reason):
    path = tmp_path / "own.py"
    path.write_bytes(text)
    message = refusal(f"{path}:first")
    assert f"{path}: cannot be loaded as Python" in message
    assert reason in message
    assert f"run python {path}" in message


def test_files_of_the_same_name_in_two_directories_are_distinct(own, tmp_path):
    other = tmp_path / "other" / "own.py"
    other.parent.mkdir()
    other.write_text(OWN.replace("ANSWER", "ANSWER + 1"))
    assert registry.load(f"{own}:second").build(None)() == 42
    assert registry.load(f"{other}:second").build(None)() == 43


def test_the_decorator_returns_the_function_itself(own):
    """So the function can be called, pickled and tested without detcost."""
    entry = registry.load(f"{own}:first")
    assert pickle.loads(pickle.dumps(entry.build)) is entry.build
    assert entry.build(None)() == 1


@pytest.mark.parametrize("option", ["processes=2", "strategy=lambda bench: None"])
def test_only_built_in_scenarios_have_a_strategy_or_processes(tmp_path, option):
    mine = tmp_path / "mine.py"
    mine.write_text(
        f"import detcost\n@detcost.scenario(family='mine', {option})\ndef shared(bench): ..."
    )
    assert "make the strategy inside the function" in refusal(f"{mine}:shared")


BOUND = """
from dataclasses import replace
from detcost.scenarios.registry import Scenario
import detcost
from helper_of_mine import ADAPTED

def build(bench):
    return lambda: 1

last = Scenario("unnamed", "mine", "", build)

@detcost.scenario(family="mine")
def middle(bench):
    return lambda: 1

first = replace(last, reset=True, rows=0, expect="varies", kind="loop")
"""


@pytest.fixture
def bound(tmp_path: Path) -> Path:
    helper = "from detcost.scenarios.registry import Scenario\nADAPTED = Scenario('', '', '', id)"
    (tmp_path / "helper_of_mine.py").write_text(f"{helper}\nUNUSED = ADAPTED")
    path = tmp_path / "bound.py"
    path.write_text(BOUND)
    return path


def test_a_variable_that_holds_a_scenario_is_a_scenario_of_its_name(bound):
    entry = registry.load(f"{bound}:first")
    assert (entry.name, entry.family) == ("first", "mine")
    assert (entry.reset, entry.rows, entry.expect, entry.kind) == (True, 0, "varies", "loop")


def test_a_file_has_the_scenarios_that_it_binds_in_its_order(bound):
    registry.load(f"{bound}:first")
    names = list(registry.in_module(sys.modules["detcost_user_bound"]))
    assert names == ["ADAPTED", "last", "middle", "first"]
