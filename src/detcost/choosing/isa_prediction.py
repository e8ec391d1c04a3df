"""Scope ``isa`` put to the test: whether it predicts which machines give other bits.

On one machine the scope caps the libraries at an older instruction set. If its bits differ there,
a machine that has only the older set should give other bits too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import msgspec

from detcost.choosing.across import Cell, bits_of, by_platform, same_bits
from detcost.choosing.common_bits import flags_of
from detcost.evidence.reading import latest
from detcost.evidence.schema import Divergence, Evidence
from detcost.settings.instruction_sets import REQUIRED_FLAGS, newest_set


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One cell on two machines of unlike instruction sets.

    Attributes
    ----------
    newer, older
        The machine that the prediction is from, and the one that it is for.
    predicted, seen
        Whether their bits differ: by the newer machine's variants at the older one's instruction
        sets, and in truth.
    """

    scenario: str
    setting: str
    size: str
    dtype: str
    tensorflow: str
    newer: str
    older: str
    predicted: bool
    seen: bool


class IsaTest(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions against what was seen.

    Attributes
    ----------
    counts
        ``predicted × seen``: the words ``same`` or ``other``, and how many cells.
    exceptions
        The predictions that failed.
    """

    counts: dict[str, dict[str, int]]
    exceptions: list[Prediction]


def isa_test(records: Sequence[Evidence]) -> IsaTest:
    """Put the scope to the test on every cell that two machines of unlike sets measured."""
    words = ("same", "other")
    counts = {word: dict.fromkeys(words, 0) for word in words}
    exceptions = []
    for prediction in predictions(records):
        counts[words[prediction.predicted]][words[prediction.seen]] += 1
        if prediction.predicted != prediction.seen:
            exceptions.append(prediction)
    return IsaTest(counts=counts, exceptions=exceptions)


def predictions(records: Sequence[Evidence]) -> Iterator[Prediction]:
    """Yield the prediction of every cell for every pair of machines that it can be made for."""
    cells = {
        platform: {record.cell: record for record in own if bits_of(record)}
        for platform, own in by_platform(latest(records)).items()
    }
    sets = {platform: _sets(own) for platform, own in cells.items()}
    for newer, older in permutations(cells, 2):
        if newer.tensorflow != older.tensorflow or sets[newer] == sets[older]:
            continue
        for cell in sorted(cells[newer].keys() & cells[older].keys()):
            prediction = _predict(cells[newer][cell], cells[older][cell], sets[older])
            if prediction:
                yield prediction


def _sets(cells: dict[Cell, Evidence]) -> set[str]:
    """Return the newest set of each library on a machine, as labels of variants."""
    flags = flags_of(next(iter(cells.values()))) if cells else frozenset()
    return {f"{library}={newest_set(library, flags)}" for library in REQUIRED_FLAGS}


def _predict(newer: Evidence, older: Evidence, sets: set[str]) -> Prediction | None:
    one, other = bits_of(newer), bits_of(older)
    predicted = _differs_at(newer, sets)
    if not one or not other or one.races or other.races or one.seed != other.seed:
        return None
    if predicted is None:
        return None
    return Prediction(
        scenario=newer.scenario,
        setting=newer.setting,
        size=newer.size,
        dtype=newer.dtype,
        tensorflow=newer.tensorflow,
        newer=newer.machine_name,
        older=older.machine_name,
        predicted=predicted,
        seen=not same_bits(one, other),
    )


def _differs_at(record: Evidence, sets: set[str]) -> bool | None:
    """Return whether a cell differs at a processor's sets; ``None`` if that was not tried."""
    scope = record.divergence.get("isa", Divergence(0, 0, None, None, None, 0))
    tried = [variant.divergent for variant in scope.variants if variant.label in sets]
    return any(tried) if tried else None
