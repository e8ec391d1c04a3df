"""Scenarios are found by name, in this package or in a user's file."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import detcost.scenarios.families
from detcost.errors import UsageError
from detcost.scenarios import loading, registry
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
        loading.load(reference)
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
    assert registry.find_built_in(entry.name) is loading.load(entry.name) is entry


def test_the_controls_exist():
    assert {"control_varies", "control_stable"} <= set(registry.built_in())


def test_the_error_of_a_misspelt_name_suggests_the_scenario():
    assert 'did you mean "matmul_square"?' in refusal("matmul_sqare")


def test_the_error_of_another_unknown_name_names_the_list():
    assert "detcost list scenarios" in refusal("qqqq")


def test_a_scenario_of_a_file_is_found(own):
    entry = loading.load(f"{own}:second")
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
    entry = loading.load("package_of_mine.own:first")
    assert (entry.core, entry.float64_reference, entry.draws) == (True, False, True)
    assert "no_such" in refusal("package_of_mine.no_such:first")


def test_scenarios_have_the_order_of_the_file(own):
    loading.load(f"{own}:first")
    assert list(registry.in_module(sys.modules["detcost_user_own"])) == ["second", "first"]


def test_the_error_of_a_misspelt_name_suggests_one_of_the_file(own):
    assert refusal(f"{own}:secnd") == f'{own}: no scenario "secnd"; did you mean "second"?'


def test_the_error_of_a_plain_function_lists_the_scenarios(own):
    assert refusal(f"{own}:qqq").endswith("; it has second, first")


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
    assert loading.load(f"{own}:second").build(None)() == 42
    assert loading.load(f"{other}:second").build(None)() == 43


def test_the_decorator_returns_the_function_itself(own):
    """So the function can be called, pickled and tested without detcost."""
    entry = loading.load(f"{own}:first")
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
    entry = loading.load(f"{bound}:first")
    assert (entry.name, entry.family) == ("first", "mine")
    assert (entry.reset, entry.rows, entry.expect, entry.kind) == (True, 0, "varies", "loop")


def test_a_file_has_the_scenarios_that_it_binds_in_its_order(bound):
    loading.load(f"{bound}:first")
    names = list(registry.in_module(sys.modules["detcost_user_bound"]))
    assert names == ["ADAPTED", "last", "middle", "first"]


def test_a_file_alone_names_all_of_its_scenarios(own):
    assert list(loading.load_all(str(own))) == [f"{own}:second", f"{own}:first"]
    assert list(loading.load_all(f"{own}:first")) == [f"{own}:first"]
    assert "has 2 scenarios; name one" in refusal(str(own))


def test_the_error_of_an_empty_name_lists_the_scenarios(own):
    assert refusal(f"{own}:").endswith(
        f"no name after the colon; name second or first, or {own} for all"
    )


def test_the_error_of_a_file_without_a_scenario_says_how_to_make_one(written):
    message = refusal(str(written("def build(bench): ...")))
    assert "has no scenario" in message
    assert "@detcost.scenario" in message
    assert "detcost init" in message


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a file of a user's that imports detcost."""
    path = tmp_path / "mine.py"

    def write(text: str) -> Path:
        path.write_text(f"import detcost\n{text}\n")
        return path

    return write


@pytest.mark.parametrize("decorator", ["@detcost.scenario", "@detcost.scenario()"])
@pytest.mark.parametrize("parameters", ["", "bench", "_", "bench=None", "*args", "n=2"])
def test_the_decorator_needs_no_options_and_the_function_no_bench(written, decorator, parameters):
    entry = loading.load(f"{written(f'{decorator}{chr(10)}def own({parameters}): return int')}:own")
    assert (entry.name, entry.family) == ("own", "mine")
    assert entry.build(None)() == 0


def test_a_function_that_takes_no_bench_keeps_its_defaults(written):
    path = written("@detcost.scenario\ndef own(n=2): return lambda: n")
    assert loading.load(f"{path}:own").build(None)() == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "@detcost.scenario\nclass Program: ...",
            "is on Program, a type; put it on a plain function",
        ),
        ("@detcost.scenario('conv')\ndef own(): ...", "is on 'conv', a str; put it on"),
        ("@detcost.scenario\ndef own(bench, size): ...", "line 2: own(bench, size) is a scenario"),
        ("@detcost.scenario\ndef own(*, size): ...", "takes bench or nothing"),
        (
            "@detcost.scenario(famly='x')\ndef own(): ...",
            'no option "famly"; did you mean "family"?',
        ),
        (
            "@detcost.scenario(expect='vary')\ndef own(): ...",
            "expect='vary'; did you mean \"varies\"?",
        ),
        ("@detcost.scenario(kind='torch')\ndef own(): ...", "kind='torch'; write keras or loop"),
        ("@detcost.scenario(rows='3')\ndef own(): ...", "rows='3': give the number of a row"),
        ("@detcost.scenario(rows=[])\ndef own(): ...", "rows=[]: give the number of a row"),
        ("@detcost.scenario(rows=1.5)\ndef own(): ...", "rows=1.5: give the number of a row"),
        ("@detcost.scenario(rows=[True])\ndef own(): ...", "rows=[True]: give"),
    ],
)
def test_a_mistake_in_the_decorator_is_one_line_with_the_file(written, text, words):
    path = written(text)
    message = refusal(str(path))
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "positional" not in message


@pytest.mark.parametrize("rows", ["0", "-1", "[0, 2]", "(1,)", "slice(2)", "range(3)", "None"])
def test_rows_are_a_number_some_numbers_or_a_slice(written, rows):
    path = written(f"@detcost.scenario(rows={rows})\ndef own(): ...")
    assert loading.load(f"{path}:own").rows == eval(rows)
