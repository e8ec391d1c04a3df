"""asv's result files: read with care, and merged benchmark by benchmark.

Nothing here needs asv. :class:`asv.results.Results` is the reference of the format.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

VERSION = 2
#: asv's columns of a row, in its order. It refuses others.
COLUMNS = (
    *("result", "params", "version", "started_at", "duration"),
    *("stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number"),
    *("stats_repeat", "samples", "profile"),
)
#: Combinations of parameters that a benchmark may have. asv makes a list of all.
_MOST = 1_000_000

Content = dict[str, Any]
Figures = list[int | float | None] | None
Parameters = list[list[str]]


class BenchmarkRow(msgspec.Struct, kw_only=True):
    """The results of a benchmark, by asv's columns."""

    result: Figures = None
    params: Parameters = []
    version: str | None = None
    started_at: int | float | None = None
    duration: int | float | None = None
    stats_ci_99_a: Figures = None
    stats_ci_99_b: Figures = None
    stats_q_25: Figures = None
    stats_q_75: Figures = None
    stats_number: Figures = None
    stats_repeat: Figures = None
    samples: list[list[int | float] | None] | None = None
    profile: str | None = None

    def figures(self) -> dict[tuple[str, ...], float]:
        """Return the figures there are, by parameters."""
        pairs = zip(itertools.product(*self.params), self.result or [], strict=False)
        return {combination: figure for combination, figure in pairs if figure is not None}


class ResultFile(msgspec.Struct, kw_only=True):
    """A result file: one commit in one environment on one machine."""

    commit_hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{7,64}$")]
    env_name: str
    date: int
    params: dict[str, str | int | float | None]
    python: str
    requirements: dict[str, str | None]
    env_vars: dict[str, str] = {}
    result_columns: list[str]
    results: dict[str, list[Any]]
    durations: dict[str, int | float] = {}

    @property
    def subject(self) -> tuple[str, str]:
        """What was measured: the commit and the environment."""
        return self.commit_hash, self.env_name

    def rows(self) -> dict[str, BenchmarkRow]:
        """Return the results of each benchmark.

        Raises
        ------
        ValueError
            If asv could not read one.
        """
        if unknown := set(self.result_columns) - set(COLUMNS):
            raise ValueError(f'unknown column "{min(unknown)}"')
        return {name: self._row(name, values) for name, values in self.results.items()}

    def _row(self, name: str, values: list[Any]) -> BenchmarkRow:
        named = dict(zip(self.result_columns, values, strict=False))
        try:
            row = msgspec.convert({"params": [], **_without_none(named)}, BenchmarkRow)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from None
        check_size(row.params)
        return row


def check_size(params: Parameters) -> None:
    """Raise ``ValueError`` if there are too many combinations of parameters."""
    if math.prod(map(len, params)) > _MOST:
        raise ValueError(f"more than {_MOST} combinations of parameters")


def load(path: str, version: int) -> Content:
    """Read a file of asv's JSON.

    Raises
    ------
    ValueError
        If it is none, or of another version of the format.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("not an object of JSON")
    found = content.pop("version", None)
    if found != version:
        newer = isinstance(found, int) and found > version
        remedy = f"newer than {version}; upgrade detcost" if newer else f"not {version}"
        raise ValueError(f"version {found} of asv's format is {remedy}")
    return content


def parsed(content: Content) -> ResultFile:
    """Check the content of a result file.

    Raises
    ------
    ValueError
        If asv could not read it.
    """
    try:
        result = msgspec.convert(content, ResultFile)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    result.rows()
    return result


def dumps(content: Content, version: int = VERSION) -> str:
    """Return the text that asv writes."""
    return json.dumps({**content, "version": version})


def newest(result: ResultFile) -> dict[tuple[str, str], float]:
    """Return when each benchmark began, by name and version."""
    rows = result.rows().items()
    return {(name, str(row.version)): row.started_at or 0 for name, row in rows}


def merged(contents: Iterable[Content]) -> Content:
    """Merge result files of one machine, commit and environment.

    The newest run of each benchmark counts. Everything else is of the file with the newest run.
    """
    each = [(content, msgspec.convert(content, ResultFile)) for content in contents]
    head = max(each, key=lambda pair: (_latest(pair[1]), _header(pair[0])))[0]
    rows: dict[str, BenchmarkRow] = {}
    durations: dict[str, int | float] = {}
    for _, result in each:
        for name, row in result.rows().items():
            rows[name] = max(rows.get(name, row), row, key=_order)
        for name, seconds in result.durations.items():
            durations[name] = max(durations.get(name, seconds), seconds)
    return {
        **head,
        "result_columns": list(COLUMNS),
        "results": {name: _values(rows[name]) for name in sorted(rows)},
        "durations": dict(sorted(durations.items())),
    }


def lost(content: Content, kept: Mapping[str, BenchmarkRow]) -> tuple[int, int, str]:
    """Count the figures of a file that the merged one has no figure instead of, or a newer one.

    Returns
    -------
    without, replaced, example
        The two counts, and a benchmark of the former.
    """
    without, replaced, example = 0, 0, ""
    for name, row in msgspec.convert(content, ResultFile).rows().items():
        ours, theirs = row.figures(), kept[name].figures()
        if row.version == kept[name].version and (gone := ours.keys() - theirs.keys()):
            without, example = without + len(gone), example or name
        replaced += sum(repr(ours[at]) != repr(theirs[at]) for at in ours.keys() & theirs.keys())
    return without, replaced, example


def _latest(result: ResultFile) -> float:
    return max((row.started_at or 0 for row in result.rows().values()), default=0)


def _header(content: Content) -> str:
    skipped = ("results", "result_columns", "durations")
    return canonical({key: value for key, value in content.items() if key not in skipped})


def _order(row: BenchmarkRow) -> tuple[float, str]:
    return row.started_at or 0, canonical(_values(row))


def _values(row: BenchmarkRow) -> list[Any]:
    """Return a row as asv writes it: without the empty columns at its end."""
    values = [getattr(row, column) for column in COLUMNS]
    while values and values[-1] is None:
        values.pop()
    return values


def canonical(content: object) -> str:
    """Return one text for equal contents."""
    return json.dumps(content, sort_keys=True)


def _without_none(row: Content) -> Content:
    return {column: value for column, value in row.items() if value is not None}
