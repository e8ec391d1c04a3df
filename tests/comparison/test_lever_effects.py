"""Effects of levers are estimated from simulated blocks, and their intervals cover the truth."""

import itertools
import math
from functools import cache

import msgspec
import numpy as np
import pytest

from detcost import intervals
from detcost.comparison.contrasts import LARGEST_RATIO, MOST_BLOCKS
from detcost.comparison.lever_effects import SWITCHES, Effect, factors
from detcost.evidence.schema import Cost
from detcost.settings.grammar import default_grid
from factories import failed, record

OP, ONE, XLA = SWITCHES
GRID = [setting.name for setting in default_grid()]
#: The main effects, and one interaction. Every other interaction is 1.
TRUTH = {(OP,): 1.02, (ONE,): 1.47, (XLA,): 1.31, (OP, ONE): 0.97}
TOGETHER = 1.02 * 1.47 * 1.31
RUNS, BLOCKS = 400, 6
PROCESS_SPREAD = 0.02  # of one process's speed against the next, relative
DRIFT = 0.1  # of the machine from block to block, relative


def cell(setting, ratios, **changes):
    return record(
        setting=setting, cost=Cost(None, None, None, len(ratios), ratios, "free"), **changes
    )


def levers_of(setting):
    return set(setting.split("+"))


def log_step_times(rng, default_spread):
    """Return log step times of RUNS runs, shape (RUNS, BLOCKS, cells of GRID)."""
    half_effects = [math.log(factor) / 2 for factor in TRUTH.values()]
    signs = [
        [math.prod(1 if lever in levers_of(name) else -1 for lever in effect) for effect in TRUTH]
        for name in GRID
    ]
    spread = np.full(len(GRID), PROCESS_SPREAD)
    spread[GRID.index("default")] = default_spread
    drift = DRIFT * rng.standard_normal((RUNS, BLOCKS, 1))
    process = spread * rng.standard_normal((RUNS, BLOCKS, len(GRID)))
    return np.array(signs) @ half_effects + drift + process


@cache
def simulated(default_spread=PROCESS_SPREAD):
    """Return log ratios to ``default``, whose noise is in every ratio of its block."""
    times = log_step_times(np.random.default_rng(0), default_spread)
    return times - times[..., [GRID.index("default")]]


def evidence_of(log_ratios, **changes):
    """Return records of log ratios, shape (blocks, cells). Default has the A/A comparison."""
    ratios = dict(zip(GRID, np.exp(log_ratios).T.tolist(), strict=True))
    ratios["default"] = [1.5] * len(log_ratios)
    return [cell(setting, ratios[setting], **changes) for setting in GRID]


@cache
def analyses(default_spread=PROCESS_SPREAD):
    runs = simulated(default_spread)
    records = [evidence_of(logs, run_id=str(number)) for number, logs in enumerate(runs)]
    return factors(itertools.chain(*records))


def effect(analysis, *levers):
    return next(effect for effect in analysis.effects if effect.levers == levers)


def without(records, *settings):
    return [kept for kept in records if kept.setting not in settings]


@pytest.fixture
def records():
    return evidence_of(simulated()[0])


# Effects and their intervals.


@pytest.mark.simulation
@pytest.mark.parametrize("default_spread", [PROCESS_SPREAD, 5 * PROCESS_SPREAD])
@pytest.mark.parametrize(
    "levers", [(OP,), (ONE,), (XLA,), (OP, ONE), (OP, XLA), (ONE, XLA), (OP, ONE, XLA)]
)
def test_an_interval_covers_its_effect_in_90_to_99_percent(levers, default_spread):
    estimates = [effect(analysis, *levers) for analysis in analyses(default_spread)]
    assert (
        0.90 <= np.mean([estimate.holds(TRUTH.get(levers, 1.0)) for estimate in estimates]) <= 0.99
    )


@pytest.mark.simulation
@pytest.mark.parametrize("default_spread", [PROCESS_SPREAD, 5 * PROCESS_SPREAD])
def test_the_interval_of_all_levers_together_covers_as_often(default_spread):
    held = [analysis.together.holds(TOGETHER) for analysis in analyses(default_spread)]
    assert 0.90 <= np.mean(held) <= 0.99


@pytest.mark.simulation
def test_cells_taken_as_independent_claim_too_small_errors():
    """The noise of default is in all ratios of a block: adding variances counts it 7 times."""
    runs = simulated(5 * PROCESS_SPREAD)
    contrasts = [math.log(effect(run, XLA).ratio) for run in analyses(5 * PROCESS_SPREAD)]
    claimed = np.sqrt(runs.var(axis=1, ddof=1).sum(axis=1) / BLOCKS) / 4  # standard errors
    assert np.mean(np.abs(np.array(contrasts) - math.log(TRUTH[(XLA,)])) < 2 * claimed) > 0.99


def test_noise_of_default_has_the_weight_of_one_cell(records):
    """Ratios give the same effect as the step times themselves."""
    times = log_step_times(np.random.default_rng(0), PROCESS_SPREAD)[0]
    on = np.array([XLA in levers_of(name) for name in GRID])
    expected = intervals.ratio(times[:, on].mean(axis=1) - times[:, ~on].mean(axis=1))
    estimate = effect(*factors(records), XLA)
    assert (estimate.low, estimate.ratio, estimate.high) == pytest.approx(
        (expected.low, expected.ratio, expected.high)
    )


def test_the_effects_of_the_textbook_s_pilot_plant_are_found():
    """Box, Hunter & Hunter, 2nd ed. (2005), section 5.2. The grid has their (Yates's) order."""
    yields = np.array([60, 72, 54, 68, 52, 83, 45, 80])
    [analysis] = factors(evidence_of([(yields - 60) / 100]))
    percent = {estimate.levers: 100 * math.log(estimate.ratio) for estimate in analysis.effects}
    main = {(OP,): 23, (ONE,): -5, (XLA,): 1.5}
    interactions = {(OP, ONE): 1.5, (OP, XLA): 10, (ONE, XLA): 0, (OP, ONE, XLA): 0.5}
    assert percent == pytest.approx({**main, **interactions})


def test_an_interaction_is_half_the_other_lever_s_difference(records):
    [analysis] = factors(without(records, *(name for name in GRID if XLA in levers_of(name))))
    logs = dict(zip(GRID, simulated()[0].mean(axis=0), strict=True))
    alone, beside = logs[OP], logs[f"{OP}+{ONE}"] - logs[ONE]
    assert math.log(effect(analysis, OP, ONE).ratio) == pytest.approx((beside - alone) / 2)
    assert math.log(effect(analysis, OP).ratio) == pytest.approx((beside + alone) / 2)


def test_together_is_the_product_of_the_odd_effects(records):
    [analysis] = factors(records)
    odd = [estimate.ratio for estimate in analysis.effects if len(estimate.levers) in (1, 3)]
    assert len(odd) == 4
    assert math.prod(odd) == pytest.approx(analysis.together.ratio)


def test_together_is_the_last_cell_against_default(records):
    [analysis] = factors(records)
    cost = intervals.ratio(simulated()[0][:, GRID.index(f"{OP}+{ONE}+{XLA}")])
    together = analysis.together
    assert (together.low, together.ratio, together.high) == (cost.low, cost.ratio, cost.high)


def test_the_record_of_default_does_not_change_effects(records):
    assert factors(without(records, "default")) == factors(records)


def test_one_block_gives_effects_without_intervals():
    [analysis] = factors(evidence_of(simulated()[0][:1]))
    assert {(estimate.low, estimate.high) for estimate in analysis.effects} == {(None, None)}
    assert analysis.blocks == 1
    assert str(analysis).count("[?, ?]") == 4  # unknown interactions are left out


# Which factorial.


def test_without_one_lever_the_others_are_a_factorial(records):
    rest = [failed(setting=kept.setting, status="unimplemented") for kept in records]
    mixed = [
        lost if XLA in levers_of(kept.setting) else kept
        for kept, lost in zip(records, rest, strict=True)
    ]
    [analysis] = factors(mixed)
    assert [estimate.levers for estimate in analysis.effects] == [(OP,), (ONE,), (OP, ONE)]
    assert analysis.levers == (OP, ONE)
    main = effect(analysis, OP).ratio * effect(analysis, ONE).ratio
    assert main == pytest.approx(analysis.together.ratio)


@pytest.mark.parametrize(
    ("missing", "levers"),
    [
        ((), (OP, ONE, XLA)),
        ((f"{OP}+{ONE}+{XLA}",), (OP, ONE)),
        ((f"{OP}+{ONE}",), (OP, XLA)),
        ((OP,), (ONE, XLA)),
        ((OP, f"{ONE}+{XLA}"), (ONE,)),
        ((OP, ONE), (XLA,)),
    ],
)
def test_the_largest_whole_factorial_is_taken(records, missing, levers):
    [analysis] = factors(without(records, *missing))
    assert analysis.levers == levers
    assert len(analysis.effects) == 2 ** len(levers) - 1


def test_the_effect_of_a_single_lever_is_its_cost(records):
    [analysis] = factors([record for record in records if record.setting in ("default", XLA)])
    [estimate] = analysis.effects
    assert estimate == analysis.together
    cost = intervals.ratio(simulated()[0][:, GRID.index(XLA)])
    assert (estimate.low, estimate.ratio, estimate.high) == (cost.low, cost.ratio, cost.high)


def test_without_a_lever_there_is_no_analysis(records):
    assert factors([]) == []
    assert factors(records[:1]) == []
    assert factors([cell("threads=4", [1.1, 1.2]), cell("onednn=off", [1.1, 1.2])]) == []


def test_the_blocks_that_all_settings_share_are_the_first(records):
    """A setting with a narrow interval takes no part in later blocks."""

    def cut(kept):
        return cell(kept.setting, kept.cost.block_ratios[: BLOCKS - 1])

    short = [cut(kept) if kept.setting == f"{OP}+{ONE}" else kept for kept in records]
    assert factors(short) == factors([cut(kept) for kept in records])
    assert factors(short)[0].blocks == BLOCKS - 1


def test_other_settings_and_other_spellings_do_not_matter(records):
    others = [cell("threads=2", [3.0]), cell(f"{OP}+onednn=off", [2.0, 2.0])]
    respelt = [
        msgspec.structs.replace(kept, setting="+".join(reversed(kept.setting.split("+"))))
        for kept in reversed(records)
    ]
    assert factors([*others, *respelt]) == factors(records)


# Several experiments, and untrusted evidence.


@pytest.mark.parametrize(
    "other",
    [
        {"machine": {"name": "another box"}},
        {"machine": {}},
        {"run_id": "later"},
        {"scenario": "conv2d"},
        {"device": "GPU:0"},
        {"size": "large"},
        {"dtype": "float16"},
    ],
)
def test_experiments_are_kept_apart_in_the_order_met(other):
    first, second = (evidence_of(simulated()[i], **({}, other)[i]) for i in (0, 1))
    mixed = [kept for pair in zip(second, first, strict=True) for kept in pair]
    assert factors(mixed) == [*factors(second), *factors(first)]


def test_an_analysis_names_its_experiment(records):
    [analysis] = factors(records)
    names = (analysis.machine, analysis.run_id, analysis.scenario)
    assert names == ("box", "20260102T030405-0a1b2c3d", "matmul_square")
    assert (analysis.device, analysis.size, analysis.dtype) == ("CPU:0", "medium", "float32")
    assert analysis.blocks == BLOCKS


@pytest.mark.parametrize("setting", ["", "fast", "xla+xla", "threads=1+intra=4", "xla\n", "\x00"])
def test_an_unknown_setting_is_part_of_no_factorial(records, setting):
    assert factors([cell(setting, [2.0] * BLOCKS), *records]) == factors(records)


JUNK = [None, 0.0, -1.0, math.nan, math.inf, 5e-324, 1e308, 2 * LARGEST_RATIO]


@pytest.mark.parametrize("junk", [[], *([1.0] * 5 + [one] for one in JUNK)])
def test_impossible_figures_count_as_not_measured(records, junk):
    odd = [*without(records, XLA), cell(XLA, junk)]
    assert factors(odd) == factors(without(records, XLA))


@pytest.mark.parametrize("changes", [{"cost": None}, {"status": "failed"}])
def test_a_cell_without_a_cost_counts_as_not_measured(records, changes):
    lost = msgspec.structs.replace(records[-1], **changes)
    assert factors([*records[:-1], lost]) == factors(records[:-1])


def test_too_many_blocks_are_refused():
    assert factors([cell(XLA, [1.0] * MOST_BLOCKS)])
    assert factors([cell(XLA, [1.0] * (MOST_BLOCKS + 1))]) == []


def test_the_widest_possible_interval_is_a_number():
    ends = [1 / LARGEST_RATIO, LARGEST_RATIO]
    [analysis] = factors(
        cell(name, ends if len(levers_of(name)) % 2 else ends[::-1]) for name in GRID
    )
    assert all(0 < estimate.low < estimate.high < math.inf for estimate in analysis.effects)


# As text.


def test_a_line_leaves_out_unclear_interactions(records):
    [analysis] = factors(records)
    effects = [Effect(levers=(OP,), ratio=1.024, low=1.01, high=1.034)]
    effects += [Effect(levers=(ONE,), ratio=1.47, low=1.44, high=1.5)]
    effects += [Effect(levers=(OP, ONE), ratio=0.97, low=0.95, high=0.99)]
    together = Effect(levers=(OP, ONE), ratio=1.96, low=None, high=None)
    shown = msgspec.structs.replace(analysis, effects=tuple(effects), together=together)
    mains = "op_determinism ×1.02 [1.01, 1.03], threads=1 ×1.47 [1.44, 1.50]"
    clear = "op_determinism:threads=1 ×0.97 [0.95, 0.99]"
    assert str(shown) == f"{mains}; {clear}; together ×1.96 [?, ?]"
    effects[-1] = Effect(levers=(OP, ONE), ratio=0.97, low=0.93, high=1.01)
    shown = msgspec.structs.replace(shown, effects=tuple(effects))
    assert str(shown) == f"{mains}; together ×1.96 [?, ?]"
