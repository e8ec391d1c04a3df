"""Whole experiments with fake workers: order, stopping, lost workers and results."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scipy.stats import binomtest

from detcost import intervals
from detcost.experiment import profiles
from detcost.experiment.arm import TRIES, TRIES_OF_HANGING, Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.profiles import Profile
from detcost.experiment.progress import Progress
from detcost.experiment.scopes import variants
from detcost.experiment.sequences import CallDigests
from detcost.settings import grammar
from detcost.workers.contract import (
    UNPERTURBED,
    Cell,
    CellError,
    Conditions,
    ProgramRaised,
    Usage,
    WorkerLost,
)
from fake_workers import Behaviour, FakeWorkerFactory

SLOWER = "op_determinism"
QUICK = profiles.PROFILES["quick"]
STANDARD = profiles.PROFILES["standard"]
CPU_FLAGS = ("sse4_1", "sse4_2", "avx", "avx2", "fma")
NOISES = {
    "normal": lambda rng: math.exp(rng.gauss(0, 0.05)),
    "t3": lambda rng: math.exp(0.03 * rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2) / 3)),
    "spikes": lambda rng: math.exp(rng.gauss(0, 0.02)) * (3.0 if rng.random() < 0.1 else 1.0),
}


def run(
    factory: FakeWorkerFactory,
    names: str = SLOWER,
    profile: Profile = QUICK,
    seed: int = 1,
    scopes: tuple[str, ...] = ("repeat", "process"),
    **options: Any,
) -> Experiment:
    chosen = ["default", *names.split()]
    cells = [Cell("fake", grammar.parse(name), "CPU:0", seed=seed) for name in chosen]
    variants_of = variants(CPU_FLAGS, fixed_execution=False)
    chosen_scopes = {scope: variants_of[scope] for scope in scopes if scope in variants_of}
    experiment = Experiment(
        cells, profile, factory, scopes=chosen_scopes, clock=factory.clock, **options
    )
    experiment.run()
    return experiment


def batched(items: Sequence, size: int) -> list[Sequence]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def rounds(factory: FakeWorkerFactory, size: int) -> list[list[int]]:
    """Return the numbers of the timed workers, one list for each round."""
    numbers = [number for _, number, method in factory.log if method == "burst"]
    return [list(batch) for batch in batched(numbers, size)]


# -- order of the work -------------------------------------------------------------------


def test_every_round_holds_every_setting_once():
    factory = FakeWorkerFactory()
    run(factory, "op_determinism threads=1")
    for block in batched(rounds(factory, 4), QUICK.rounds):
        workers = {frozenset(batch) for batch in block}
        assert len(workers) == 1
        assert len(next(iter(workers))) == 4  # both workers of default, and the two settings


def test_the_order_within_rounds_differs():
    factory = FakeWorkerFactory()
    run(factory, "op_determinism threads=1")
    first_block = rounds(factory, 4)[: QUICK.rounds]
    assert len({tuple(batch) for batch in first_block}) > 3


def test_the_seed_decides_the_order():
    logs = []
    for seed in (1, 1, 2):
        factory = FakeWorkerFactory()
        run(factory, seed=seed, scopes=("repeat",))
        logs.append(rounds(factory, 3))
    assert logs[0] == logs[1] != logs[2]


def test_workers_of_a_block_live_side_by_side_and_all_end():
    factory = FakeWorkerFactory()
    run(factory, "op_determinism threads=1 xla")
    assert factory.most_alive == 5
    assert factory.alive.total() == 0


# -- when to stop ------------------------------------------------------------------------


def test_it_stops_at_the_first_look_with_narrow_intervals():
    experiment = run(FakeWorkerFactory(), profile=STANDARD)
    assert experiment.stopped_by == "width"
    assert len(experiment.arms[1].log_ratios) == 5


def test_it_goes_on_while_any_interval_is_wide():
    noisy = FakeWorkerFactory({SLOWER: Behaviour(spread=0.1)})
    patient = msgspec.structs.replace(STANDARD, seconds=1e9)
    experiment = run(noisy, "op_determinism threads=1", profile=patient)
    assert len(experiment.arms[1].log_ratios) in STANDARD.looks[1:]


def test_a_narrow_setting_leaves_later_blocks_to_the_others():
    """Its processes still count for divergence. Only its timed bursts are saved."""
    factory = FakeWorkerFactory({SLOWER: Behaviour(spread=0.1)})
    patient = msgspec.structs.replace(STANDARD, seconds=1e9)
    wide, narrow = run(factory, "op_determinism threads=1", profile=patient).arms[1:]
    assert len(narrow.log_ratios) == STANDARD.looks[0] < len(wide.log_ratios)
    assert narrow.divergence()["process"].trials == STANDARD.processes


def test_it_stops_after_the_last_look_however_wide():
    experiment = run(FakeWorkerFactory({SLOWER: Behaviour(spread=0.5)}), profile=QUICK)
    assert (experiment.stopped_by, len(experiment.arms[1].log_ratios)) == (
        "blocks",
        QUICK.looks[-1],
    )


def test_the_time_cap_ends_the_blocks_and_no_trials():
    factory = FakeWorkerFactory({SLOWER: Behaviour(spread=0.5)}, start_seconds=10)
    experiment = run(factory, profile=STANDARD)
    assert experiment.stopped_by == "time"
    assert len(experiment.arms[1].log_ratios) == 3
    assert experiment.arms[1].divergence()["process"].trials == STANDARD.processes


def test_stopping_looks_at_widths_and_never_at_ratios():
    costly = run(FakeWorkerFactory({SLOWER: Behaviour(seconds=0.05)}), profile=STANDARD)
    equal = run(FakeWorkerFactory(), profile=STANDARD)
    assert len(costly.arms[1].log_ratios) == len(equal.arms[1].log_ratios)


def test_trial_counts_are_fixed_in_advance_whatever_diverges():
    counts = set()
    for flips in (0.0, 0.5, 1.0):
        varies = FakeWorkerFactory({SLOWER: Behaviour(flips=flips, process_flips=flips)})
        arm = run(varies, profile=STANDARD).arms[1]
        divergence = arm.divergence()
        counts.add((divergence["repeat"].trials, divergence["process"].trials))
    every_process = (STANDARD.calls - 1) * (STANDARD.processes + 1)
    assert counts == {(every_process, STANDARD.processes)}
    assert every_process >= STANDARD.repeats >= 300


def test_the_time_cap_counts_from_the_start_of_the_experiment():
    stops = [
        run(FakeWorkerFactory(now=now), profile=STANDARD, scopes=("repeat",)).stopped_by
        for now in (0.0, 1e6)
    ]
    assert stops == ["width", "width"]


def test_the_blocks_end_only_after_the_time_cap():
    def blocks(seconds: float) -> tuple[int, list[float]]:
        factory, times = FakeWorkerFactory({SLOWER: Behaviour(spread=0.5)}), []
        profile = msgspec.structs.replace(STANDARD, seconds=seconds)
        experiment = run(
            factory, profile=profile, scopes=(), checkpoint=lambda: times.append(factory.now)
        )
        return len(experiment.arms[1].log_ratios), times

    _, times = blocks(1e9)
    assert blocks(times[3])[0] == 5
    assert blocks(times[3] * 0.999)[0] == 4


def test_an_interval_as_wide_as_the_target_is_not_narrow_yet():
    def blocks(half_width: float) -> tuple[int, float]:
        factory = FakeWorkerFactory({SLOWER: Behaviour(spread=0.05)}, seed=2)
        profile = msgspec.structs.replace(QUICK, looks=(2, 3), half_width=half_width, seconds=1e9)
        arm = run(factory, "op_determinism", profile, scopes=()).arms[1]
        width = intervals.ratio(arm.log_ratios[:2]).half_width
        assert width is not None
        return len(arm.log_ratios), width

    _, width = blocks(1e-9)
    assert blocks(width)[0] == 3
    assert blocks(width * 1.001)[0] == 2


def test_an_interrupt_cancels_the_trials_that_have_not_started(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    factory = FakeWorkerFactory()
    started: list[int] = []

    def slow(method: str, number: int) -> None:
        if method == "build" and number >= 3:
            started.append(number)
            time.sleep(0.02)

    def interrupt(progress: Progress) -> None:
        if progress.doing == "fresh processes":
            raise KeyboardInterrupt

    factory.behaviours = {name: Behaviour(errors=slow) for name in ("default", SLOWER)}
    profile = msgspec.structs.replace(QUICK, looks=(1,), processes=50, perturbed=0)
    with pytest.raises(KeyboardInterrupt):
        run(factory, profile=profile, on_progress=interrupt)
    assert len(started) < 50  # of about 100
    assert factory.alive.total() == 0


# -- results -----------------------------------------------------------------------


@pytest.mark.simulation
@pytest.mark.parametrize("noise", NOISES)
def test_default_against_itself_covers_1_as_often_as_promised(noise: str):
    """With 2 % spread between processes and noisy samples, 95 % intervals cover 90–99 %."""
    runs = 300
    covered = 0
    behaviour = Behaviour(spread=0.02, noise=NOISES[noise])
    for seed in range(runs):
        factory = FakeWorkerFactory({"default": behaviour}, seed=seed)
        same = run(factory, "", seed=seed, scopes=("repeat",)).aa_arm.ratio()
        covered += bool(same.holds(1.0))
    assert 0.90 <= covered / runs <= 0.99


def test_a_known_cost_is_found_within_3_percent():
    behaviour = {name: Behaviour(spread=0.01, noise=NOISES["normal"]) for name in ("default",)}
    slower = Behaviour(seconds=0.0075, spread=0.01, noise=NOISES["normal"])
    factory = FakeWorkerFactory({**behaviour, SLOWER: slower}, seed=4)
    cost = run(factory, profile=STANDARD).arms[1].cost()
    assert cost.low <= 1.5 <= cost.high
    assert (cost.high / cost.low) ** 0.5 - 1 < 0.03
    assert cost.verdict == "costs"


def test_linear_drift_of_the_machine_keeps_the_paired_ratio():
    """The machine slows by 5 %. The paired ratio stays within 0.5 %; unpaired times do not."""
    still = FakeWorkerFactory()
    run(still, scopes=("repeat",))
    factory = FakeWorkerFactory(drift=0.05 / still.now)
    experiment = run(factory, scopes=("repeat",))
    assert experiment.arms[1].ratio().ratio == pytest.approx(1.0, abs=0.005)
    first, last = experiment.arms[0].block_seconds[0], experiment.arms[0].block_seconds[-1]
    assert last / first > 1.02


@pytest.mark.simulation
@pytest.mark.parametrize("probability", [0.0, 0.01, 0.2, 1.0])
def test_a_known_rate_is_inside_the_interval_in_nine_runs_of_ten(probability: float):
    runs, inside = 100, 0
    for seed in range(runs):
        factory = FakeWorkerFactory({SLOWER: Behaviour(flips=probability)}, seed=seed)
        experiment = run(factory, seed=seed, scopes=("repeat",))
        repeat = experiment.arms[1].divergence()["repeat"]
        inside += repeat.low <= probability <= repeat.high
    assert inside >= 0.9 * runs


def test_repeats_are_compared_with_their_own_process():
    factory = FakeWorkerFactory({SLOWER: Behaviour(process_flips=1.0)})
    arm = run(factory).arms[1]
    divergence = arm.divergence()
    assert divergence["process"].divergent == divergence["process"].trials == QUICK.processes
    assert divergence["repeat"].divergent == 0


def test_severity_is_measured_once_for_each_worker():
    factory = FakeWorkerFactory({SLOWER: Behaviour(flips=1.0)})
    arm = run(factory).arms[1]
    numbers = [
        number for name, number, method in factory.log if method == "severity" and name == SLOWER
    ]
    assert len(numbers) == len(set(numbers)) > 0
    assert arm.severity is not None
    assert arm.severity.max_ulp == 1


@pytest.mark.simulation
def test_both_workers_of_default_are_the_baseline():
    """With two workers, half of the variance of one is in the ratio."""

    def spread(of_both: bool) -> float:
        logs = []
        for seed in range(200):
            factory = FakeWorkerFactory({"default": Behaviour(spread=0.05)}, seed=seed)
            experiment = run(factory, seed=seed, scopes=("repeat",))
            logs += experiment.arms[1].log_ratios if of_both else experiment.aa_arm.log_ratios
        return math.fsum(log**2 for log in logs) / len(logs)

    assert spread(of_both=True) == pytest.approx(0.05**2 / 2, rel=0.2)
    assert spread(of_both=False) == pytest.approx(2 * 0.05**2, rel=0.2)


def test_ratios_are_to_the_mean_of_both_workers_of_default():
    """On the log scale. The A/A comparison is the ratio of the second worker to the first."""
    factory = FakeWorkerFactory({name: Behaviour(spread=0.1) for name in ("default", SLOWER)})
    experiment = run(factory, scopes=("repeat",))
    default, slower = experiment.arms
    times = zip(
        default.block_seconds,
        experiment.aa_arm.block_seconds,
        slower.block_seconds,
        strict=True,
    )
    logs = [[math.log(seconds) for seconds in block] for block in times]
    assert slower.log_ratios == pytest.approx([c - (a + b) / 2 for a, b, c in logs])
    assert experiment.aa_arm.log_ratios == pytest.approx([b - a for a, b, _ in logs])
    assert default.log_ratios == []


@pytest.mark.parametrize(
    ("behaviour", "scope"),
    [
        (Behaviour(process_flips=1.0), "process"),
        (Behaviour(flips=1.0), "repeat"),
        (Behaviour(state=True, flips=0.3), "repeat"),
    ],
    ids=["by process", "by call", "by call, with state"],
)
def test_a_scope_with_differences_has_their_severity(behaviour: Behaviour, scope: str):
    arm = run(FakeWorkerFactory({SLOWER: behaviour}), profile=STANDARD).arms[1]
    assert bool(arm.sequences.carries_state) == behaviour.state
    severity = arm.divergence()[scope].severity
    assert severity is not None
    assert severity.max_ulp == 1


def test_with_state_the_last_outputs_are_compared():
    """Only the last output moves here, equally in every process, so nothing differs."""
    moves = Behaviour(call_output=lambda call: "moved" if call == QUICK.calls else "")
    arm = run(FakeWorkerFactory({SLOWER: moves})).arms[1]
    assert arm.sequences.carries_state
    assert arm.severity is None


def test_the_reference_outputs_of_every_cell_are_saved():
    behaviours = {"default": Behaviour(state=True), SLOWER: Behaviour(state=True, output=str)}
    factory = FakeWorkerFactory(behaviours)
    experiment = run(factory)
    arms = [*experiment.arms, experiment.aa_arm]
    first, last = ([getattr(arm, f"{n}_output_file") for arm in arms] for n in ("first", "last"))
    assert all(Path(path).parent.name.startswith("detcost-reference-") for path in first + last)
    for arm, first_path, last_path in zip(arms, first, last, strict=True):
        assert factory.saved[first_path] == arm.sequences.reference[0]
        assert factory.saved[last_path] == arm.sequences.reference[-1]


def test_outputs_of_the_same_bytes_are_saved_once():
    """Gigabytes of output take seconds to write, and room on the disk, for every setting."""
    behaviours = {"threads=1": Behaviour(output=lambda conditions: "other")}
    factory = FakeWorkerFactory(behaviours)
    experiment = run(factory, f"{SLOWER} threads=1")
    assert sum(method == "save_outputs" for _, _, method in factory.log) == 2
    default, slower, single = experiment.arms
    assert default.first_output_file == slower.first_output_file
    assert factory.saved[single.first_output_file] == single.sequences.reference[0]


# -- the steady state --------------------------------------------------------------------


def cost_with_cold_steps(profile: Profile) -> float:
    """Return the cost if the first step of default takes 1.4 times as long after idleness."""
    factory = FakeWorkerFactory({"default": Behaviour(cold=1.4), SLOWER: Behaviour(seconds=0.0075)})
    return run(factory, profile=profile, scopes=("repeat",)).arms[1].cost().ratio


def test_the_cost_is_of_steps_in_a_loop():
    assert cost_with_cold_steps(QUICK) == pytest.approx(1.5, rel=0.01)


def test_without_settling_the_cost_would_be_the_cold_steps():
    """The test above can fail: the former sampling finds another cost."""
    cold = msgspec.structs.replace(QUICK, settle_seconds=0.0, burst_seconds=1e-3)
    assert cost_with_cold_steps(cold) < 1.2


def test_the_first_step_after_idleness_is_recorded():
    factory = FakeWorkerFactory({SLOWER: Behaviour(cold=2.0)})
    arm = run(factory, scopes=("repeat",)).arms[1]
    assert arm.cold_step_seconds == pytest.approx(2 * arm.step_seconds().median, rel=0.05)


# -- races and state ---------------------------------------------------------------------


def test_state_is_no_race_its_sequence_repeats():
    factory = FakeWorkerFactory({SLOWER: Behaviour(state=True)})
    arm = run(factory, profile=STANDARD).arms[1]
    divergence = arm.divergence()
    assert arm.sequences.carries_state
    assert (divergence["repeat"].divergent, divergence["process"].divergent) == (0, 0)
    assert divergence["repeat"].trials == STANDARD.repeats


def test_state_that_differs_by_process_diverges():
    factory = FakeWorkerFactory({SLOWER: Behaviour(state=True, process_flips=1.0)})
    arm = run(factory, profile=STANDARD).arms[1]
    divergence = arm.divergence()
    assert not arm.sequences.carries_state
    assert divergence["repeat"].divergent == divergence["repeat"].trials
    assert divergence["process"].divergent == divergence["process"].trials


def test_a_sequence_that_parts_gives_the_call():
    factory = FakeWorkerFactory({SLOWER: Behaviour(state=True, flips=0.02)}, seed=3)
    arm = run(factory, profile=STANDARD).arms[1]
    divergence = arm.divergence()
    assert arm.sequences.carries_state
    assert 0 < divergence["repeat"].divergent < divergence["repeat"].trials
    assert 2 <= divergence["repeat"].first_call <= STANDARD.calls


def test_with_state_a_scope_is_compared_in_later_calls_too():
    """The first loss of a training is the same with other threads. The second loss differs."""
    moved = Behaviour(state=True, output=lambda c: "moved" if c.pool_size == 3 else "output")
    arm = run(FakeWorkerFactory({SLOWER: moved}), scopes=("repeat", "process", "threads")).arms[1]
    threads = arm.divergence()["threads"]
    assert (threads.divergent, threads.trials) == (1, 6)
    assert threads.severity is not None


def test_workers_come_from_every_python_equally_often():
    factory = FakeWorkerFactory()
    run(factory, profile=STANDARD)
    for setting in ("default", SLOWER):
        used = [python for name, python in factory.pythons if name == setting]
        counts = {python: used.count(python) for python in range(STANDARD.pythons)}
        assert max(counts.values()) - min(counts.values()) <= 2 + (setting == "default") * 5


def test_outputs_of_a_python_differ_by_process_alone():
    factory = FakeWorkerFactory({SLOWER: Behaviour(python_output=str)})
    divergence = run(factory, profile=STANDARD).arms[1].divergence()
    assert divergence["repeat"].divergent == 0
    assert divergence["process"].divergent == pytest.approx(STANDARD.processes * 2 / 3, abs=1)


def test_scopes_other_than_process_keep_to_one_python():
    factory = FakeWorkerFactory({SLOWER: Behaviour(python_output=str)})
    divergence = run(factory, scopes=("repeat", "process", "threads")).arms[1].divergence()
    assert divergence["threads"].divergent == 0


# -- same bits as default ----------------------------------------------------------------


def test_same_bits_as_default_is_yes_no_or_default_varies():
    factory = FakeWorkerFactory({SLOWER: Behaviour(output=lambda c: "other")})
    experiment = run(factory, "op_determinism threads=1")
    default = experiment.arms[0]
    assert [arm.same_bits_as(default) for arm in experiment.arms] == ["yes", "no", "yes"]
    racing = run(FakeWorkerFactory({"default": Behaviour(flips=0.5)}))
    assert racing.arms[1].same_bits_as(racing.arms[0]) == "default varies"


@pytest.mark.parametrize(
    ("behaviour", "varies"),
    [
        (Behaviour(), False),
        (Behaviour(state=True), False),
        (Behaviour(flips=0.5), True),
        (Behaviour(process_flips=1.0), True),
    ],
    ids=["constant", "state", "by call", "by process"],
)
def test_default_varies_if_its_calls_or_its_processes_differ(behaviour: Behaviour, varies: bool):
    default, slower = run(FakeWorkerFactory({"default": behaviour})).arms
    assert default.varies == varies
    assert (slower.same_bits_as(default) == "default varies") == varies


def test_one_process_whose_outputs_move_varies():
    """State can only be told from a race by a second process."""
    arm = an_arm()
    arm.sequences.add(CallDigests(0, "quiet", ("a", "b")))
    assert arm.varies


# -- losses ------------------------------------------------------------------------------


def lose(method: str, *workers_lost: int, status: str = "crashed"):
    """Return a function that loses the n-th workers of a setting when a method is called."""
    numbers: list[int] = []

    def errors(request: str, number: int) -> CellError | None:
        if number not in numbers:
            numbers.append(number)
        if request == method and numbers.index(number) in workers_lost:
            return WorkerLost(status, "killed by SIGKILL")
        return None

    return errors


def test_a_worker_lost_in_a_block_is_replaced():
    factory = FakeWorkerFactory({SLOWER: Behaviour(errors=lose("burst", 1))})
    experiment = run(factory)
    assert experiment.arms[1].status == "ok"
    assert experiment.arms[1].lost == 1
    blocks = QUICK.looks[-1]
    assert [len(arm.log_ratios) for arm in (experiment.arms[1], experiment.aa_arm)] == [blocks] * 2


def test_a_replacement_is_forked_from_the_python_of_its_block():
    factory = FakeWorkerFactory({SLOWER: Behaviour(errors=lose("burst", 1))})
    run(factory, scopes=("repeat",))
    pythons = [python for name, python in factory.pythons if name == SLOWER]
    assert pythons == [0, 1, 1, 0, 1, 0]


def test_a_replacement_gives_its_outputs_before_it_is_timed():
    factory = FakeWorkerFactory({SLOWER: Behaviour(errors=lose("burst", 1))})
    run(factory, scopes=("repeat",))
    requests: dict[int, list[str]] = {}
    for _, number, method in factory.log:
        requests.setdefault(number, []).append(method)
    timed = [methods for methods in requests.values() if "burst" in methods]
    assert all(methods.index("repeat") < methods.index("burst") for methods in timed)


@pytest.mark.parametrize("method", ["build", "burst", "repeat"])
@pytest.mark.parametrize(("status", "tries"), [("crashed", TRIES), ("timed_out", TRIES_OF_HANGING)])
def test_only_a_cell_that_keeps_losing_workers_is_given_up(method: str, status: str, tries: int):
    """A worker that hangs costs its whole time limit, so fewer of them are waited for."""
    factory = FakeWorkerFactory(
        {SLOWER: Behaviour(errors=lose(method, *range(100), status=status))}
    )
    more = msgspec.structs.replace(QUICK, processes=12)
    experiment = run(factory, "op_determinism threads=1", profile=more)
    given_up, other = experiment.arms[1:]
    assert (given_up.status, given_up.lost) == (status, tries)
    assert f"given up after {tries} workers" in given_up.reason
    assert (other.status, other.divergence()["process"].trials) == ("ok", more.processes)


@pytest.mark.parametrize("method", ["build", "repeat"])
def test_a_program_that_never_returns_is_given_up_after_one_worker(method: str):
    """Otherwise each worker of each setting would be waited for, which takes an hour."""
    hangs = Behaviour(errors=lose(method, *range(100), status="timed_out"))
    factory = FakeWorkerFactory(dict.fromkeys(("default", SLOWER, "threads=1"), hangs))
    experiment = run(factory, f"{SLOWER} threads=1")
    assert len(factory.conditions) == 1
    assert {arm.status for arm in experiment.arms} == {"timed_out"}
    assert {arm.reason for arm in experiment.arms} == {
        "killed by SIGKILL under default; no other worker was waited for"
    }


def test_a_worker_that_hangs_after_others_have_run_is_replaced():
    factory = FakeWorkerFactory({"default": Behaviour(errors=lose("build", 2, status="timed_out"))})
    experiment = run(factory)
    assert experiment.arms[0].lost + experiment.aa_arm.lost == 1
    assert {arm.status for arm in experiment.arms} == {"ok"}


def test_results_from_before_a_cell_is_given_up_are_kept():
    factory = FakeWorkerFactory({SLOWER: Behaviour(errors=lose("burst", *range(3, 100)))})
    arm = run(factory).arms[1]
    assert arm.status == "crashed"
    assert len(arm.log_ratios) == 3
    assert arm.cost().blocks == 3


def test_an_error_of_the_scenario_itself_is_not_tried_again():
    def errors(method: str, number: int) -> CellError | None:
        return CellError("unimplemented", "no kernel") if method == "build" else None

    factory = FakeWorkerFactory({SLOWER: Behaviour(errors=errors)})
    arm = run(factory).arms[1]
    assert (arm.status, arm.reason, arm.lost) == ("unimplemented", "no kernel", 0)
    assert sum(name == SLOWER for name, _, _ in factory.log) == 1


def test_without_default_there_is_divergence_but_no_cost():
    factory = FakeWorkerFactory({"default": Behaviour(errors=lose("burst", *range(100)))})
    experiment = run(factory)
    arm = experiment.arms[1]
    assert experiment.arms[0].status == "crashed"
    assert arm.cost() is None
    assert arm.divergence()["process"].trials == QUICK.processes


def with_memory_for(workers: int, names: str) -> Experiment:
    """Run an experiment on a device whose memory holds this many workers."""
    factory = FakeWorkerFactory()

    def too_many(method: str, number: int) -> CellError | None:
        short = method == "build" and factory.alive.total() > workers
        return CellError("out_of_memory", "device memory is short") if short else None

    factory.behaviours = {name: Behaviour(errors=too_many) for name in ("default", *names.split())}
    one_at_a_time = msgspec.structs.replace(QUICK, quiet_builds=99)
    experiment = run(factory, names, profile=one_at_a_time, scopes=("repeat",))
    assert factory.alive.total() == 0
    return experiment


@pytest.mark.parametrize("names", [SLOWER, "op_determinism threads=1"])
def test_with_little_memory_settings_run_two_at_a_time(names: str):
    experiment = with_memory_for(2, names)
    assert experiment.two_at_a_time
    assert {arm.status for arm in experiment.arms} == {"ok"}
    assert {len(arm.log_ratios) for arm in experiment.arms[1:]} == {QUICK.looks[-1]}


def test_with_memory_for_one_worker_only_default_is_measured():
    experiment = with_memory_for(1, SLOWER)
    default, slower = experiment.arms
    assert (default.status, slower.status) == ("ok", "out_of_memory")
    assert (experiment.aa_arm.status, slower.cost()) == ("out_of_memory", None)


def test_with_little_memory_trials_run_one_at_a_time(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    factory, alive = FakeWorkerFactory(), []

    def too_many(method: str, number: int) -> CellError | None:
        short = method == "build" and factory.alive.total() > 2
        return CellError("out_of_memory", "device memory is short") if short else None

    def slow(conditions: Conditions) -> None:
        if conditions != UNPERTURBED:
            alive.append(factory.alive.total())
            time.sleep(0.005)

    behaviour = Behaviour(errors=too_many, refuses=slow)
    factory.behaviours = dict.fromkeys(("default", SLOWER), behaviour)
    profile = msgspec.structs.replace(QUICK, quiet_builds=99, processes=12, perturbed=8)
    assert run(factory, profile=profile).two_at_a_time
    assert alive == [1] * 16


# -- what a record has --------------------------------------------------------------------


def an_arm(**fields: Any) -> Arm:
    return Arm(Cell("fake", grammar.parse(SLOWER), "CPU:0"), **fields)


def test_a_cost_has_the_verdict_its_reason_and_a_second_estimate():
    logs = [0.0, 0.01, 0.08]
    cost, ratio = an_arm(log_ratios=logs).cost(), intervals.ratio(logs)
    assert cost is not None
    assert (cost.low, cost.ratio, cost.high) == (ratio.low, ratio.ratio, ratio.high)
    assert (cost.verdict, cost.why) == (
        "ambiguous",
        "the interval is wider than the ±2 % band and crosses −2 % and crosses +2 %",
    )
    assert cost.hodges_lehmann == intervals.hodges_lehmann(logs) != cost.ratio
    assert cost.block_ratios == [math.exp(log) for log in logs]


def test_the_step_time_is_the_median_of_the_blocks():
    step = an_arm(block_seconds=[6.0, 1.0, 5.0, 2.0, 4.0, 3.0]).step_seconds()
    assert step is not None
    assert (step.low, step.median, step.high) == (1.0, 3.5, 6.0)


def test_times_that_were_never_measured_are_unknown():
    arm = an_arm()
    assert (arm.cost(), arm.step_seconds()) == (None, None)
    assert (arm.first_call_seconds, arm.cold_step_seconds) == (None, None)
    assert an_arm(first_calls=[1.0, 5.0, 2.0]).first_call_seconds == 2.0


def test_a_peak_is_the_greatest_known_value_of_all_processes():
    arm = an_arm(usages=[Usage(1, None, 2), Usage(7, 30, 1), Usage(3, 20, 1)])
    peaks = [arm.peak(name) for name in ("peak_memory_bytes", "device_memory_bytes", "traces")]
    assert peaks == [7, 30, 2]
    assert an_arm(usages=[Usage(1, None, 1)]).peak("device_memory_bytes") is None
    assert an_arm().peak("traces") is None


def raises_at_start(error: CellError) -> Behaviour:
    return Behaviour(errors=lambda method, number: error if method == "build" else None)


@pytest.mark.parametrize(
    ("error", "default_fails", "recorded"),
    [
        (ProgramRaised("failed", "ValueError: no"), False, "unimplemented"),
        (ProgramRaised("failed", "ValueError: no"), True, "failed"),
        (CellError("out_of_memory", "no memory"), False, "out_of_memory"),
    ],
)
def test_unimplemented_means_raised_under_the_setting_alone(error, default_fails, recorded):
    failing = ("default", SLOWER) if default_fails else (SLOWER,)
    factory = FakeWorkerFactory({name: raises_at_start(error) for name in failing})
    default, arm = run(factory).arms
    assert arm.recorded_status(default) == (recorded, error.reason)
    if not default_fails:
        assert default.recorded_status(default) == ("ok", None)


def test_only_the_first_calls_of_quiet_builds_are_timed():
    """Later builds and trials run side by side, which disturbs the first call."""
    profile = msgspec.structs.replace(STANDARD, looks=(4,), quiet_builds=2)
    lost = Behaviour(errors=lose("burst", 0, 5))
    for arm in run(FakeWorkerFactory({SLOWER: lost}), profile=profile).arms:
        assert arm.first_calls == [0.1] * 2


def test_every_process_of_a_cell_makes_the_same_number_of_calls():
    factory = FakeWorkerFactory({SLOWER: Behaviour(state=True)})
    run(factory, scopes=("repeat", "process", "threads"))
    of_slower = [number for number, (name, _) in enumerate(factory.pythons) if name == SLOWER]
    assert {factory.calls[number] for number in of_slower} == {QUICK.calls}


# -- the reference in float64 -------------------------------------------------------------


def test_errors_are_measured_once_against_a_run_in_float64():
    factory = FakeWorkerFactory()
    experiment = run(factory, float64_reference=True)
    name, conditions, _ = factory.conditions[0]
    assert (name, conditions) == ("default", Conditions(float64=True))
    assert not any(conditions.float64 for _, conditions, _ in factory.conditions[1:])
    assert [arm.accuracy for arm in experiment.arms] == [1e-7, 1e-7]
    assert all(Path(path).parent.name.startswith("detcost-reference-") for path in factory.saved)
    of_slower = [name for name, _, method in factory.log if method == "accuracy"]
    assert of_slower.count(SLOWER) == 1
    assert factory.alive.total() == 0


def test_without_a_reference_in_float64_errors_are_unknown():
    assert [arm.accuracy for arm in run(FakeWorkerFactory()).arms] == [None, None]


@pytest.mark.parametrize("method", ["build", "save_outputs"])
def test_a_reference_that_fails_leaves_only_the_errors_unknown(method: str):
    factory = FakeWorkerFactory({"default": Behaviour(errors=lose(method, 0))})
    experiment = run(factory, float64_reference=True)
    assert [arm.accuracy for arm in experiment.arms] == [None, None]
    assert [(arm.status, arm.lost) for arm in experiment.arms] == [("ok", 0)] * 2
    assert experiment.arms[1].divergence()["process"].trials == QUICK.processes
    assert factory.alive.total() == 0


# -- progress ----------------------------------------------------------------------------


def without_starts(reports: list[Progress]) -> list[Progress]:
    return [report for report in reports if "first calls" not in report.doing]


def test_progress_names_every_worker_that_starts_in_a_block():
    """A first call may take minutes, so it is named before it ends."""
    reports: list[Progress] = []
    run(FakeWorkerFactory(), on_progress=reports.append)
    assert reports[0].doing == "block 1: first calls under default"
    assert str(reports[0]) == "fake on CPU:0: block 1: first calls under default"
    assert len(reports) - len(without_starts(reports)) == 5 * 3


def test_progress_is_the_share_of_workers_that_have_finished(monkeypatch):
    """5 blocks of 3 workers, then trials, of which two run at once.

    12 trials are planned before the blocks. The processes of the blocks leave 4 of them.
    """
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    reports: list[Progress] = []
    run(FakeWorkerFactory(), on_progress=reports.append)
    finished = without_starts(reports)
    blocks, of_trials = finished[:15], finished[15:]
    assert [report.doing for report in blocks] == [f"block {1 + n // 3}" for n in range(15)]
    assert [report.fraction for report in blocks] == [
        pytest.approx(done / (done + 12 / 2 + (5 - (done - 1) // 3) * 3)) for done in range(1, 16)
    ]
    assert [report.doing for report in of_trials] == ["fresh processes"] * 4
    assert [report.fraction for report in of_trials] == [
        pytest.approx((15 + finished / 2) / 17) for finished in (1, 2, 3, 4)
    ]
    assert (reports[-1].fraction, reports[-1].seconds_left) == (1, 0)
    assert {(report.scenario, report.device) for report in reports} == {("fake", "CPU:0")}


def test_progress_leaves_narrow_settings_out_of_later_blocks():
    """After the first look, a block has both workers of ``default`` and one of the wide setting."""
    reports: list[Progress] = []
    profile = msgspec.structs.replace(QUICK, looks=(2, 4), seconds=1e9)
    factory = FakeWorkerFactory({SLOWER: Behaviour(spread=0.5)})
    names = f"{SLOWER} threads=1"
    run(factory, names, profile, scopes=("repeat",), on_progress=reports.append)
    first = without_starts(reports)[2 * 4]
    assert first.doing == "block 3"
    assert first.fraction == pytest.approx(9 / (9 + 2 * 3))


def test_the_time_left_follows_from_the_time_since_the_start():
    times: list[tuple[Progress, float]] = []
    factory = FakeWorkerFactory(now=1000.0)
    run(factory, on_progress=lambda progress: times.append((progress, factory.now)))
    for progress, now in times:
        if progress.fraction == 0:
            assert progress.seconds_left is None, "no worker has finished yet"
            continue
        whole = (now - 1000) / progress.fraction
        assert progress.seconds_left == pytest.approx(whole * (1 - progress.fraction))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (3600, "60 min")]
)
def test_progress_is_one_line_with_the_time_left(seconds: float, text: str):
    progress = Progress("fake", "CPU:0", "block 3", 0.5, seconds)
    assert str(progress) == f"fake on CPU:0: block 3, about {text} left"


# -- the tests above can fail -------------------------------------------------------


@pytest.mark.simulation
def test_rounds_pooled_as_if_independent_miss_1_too_often():
    """The test of coverage can fail: the same figures, wrongly pooled, miss 1 too often."""
    runs, missed = 100, 0
    for seed in range(runs):
        factory = FakeWorkerFactory(
            {"default": Behaviour(spread=0.02, noise=NOISES["normal"])}, seed=seed
        )
        log_ratios = run(factory, "", seed=seed, scopes=("repeat",)).aa_arm.log_ratios
        mean = math.fsum(log_ratios) / len(log_ratios)
        pooled = 0.05 * math.sqrt(2) / math.sqrt(len(log_ratios) * QUICK.rounds)
        missed += abs(mean) > 1.96 * pooled
    assert binomtest(missed, runs, 0.05, alternative="greater").pvalue < 1e-3
