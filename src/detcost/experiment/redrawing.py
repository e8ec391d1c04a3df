"""Finds settings under which a program that draws numbers draws the same ones in every call.

A shuffle or a dropout that gives one result in every call may be a mistake as well. The evidence
is a comparison: under the setting all calls of each process gave equal outputs, and elsewhere the
same program gave another output in every call. A worker that draws anew runs for it: without
seeds, without caches, and with data sets that shuffle anew in each pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from detcost.evidence.results import RepeatedDraws
from detcost.experiment.arm import Arm
from detcost.scenarios.registry import is_external
from detcost.settings import grammar
from detcost.workers.contract import CellError, Conditions, WorkerFactory

#: Calls of the worker that draws anew. All of them must differ, which a rare race cannot do.
CALLS = 5
ANEW = Conditions("drawn anew", draws_anew=True)


def find_repeated_draws(arms: Sequence[Arm], factory: WorkerFactory) -> None:
    """Set ``repeated_draws`` of each arm whose every call draws the same numbers.

    The first arm is ``default``. Nothing is found in these cases:

    * The program belongs to detcost: its draws restart in every call.
    * A call begins the program anew. Equal draws are meant then.
    * Outputs change from call to call under every setting, as the weights in training do.
    * Outputs differ between the processes of ``default``: a race would look like a draw.
    """
    repeats = [arm for arm in arms if arm.running and _repeats(arm)]
    default = arms[0]
    if not repeats or default.varies or not default.sequences or _is_built_in(default):
        return
    drawn = _draw_anew(default, factory)
    if drawn is None:
        return
    if not _repeats(default):  # then its own calls show that the program draws
        if not _moves(default):
            return
        drawn = RepeatedDraws(default.cell.setting.name, *_counts(default.sequences.reference))
    if drawn.distinct == drawn.calls:
        for arm in repeats:
            arm.repeated_draws = drawn


def _draw_anew(arm: Arm, factory: WorkerFactory) -> RepeatedDraws | None:
    """Call the program with draws that differ; ``None`` if its calls begin it anew, or it fails."""
    cell = msgspec.structs.replace(arm.cell, setting=grammar.parse("unseeded"))
    worker = factory.start(cell, ANEW)
    try:
        digests = (worker.build().digest, *worker.repeat(CALLS - 1))
        begins_anew = worker.usage().begins_anew
    except CellError:
        return None
    finally:
        worker.close()
    return None if begins_anew else RepeatedDraws("unseeded", *_counts(digests))


def _repeats(arm: Arm) -> bool:
    """Return whether all calls of all processes gave equal outputs in each process."""
    return bool(arm.sequences) and not arm.varies and not arm.sequences.moves


def _moves(arm: Arm) -> bool:
    """Return whether every call gave another output, and the same ones came in every process."""
    return bool(arm.sequences.carries_state) and not arm.varies


def _counts(digests: Sequence[str]) -> tuple[int, int]:
    return len(digests), len(set(digests))


def _is_built_in(arm: Arm) -> bool:
    return not is_external(arm.cell.scenario)
