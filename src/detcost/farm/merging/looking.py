"""What each file has, before anything is written. Runs in the pool's processes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import xxhash

from detcost.evidence.reading import Problem
from detcost.farm.merging import asv_results, asv_tree, evidence_lines, located_files
from detcost.farm.merging.evidence_lines import FileSummary
from detcost.farm.merging.sources import SourceFile


class ResultHead(NamedTuple):
    """Of which machine a result file is, what it is of, and when its benchmarks began."""

    machine: str
    subject: tuple[str, str]
    newest: dict[tuple[str, str], float]


class Whole(msgspec.Struct):
    """A file that is read as a whole.

    Attributes
    ----------
    content
        What :func:`look` makes of it. ``None`` if the file cannot be read.
    """

    file: SourceFile
    digest: bytes
    size: int
    content: Any
    problems: list[Problem]


def look(file: SourceFile) -> FileSummary | Whole:
    """Read a file of any kind, and return what merging needs to know of it.

    What is wrong with it are problems. The content is a :class:`ResultHead`, a
    :class:`~detcost.farm.merging.located_files.FoundOperation`, or asv's content.
    """
    try:
        if file.kind == "evidence":
            return evidence_lines.summarise(file)
        with open(file.path, "rb") as opened:
            text = opened.read()
        whole = Whole(file, xxhash.xxh3_128_digest(text), len(text), None, [])
        whole.content = _content(whole, text)
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
        return Whole(file, b"", 0, None, [file.problem(why)])
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        whole.problems.append(file.problem(str(error) or "nested too deeply"))
    return whole


def _content(whole: Whole, text: bytes) -> Any:
    file = whole.file
    if file.kind == "located":
        return located_files.parse(text)
    if file.kind == "machine":
        content = asv_results.load(file.path, asv_tree.MACHINE_VERSION)
        asv_tree.machine(content)
        return content
    if file.kind == "benchmarks":
        return _benchmarks(whole)
    result = asv_results.parsed(asv_results.load(file.path, asv_results.VERSION))
    return ResultHead(str(result.params.get("machine")), result.subject, asv_results.newest(result))


def _benchmarks(whole: Whole) -> dict[str, Any]:
    good: dict[str, Any] = {}
    for name, entry in asv_results.load(whole.file.path, asv_tree.BENCHMARKS_VERSION).items():
        try:
            asv_tree.check_benchmark(name, entry)
            good[name] = entry
        except ValueError as error:
            whole.problems.append(whole.file.problem(str(error)))
    return good
