"""A run takes each job to its own machine, one at a time, and says what it waits for."""

from __future__ import annotations

import queue
import random

import pytest

from detcost.errors import UsageError
from detcost.farm import ledger, status
from detcost.farm.ledger import LEASE, Ledger
from detcost.farm.machines import FarmMachine
from detcost.farm.plan import FarmPlan, Limits
from detcost.farm.running import FarmRun
from detcost.farm.worker import JobOutcome, Order

COMMIT = "a" * 40
FAMILIES = {"conv": ("x",), "matmul": ("x",), "rnn": ("x",)}
A, B = (FarmMachine(name, (f"name={name}", "cpu=avx2"), COMMIT, "3.11") for name in "ab")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


class FakeMachines:
    """Machines that do a job when told to."""

    dashboard = None
    problem: str | None = None

    def __init__(self, *machines: FarmMachine) -> None:
        self.here = {machine.name: machine for machine in machines}
        self.outcomes: queue.Queue[tuple[str, JobOutcome]] = queue.Queue()
        self.orders: dict[str, Order] = {}
        self.sent: list[Order] = []
        self.stopped: list[str] = []

    def machines(self) -> dict[str, FarmMachine]:
        return dict(self.here)

    def submit(self, key: str, order: Order) -> bool:
        if order.job.machine not in self.here:
            return False
        busy = [other.job.machine for other in self.orders.values()]
        assert order.job.machine not in busy, "one job at a time on a machine"
        self.orders[key] = order
        self.sent.append(order)
        return True

    def stop(self, key: str) -> None:
        self.stopped.append(key)
        self.end(key, JobOutcome("stopped"))

    def end(self, key: str, outcome: JobOutcome) -> None:
        if self.orders.pop(key, None):
            self.outcomes.put((key, outcome))

    def do_all(self) -> None:
        for key in list(self.orders):
            self.end(key, JobOutcome("done", files={f"m/{key}.json": b"{}"}, seconds=1.0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("detcost.farm.running._TICK", 0.001)


def farm(folder, engine, clock, holder="me", machines=(), retry=False, **limits) -> FarmRun:
    book = Ledger(folder / "ledger", clock)
    wanted = FarmPlan(("2.21.0",), machines=machines, limits=Limits(**limits))
    made = FarmRun(wanted, FAMILIES, COMMIT, book, engine, holder, clock=clock)
    made.begin(ledger.entries(book.folder), retry)
    return made


def run_to_end(run: FarmRun, engine: FakeMachines) -> None:
    while run.step():
        engine.do_all()


def states(folder) -> list[str]:
    return [entry.state for entry in ledger.entries(folder / "ledger")]


def test_every_machine_does_every_family_once(tmp_path, clock):
    engine = FakeMachines(A, B)
    run_to_end(farm(tmp_path, engine, clock), engine)
    done = sorted((order.job.machine, order.job.family) for order in engine.sent)
    assert done == [(m, f) for m in "ab" for f in ("conv", "matmul", "rnn")]
    assert states(tmp_path) == ["done"] * 6


def test_a_second_run_of_the_plan_has_nothing_to_do(tmp_path, clock):
    engine = FakeMachines(A)
    run_to_end(farm(tmp_path, engine, clock), engine)
    again = FakeMachines(A)
    run_to_end(farm(tmp_path, again, clock), again)
    assert again.sent == []


def test_a_label_that_no_machine_has_is_an_error_before_any_job_is_sent(tmp_path, clock):
    engine = FakeMachines(A)
    with pytest.raises(UsageError, match=r"no machine has gpu=h100; there are cpu=avx2, name=a;"):
        farm(tmp_path, engine, clock, machines=("name=a", "gpu=h100")).step()
    assert engine.sent == []


def test_a_plan_may_say_to_wait_for_a_label_and_the_others_work_meanwhile(tmp_path, clock):
    engine = FakeMachines(A)
    run = farm(tmp_path, engine, clock, machines=("name=a", "name=b"), join="5m")
    assert run.step()
    assert run.waiting == ("for a machine with name=b, 5 min more",)
    engine.do_all()
    engine.here["b"] = B
    run_to_end(run, engine)
    assert states(tmp_path) == ["done"] * 6


def test_a_machine_that_left_is_waited_for_visibly_and_not_for_ever(tmp_path, clock):
    engine = FakeMachines(A, B)
    run = farm(tmp_path, engine, clock, back="10m")
    run.step()
    engine.do_all()
    del engine.here["b"]
    run.step()
    assert "for b to come back, 10 min more" in run.waiting
    clock.now += 700
    run_to_end(run, engine)
    assert run.waiting == ("b has not come back; 2 of its jobs are left",)
    assert not status.summarise(run.entries).all_done
    engine.here["b"] = B
    run_to_end(farm(tmp_path, engine, clock), engine)
    assert states(tmp_path) == ["done"] * 6


def test_a_job_that_fails_the_same_way_twice_is_left_and_can_be_tried_again(tmp_path, clock):
    engine = FakeMachines(A)
    run = farm(tmp_path, engine, clock)
    while run.step():
        for key in list(engine.orders):
            bad = "conv" in key
            engine.end(key, JobOutcome("failed", "no luck", log=b"x")) if bad else engine.do_all()
    (of_a,) = status.summarise(run.entries).machines
    assert (of_a.done, of_a.failed, of_a.last_error) == (2, 1, "no luck")
    assert len(engine.sent) == 4
    run_to_end(farm(tmp_path, engine, clock), engine)
    assert len(engine.sent) == 4, "not tried for ever"
    run_to_end(farm(tmp_path, engine, clock, retry=True), engine)
    assert states(tmp_path) == ["done"] * 3


def test_an_interrupt_stops_the_jobs_and_returns_them(tmp_path, clock):
    engine = FakeMachines(A, B)
    run = farm(tmp_path, engine, clock)
    run.step()
    run.interrupt()
    assert len(engine.stopped) == 2
    assert states(tmp_path) == ["planned"] * 6


def test_two_runs_share_a_ledger_and_send_no_job_twice(tmp_path, clock):
    engine, other = FakeMachines(A, B), FakeMachines(A, B)
    first = farm(tmp_path, engine, clock, "first")
    second = farm(tmp_path, other, clock, "second")
    going_on = True
    while going_on:
        going_on = bool(first.step()) | bool(second.step())
        engine.do_all()
        other.do_all()
        clock.now += 2
    sent = [order.job.key for order in engine.sent + other.sent]
    assert len(sent) == len(set(sent)) == 6
    assert states(tmp_path) == ["done"] * 6


def test_jobs_of_a_run_that_died_are_taken_over(tmp_path, clock):
    engine = FakeMachines(A)
    farm(tmp_path, engine, clock, "dead").step()
    engine.orders.clear()
    clock.now += LEASE + 1
    run_to_end(farm(tmp_path, engine, clock, "alive"), engine)
    assert states(tmp_path) == ["done"] * 3


def test_results_with_a_hostile_name_are_a_failure_of_the_job(tmp_path, clock):
    engine = FakeMachines(A)
    run = farm(tmp_path, engine, clock)
    while run.step():
        for key in list(engine.orders):
            engine.end(key, JobOutcome("done", files={"../../x.json": b"{}"}))
    assert states(tmp_path) == ["failed"] * 3
    assert not list(tmp_path.rglob("x.json"))


def misfortune(draw: random.Random, engine: FakeMachines, number: int) -> None:
    """End each attempt in some way, or not at all."""
    for key, order in list(engine.orders.items()):
        done = JobOutcome("done", files={f"m/{key}.json": b"{}"})
        ends = {
            "lost": [JobOutcome("lost", "the machine was lost")],
            "disconnected": [JobOutcome("disconnected")],
            "failed": [JobOutcome("failed", f"reason {number}")],
            "done": [done],
            "sent twice": [done, done],
            "still at it": [],
        }
        name = draw.choice(list(ends))
        if name != "still at it":
            del engine.orders[key]
        if name == "lost":
            engine.here.pop(order.job.machine, None)
        for outcome in ends[name]:
            engine.outcomes.put((key, outcome))


@pytest.mark.parametrize("seed", range(15))
def test_whatever_happens_every_job_is_done_in_the_end(tmp_path, seed, clock):
    """Machines leave, runs die, connections break, outcomes come late or twice."""
    draw = random.Random(seed)
    everyone = {machine.name: machine for machine in (A, B)}
    engine = FakeMachines(*everyone.values())
    run = farm(tmp_path, engine, clock, "run 0", tries=100)
    for number in range(draw.randrange(5, 60)):
        run.step()
        clock.now += draw.choice([0.1, 10, LEASE + 1])
        misfortune(draw, engine, number)
        match draw.choice(["back", "killed", "interrupted", "", "", ""]):
            case "back":
                engine.here = dict(everyone)
            case "killed":  # what its machines do is lost
                engine.orders.clear()
                engine.outcomes = queue.Queue()
                run = farm(tmp_path, engine, clock, f"run {number}", tries=100)
            case "interrupted":
                run.interrupt()
                engine.outcomes = queue.Queue()
                run = farm(tmp_path, engine, clock, f"run {number}", tries=100)
    engine.here = everyone
    clock.now += LEASE + 1
    run_to_end(run, engine)
    assert states(tmp_path) == ["done"] * 6
    brought = [path.name for path in (tmp_path / "ledger/brought").rglob("*.json")]
    assert sorted(brought) == sorted(f"{entry.job.key}.json" for entry in run.entries)
