"""The pytest plug-in: marks and fixtures of guards, and their options.

pytest loads this module in every run of an environment that has detcost. So it imports nothing
else of detcost before a guard runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("reproducible", "expect_divergence")
_MARKS = (
    'reproducible(survive=("repeat", "process"), rate=0.05, setting=None, device=None, '
    "profile=None): the step that the test returns gives the same bits in fresh processes",
    'expect_divergence(scopes=("process",), rate=0.5, setting=None, device=None, profile=None): '
    "a control, whose step must be seen to give different bits",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of guards."""
    group = parser.getgroup("detcost", "bitwise reproducibility, by detcost")
    group.addoption(
        "--detcost-profile",
        choices=("quick", "standard", "full"),
        help="The fewest processes and calls that a guard compares.",
    )
    group.addoption(
        "--detcost-report",
        metavar="DIR",
        help="A folder for the evidence of guards, and for a page about it.",
    )
    group.addoption(
        "--detcost-baseline",
        metavar="FILE",
        help="A file of digests: bits must be those that it has for this kind of machine.",
    )
    group.addoption(
        "--detcost-update-baseline",
        action="store_true",
        help="Write the digests of this run into the file of --detcost-baseline.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and refuse options that cannot work."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    for option in ("detcost_report", "detcost_baseline"):
        if given := config.getoption(option):
            setattr(config.option, option, str(Path(config.invocation_params.dir, given)))
    updates = config.getoption("detcost_update_baseline")
    if updates and not config.getoption("detcost_baseline"):
        raise pytest.UsageError("--detcost-update-baseline: name the file by --detcost-baseline")
    _check_places(config, updates)


def _check_places(config: pytest.Config, updates: bool) -> None:
    """Refuse a baseline or a report that cannot be used, before any test runs."""
    file, report = config.getoption("detcost_baseline"), config.getoption("detcost_report")
    if not file and not report:
        return
    from detcost.errors import UsageError
    from detcost.report import folder
    from detcost.testing import baseline

    try:
        if file and (not updates or Path(file).exists()):
            baseline.read(Path(file))
        if report:
            folder.check(_page(config))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _page(config: pytest.Config) -> Path:
    return Path(config.getoption("detcost_report"), "page")


@pytest.fixture
def assert_reproducible(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Give :func:`detcost.testing.assert_reproducible`, with the options of the command line."""
    return _fixture(request, "reproducible")


@pytest.fixture
def expect_divergence(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Give :func:`detcost.testing.expect_divergence`, with the options of the command line."""
    return _fixture(request, "expect_divergence")


def _fixture(request: pytest.FixtureRequest, name: str) -> Callable[..., None]:
    from detcost.testing import items

    return items.fixture(request, name)


@pytest.fixture
def bench() -> str:
    """Stand for the bench that a scenario receives in a fresh process."""
    return "bench"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a mark on a test that never reaches :func:`pytest_pyfunc_call`, before it passes."""
    if _is_guard(item):
        from detcost.testing import items

        items.refuse_others(item)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Measure the step of a test that has a mark, instead of calling the test here."""
    if not _is_guard(pyfuncitem):
        return None
    from detcost.testing import items

    items.run(pyfuncitem)
    return True


def _is_guard(item: pytest.Item) -> bool:
    return any(mark.name in NAMES for mark in item.iter_markers())


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say what guards will compare, and which rate that finds."""
    guards = [item for item in items if _is_guard(item)]
    if not guards or config.get_verbosity() < 0:
        return []
    from detcost.errors import UsageError
    from detcost.testing.items import marked

    lines: dict[str, int] = {}
    for item in guards:
        try:
            line = marked(item).plan.promise
        except UsageError:  # the test itself will fail with it
            continue
        lines[line] = lines.get(line, 0) + 1
    return [f"detcost: {_times(count)} compares {line}" for line, count in lines.items()]


def _times(count: int) -> str:
    return "1 guard" if count == 1 else f"each of {count} guards"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what each guard counted, and where the page is."""
    counts = list(_counts(terminalreporter))
    if not counts or config.get_verbosity() < 0:
        return
    terminalreporter.section("detcost")
    for line in counts:
        terminalreporter.write_line(line)
    if config.getoption("detcost_report"):
        terminalreporter.write_line(f"page: {_page(config) / 'index.html'}")


def _counts(terminalreporter: Any) -> Iterator[str]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in report.user_properties:
                    if name == "detcost":
                        yield f"{report.nodeid}: {value}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page, unless this process only runs tests for another."""
    config = session.config
    report = config.getoption("detcost_report")
    if not report or hasattr(config, "workerinput") or not Path(report, "evidence").exists():
        return
    from detcost.report import site

    site.write(Path(report, "evidence"), _page(config))


def pytest_unconfigure() -> None:
    """End the processes of the guards."""
    import sys

    engine = sys.modules.get("detcost.testing.engine")
    if engine is not None:
        engine.close()
