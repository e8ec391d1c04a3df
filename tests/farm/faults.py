"""Injects faults into a farm of real processes, from a seed, and checks that nothing is lost.

``python tests/farm/faults.py --schedules 200 --seed 1`` runs schedules one after another. In each,
four machines with unlike labels do short stand-in jobs, while processes are killed, stopped and
cut off at random times. Then the plan is run to its end, and every planned shard must be there
exactly once.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil

from detcost.farm import ledger as ledgers
from detcost.farm.merging.run import merge

HERE = Path(__file__).parent
MACHINES = {"a": "rack=1", "b": "rack=2", "c": "rack=3", "d": "rack=4"}
FAMILIES = ("conv", "matmul")
PLAN = """
tensorflow = ["2.21.0"]
machines = ["rack=1", "rack=2", "name=c", "rack=4+name=d"]
[limits]
job = "10s"
join = "60s"
return = "60s"
tries = 100
"""


class Proxy:
    """Passes bytes between machines and the scheduler, until it cuts them off."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        self._open.add(source)
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        self._open.discard(source)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


class Farm:
    """A scheduler, four machines, and runs of a plan, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self._checkout = folder / "checkout"
        self._make_checkout()
        (folder / "plan.toml").write_text(PLAN)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.proxy = Proxy(self._port)
        self.scheduler = self._start_scheduler()
        self.machines = {name: self._join(name) for name in MACHINES}
        self.client: subprocess.Popen[bytes] | None = None

    def new_ledger(self, number: int) -> None:
        self.ledger = self.folder / f"ledger-{number}"
        self.behaviour = self.folder / f"behaviour-{number}"
        self.behaviour.mkdir()
        link = self.folder / "behaviour"
        link.unlink(missing_ok=True)
        link.symlink_to(self.behaviour)

    def run(self, *, disk: int | None = None) -> subprocess.Popen[bytes]:
        """Start a run; with ``disk``, it can write files of so many bytes only."""
        address = f"tcp://127.0.0.1:{self.proxy.port}"
        command = [sys.executable, str(HERE / "client.py"), address, str(self.ledger), str(disk)]
        return self._start(command, "client", cwd=self._checkout)

    def mend(self) -> None:
        """Start again what has died, as a service manager would, and wake what was stopped.

        Full disks are freed.
        """
        for process in (self.scheduler, *self.machines.values()):
            with contextlib.suppress(psutil.Error):
                psutil.Process(process.pid).resume()
                limit_files(psutil.Process(process.pid), psutil.RLIM_INFINITY)
        if self.scheduler.poll() is not None:
            self.scheduler = self._start_scheduler()
        for name, process in self.machines.items():
            if process.poll() is not None:
                self.machines[name] = self._join(name)

    def close(self) -> None:
        everything = [self.scheduler, *self.machines.values(), *filter(None, [self.client])]
        for process in everything:
            process.kill()
            process.wait()

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        words = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard", "--no-show"]
        return self._start(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *words], "scheduler"
        )

    def _join(self, name: str) -> subprocess.Popen[bytes]:
        address = f"tcp://127.0.0.1:{self.proxy.port}"
        words = ["--name", name, "--label", MACHINES[name]]
        return self._start(
            [sys.executable, "-m", "detcost", "farm", "join", address, *words],
            name,
            cwd=self._checkout,
        )

    def _start(self, command: list[str], log: str, **words) -> subprocess.Popen[bytes]:
        env = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "DETCOST_MACHINE_LOCK": str(self.folder / f"lock-{log}"),
            "STAND_IN": str(self.folder / "behaviour"),
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s",
        }
        with open(self.folder / f"{log}.log", "ab") as printed:
            return subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **words,
            )

    def _make_checkout(self) -> None:
        self._checkout.mkdir()
        (self._checkout / "asv.conf.json").write_text("{}")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run([*git, *words], cwd=self._checkout, check=True)


def limit_files(process: psutil.Process, size: int) -> None:
    """Let a process and those that it started write files of so many bytes only."""
    for each in (process, *process.children(recursive=True)):
        each.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))


def kill(process: subprocess.Popen[bytes] | None) -> None:
    if process:
        process.kill()
        process.wait()


def processes_of_jobs(program: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(program in word for word in process.cmdline()):
                yield process


class Faults:
    """The faults, each of which may come at any time."""

    def __init__(self, farm: Farm, draw: random.Random) -> None:
        self._farm, self._draw = farm, draw

    def kill_a_worker(self) -> None:
        kill(self._farm.machines[self._draw.choice(list(MACHINES))])

    def stop_a_worker(self) -> None:
        """A hang: the process is there, and does nothing."""
        process = self._farm.machines[self._draw.choice(list(MACHINES))]
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)

    def kill_a_job(self) -> None:
        self._kill_one("stand_in_program.py")

    def kill_a_guardian(self) -> None:
        self._kill_one("detcost.farm.guardian")

    def hang_a_job(self) -> None:
        for process in self._some("stand_in_program.py"):
            process.suspend()

    def kill_the_scheduler(self) -> None:
        kill(self._farm.scheduler)

    def kill_the_client(self) -> None:
        kill(self._farm.client)
        self._farm.client = self._farm.run()

    def interrupt_the_client(self) -> None:
        if self._farm.client:
            self._interrupt(self._farm.client)
            self._farm.client = self._farm.run()

    def _interrupt(self, client: subprocess.Popen[bytes]) -> None:
        for _ in range(4):  # Python loses one that comes while it imports
            client.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(20)
                return
        client.send_signal(signal.SIGUSR1)  # it prints where it hangs
        client.wait(20)

    def cut_the_connections(self) -> None:
        self._farm.proxy.cut()

    def start_a_second_client(self) -> None:
        """A job may be sent twice."""
        other = self._farm.run()
        threading.Timer(self._draw.uniform(0.5, 3), kill, [other]).start()

    def fill_the_disk(self) -> None:
        kill(self._farm.client)
        self._farm.client = self._farm.run(disk=self._draw.choice([0, 50, 300, 600]))

    def fill_a_machines_disk(self) -> None:
        machine = psutil.Process(self._farm.machines[self._draw.choice(list(MACHINES))].pid)
        limit_files(machine, self._draw.choice([0, 50, 300]))

    def _some(self, program: str) -> list[psutil.Process]:
        found = [p for p in processes_of_jobs(program) if str(self._farm.folder) in _place(p)]
        return self._draw.sample(found, min(1, len(found)))

    def _kill_one(self, program: str) -> None:
        for process in self._some(program):
            process.kill()


def _place(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.cwd()
    return ""


def faults(farm: Farm, draw: random.Random) -> list[Callable[[], None]]:
    made = Faults(farm, draw)
    return [getattr(made, name) for name in vars(Faults) if not name.startswith("_")]


def schedule(farm: Farm, number: int, draw: random.Random) -> list[str]:
    """Run a plan under faults, then to its end. Return the names of the faults."""
    farm.new_ledger(number)
    farm.client = farm.run()
    happened = []
    for _ in range(draw.randrange(1, 5)):
        time.sleep(draw.choice([0.0, 0.2, draw.uniform(0.5, 3)]))
        with contextlib.suppress(psutil.Error):
            fault = draw.choice(faults(farm, draw))
            happened.append(fault.__name__)
            fault()
    for process in processes_of_jobs("stand_in_program.py"):
        with contextlib.suppress(psutil.Error):
            process.resume()
    until = time.monotonic() + 120
    while time.monotonic() < until:
        farm.mend()
        if farm.client.poll() is not None:
            if farm.client.returncode == 0:
                return happened
            farm.client = farm.run()
        time.sleep(0.1)
    raise AssertionError(f"not done in two minutes after {happened}; see {farm.folder}")


def check(farm: Farm) -> int:
    """Check that every planned shard is there exactly once. Return how many were run twice."""
    entries = ledgers.entries(farm.ledger)
    shards = {(entry.job.machine, entry.job.family) for entry in entries}
    wanted = {(machine, family) for machine in MACHINES for family in FAMILIES}
    assert shards == wanted, shards ^ wanted
    assert len(entries) == len(wanted)
    assert {entry.state for entry in entries} == {"done"}
    assert len(list((farm.ledger / "brought").iterdir())) == len(wanted), "parts were left"
    assert merged(farm, [entry.job.key for entry in entries]) == sorted(
        (machine, f"{family}.StandIn.track_answer") for machine, family in wanted
    )
    ran = collections.Counter((farm.behaviour / "ran").read_text().split())
    assert ran.keys() == {entry.job.key for entry in entries}, "each on its own machine"
    return sum(count - 1 for count in ran.values())


def merged(farm: Farm, keys: list[str]) -> list[tuple[str, str]]:
    """Return the machine and the name of each benchmark in the merged tree."""
    tree = farm.ledger / "merged"
    merge([farm.ledger / "brought" / key for key in keys], tree)
    return sorted(
        (file.parent.name, name)
        for file in tree.glob("*/*-*.json")
        for name in msgspec.json.decode(file.read_bytes())["results"]
    )


def run_schedules(
    count: int, seed: int, folder: Path, tell: Callable[[str], object], first: int = 0
) -> None:
    farm = Farm(folder)
    try:
        for number in range(first, first + count):
            begun = time.monotonic()
            happened = schedule(farm, number, random.Random(f"{seed} {number}"))
            again = check(farm)
            took = time.monotonic() - begun
            tell(f"{number}: {took:.1f} s, {again} run again, {', '.join(happened)}")
    finally:
        farm.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="Its number, to repeat one.")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="farm-faults-"))
    run_schedules(
        chosen.schedules,
        chosen.seed,
        folder,
        lambda line: print(line, flush=True),
        chosen.first,
    )
    print(f"{chosen.schedules} schedules: every planned shard is there exactly once")


if __name__ == "__main__":
    main()
