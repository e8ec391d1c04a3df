"""Pipelines of two runs side by side: which transformation is the first that differs, and how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detcost.evidence.recording import Graph, Operation, Pass, Recording
from detcost.locating import elements

CHAIN = ("range", "map", "batch")


def run(*passes: Pass, inner: bool = False) -> Recording:
    """Return a run of the pipeline range → map → batch, which has a column for each."""
    count = len(CHAIN)
    operations = [
        Operation(
            name,
            name,
            reads=(*([k - 1] if k else []), count + k),
            gives=(k,),
            stateful=True,
            calls=("pipeline",) if inner else (),
        )
        for k, name in enumerate(CHAIN)
    ]
    return Recording(
        scenario="s", setting="default", device="CPU:0", size="small", dtype="float32", seed=1,
        conditions="quiet", outputs=("a",), frames=(), passes=passes,
        graphs=(Graph("pipeline", "pipeline", 2 * count, tuple(operations)),),
    )  # fmt: skip


def went(name: str, given: Sequence[int], *, ended: bool = True, told: int = 0) -> Pass:
    """Return a pass over a transformation."""
    digests = np.array(given, np.uint64).tobytes()
    return Pass(0, CHAIN.index(name), 1, told, digests, ended)


def differing(*runs: Recording) -> set[str]:
    """Return the transformations that gave different digests for equal ones in some frame."""
    aligned = elements.aligned(runs)
    found = set()
    for frames in zip(*(each.frames for each in aligned), strict=True):
        columns = [frame.columns() for frame in frames]
        for operation in aligned[0].graphs[0].operations:
            reads = {tuple(each[list(operation.reads)]) for each in columns}
            gives = {tuple(each[list(operation.gives)]) for each in columns}
            if len(reads) == 1 and len(gives) > 1:
                found.add(operation.name)
    return found


def test_the_first_transformation_with_other_elements_differs_and_no_later_one():
    one = run(went("range", [1, 2]), went("map", [5, 6]), went("batch", [9]))
    other = run(went("range", [1, 2]), went("map", [6, 5]), went("batch", [8]))
    assert differing(one, one) == set()
    assert differing(one, other) == {"map"}


def test_elements_that_only_one_run_read_ahead_are_no_difference():
    one = run(went("range", [1, 2, 3], ended=False), went("map", [5, 6]), went("batch", [9]))
    other = run(went("range", [1, 2], ended=False), went("map", [5, 6]), went("batch", [9]))
    assert differing(one, other) == set()


def test_an_end_in_one_run_and_more_elements_in_the_other_are_a_difference():
    one = run(went("range", [1, 2]), went("map", [5, 6]), went("batch", [9]))
    fewer = run(went("range", [1, 2]), went("map", [5]), went("batch", [7]))
    assert differing(one, fewer) == {"map"}
    assert elements.how([one, fewer], "pipeline", "map") == "2 elements and 1 elements"


def test_a_difference_in_what_a_transformation_was_told_is_not_its_own():
    one = run(went("range", [1]), went("map", [5], told=1), went("batch", [9]))
    other = run(went("range", [1]), went("map", [6], told=2), went("batch", [8]))
    assert differing(one, other) == set()


def test_two_iterators_are_told_apart_although_their_elements_agree_crosswise():
    first, second = went("map", [5, 6], ended=False), went("map", [6, 5, 7], ended=False)
    both = (went("range", [1, 2, 3]), went("range", [1, 2, 3]))
    one = run(*both, first, second, went("batch", [9]))
    swapped = (went("map", [6, 5], ended=False), went("map", [5, 6, 7], ended=False))
    other = run(*both, *swapped, went("batch", [8]))
    assert differing(one, other) == {"map"}


def test_two_transformations_are_found_in_two_passes():
    quiet = (went("range", [1, 2]), went("map", [5, 6]), went("batch", [9]))
    one = run(*quiet, *quiet)
    other = run(
        *(went("range", [1, 2]), went("map", [6, 5]), went("batch", [8])),
        *(went("range", [1, 2]), went("map", [5, 6]), went("batch", [7])),
    )
    assert differing(one, other) == {"map", "batch"}


def test_a_transformation_that_keeps_its_input_has_fewer_passes_before_it():
    """As behind ``cache``, which repeats what differed in its first pass."""
    one = run(went("range", [1, 2]), went("map", [5, 6]), *2 * [went("batch", [9])])
    other = run(went("range", [1, 2]), went("map", [6, 5]), *2 * [went("batch", [8])])
    assert differing(one, other) == {"map"}


def test_passes_that_run_at_once_may_begin_in_any_order():
    first, second = went("range", [1, 2]), went("range", [3, 4])
    rest = (went("map", [5]), went("batch", [9]))
    one, other = run(first, second, *rest, inner=True), run(second, first, *rest, inner=True)
    assert differing(one, other) == set()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([4, 5, 6, 7], ""),
        ([4, 6, 5, 7], "the same elements in another order, from element 2 on"),
        ([4, 5, 6, 8], "other elements, from element 4 on"),
    ],
)
def test_how_elements_differ_is_said_in_words(given, words):
    one, other = run(went("map", [4, 5, 6, 7])), run(went("map", given))
    assert elements.how([one, other], "pipeline", "map") == words
