"""Settings are compared within shared blocks, and the intervals cover the true ratio."""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
import pytest
from scipy import stats

from detcost import intervals
from detcost.comparison import contrasts
from detcost.comparison.contrasts import LARGEST_RATIO, MOST_BLOCKS
from detcost.evidence.schema import Cost
from factories import failed, record

LATER = {"run_id": "later"}


def cell(setting, logs, **changes):
    """Return the record of a cell with these log ratios of its blocks."""
    ratios = np.exp(logs).tolist()
    return record(
        setting=setting, cost=Cost(None, None, None, len(ratios), ratios, "free"), **changes
    )


def default(blocks, **changes):
    """Return the record of ``default``, which stores the A/A comparison."""
    return cell("default", [0.7] * blocks, **changes)


def ends(estimate):
    return estimate.low, estimate.ratio, estimate.high


def between(records):
    """Compare the settings of one scenario."""
    return contrasts.combine(contrasts.between([records]))


def over(*scenarios):
    """Compare the settings over several scenarios."""
    return contrasts.combine(contrasts.between(scenarios))


def estimates(contrast, against):
    return contrasts.estimates(contrast.ratios(against))


def expected(logs):
    return pytest.approx(ends(intervals.ratio(logs)))


def estimate(*records):
    """Return the first record's ratio to the second."""
    return estimates(between(records), 1)[0]


# One run.


@pytest.mark.parametrize("logs", [[0.1, 0.2], [0.3, 0.29, 0.35, 0.28, 0.31], [-1.0, 0.0, 1.0]])
def test_the_ratio_to_default_is_that_of_intervals(logs):
    assert ends(estimate(cell("xla", logs), default(len(logs)))) == expected(logs)


def test_noise_that_two_settings_share_in_a_block_cancels():
    shared = np.array([0.3, -0.4, 0.1, 0.5, -0.2])
    own = np.array([0.051, 0.049, 0.050, 0.052, 0.048])
    one, other = cell("xla", shared + own), cell("threads=1", shared)
    paired = estimate(one, other)
    assert ends(paired) == expected(own)
    apart = estimate(one, msgspec.structs.replace(other, **LATER))
    assert apart.ratio == pytest.approx(paired.ratio)
    assert paired.low > 1.04
    assert apart.low < 0.7, "without shared blocks the interval is wide"


def test_a_ratio_and_its_inverse_multiply_to_1():
    rng = np.random.default_rng(1)
    cells = [cell(name, rng.normal(0.2, 0.1, 6)) for name in ("xla", "threads=1", "op_determinism")]
    other_run = cell("onednn=off", rng.normal(0.2, 0.1, 9), **LATER)
    compared = between([*cells, other_run])
    for i, j in itertools.combinations(range(4), 2):
        low, ratio, high = ends(estimates(compared, j)[i])
        assert ends(estimates(compared, i)[j]) == pytest.approx((1 / high, 1 / ratio, 1 / low))


def test_default_is_1_whatever_its_record_stores():
    ratios = estimates(between([default(5), cell("xla", [0.1, 0.2, 0.1, 0.2, 0.3])]), 0)
    assert ends(ratios[0]) == (1, 1, 1)


@pytest.mark.filterwarnings("error")
def test_without_variation_the_interval_is_the_ratio():
    twice = [default(4), cell("xla", [math.log(2)] * 4), cell("threads=1", [0.0] * 4, **LATER)]
    for compared in (between(twice), over(*[twice] * 3)):
        assert [ends(estimate) for estimate in estimates(compared, 0)] == [
            (1, 1, 1),
            pytest.approx((2, 2, 2)),
            (1, 1, 1),
        ]


@pytest.mark.filterwarnings("error")
def test_one_block_gives_a_ratio_without_an_interval():
    compared = between([default(1), cell("xla", [0.5]), cell("threads=1", [0.2], **LATER)])
    ratios = [ends(estimate) for estimate in estimates(compared, 0)]
    assert ratios[0] == (1, 1, 1), "by definition"
    assert ratios[1] == (None, pytest.approx(math.exp(0.5)), None)
    assert ratios[2] == (None, pytest.approx(math.exp(0.2)), None)
    assert ends(estimates(compared, 1)[2]) == (None, pytest.approx(math.exp(-0.3)), None)


# Two runs.

THREE, FIVE = [0.1, 0.2, 0.3], [0.0, 0.1, 0.2, 0.1, 0.1]


def test_settings_share_their_first_blocks():
    """By hand: variances of the means 1/300 and 1/1000, covariance of the first three."""
    compared = between([cell("xla", THREE), cell("threads=1", FIVE), default(3)])
    shared = np.dot(np.subtract(THREE, np.mean(THREE)), np.subtract(FIVE[:3], np.mean(FIVE)))
    assert compared.mean[0, 1] == pytest.approx(0.1)
    assert compared.variance[0, 1] == pytest.approx(1 / 300 + 1 / 1000 - 2 * shared / 2 / 5)
    assert compared.freedom[0, 1] == 2
    assert ends(estimates(compared, 2)[1]) == expected(FIVE)


def test_blocks_of_two_runs_are_compared_by_welch_s_test():
    """By hand: variances of the means 1/300 and 1/1000, with 2 and 4 degrees of freedom."""
    one, other = cell("xla", THREE), cell("threads=1", FIVE, **LATER)
    compared = between([one, other])
    assert compared.mean[0, 1] == pytest.approx(0.1)
    assert compared.variance[0, 1] == pytest.approx(13 / 3000)
    assert compared.freedom[0, 1] == pytest.approx(3.23445, rel=1e-6)
    welch = stats.ttest_ind(THREE, FIVE, equal_var=False).confidence_interval(0.95)
    apart = estimates(compared, 1)[0]
    assert ends(apart) == pytest.approx((math.exp(welch.low), math.exp(0.1), math.exp(welch.high)))


def test_as_many_blocks_of_another_run_are_not_paired():
    one, other = cell("xla", THREE), cell("threads=1", THREE, **LATER)
    assert ends(estimate(one, other)) != (1, 1, 1)
    assert ends(estimate(one, msgspec.structs.replace(other, run_id=one.run_id))) == (1, 1, 1)


@pytest.mark.parametrize("blocks", [3, 8])
def test_a_newer_default_does_not_change_an_older_ratio(blocks):
    assert ends(estimate(cell("xla", THREE), default(blocks, **LATER))) == expected(THREE)


def test_a_setting_of_another_run_unpairs_no_others():
    pair = [cell("xla", THREE), cell("threads=1", [0.2, 0.2, 0.2])]
    alone = between(pair)
    beside = between([*pair, cell("onednn=off", FIVE, **LATER)])
    assert beside.mean[:2, :2] == pytest.approx(alone.mean)
    assert beside.variance[:2, :2] == pytest.approx(alone.variance)


# Several scenarios.


def test_the_mean_of_two_scenarios_has_welch_s_interval():
    """The mean of the two means is half the difference between THREE and −FIVE."""
    together = over(*([cell("xla", logs), default(len(logs))] for logs in (THREE, FIVE)))
    assert together.mean[0, 1] == pytest.approx((0.2 + 0.1) / 2)
    assert together.variance[0, 1] == pytest.approx(13 / 3000 / 4)
    assert together.freedom[0, 1] == pytest.approx(3.23445, rel=1e-6)
    welch = stats.ttest_ind(THREE, -np.array(FIVE), equal_var=False).confidence_interval(0.95)
    assert ends(estimates(together, 1)[0]) == pytest.approx(
        (math.exp(welch.low / 2), math.exp(0.15), math.exp(welch.high / 2))
    )


def test_other_scenarios_change_no_bit_of_a_scenario_s_figures():
    rng = np.random.default_rng(4)
    rows = [[default(n), cell("xla", rng.normal(0.3, 0.1, n))] for n in (3, 9, 40)]
    together = contrasts.between(rows)
    for place, row in enumerate(rows):
        for field in ("mean", "variance", "freedom", "margin"):
            alone = getattr(contrasts.between([row]), field)[0]
            np.testing.assert_array_equal(getattr(together, field)[place], alone)


def test_the_number_of_blocks_is_no_weight_of_a_scenario():
    scenarios = [
        [cell("xla", np.full(n, math.log(ratio))), default(n)]
        for n, ratio in ((2, 8.0), (40, 1.0), (5, 1.0))
    ]
    assert estimates(over(*scenarios), 1)[0].ratio == pytest.approx(2)


def test_the_mean_of_one_scenario_is_its_ratio():
    compared = contrasts.between([[cell("xla", THREE), default(3)]])
    np.testing.assert_array_equal(contrasts.combine(compared).ratios(1), compared.ratios(1)[0])


def test_a_setting_without_a_cost_somewhere_has_no_mean():
    whole = [default(3), cell("xla", THREE), cell("threads=1", THREE)]
    lacking = [default(3), None, cell("threads=1", THREE)]
    means = estimates(over(whole, lacking), 0)
    assert [mean is None for mean in means] == [False, True, False]


def test_a_scenario_of_one_block_takes_the_mean_s_interval():
    compared = over(*([default(n), cell("xla", [0.3] * n)] for n in (1, 5)))
    assert ends(estimates(compared, 0)[1]) == (
        None,
        pytest.approx(math.exp(0.3)),
        None,
    )


# The intervals cover the true ratio.

RUNS = 2000
#: Three standard errors of a share of 95 % in so many runs.
MARGIN = 3 * math.sqrt(0.95 * 0.05 / RUNS)
TRUTH = {"default": 0.0, "xla": -0.3, "threads=1": 0.4}
#: Blocks of a scenario, and the spread between the processes in them.
SCENARIOS = ((5, 0.02), (7, 0.05), (10, 0.01))


def measured(rng, blocks, spread, truth):
    """Measure a scenario. The machine drifts, and the noise of default is in every ratio."""
    times = np.array(list(truth.values()))[:, None] + rng.normal(0, spread, (len(truth), blocks))
    times += rng.normal(0, 0.3, blocks)
    return [cell(name, logs) for name, logs in zip(truth, times - times[0], strict=True)]


def share_that_covers(runs, truth):
    """Return the share of runs whose interval covers the true ratio, by pair of settings."""
    logs = list(truth.values())
    against = [[estimates(run, j) for run in runs] for j in range(len(logs))]
    return {
        (i, j): np.mean([run[i].holds(math.exp(logs[i] - logs[j])) for run in against[j]])
        for i, j in itertools.combinations(range(len(logs)), 2)
    }


@pytest.mark.simulation
def test_the_interval_of_a_mean_covers_it_in_95_percent_of_runs():
    rng = np.random.default_rng(2)
    runs = [over(*(measured(rng, *scenario, TRUTH) for scenario in SCENARIOS)) for _ in range(RUNS)]
    for share in share_that_covers(runs, TRUTH).values():
        assert share == pytest.approx(0.95, abs=MARGIN)
    off = [abs(run.mean[1, 0] - TRUTH["xla"]) / math.sqrt(run.variance[1, 0]) for run in runs]
    assert np.mean(np.array(off) < 1.96) < 0.95 - MARGIN, "a normal quantile would be too small"


@pytest.mark.simulation
def test_intervals_cover_with_unequal_numbers_of_blocks():
    rng = np.random.default_rng(4)
    runs = []
    for _ in range(RUNS):
        first, xla, other = measured(rng, 12, 0.03, TRUTH)
        few = cell("xla", np.log(xla.cost.block_ratios[:5]))
        runs.append(between([first, few, other]))
    for share in share_that_covers(runs, TRUTH).values():
        assert 0.95 - MARGIN <= share < 0.99  # few blocks have few degrees of freedom


@pytest.mark.simulation
def test_intervals_across_runs_cover_in_95_percent_of_runs():
    rng = np.random.default_rng(3)
    truth = {"xla": -0.3, "threads=1": 0.4}
    runs = []
    for _ in range(RUNS):
        xla = cell("xla", rng.normal(truth["xla"], 0.02, 5))
        one = cell("threads=1", rng.normal(truth["threads=1"], 0.06, 12), **LATER)
        runs.append(between([xla, one]))
    [share] = share_that_covers(runs, truth).values()
    assert share == pytest.approx(0.95, abs=MARGIN)


# Impossible figures in untrusted evidence.

JUNK = [None, 0.0, -1.0, math.nan, math.inf, 5e-324, 1e300, 2 * LARGEST_RATIO]


def junk(ratios, blocks=None):
    count = len(ratios) if blocks is None else blocks
    return record(setting="xla", cost=Cost(1.0, 1.0, 1.0, count, ratios, "free"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "lost",
    [
        *(junk([1.0, 1.0, ratio]) for ratio in JUNK),
        junk([1.0, 1.0], blocks=3),
        junk([], blocks=0),
        junk([], blocks=3),
        junk([1.0] * (MOST_BLOCKS + 1)),
        record(setting="xla", cost=None),
        failed(setting="xla"),
        record(setting="xla", status="timed_out"),
        None,
    ],
)
def test_impossible_figures_are_no_cost_and_change_no_other(lost):
    one = cell("threads=1", THREE)
    compared = between([default(3), lost, one])
    assert estimates(compared, 0)[1] is None
    assert estimates(compared, 1) == [None, None, None]
    assert ends(estimates(compared, 0)[2]) == expected(THREE)


@pytest.mark.filterwarnings("error")
def test_the_widest_possible_estimate_is_a_number():
    widest = [0.999 * math.log(LARGEST_RATIO), -0.999 * math.log(LARGEST_RATIO)]
    one, other = cell("xla", widest), cell("threads=1", widest[::-1])
    for widest_estimate in (
        estimate(one, other),
        estimate(one, msgspec.structs.replace(other, **LATER)),
        estimates(over(*[[one, other]] * 2), 1)[0],
    ):
        assert 0 < widest_estimate.low < widest_estimate.ratio < widest_estimate.high < math.inf


def test_an_empty_comparison_has_no_estimates():
    assert contrasts.between([]).mean.shape == (0, 0, 0)
    assert between([]).mean.shape == (0, 0)
    assert estimates(between([None]), 0) == [None]


# Parts of a comparison.


def test_the_matrices_of_some_scenarios_are_taken_by_index():
    rows = [[default(n), cell("xla", [0.1 * n] * n)] for n in (2, 3, 4)]
    some = contrasts.between(rows).for_scenarios([2, 0])
    expected = contrasts.between([rows[2], rows[0]])
    for field in ("mean", "variance", "freedom"):
        np.testing.assert_array_equal(getattr(some, field), getattr(expected, field))


def test_against_no_setting_every_ratio_is_unknown():
    rows = [[default(3), cell("xla", THREE)]] * 4
    for comparison, shape in ((contrasts.between(rows), (4, 2, 3)), (over(*rows), (2, 3))):
        ratios = comparison.ratios(None)
        assert (ratios.shape, ratios.dtype) == (shape, float)
        assert np.isnan(ratios).all()


def test_the_worst_is_the_highest_ratio_and_not_the_highest_end():
    noisy, narrow = [0.0, 1.4], [0.6, 0.6]
    rows = [[default(2), cell("xla", logs)] for logs in (narrow, noisy)]
    ratios = contrasts.between(rows).ratios(0)
    assert ratios[0, 1, 1] > ratios[1, 1, 1]
    assert contrasts.worst(ratios)[1, 0] == pytest.approx(math.exp(0.7))
    tall, wide = [0.8, 0.8], [-1.0, 1.4]
    ratios = contrasts.between([[default(2), cell("xla", logs)] for logs in (wide, tall)]).ratios(0)
    assert ratios[0, 1, 2] > ratios[1, 1, 2]
    assert contrasts.worst(ratios)[1, 0] == pytest.approx(math.exp(0.8))


def test_two_runs_of_two_blocks_each_have_one_degree_of_freedom():
    one, other = cell("xla", [0.1, 0.3]), cell("threads=1", [0.2, 0.3], **LATER)
    welch = stats.ttest_ind([0.1, 0.3], [0.2, 0.3], equal_var=False).confidence_interval(0.95)
    apart = estimates(between([one, other]), 1)[0]
    assert ends(apart) == pytest.approx(
        (math.exp(welch.low), math.exp(-0.05), math.exp(welch.high))
    )


@pytest.mark.filterwarnings("error")
def test_default_costs_1_even_if_no_setting_has_blocks():
    alone = between([record(cost=None)])
    beside = between([record(cost=None), failed(setting="xla")])
    assert ends(estimates(alone, 0)[0]) == ends(estimates(beside, 0)[0]) == (1, 1, 1)
    assert estimates(beside, 0)[1] is None
