"""Scopes with fake workers: each varies one thing, with numbers of trials fixed in advance."""

from __future__ import annotations

import random
import time
from collections import Counter

import msgspec
import pytest
from scipy.stats import binomtest

from detcost import intervals
from detcost.evidence.schema import SCOPES, partition
from detcost.experiment import perturbations, profiles, trials
from detcost.experiment.arm import TRIES, Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.profiles import Profile
from detcost.experiment.scopes import POOL_SIZES, variants
from detcost.experiment.sequences import BitComparison, CallDigests
from detcost.experiment.tally import Tally
from detcost.host.noisy_neighbours import KINDS as NEIGHBOURS
from detcost.outputs.severity import Severity
from detcost.settings import grammar
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions, WorkerLost
from fake_workers import Behaviour, FakeWorkerFactory

STANDARD = profiles.PROFILES["standard"]
#: Few blocks, because these tests are about the trials after them.
SHORT = msgspec.structs.replace(STANDARD, looks=(5,), rounds=3, perturbed=6, trials=6)
AVX2 = ("sse4_1", "sse4_2", "avx", "avx2", "fma")


def run(
    factory: FakeWorkerFactory,
    names: str = "",
    *,
    profile: Profile = SHORT,
    scopes: tuple[str, ...] = SCOPES,
    seed: int = 1,
    fixed_execution: bool = False,
    cpu_flags: tuple[str, ...] = AVX2,
) -> Experiment:
    chosen = ["default", *names.split()]
    cells = [Cell("fake", grammar.parse(name), "CPU:0", seed=seed) for name in chosen]
    variants_of = variants(cpu_flags, fixed_execution)
    chosen_scopes = {scope: variants_of[scope] for scope in scopes if scope in variants_of}
    experiment = Experiment(cells, profile, factory, scopes=chosen_scopes, clock=factory.clock)
    experiment.run()
    return experiment


def seen(arm: Arm, scope: str):
    return arm.divergence()[scope]


# -- variants ------------------------------------------------------------------


def test_a_scope_changes_one_thing_and_nothing_else():
    factory = FakeWorkerFactory()
    run(factory)
    usual = msgspec.structs.asdict(UNPERTURBED)
    for _, conditions, _ in factory.conditions:
        changed = {
            key
            for key, value in msgspec.structs.asdict(conditions).items()
            if key != "label" and value != usual[key]
        }
        assert len(changed) <= 1


def test_every_variant_of_a_scope_is_tried_equally_often():
    factory = FakeWorkerFactory()
    divergence = run(factory).arms[0].divergence()
    assert {v.label: v.trials for v in divergence["threads"].variants} == {
        str(size): 1 for size in POOL_SIZES
    }
    assert {v.label: v.trials for v in divergence["load"].variants} == dict.fromkeys(NEIGHBOURS, 3)
    assert {v.label: v.trials for v in divergence["execution"].variants} == dict.fromkeys(
        ("eager", "graph", "xla"), 2
    )
    assert len({v.trials for v in divergence["isa"].variants}) == 1
    assert divergence["isa"].trials >= SHORT.trials


def test_variants_keep_their_own_order_in_the_summary():
    for seed in range(5):
        arm = run(FakeWorkerFactory(), seed=seed).arms[0]
        labels = [variant.label for variant in seen(arm, "threads").variants]
        assert labels == [str(size) for size in POOL_SIZES]


def test_only_trials_under_load_run_beside_a_neighbour():
    factory = FakeWorkerFactory()
    run(factory)
    assert {(c.neighbour or "") == beside for _, c, beside in factory.conditions} == {True}
    assert {beside for _, _, beside in factory.conditions} == {"", *NEIGHBOURS}


def test_a_setting_that_was_given_up_has_no_trials():
    def errors(method: str, number: int) -> CellError | None:
        return CellError("unimplemented", "no kernel") if method == "build" else None

    factory = FakeWorkerFactory({"xla": Behaviour(errors=errors)})
    experiment = run(factory, "xla")
    assert experiment.arms[1].divergence() == {}
    assert set(experiment.arms[0].divergence()) == set(SCOPES)


# -- comparisons ----------------------------------------------------------------


def by_pool_size(conditions: Conditions) -> str:
    """Give equal bits with four threads or more, as a kernel that splits work into four parts."""
    return f"split in {min(conditions.pool_size or 2, 4)}"


def test_the_partition_groups_pool_sizes_that_agree():
    arm = run(FakeWorkerFactory({"default": Behaviour(output=by_pool_size)})).arms[0]
    threads = seen(arm, "threads")
    assert partition(threads.variants) == [["1"], ["2"], ["3"], ["4", "8", "16"]]
    assert (threads.divergent, threads.trials, threads.distinct) == (5, 6, 4)
    assert seen(arm, "process").divergent == seen(arm, "load").divergent == 0
    assert threads.severity is not None
    assert seen(arm, "process").severity is None


def test_a_variant_with_different_outputs_agrees_with_none():
    factory = FakeWorkerFactory({"default": Behaviour(process_flips=1.0)})
    often = msgspec.structs.replace(SHORT, trials=12)
    threads = seen(run(factory, profile=often).arms[0], "threads")
    assert partition(threads.variants) == [[str(size)] for size in POOL_SIZES]
    assert {variant.digest for variant in threads.variants} == {None}


def test_execution_is_compared_with_the_cells_own_output():
    """A setting that always compiles gives its own bits in every execution mode."""
    factory = FakeWorkerFactory(
        {
            "xla": Behaviour(output=lambda conditions: "compiled"),
            "default": Behaviour(output=lambda c: "compiled" if c.execution == "xla" else "output"),
        }
    )
    default, xla = run(factory, "xla").arms
    assert (seen(default, "execution").divergent, seen(default, "execution").trials) == (2, 6)
    assert partition(seen(default, "execution").variants) == [["eager", "graph"], ["xla"]]
    assert (seen(xla, "execution").divergent, seen(xla, "execution").trials) == (0, 6)
    assert xla.same_bits_as(default) == "no"


@pytest.mark.simulation
@pytest.mark.parametrize("scope", ["process", "threads", "load", "isa", "execution"])
@pytest.mark.parametrize("probability", [0.0, 0.01, 0.2, 1.0])
def test_a_known_rate_is_found_in_every_scope(scope, probability):
    """Runs of 300 trials must not show that an interval covers p in fewer than 90 %."""
    profile = msgspec.structs.replace(
        SHORT, looks=(1,), rounds=1, trials=300, processes=300, perturbed=0
    )
    held = []
    for seed in range(15):
        factory = FakeWorkerFactory({"default": Behaviour(process_flips=probability)}, seed=seed)
        arm = run(factory, profile=profile, scopes=(scope,), seed=seed).arms[0]
        # If the reference itself has the rare output, nearly all others differ from it.
        if arm.sequences.reference[0] == "output" or probability == 1:
            comparison = seen(arm, scope)
            assert comparison.trials >= 300
            held.append(comparison.low <= probability <= comparison.high)
    assert binomtest(sum(held), len(held)).proportion_ci(0.95).high >= 0.90


# -- variants that cannot be tried ------------------------------------------------------------


def test_a_scope_that_does_not_apply_has_a_reason():
    arm = run(FakeWorkerFactory(), fixed_execution=True, cpu_flags=()).arms[0]
    assert seen(arm, "execution").reason == "the scenario itself says how it is executed"
    assert "no library" in seen(arm, "isa").reason
    assert (seen(arm, "isa").trials, seen(arm, "isa").rate) == (0, None)


def test_only_a_variant_that_cannot_run_is_skipped():
    def refuses(conditions: Conditions) -> CellError | None:
        compiled = conditions.execution == "xla"
        return CellError("unimplemented", "XLA has no such op") if compiled else None

    arm = run(FakeWorkerFactory({"default": Behaviour(refuses=refuses)})).arms[0]
    execution = seen(arm, "execution")
    assert arm.status == "ok"
    assert execution.skipped == {"xla": "XLA has no such op"}
    assert {variant.label: variant.trials for variant in execution.variants} == {
        "eager": 2,
        "graph": 2,
    }


def test_a_variant_that_keeps_losing_workers_is_skipped():
    attempts = []

    def refuses(conditions: Conditions) -> CellError | None:
        if conditions.pool_size != 16:
            return None
        attempts.append(conditions)
        return WorkerLost("crashed", "killed by SIGSEGV")

    arm = run(FakeWorkerFactory({"default": Behaviour(refuses=refuses)})).arms[0]
    assert arm.status == "ok"
    assert len(attempts) == TRIES
    assert f"given up after {TRIES} workers" in seen(arm, "threads").skipped["16"]
    assert seen(arm, "threads").trials == 5


def test_trials_whose_neighbour_was_lost_do_not_count():
    factory = FakeWorkerFactory(lost_neighbours={"busy_cores"})
    arm = run(factory).arms[0]
    load = seen(arm, "load")
    assert [variant.label for variant in load.variants] == ["memory_bandwidth"]
    assert load.skipped == {"busy_cores": "a busy_cores neighbour was killed by SIGKILL"}
    assert "busy_cores" in seen(arm, "process").skipped
    assert "busy_cores" not in {variant.label for variant in seen(arm, "repeat").variants}


def test_execution_is_compared_without_an_output_of_default():
    def errors(method: str, number: int) -> CellError | None:
        return CellError("failed", "no") if method == "build" else None

    factory = FakeWorkerFactory({"default": Behaviour(errors=errors)})
    default, xla = run(factory, "xla").arms
    assert seen(xla, "execution").trials == 6
    assert xla.same_bits_as(default) is None


def test_conditions_that_were_refused_are_not_tried_again(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    refused = []

    def refuses(conditions: Conditions) -> CellError | None:
        if conditions.execution != "xla":
            return None
        refused.append(conditions)
        return CellError("unimplemented", "XLA has no such op")

    run(FakeWorkerFactory({"default": Behaviour(refuses=refuses)}))
    assert len(refused) == 1


def test_no_more_trials_run_at_once_than_there_are_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    factory, alive = FakeWorkerFactory(), []

    def slow(method: str, number: int) -> None:
        if number >= 2:  # after the block
            alive.append(factory.alive.total())
            time.sleep(0.005)

    factory.behaviours = {"default": Behaviour(errors=slow)}
    profile = msgspec.structs.replace(SHORT, looks=(1,), rounds=1)
    run(factory, profile=profile, scopes=("repeat", "process"))
    assert max(alive) <= 2


# -- the plan and the count ----------------------------------------------------------


def test_processes_are_spread_equally_over_the_pythons():
    """Two processes ran in the blocks already. The trials go on from them."""
    arm = Arm(Cell("fake", grammar.DEFAULT, "CPU:0"))
    for python in (0, 1):
        arm.sequences.add(CallDigests(python, "quiet", ("a",)))
    profile = msgspec.structs.replace(STANDARD, processes=8, perturbed=3, pythons=3)
    scopes = {"process": variants(AVX2, False)["process"]}
    planned = trials.plan([arm], profile, scopes, random.Random(1))
    assert len(planned) == 8 - 1
    assert Counter([0, 1, *(trial.python for trial in planned)]) == {0: 3, 1: 3, 2: 3}


def test_a_summary_has_the_rate_of_all_conditions():
    tally = Tally()
    for label, output in (("1", "a"), ("2", "b"), ("2", "a"), ("2", "c")):
        tally.add(BitComparison(label, output, "a"))
    summary, rate = tally.summary(), intervals.rate_or_bound(2, 4)
    assert (summary.divergent, summary.trials, summary.distinct) == (2, 4, 3)
    assert (summary.rate, summary.low, summary.high) == (rate.rate, rate.low, rate.high)
    assert [(v.label, v.divergent, v.trials) for v in summary.variants] == [
        ("1", 0, 1),
        ("2", 2, 3),
    ]


def test_a_tally_keeps_the_greatest_difference():
    tally, small, great = Tally(), Severity(1, 0.1, 1e-7), Severity(9, 0.9, 1e-3)
    for difference in (small, great, small):
        tally.add_severity(difference)
    assert tally.severity == great


# -- perturbations -------------------------------------------------------------------


def test_perturbed_trials_count_under_their_own_label():
    arm = run(FakeWorkerFactory(), scopes=("repeat", "process")).arms[0]
    for scope in ("process", "repeat"):
        labels = Counter(variant.label.partition("=")[0] for variant in seen(arm, scope).variants)
        assert labels == Counter(["quiet", *perturbations.KINDS])
    by_label = {variant.label: variant.trials for variant in seen(arm, "process").variants}
    assert by_label.pop("quiet") == SHORT.processes - SHORT.perturbed
    assert set(by_label.values()) == {1}
    assert seen(arm, "process").trials == SHORT.processes


def test_a_perturbed_worker_is_never_timed():
    factory = FakeWorkerFactory()
    run(factory)
    perturbed = {n for n, (_, c, _) in enumerate(factory.conditions) if c != UNPERTURBED}
    assert perturbed
    assert not {n for _, n, method in factory.log if method == "burst"} & perturbed


def test_a_divergence_of_a_perturbation_alone_is_found():
    factory = FakeWorkerFactory(
        {"default": Behaviour(output=lambda c: f"with {bool(c.busy_threads)}")}, seed=3
    )
    process = seen(run(factory).arms[0], "process")
    divergent = {v.label.partition("=")[0] for v in process.variants if v.divergent}
    assert divergent == {"oversubscription"}
    assert process.divergent == 1


def test_a_plan_has_every_kind_equally_often_by_the_seed():
    plan = perturbations.plan(3 * len(perturbations.KINDS), seed=7)
    kinds = Counter(conditions.label.partition("=")[0] for conditions in plan)
    assert kinds == dict.fromkeys(perturbations.KINDS, 3)
    assert plan == perturbations.plan(len(plan), seed=7)
    assert plan != perturbations.plan(len(plan), seed=8)


def test_a_run_starts_one_more_python_for_a_kind_at_most():
    """Each environment costs an import of TensorFlow. Few trials use only cheap kinds."""
    environments = {conditions.environment for conditions in perturbations.plan(60, seed=7)}
    assert len(environments - {()}) == 1
    assert {conditions.environment for conditions in perturbations.plan(2, seed=7)} == {()}


def test_affinities_and_offsets_stay_in_their_ranges(monkeypatch):
    monkeypatch.setattr(perturbations, "usable_core_numbers", lambda: [2, 3, 5, 7])
    for number in range(50):
        cores = perturbations.draw("cpu_affinity", 1, number).cores
        assert set(cores) < {2, 3, 5, 7}
        assert 1 <= perturbations.draw("allocation_offset", 1, number).input_offset <= 64


def test_trials_that_have_not_begun_when_the_time_is_up_are_left_out():
    """The blocks' own comparisons stay, so every count is still true."""
    profile = msgspec.structs.replace(SHORT, trials_seconds=0.0)
    unbounded, bounded = run(FakeWorkerFactory()), run(FakeWorkerFactory(), profile=profile)
    for whole, part in zip(unbounded.arms, bounded.arms, strict=True):
        more, fewer = whole.divergence()["process"], part.divergence()["process"]
        assert 0 < fewer.trials < more.trials
