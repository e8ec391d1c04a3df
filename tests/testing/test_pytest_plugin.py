"""The plug-in carries a test into fresh processes as its author wrote it, or says why it cannot."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from detcost.testing import engine, items
from guard_engines import LoadingEngine

pytest_plugins = ["pytester"]

TEST = """
import pytest
{imports}

@pytest.mark.reproducible
def test_function():
    return lambda: value(1)
"""
#: Every kind of test that a fresh process can call.
TESTS = (
    TEST
    + """
class TestClass:
    def setup_method(self, method):
        self.name = method.__name__

    @pytest.mark.reproducible
    def test_method(self):
        return lambda: value(self.name)

class TestOuter:
    class TestInner:
        @pytest.mark.reproducible(rate=0.5)
        def test_inner(self):
            return lambda: value(2)

@pytest.mark.reproducible
@pytest.mark.parametrize("units", [3, 4], ids=["CPU:0", "b"])
@pytest.mark.parametrize("options", [{{"rates": (0.5, None)}}])
def test_parameters(units, options):
    return lambda: value((units, options))
"""
)
MODEL = "def value(x):\n    return ('value', x)\n"


@pytest.fixture
def loads(monkeypatch) -> None:
    """Make guards load their program in a fresh Python, and call it once."""
    assert items  # imported here, because pytester forgets what its tests import
    monkeypatch.setattr(engine, "shared", LoadingEngine)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        place = folder / f"{name.replace('__', '/')}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))


def test_relative_imports_of_a_package_work(pytester, loads):
    write(pytester.path, tests__model=MODEL)
    write(pytester.path, tests__test_it=TEST.format(imports="from .model import value"))
    (pytester.path / "tests" / "__init__.py").touch()
    pytester.runpytest("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize("package", [True, False])
def test_import_mode_importlib_and_the_project_s_pythonpath_work(pytester, loads, package):
    pytester.makeini("[pytest]\npythonpath = src")
    write(pytester.path, src__project__model=MODEL)
    imports = "from project.model import value\nfrom . import helpers"
    write(pytester.path, tests__deep__test_it=TEST.format(imports=imports))
    write(pytester.path, tests__deep__helpers="")
    if package:
        for folder in ("src/project", "tests", "tests/deep"):
            (pytester.path / folder / "__init__.py").touch()
    pytester.runpytest("-q", "--import-mode=importlib").assert_outcomes(passed=1)


def test_what_a_conftest_does_is_done_in_the_fresh_process_too(pytester, loads):
    write(pytester.path, conftest="import builtins\nbuiltins.value = lambda x: ('outer', x)")
    write(pytester.path, tests__conftest="import builtins\nouter = builtins.value\nVALUE = 7")
    imports = "from conftest import VALUE\nfrom builtins import value"
    write(pytester.path, tests__test_it=TEST.format(imports=imports))
    pytester.runpytest("-q").assert_outcomes(passed=1)


def test_the_digest_is_of_what_the_test_returned(pytester, loads):
    """Each parameter has other digests than the others, and each test is under its own id."""
    write(pytester.path, model=MODEL, test_it=TESTS.format(imports="from model import value"))
    done = pytester.runpytest("-q", "--detcost-baseline=b.json", "--detcost-update-baseline")
    done.assert_outcomes(passed=5)
    tests = json.loads((pytester.path / "b.json").read_text())["tests"]
    assert len(tests) == 5
    assert "test_it.py::test_parameters[options0-CPU:0]" in tests
    assert len({bits["digests"][0] for [bits] in tests.values()}) == 5


def test_two_files_of_one_name_keep_their_evidence_apart(pytester, loads):
    for folder in ("one", "two"):
        write(pytester.path / folder, model=MODEL)
        write(pytester.path / folder, test_it=TEST.format(imports="from .model import value"))
        (pytester.path / folder / "__init__.py").touch()
    pytester.runpytest("-q", "--detcost-report=out").assert_outcomes(passed=2)
    assert len(list((pytester.path / "out" / "evidence").rglob("*.trials.jsonl"))) == 2
    assert (pytester.path / "out" / "page" / "index.html").exists()


def test_a_scenario_can_be_a_test(pytester, loads):
    write(
        pytester.path,
        test_it="""
        import pytest, detcost

        @pytest.mark.reproducible
        @detcost.scenario(family="own")
        def test_scenario(bench):
            return lambda: bench

        @pytest.mark.reproducible
        def test_bench(bench):
            return lambda: bench
        """,
    )
    pytester.runpytest("-q").assert_outcomes(passed=2)


def test_the_fixture_takes_functions_scenarios_and_references(pytester, loads):
    write(
        pytester.path,
        test_it="""
        import detcost, model
        from model import step

        @detcost.scenario
        def scenario():
            return lambda: 1

        adapted = detcost.callable(step, 2)

        def test_programs(assert_reproducible):
            for program in (step, model.step, scenario, adapted, "model.py:step", "model:step"):
                assert_reproducible(program)

        def test_direct():
            from detcost.testing import assert_reproducible
            assert_reproducible(step, rate=0.5)
        """,
        model="def step(x=1): return x",
    )
    done = pytester.runpytest("-q", "--detcost-baseline=b.json", "--detcost-update-baseline")
    done.assert_outcomes(passed=2)
    assert len(json.loads((pytester.path / "b.json").read_text())["tests"]) == 6


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "@pytest.mark.reproducible\ndef test_it(tmp_path):\n    return lambda: 1",
            "detcost: tmp_path is a fixture, which a fresh process does not have; make what *",
        ),
        (
            "@pytest.mark.reproducible\n@pytest.mark.parametrize('x', [object()])\n"
            "def test_it(x):\n    return lambda: 1",
            "detcost: x=<object object at *: a fresh process cannot have it, because it is no *",
        ),
        (
            "@pytest.fixture\ndef x(request): return request.param\n"
            "@pytest.mark.reproducible\n@pytest.mark.parametrize('x', [1], indirect=True)\n"
            "def test_it(x):\n    return lambda: 1",
            "detcost: x is a fixture, which *",
        ),
        (
            "@pytest.mark.reproducible(survives='process')\ndef test_it():\n    return lambda: 1",
            'detcost: reproducible has no argument "survives"; did you mean "survive"?',
        ),
        (
            "@pytest.mark.reproducible\n@pytest.mark.expect_divergence\ndef test_it(): ...",
            "detcost: two marks of detcost; write a test for each of them",
        ),
        (
            "import unittest\nclass TestIt(unittest.TestCase):\n    @pytest.mark.reproducible\n"
            "    def test_it(self):\n        return None",
            "detcost: its marks are for functions that pytest itself calls",
        ),
        (
            "def test_it(assert_reproducible):\n    assert_reproducible(lambda: 1)",
            "detcost: test_it.<locals>.<lambda>: a fresh process cannot find it; put it at the *",
        ),
        (
            "def test_it(expect_divergence):\n    expect_divergence('test_it.py')",
            "detcost: test_it.py: name one program of it, as test_it.py:name",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_in_one_line(pytester, loads, program, message):
    write(pytester.path, test_it=f"import pytest\n{program}")
    done = pytester.runpytest("-q", "-p", "no:cacheprovider")
    outcomes = done.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    done.stdout.fnmatch_lines([message.replace("[", "[[]")])
    assert "Traceback" not in done.stdout.str()


def test_a_program_that_only_this_process_has_fails(pytester, loads):
    write(
        pytester.path,
        test_it="""
        import pytest
        made = {}

        @pytest.mark.reproducible
        def test_it():
            return lambda: made["here"]

        def test_before(): ...
        """,
    )
    done = pytester.runpytest("-q")
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(["*could not be compared under default*", "*KeyError: 'here'*"])


def test_it_says_what_it_compares_before_and_what_it_counted_after(pytester, loads):
    write(pytester.path, model=MODEL, test_it=TEST.format(imports="from model import value"))
    done = pytester.runpytest("-rA", "--junit-xml=junit.xml")
    lines = done.stdout.str()
    before = lines.index("detcost: 1 guard compares repeat: at least 120 comparisons, which find")
    assert before < lines.index("test_it.py ")
    assert "guards test_function: repeat: at least 120 comparisons" in lines
    assert "test_it.py::test_function: repeat: 0 of 120 differed (rate at most 5 %, 95 %)" in lines
    assert 'name="detcost" value="repeat: 0 of' in (pytester.path / "junit.xml").read_text()


def test_a_run_without_guards_says_nothing_and_imports_nothing(pytester):
    write(
        pytester.path,
        test_it="""
        import sys
        def test_it():
            heavy = {"numpy", "tensorflow", "msgspec", "scipy", "pandas", "detcost.api"}
            assert not heavy & sys.modules.keys()
        """,
    )
    done = pytester.runpytest_subprocess("-p", "no:randomly", "--strict-markers")
    done.assert_outcomes(passed=1)
    assert "detcost" not in re.sub(r"plugins: .*|rootdir: .*", "", done.stdout.str())


def test_a_failure_is_not_run_again_to_pass(pytester, loads):
    """Plug-ins that run failed tests again call the same item once more."""
    write(
        pytester.path,
        conftest="""
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            if any(report.failed for report in reports):
                open("fixed", "w").close()
                item._initrequest()
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
        test_it="""
        import os, pytest
        @pytest.mark.reproducible
        def test_it():
            assert os.path.exists("fixed"), "not yet"
            return lambda: 1
        """,
    )
    done = pytester.runpytest("-q")
    done.assert_outcomes(failed=1)
    assert "AssertionError: not yet" in done.stdout.str()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--detcost-update-baseline"], "name the file by --detcost-baseline"),
        (["--detcost-baseline=none.json"], "no such baseline; --detcost-update-baseline writes it"),
        (["--detcost-profile=quik"], "invalid choice: 'quik'"),
        (["--detcost-report=out"], "holds other files, and no report"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_any_test(pytester, words, message):
    write(pytester.path, out__page__mine="", test_it="def test_it(): ...")
    done = pytester.runpytest(*words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str() + done.stdout.str()
