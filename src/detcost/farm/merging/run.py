"""Runs a merge: look at every file, plan, write each file as a whole, tidy up."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
from filelock import FileLock, Timeout

from detcost import process_pool
from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.evidence.reading import Problem
from detcost.farm.merging import asv_files, asv_tree, evidence_files, sources
from detcost.farm.merging.evidence_files import EvidenceTarget
from detcost.farm.merging.evidence_lines import FileSummary
from detcost.farm.merging.looking import Whole, look
from detcost.farm.merging.planning import MergePlan, Target
from detcost.farm.merging.sources import BENCHMARKS, SourceFile

#: Keeps two merges apart. It stays in the folder.
LOCK = ".merging.lock"
_FEW = 40

Mapping = Callable[[Callable[..., Any], Iterable[Any]], Iterator[Any]]


class Merged(msgspec.Struct):
    """What a merge did.

    Attributes
    ----------
    machines
        The names of the machines in the merged results.
    renamed
        Old names, each with the new one, of machines whose name unlike machines shared.
    records
        How many records of evidence the merged results have.
    notes
        What was replaced by something newer.
    problems
        What was left out.
    """

    machines: list[str]
    renamed: list[tuple[str, str]]
    records: int
    notes: list[str]
    problems: list[Problem]


def merge(folders: Sequence[Path], into: Path) -> Merged:
    """Merge folders of results, and what ``into`` has already, into the folder ``into``.

    The folders are read only. A merge that was killed is completed by the next one.

    Raises
    ------
    UsageError
        If a folder does not exist, there is nothing to merge, or ``into`` cannot be written.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; name one with results")
    files, problems = sources.find(folders, into)
    if not files:
        first = f" ({problems[0]})" if problems else ""
        raise UsageError(f"{folders[0]}: no results here{first}; name a folder with results")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with FileLock(into / LOCK, timeout=0), _mapping(len(files)) as mapping:
            _remove_parts(into)
            return _merge(files, problems, into, mapping)
    except Timeout:
        raise UsageError(f"{into}: another merge writes here; wait for its end") from None
    except OSError as error:
        name = error.filename or into
        raise UsageError(
            f"{name}: {error.strerror or error}; mend it, and run the same command again"
        ) from None


@contextlib.contextmanager
def _mapping(files: int) -> Iterator[Mapping]:
    """Provide a ``map`` for this many files. Several processes are slower for a few."""
    if files < _FEW:
        yield map
    else:
        with process_pool.pool() as pool:
            yield partial(pool.imap, chunksize=4)


def _merge(
    files: Sequence[SourceFile], problems: list[Problem], into: Path, mapping: Mapping
) -> Merged:
    seen = list(mapping(look, files))
    evidence = [each for each in seen if isinstance(each, FileSummary)]
    wholes = [each for each in seen if isinstance(each, Whole)]
    plan = MergePlan(evidence, wholes, into)
    problems += [problem for each in seen for problem in each.problems]
    problems += plan.problems
    records, notes = plan.settled, []
    _make_folders(plan.paths, into)
    for more, left_out, noted in mapping(_write, plan.targets):
        records += more
        problems += left_out
        notes += noted
    notes += _write_benchmarks(wholes, into)
    _remove(_moved(plan), into)
    return Merged(
        machines=sorted(set(plan.names.values())),
        renamed=sorted({(old.name, new) for old, new in plan.names.items() if old.name != new}),
        records=records,
        notes=notes,
        problems=problems,
    )


def _write(target: Target) -> tuple[int, list[Problem], list[str]]:
    if isinstance(target, EvidenceTarget):
        return evidence_files.write(target), [], []
    return 0, *asv_files.write(target)


def _make_folders(paths: Iterable[str], into: Path) -> None:
    """Make the folders of files. A link in their place could lead out of ``into``."""
    root = os.path.realpath(into)
    for folder in sorted({os.path.dirname(path) for path in paths}):
        os.makedirs(folder, exist_ok=True)
        if not os.path.realpath(folder).startswith(root + os.sep):
            raise UsageError(f"{folder}: a link that leads out of {into}; remove it")


def _write_benchmarks(wholes: Iterable[Whole], into: Path) -> list[str]:
    lists, newest = [], dict[tuple[str, str], float]()
    for whole in wholes:
        if whole.file.kind == "benchmarks" and whole.content is not None:
            lists.append(whole)
        elif whole.file.kind == "result" and whole.content:
            for key, began in whole.content.newest.items():
                newest[key] = max(newest.get(key, 0), began)
    if not lists:
        return []
    target, first = into / BENCHMARKS, lists[0]
    merged, notes = asv_tree.union([whole.content for whole in lists], newest)
    text = asv_tree.dumps(merged, asv_tree.BENCHMARKS_VERSION).encode()
    if all(whole.digest == first.digest and not whole.problems for whole in lists):
        text = Path(first.file.path).read_bytes()
    with replacing(target) as file:
        file.write(text)
    return [f"{target}: {note}" for note in notes]


def _moved(plan: MergePlan) -> Iterator[tuple[str, int]]:
    """Yield the files of ``into`` that the merged results have in another place, with sizes."""
    for file, size in plan.carried:
        if file.own and file.path not in plan.paths:
            yield file.path, size


def _remove(moved: Iterable[tuple[str, int]], into: Path) -> None:
    """Remove files, if nothing was added to them meanwhile, and folders that become empty."""
    for path, size in moved:
        with FileLock(f"{path}.lock"):
            if os.path.getsize(path) == size:
                os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}.lock")
        folder = Path(path).parent
        with contextlib.suppress(OSError):
            while folder != into and into in folder.parents:
                folder.rmdir()
                folder = folder.parent


def _remove_parts(into: Path) -> None:
    """Remove files that a killed process has begun to write."""
    for path in into.rglob("*.part"):
        number = re.search(r"\.(\d{1,10})\.part$", path.name)
        if number and not psutil.pid_exists(int(number[1])) and path.is_file():
            path.unlink()
