"""The lowest tolerable rate of a count is the rule of its scope check, without the question."""

from __future__ import annotations

import math

import msgspec
import pytest

from detcost.choosing.scope_checks import check_scope, lowest_rate
from detcost.evidence.schema import Divergence
from factories import divergence, record

NOTHING = msgspec.structs.replace(divergence(0, 0), high=None)
COUNTS = {
    "clean": divergence(0, 20, 0.0, 0.14),
    "differs": divergence(1, 20),
    "without a bound": msgspec.structs.replace(divergence(0, 4), high=None),
    "bound of zero": divergence(0, 3, 0.0, 0.0),
    "means nothing": msgspec.structs.replace(NOTHING, reason="it sets that itself"),
    "not measured": NOTHING,
}


@pytest.mark.parametrize("max_rate", [None, 1e-9, 0.1, 0.14, 0.5, 1.0])
@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_it_decides_as_the_check_does(count: Divergence, max_rate: float | None):
    counted = record(divergence={"process": count})
    check = check_scope(counted, "process", max_rate)
    lowest = lowest_rate(counted, "process")
    meets = lowest is not None and (max_rate is None or lowest <= max_rate)
    assert meets is not check.disqualifies


def test_a_bound_is_a_rate_and_zero_means_nothing():
    rates = {
        name: lowest_rate(record(divergence={"process": count}), "process")
        for name, count in COUNTS.items()
    }
    assert rates.pop("bound of zero") > 0
    assert rates == {
        "clean": 0.14,
        "differs": None,
        "without a bound": math.inf,
        "means nothing": 0,
        "not measured": None,
    }
    assert lowest_rate(record(divergence={}), "process") is None
