"""Tests of pytest as guards: what a mark asks, and what becomes of the test."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import os
import re
import shutil
import tempfile
import unittest
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import xxhash
from filelock import FileLock

from detcost.errors import UsageError, did_you_mean
from detcost.testing import baseline, failure, guard, launcher
from detcost.testing.guard import Guard, GuardOutcome
from detcost.testing.launcher import GuardedProgram
from detcost.testing.loading import BENCH
from detcost.testing.plan import plan

#: The marks, and the arguments that each takes: those of the function of the same purpose.
MARKS: dict[str, Callable[..., None]] = {
    "reproducible": guard.assert_reproducible,
    "expect_divergence": guard.expect_divergence,
}
#: The key of results in the properties of a test's report.
PROPERTY = "detcost"
#: The failures of a test's guards. A plug-in that runs failed tests again gets them again.
_FAILURES = pytest.StashKey[dict[str, str]]()
#: A folder for evidence, if pytest has no cache.
_TEMPORARY = pytest.StashKey[Path]()


def marked(item: pytest.Item) -> Guard:
    """Return the guard that a test's mark asks for.

    Raises
    ------
    UsageError
        For arguments that the mark does not take, several marks, or a test that a fresh process
        cannot call.
    """
    marks = [mark for mark in item.iter_markers() if mark.name in MARKS]
    own = getattr(getattr(item, "function", None), "pytestmark", ())
    if len([mark for mark in own if mark.name in MARKS]) > 1:
        raise UsageError("two marks of detcost; write a test for each of them")
    mark = marks[0]
    bound = _bound(mark.name, (_program(item), *mark.args), mark.kwargs)
    return _made(item.config, mark.name, bound)


def _bound(name: str, words: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a mark or a fixture by name, with the defaults of the function."""
    signature = inspect.signature(MARKS[name])
    for option in options.keys() - signature.parameters:
        known = list(signature.parameters)[1:]
        advice = did_you_mean(option, known) or f"; it takes {', '.join(known)}"
        raise UsageError(f'{name} has no argument "{option}"{advice}')
    try:
        bound = signature.bind(*words, **options)
    except TypeError as error:
        raise UsageError(f"{name}: {error}") from None
    bound.apply_defaults()
    return bound.arguments


def _made(config: pytest.Config, name: str, given: Mapping[str, Any]) -> Guard:
    scopes = given["survive"] if name == "reproducible" else given["scopes"]
    profile = given["profile"] or config.getoption("detcost_profile")
    return Guard(
        given["step_or_reference"],
        plan(scopes, given["rate"], profile),
        given["setting"],
        given["device"],
        expects_divergence=name == "expect_divergence",
    )


def _program(item: pytest.Item) -> GuardedProgram:
    """Return the test as a program that a fresh process can load."""
    assert isinstance(item, pytest.Function)
    inside = item.path.is_relative_to(item.config.rootpath)
    relative = item.path.relative_to(item.config.rootpath) if inside else Path(item.path.name)
    return GuardedProgram(
        item.module.__name__,
        str(item.path.resolve()),
        ".".join([*_classes(item), item.originalname]),
        ".".join([*_classes(item), item.name]),
        ".".join(relative.with_suffix("").parts),
        conftests=tuple(_conftests(item)),
    )


def refuse_others(item: pytest.Item) -> None:
    """Fail a test that is no function which pytest itself calls, such as one of unittest."""
    owner = item.cls if isinstance(item, pytest.Function) else unittest.TestCase
    if owner is not None and issubclass(owner, unittest.TestCase):
        pytest.fail("detcost: its marks are for functions that pytest itself calls", pytrace=False)


def _classes(item: pytest.Item) -> list[str]:
    return [node.name for node in item.listchain() if isinstance(node, pytest.Class)]


def _conftests(item: pytest.Item) -> list[tuple[str, str]]:
    """Return the conftest modules that pytest has loaded for a test, the outermost first."""
    found = []
    for plugin in item.config.pluginmanager.get_plugins():
        file = getattr(plugin, "__file__", None)
        if file and Path(file).name == "conftest.py":
            place = Path(file).resolve()
            if item.path.resolve().is_relative_to(place.parent):
                found.append((plugin.__name__, str(place)))
    return sorted(found, key=lambda each: len(Path(each[1]).parts))


def with_arguments(item: pytest.Function, program: GuardedProgram) -> GuardedProgram:
    """Return the program with the arguments of the test, which has been set up.

    Raises
    ------
    UsageError
        If an argument is a fixture, or a parameter that is no literal.
    """
    parametrized = item.callspec.params if hasattr(item, "callspec") else {}
    arguments: dict[str, Any] = {}
    for name in launcher.parameters(item.function):
        value = item.funcargs[name]
        if name == BENCH and value == BENCH:
            arguments[name] = None
        elif name in parametrized and not _is_indirect(item, name):
            arguments[name] = launcher.carried(name, value)
        else:
            raise UsageError(
                f"{name} is a fixture, which a fresh process does not have; make what it gives "
                "inside the test, or parametrize by a literal"
            )
    return dataclasses.replace(program, arguments=arguments)


def _is_indirect(item: pytest.Item, name: str) -> bool:
    """Return whether a parameter goes to a fixture of that name, and not to the test."""
    for mark in item.iter_markers("parametrize"):
        given = inspect.signature(pytest.Metafunc.parametrize).bind(None, *mark.args, **mark.kwargs)
        names, indirect = given.arguments["argnames"], given.arguments.get("indirect", False)
        listed = names.replace(",", " ").split() if isinstance(names, str) else names
        if name in listed:
            return name in indirect if isinstance(indirect, list | tuple) else bool(indirect)
    return True  # a fixture has the parameters


def run(item: pytest.Function) -> None:
    """Run a test with a mark: measure the step that it returns, and judge."""
    __tracebackhide__ = True
    try:
        asked = marked(item)
        assert isinstance(asked.program, GuardedProgram)
        asked = dataclasses.replace(asked, program=with_arguments(item, asked.program))
        check(item, asked, item.nodeid)
    except UsageError as error:
        raise _failed(f"detcost: {error}") from None
    except AssertionError as error:
        raise _failed(str(error)) from None
    except unittest.SkipTest as reason:
        raise pytest.skip.Exception(str(reason), _use_item_location=True) from None


def fixture(request: pytest.FixtureRequest, name: str) -> Callable[..., None]:
    """Return the function that a fixture gives: that of :data:`MARKS`, with pytest's options."""
    calls = itertools.count(1)

    def judged(*words: Any, **options: Any) -> None:
        __tracebackhide__ = True
        number = next(calls)
        test = request.node.nodeid + (f" ({number})" if number > 1 else "")
        try:
            given = _bound(name, words, options)
            given["step_or_reference"] = launcher.program(given["step_or_reference"])
            check(request.node, _made(request.config, name, given), test)
        except UsageError as error:
            raise _failed(f"detcost: {error}") from None

    return judged


def _failed(text: str) -> BaseException:
    """Return the exception of a failed test, which pytest shows without a traceback."""
    return pytest.fail.Exception(text, pytrace=False)


def check(item: pytest.Item, asked: Guard, test: str) -> None:
    """Say what a guard compares, run it, and judge; then compare with the baseline.

    Parameters
    ----------
    test
        The id of the test in the baseline.

    Raises
    ------
    AssertionError, unittest.SkipTest, UsageError
        As :func:`detcost.testing.assert_reproducible`.
    """
    __tracebackhide__ = True
    failures = item.stash.setdefault(_FAILURES, {})
    if test in failures:
        raise AssertionError(failures[test])
    item.add_report_section("call", PROPERTY, f"guards {asked.promise}\n")
    outcome = asked.run(folder_of(item.config, test))
    item.user_properties.append((PROPERTY, "; ".join(outcome.counts)))
    try:
        outcome.judge()
        if not asked.expects_divergence and item.config.getoption("detcost_baseline"):
            _compare_with_baseline(item.config, outcome, test)
    except AssertionError as error:
        failures[test] = str(error)
        raise


def _compare_with_baseline(config: pytest.Config, outcome: GuardOutcome, test: str) -> None:
    __tracebackhide__ = True
    file = Path(config.getoption("detcost_baseline"))
    if config.getoption("detcost_update_baseline"):
        with FileLock(_lock(file)):
            baseline.update(file, test, outcome.record)
        return
    try:
        problem = baseline.compare(baseline.read(file), test, outcome.record)
    except baseline.Incomparable as reason:
        raise unittest.SkipTest(str(reason)) from None
    if problem:
        raise AssertionError(failure.text(outcome, problem))


def _lock(file: Path) -> Path:
    """Return the lock of a baseline, which processes of xdist update in turn."""
    owner = os.getuid() if hasattr(os, "getuid") else ""
    name = xxhash.xxh3_64_hexdigest(os.fsencode(os.path.realpath(file)))
    return Path(tempfile.gettempdir(), f"detcost-{owner}-{name}.lock")


def base(config: pytest.Config) -> Path:
    """Return the folder for evidence: that of the report, else one in pytest's cache."""
    if report := config.getoption("detcost_report"):
        folder = Path(report, "evidence")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    if config.pluginmanager.has_plugin("cacheprovider"):
        assert config.cache is not None
        return Path(config.cache.mkdir("detcost"))
    if _TEMPORARY not in config.stash:
        config.stash[_TEMPORARY] = Path(tempfile.mkdtemp(prefix="detcost-guards-"))
    return config.stash[_TEMPORARY]


def folder_of(config: pytest.Config, test: str) -> Path:
    """Return a new folder for the evidence of a test, without that of an earlier run."""
    name = re.sub(r"[^\w.-]+", "-", test)[-150:].strip("-")
    folder = base(config) / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder
