"""Intervals cover the truth of simulated data as often as they promise."""

import itertools
import math
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from detcost import intervals

RUNS, BLOCKS, ROUNDS = 2000, 6, 20
PROCESS_SPREAD = 0.02  # of one process's speed against the next, relative
NOISE = 0.05  # of one sample, relative

NOISE_KINDS = {
    "normal": lambda rng, shape: NOISE * rng.standard_normal(shape),
    "t3": lambda rng, shape: NOISE * rng.standard_t(3, shape),
    "spikes": lambda rng, shape: (
        NOISE * (0.2 * rng.standard_normal(shape) + 10 * (rng.random(shape) < 0.1))
    ),
}


def simulate(kind, *, blocks=BLOCKS, truth=1.0, seed=0):
    """Return step times of RUNS runs, shape (RUNS, blocks, 2 arms, ROUNDS)."""
    rng = np.random.default_rng(seed)
    process = PROCESS_SPREAD * rng.standard_normal((RUNS, blocks, 2, 1))
    noise = NOISE_KINDS[kind](rng, (RUNS, blocks, 2, ROUNDS))
    times = 1e-3 * np.exp(process + noise)
    times[:, :, 0] *= truth
    return times


def log_ratios(run):
    return [intervals.block_log_ratio(arm, default) for arm, default in run]


@cache
def runs(kind, blocks=BLOCKS, truth=1.0):
    """Estimate every simulated run, once for all tests."""
    return [intervals.ratio(log_ratios(run)) for run in simulate(kind, blocks=blocks, truth=truth)]


# -- cost ------------------------------------------------------------------------------


@pytest.mark.simulation
@pytest.mark.parametrize("blocks", [5, 10])
@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_an_a_a_interval_covers_1_in_90_to_99_percent_of_runs(kind, blocks):
    coverage = np.mean([estimate.holds(1.0) for estimate in runs(kind, blocks)])
    assert 0.90 <= coverage <= 0.99


@pytest.mark.simulation
@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_a_known_cost_is_covered_as_often(kind):
    coverage = np.mean([estimate.holds(1.5) for estimate in runs(kind, truth=1.5)])
    assert 0.90 <= coverage <= 0.99


@pytest.mark.simulation
def test_stopping_on_width_covers_1_in_90_to_99_percent_of_runs():
    def until_narrow(logs):
        looks = (intervals.ratio(logs[:blocks]) for blocks in (5, 10, 20, 40))
        estimate = next(looks)
        while estimate.half_width > 0.03 and estimate.blocks < 40:
            estimate = next(looks)
        return estimate

    stopped = [until_narrow(log_ratios(run)) for run in simulate("normal", blocks=40)[:1000]]
    assert len({estimate.blocks for estimate in stopped}) > 1  # runs did stop at different looks
    assert 0.90 <= np.mean([estimate.holds(1.0) for estimate in stopped]) <= 0.99


@pytest.mark.simulation
def test_pooling_rounds_as_if_independent_would_not_cover():
    pooled = [intervals.ratio(np.log(run[:, 0] / run[:, 1]).ravel()) for run in simulate("normal")]
    assert np.mean([estimate.holds(1.0) for estimate in pooled]) < 0.8


@pytest.mark.simulation
@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_hodges_lehmann_lies_in_the_interval_of_the_ratio(kind):
    agree = [estimate.holds(estimate.hodges_lehmann) for estimate in runs(kind)]
    assert np.mean(agree) > 0.99


def test_hodges_lehmann_is_robust_to_one_outlier():
    logs = [0.0] * 9 + [math.log(3)]
    assert intervals.ratio(logs).ratio > 1.1
    assert intervals.hodges_lehmann(logs) == 1.0


def test_hodges_lehmann_is_the_median_of_all_pairwise_means():
    logs = [0.1, 0.5, 0.2, 0.9]
    pairs = itertools.combinations_with_replacement(logs, 2)
    expected = np.median([(a + b) / 2 for a, b in pairs])
    assert math.log(intervals.hodges_lehmann(logs)) == pytest.approx(expected)


def drifting(interleaved, truth=1.2, samples=600):
    """Return the times of two arms, in turn or one after the other. The machine slows by 5 %."""
    rng = np.random.default_rng(1)
    order = np.tile([0, 1], samples // 2) if interleaved else np.repeat([0, 1], samples // 2)
    if interleaved:
        order = rng.permuted(order.reshape(-1, 2), axis=1).ravel()  # a new order each round
    clock = np.linspace(1.0, 1.05, samples) * np.exp(0.01 * rng.standard_normal(samples))
    return truth * clock[order == 0], clock[order == 1]


def test_a_paired_ratio_cancels_a_drift_of_5_percent():
    arm, default = drifting(interleaved=True)
    paired = math.exp(intervals.block_log_ratio(arm, default))
    assert paired / 1.2 == pytest.approx(1, abs=0.005)


def test_the_same_drift_shifts_an_unpaired_ratio():
    arm, default = drifting(interleaved=False)
    unpaired = np.median(arm) / np.median(default)
    assert unpaired / 1.2 < 1 - 0.015


def test_the_interval_is_students_on_the_log_scale():
    from scipy import stats

    logs = [0.01, 0.05, -0.02, 0.03]
    expected = stats.t.interval(0.95, 3, loc=np.mean(logs), scale=stats.sem(logs))
    estimate = intervals.ratio(logs)
    assert (math.log(estimate.low), math.log(estimate.high)) == pytest.approx(expected)
    assert math.log(estimate.ratio) == pytest.approx(np.mean(logs))
    assert estimate.blocks == 4


def test_half_width_is_relative_and_symmetric_on_the_log_scale():
    estimate = intervals.ratio([0.01, 0.05, -0.02, 0.03])
    assert estimate.ratio * (1 + estimate.half_width) == pytest.approx(estimate.high)
    assert estimate.ratio / (1 + estimate.half_width) == pytest.approx(estimate.low)


def test_one_block_gives_a_ratio_and_no_interval():
    estimate = intervals.ratio([math.log(1.5)])
    assert estimate.ratio == pytest.approx(1.5)
    assert (estimate.low, estimate.high, estimate.half_width, estimate.holds(1.5)) == (None,) * 4


def test_equal_blocks_give_an_interval_of_no_width():
    estimate = intervals.ratio([0.0, 0.0, 0.0])
    assert (estimate.low, estimate.ratio, estimate.high, estimate.half_width) == (
        1.0,
        1.0,
        1.0,
        0.0,
    )


def test_a_block_is_the_median_of_the_ratios_of_its_rounds():
    assert intervals.block_log_ratio([2, 3, 90], [1, 30, 10]) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("samples", "baseline", "message"),
    [
        ([1.0], [1.0, 2.0], "cannot be paired"),
        ([], [], "no step times"),
        ([1.0, 0.0], [1.0, 1.0], "above zero"),
        ([1.0, -1.0], [1.0, 1.0], "above zero"),
        ([1.0, math.nan], [1.0, 1.0], "finite"),
    ],
)
def test_impossible_times_are_refused(samples, baseline, message):
    with pytest.raises(ValueError, match=message):
        intervals.block_log_ratio(samples, baseline)


@pytest.mark.parametrize("logs", [[], [math.nan, 0.0], [math.inf]])
@pytest.mark.parametrize("estimate", [intervals.ratio, intervals.hodges_lehmann])
def test_impossible_log_ratios_are_refused(estimate, logs):
    with pytest.raises(ValueError, match="log ratios"):
        estimate(logs)


@pytest.mark.parametrize("estimate", [intervals.ratio, intervals.hodges_lehmann])
@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ([], "there are no log ratios to estimate from"),
        ([math.inf], "log ratios must be finite numbers"),
    ],
)
def test_the_refusal_of_log_ratios_is_one_sentence(estimate, logs, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        estimate(logs)


def test_two_blocks_are_enough_for_an_interval():
    assert intervals.ratio([0.0, 0.1]).low is not None


def test_single_precision_is_estimated_in_double_precision():
    logs = np.array([0.1, 0.2, 0.4], np.float32)
    assert intervals.ratio(logs) == intervals.ratio(logs.tolist())


# -- verdict ---------------------------------------------------------------------------

VERDICTS = [
    (0.99, 1.01, "free", None),
    (0.98, 1.02, "free", None),
    (1.03, 1.05, "costs", None),
    (1.03, 9.0, "costs", None),
    (0.50, 0.97, "faster", None),
    (1.01, 1.03, "ambiguous", "the interval crosses +2 %"),
    (0.96, 0.99, "ambiguous", "the interval crosses −2 %"),
    (1.02, 1.03, "ambiguous", "the interval crosses +2 %"),
    (0.97, 0.98, "ambiguous", "the interval crosses −2 %"),
    (1.00, 1.05, "ambiguous", "the interval is wider than the ±2 % band and crosses +2 %"),
    (
        *(1.00, 1.20, "ambiguous"),
        "the interval is wider than the ±2 % band and crosses +2 %",
    ),
    (
        *(0.90, 1.10, "ambiguous"),
        "the interval is wider than the ±2 % band and crosses −2 % and crosses +2 %",
    ),
    (None, None, "ambiguous", "fewer than two blocks give no interval"),
]


@pytest.mark.parametrize(("low", "high", "verdict", "reason"), VERDICTS)
def test_a_verdict_needs_its_whole_interval(low, high, verdict, reason):
    assert intervals.verdict(low, high) == verdict
    assert intervals.ambiguity(low, high) == reason


def test_the_band_can_be_chosen():
    assert intervals.verdict(0.96, 1.04) == "ambiguous"
    assert intervals.verdict(0.96, 1.04, band=0.05) == "free"
    assert "crosses +5 %" in intervals.ambiguity(1.01, 1.06, band=0.05)
    assert intervals.ambiguity(1.03, 1.06, band=0.05) == "the interval crosses +5 %"


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (0.875, 1.375, "crosses +25 %"),
        (0.75, 1.5, "is wider than the ±25 % band and crosses +25 %"),
        (0.5, 1.25, "is wider than the ±25 % band and crosses −25 %"),
    ],
)
def test_the_ends_of_the_band_belong_to_it(low, high, reason):
    """A quarter is exact in binary, so these intervals end exactly where the band does."""
    assert intervals.ambiguity(low, high, band=0.25) == f"the interval {reason}"


@pytest.mark.parametrize(("low", "high"), [(1.1, 1.0), (-1.0, 1.0), (0.0, 1.0), (1.0, math.inf)])
def test_an_impossible_interval_of_a_ratio_is_refused(low, high):
    with pytest.raises(ValueError, match="no interval of a ratio"):
        intervals.verdict(low, high)


# -- rates -----------------------------------------------------------------------------


@pytest.mark.parametrize("trials", [6, 60, 300])
@pytest.mark.parametrize("p", [0, 0.01, 0.2, 1])
def test_a_rate_s_interval_covers_in_90_percent_of_runs(p, trials):
    from scipy import stats

    counts = range(trials + 1)
    chance = stats.binom.pmf(counts, trials, p)  # exact: no run is left to chance
    held = [intervals.rate(k, trials).holds(p) for k in counts]
    assert np.dot(chance, held) >= 0.90


@pytest.mark.parametrize(("divergent", "trials"), [(0, 7), (1, 7), (3, 7), (7, 7), (2, 3000)])
def test_the_interval_of_a_rate_is_that_of_clopper_and_pearson(divergent, trials):
    from scipy import stats

    expected = stats.binomtest(divergent, trials).proportion_ci(0.95, "exact")
    estimate = intervals.rate(divergent, trials)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.rate == divergent / trials


@pytest.mark.parametrize(("trials", "bound"), [(59, 0.05), (299, 0.01), (20, 0.14)])
def test_trials_without_divergence_bound_the_rate_as_published(trials, bound):
    assert intervals.upper_bound_of_zero(trials) == pytest.approx(bound, rel=0.01)
    assert (1 - intervals.upper_bound_of_zero(trials)) ** trials == pytest.approx(0.05)


def test_a_count_of_zero_is_reported_with_the_one_sided_bound():
    zero, one = intervals.rate_or_bound(0, 59), intervals.rate_or_bound(1, 59)
    assert (zero.rate, zero.low, zero.high) == (0, 0, intervals.upper_bound_of_zero(59))
    assert one == intervals.rate(1, 59)
    assert intervals.rate_or_bound(0, 0).high is None


def test_without_trials_the_rate_is_unknown_and_not_zero():
    estimate = intervals.rate(0, 0)
    assert (estimate.divergent, estimate.trials) == (0, 0)
    assert (estimate.rate, estimate.low, estimate.high, estimate.holds(0)) == (None,) * 4
    assert intervals.upper_bound_of_zero(0) is None


@pytest.mark.parametrize(("divergent", "trials"), [(-1, 5), (6, 5), (0, -1), (1, 0)])
def test_impossible_counts_are_refused(divergent, trials):
    with pytest.raises(ValueError, match="cannot have diverged"):
        intervals.rate(divergent, trials)


def test_a_bound_of_a_negative_number_of_trials_is_refused():
    with pytest.raises(ValueError, match="-1 trials"):
        intervals.upper_bound_of_zero(-1)


# -- medians ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 9, 50])
def test_a_median_s_interval_covers_with_skewed_samples(n):
    samples = np.random.default_rng(2).lognormal(sigma=1.5, size=(RUNS, n))  # true median 1
    held = [intervals.median_interval(run).holds(1.0) for run in samples]
    assert 0.94 <= np.mean(held) <= 0.995  # discrete, so up to 97 % at n = 6


@pytest.mark.parametrize(("n", "k"), [(6, 1), (8, 1), (9, 2), (20, 6), (100, 40)])
def test_a_median_s_interval_has_the_tabled_ends(n, k):
    estimate = intervals.median_interval(np.random.default_rng(3).permutation(n) + 1.0)
    assert (estimate.low, estimate.median, estimate.high) == (k, (n + 1) / 2, n + 1 - k)


@pytest.mark.parametrize("n", [1, 5])
def test_fewer_than_six_samples_give_a_median_and_no_interval(n):
    estimate = intervals.median_interval([3.0] * n)
    assert (estimate.median, estimate.low, estimate.high, estimate.samples) == (3.0, None, None, n)


def test_a_median_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        intervals.median_interval([])


def test_importing_the_module_does_not_load_scipy():
    code = "import sys, detcost.intervals; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
