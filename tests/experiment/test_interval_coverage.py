"""The promises of docs/measurement.md, with real processes and real time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from scipy.stats import binomtest

from detcost.experiment import profiles
from detcost.experiment.arm import Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.scopes import variants
from detcost.settings.grammar import DEFAULT, Setting, parse
from detcost.workers.contract import Cell
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

QUICK = profiles.PROFILES["quick"]
#: Where costs alone are read: few calls beside the blocks. A step that spins need not settle.
COSTS = {"calls": 2, "processes": 1, "pythons": 1, "perturbed": 0, "settle_seconds": 0.002}


@pytest.fixture
def cpu_burner() -> Iterator[None]:
    """Keep one core busy."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield
    burner.kill()
    burner.wait()


def run(
    factory, name: str, *settings: Setting, seed: int = 1, scopes=None, **changes
) -> Experiment:
    profile = msgspec.structs.replace(QUICK, **changes)
    cells = [Cell(f"{USER_SCENARIOS}:{name}", s, "CPU:0", seed=seed) for s in (DEFAULT, *settings)]
    experiment = Experiment(cells, profile, factory, scopes=scopes or {})
    experiment.run()
    return experiment


def test_real_a_a_comparisons_cover_1_beside_a_busy_process(factory, cpu_burner):
    """Twenty real runs must not show a coverage outside [90 %, 99 %]."""
    runs = 20
    covered = sum(
        bool(run(factory, "one_millisecond", seed=seed, **COSTS).aa_arm.ratio().holds(1.0))
        for seed in range(runs)
    )
    interval = binomtest(covered, runs).proportion_ci(0.95)
    assert interval.high >= 0.90
    assert interval.low <= 0.99


def test_the_interval_covers_a_step_that_costs_half_more(factory):
    """A 95 % interval may miss one time in twenty. Three runs must not show less than 90 %.

    The width depends on other work of the machine. Tests with fake workers check the width.
    """
    runs = [
        run(factory, "costs_half_more", parse("op_determinism"), seed=seed, **COSTS)
        for seed in range(3)
    ]
    costs = [experiment.arms[1].cost() for experiment in runs]
    covered = sum(cost.low <= 1.5 <= cost.high for cost in costs)
    assert binomtest(covered, len(costs)).proportion_ci(0.95).high >= 0.90


@pytest.mark.parametrize(
    ("name", "probability"),
    [("flips_never", 0.0), ("flips_rarely", 0.01), ("flips_often", 0.2), ("flips_always", 1.0)],
)
def test_a_real_worker_counts_flips_of_one_bit_at_their_rate(factory, name, probability):
    """There are 300 repeats, as in the standard profile. One run in a thousand may miss."""
    arm: Arm = run(factory, name, looks=(5,), rounds=1, calls=61, perturbed=0).arms[0]
    counted = arm.divergence()["repeat"]
    assert counted.trials == 300
    assert binomtest(counted.divergent, counted.trials, probability).pvalue > 1e-3


@pytest.mark.parametrize(
    ("scope", "name", "probability", "trials"),
    [
        ("threads", "starts_0", 0.0, 12),
        ("threads", "starts_1", 0.01, 48),
        ("threads", "starts_20", 0.2, 48),
        ("threads", "starts_100", 1.0, 12),
        ("execution", "starts_0", 0.0, 12),
        ("execution", "starts_20", 0.2, 48),
        ("execution", "starts_100", 1.0, 12),
    ],
)
def test_real_trials_of_a_scope_count_flips_at_their_rate(
    factory, scope, name, probability, trials
):
    """The first output of fresh processes has a flipped bit. One run in a thousand may miss.

    With a probability of 0 or 1 a single wrong trial shows, so few are enough.
    """
    variants_of = variants(cpu_flags=(), fixed_execution=False)
    experiment = run(
        *(factory, name),
        scopes={scope: variants_of[scope]},
        looks=(1,),
        rounds=1,
        calls=2,
        processes=1,
        trials=trials,
    )
    counted = experiment.arms[0].divergence()[scope]
    assert counted.trials == trials
    # If the reference has the flip, processes without the flip differ.
    if 0 < probability < 1 and experiment.arms[0].sequences.reference[0] != digest_without_flip(
        factory
    ):
        probability = 1 - probability
    assert binomtest(counted.divergent, counted.trials, probability).pvalue > 1e-3


def digest_without_flip(factory) -> str:
    worker = factory.start(Cell(f"{USER_SCENARIOS}:starts_0", DEFAULT, "CPU:0"))
    try:
        return worker.build().digest
    finally:
        worker.close()
