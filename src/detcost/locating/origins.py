"""From recordings of one program to the origins of what differs between them.

An origin took equal inputs and gave other outputs. All that differs only because its inputs did is
a consequence. Where no operation is an origin, the difference came from Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detcost.errors import UsageError
from detcost.evidence.recording import Recording
from detcost.locating import elements
from detcost.locating.conflicts import Conflict
from detcost.locating.dataflow import Dataflow
from detcost.locating.executions import ARGUMENT, PYTHON
from detcost.locating.matching import Matched, matched
from detcost.locating.paths import Spread
from detcost.locating.schema import Culprit, Rate
from detcost.locating.suspects import Suspects, first_difference, named

Kind = Literal["operation", "transformation", "function", "python", "decision"]


@dataclass(frozen=True)
class Origins:
    """The origins, and what was left out.

    Attributes
    ----------
    culprits
        The earliest in the flow of data first. Empty if the outputs do not differ.
    unmatched
        What could not be compared or decided, in a sentence each.
    """

    culprits: tuple[Culprit, ...] = ()
    unmatched: tuple[str, ...] = ()


def find(recordings: Sequence[Recording]) -> Origins:
    """Find the operations to blame for outputs that differ between runs.

    Parameters
    ----------
    recordings
        Two or more runs of one program. The others are compared with the first, over the calls
        that all of them have.

    Raises
    ------
    UsageError
        If there are fewer than two recordings.
    """
    if len(recordings) < 2:
        raise UsageError("one recording has nothing to be compared with; record a second run")
    calls = min(len(each.outputs) for each in recordings)
    if not any(first_difference(recordings[0], each, calls) for each in recordings[1:]):
        return Origins()
    flow = Dataflow(matched(elements.aligned(recordings), calls))
    suspects = Suspects.of(flow)
    found = named(suspects, recordings, calls)
    outputs = suspects.ends(recordings)
    operations = {each.operation for each, _ in found}
    culprits = [_culprit(flow, each, spread, outputs, operations) for each, spread in found]
    unmatched = [*flow.program.unmatched, *_undecided(suspects, operations)]
    if not found:
        unmatched.append("outputs differ, and nothing that was watched does: Python made the rest")
    lengths = {len(each.outputs) for each in recordings}
    if len(lengths) > 1:
        unmatched.append(f"the runs have {sorted(lengths)} calls; the first {calls} are compared")
    return Origins(tuple(_on_lines(culprits)), tuple(unmatched))


def _culprit(
    flow: Dataflow, conflict: Conflict, spread: Spread, outputs: Sequence[int], named: set[int]
) -> Culprit:
    program, number = flow.program, conflict.operation
    described = program.operations[number]
    return Culprit(
        kind=_kind(flow, conflict),
        type=described.type,
        name=described.name,
        graph=program.graphs[program.graph_of[number]].name,
        device=described.device,
        place=described.place or _place_of_reader(flow, number),
        inputs=_inputs(program, number),
        outputs=described.outputs,
        call=conflict.call,
        iteration=conflict.iteration,
        rate=Rate.of(conflict.divergent, conflict.trials),
        path=spread.path(flow, outputs),
        consequences=spread.consequences(flow, named),
    )


def _kind(flow: Dataflow, conflict: Conflict) -> Kind:
    if conflict.counted:
        return "decision"
    if flow.program.operations[conflict.operation].type in (PYTHON, ARGUMENT):
        return "python"
    if flow.kind(conflict.operation) == "pipeline":
        return "transformation"
    called = flow.program.calls[conflict.operation]
    return "function" if any(flow.program.graphs[g].compiled for g in called) else "operation"


def _place_of_reader(flow: Dataflow, number: int) -> tuple[str, ...]:
    """Return the lines that take a value, where it has none of its own."""
    readers = [reader for column in flow.program.gives[number] for reader in flow.readers(column)]
    places = (flow.program.operations[reader].place for reader in readers)
    return next((place for place in places if place), ())


def _inputs(program: Matched, number: int) -> tuple[str, ...]:
    """Return type and shape of the inputs whose makers are known."""
    made: dict[int, str] = {}
    for other in program.inside(program.graph_of[number]):
        digested = [
            each
            for each in program.operations[other].outputs
            if not each.startswith(("variant", "resource"))
        ]
        made.update(zip(program.gives[other], digested, strict=False))
    return tuple(made[column] for column in program.reads[number] if column in made)


def _undecided(suspects: Suspects, named: set[int]) -> list[str]:
    """Say where Python may have passed a difference on, or made another one."""
    operations = suspects.flow.program.operations
    lines = {
        next(iter(operations[each.operation].place), operations[each.operation].name)
        for each in suspects.undecided
        if each.operation not in named
    }
    return [
        f"a value that Python computed at {line} differs too, after Python read what differed"
        for line in sorted(lines)
    ]


def _on_lines(culprits: Sequence[Culprit]) -> list[Culprit]:
    """Keep the first value from Python of each line."""
    kept: dict[object, Culprit] = {}
    for number, each in enumerate(culprits):
        key = (each.kind, each.place[:1]) if each.kind == "python" and each.place else number
        kept.setdefault(key, each)
    return list(kept.values())
