"""Writing asv's files, and what ``locate`` found, from several files of one name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from detcost.atomic_file import replacing
from detcost.evidence.reading import Problem
from detcost.farm.merging import asv_results, asv_tree, located_files
from detcost.farm.merging.asv_results import Content


class WholeTarget(msgspec.Struct, frozen=True):
    """A file to write from files that are read as a whole.

    Attributes
    ----------
    name
        The name of the machine in it.
    copy
        Whether the first part is copied as it is.
    """

    path: str
    name: str
    parts: list[str]
    copy: bool


class ResultTarget(WholeTarget, frozen=True):
    """A result file of asv."""


class MachineTarget(WholeTarget, frozen=True):
    """A ``machine.json``."""


class LocatedTarget(WholeTarget, frozen=True):
    """What ``locate`` found. The parts are ordered, the newest last."""


def write(target: WholeTarget) -> tuple[list[Problem], list[str]]:
    """Write a file; return the figures that are left out, and notes on those replaced.

    Raises
    ------
    OSError
        If a part cannot be read, or the file cannot be written.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    if target.copy:
        text = _read(target.parts[0])
    elif isinstance(target, ResultTarget):
        text = _results(target, problems, notes).encode()
    elif isinstance(target, MachineTarget):
        each = [asv_results.load(path, asv_tree.MACHINE_VERSION) for path in target.parts]
        described = asv_tree.fullest({**content, "machine": target.name} for content in each)
        text = asv_tree.dumps(described, asv_tree.MACHINE_VERSION).encode()
    else:
        text = located_files.renamed(_read(target.parts[-1]), target.name)
    with replacing(target.path) as file:
        file.write(text)
    return problems, notes


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _results(target: ResultTarget, problems: list[Problem], notes: list[str]) -> str:
    contents = [_renamed(path, target.name) for path in target.parts]
    texts = list(map(asv_results.dumps, contents))
    if all(text == texts[0] for text in texts[1:]):
        return texts[0]
    merged = asv_results.merged(contents)
    _account(target, contents, merged, problems, notes)
    return asv_results.dumps(merged)


def _account(
    target: ResultTarget,
    contents: Sequence[Content],
    merged: Content,
    problems: list[Problem],
    notes: list[str],
) -> None:
    kept = asv_results.parsed(merged).rows()
    for path, content in zip(target.parts, contents, strict=True):
        without, replaced, example = asv_results.lost(content, kept)
        if without:
            why = f"figures left out: {without}, such as of {example}, whose newest run has none"
            problems.append(Problem(path, None, why))
        if replaced:
            notes.append(f"{path}: newer figures instead of {replaced}")


def _renamed(path: str, name: str) -> Content:
    content = asv_results.load(path, asv_results.VERSION)
    return {**content, "params": {**content["params"], "machine": name}}
