"""Measures what a farm adds to its jobs, on a quiet machine.

``python tests/farm/measure.py scheduling`` runs 1,000 jobs that do nothing on four machines, and
prints the time between two jobs. ``python tests/farm/measure.py status`` prints the time to read
a ledger of 40 machines with 1,000 jobs each.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from faults import MACHINES, Farm
from stand_in import StandIn

from detcost.farm import plan
from detcost.farm.addresses import Place
from detcost.farm.engine import FarmEngine
from detcost.farm.entries import Entry
from detcost.farm.jobs import Job
from detcost.farm.ledger import Ledger
from detcost.farm.running import FarmRun

MANY = 1000


def scheduling(folder: Path) -> None:
    farm = Farm(folder)
    farm.new_ledger(0)
    families = {f"family{number}": ("x",) for number in range(MANY // len(MACHINES))}
    wanted = plan.FarmPlan(("2.21.0",), limits=plan.Limits(join="60s"))
    book = Ledger(farm.ledger)
    engine = FarmEngine(Place(f"tcp://127.0.0.1:{farm.proxy.port}").checked(), StandIn())
    try:
        while len(engine.machines()) < len(MACHINES):
            time.sleep(0.1)
        (commit,) = {machine.commit for machine in engine.machines().values()}
        with book.holding() as holder:
            run = FarmRun(wanted, families, commit, book, engine, holder)
            begun = time.monotonic()
            while run.step():
                pass
            took = time.monotonic() - begun
    finally:
        engine.close()
        farm.close()
    worked = sum(entry.seconds or 0.0 for entry in run.entries)
    each = took * len(MACHINES) / len(run.entries)
    rest = (took * len(MACHINES) - worked) / len(run.entries)
    print(f"{len(run.entries)} jobs in {took:.1f} s: {each * 1000:.0f} ms a job on its machine,")
    print(f"of which {rest * 1000:.0f} ms are neither the job nor its process")


def status(folder: Path) -> None:
    Ledger(folder)
    for number in range(40):
        for family in range(MANY):
            job = Job(
                f"family{family}",
                (plan.CORE,),
                "2.21.0",
                "3.11",
                "standard",
                "medium",
                f"machine-{number}",
                "a" * 40,
            )
            entry = Entry(job, "done", digest="d" * 64, seconds=300.0)
            path = folder / "jobs" / f"{job.key}.json"
            path.write_bytes(msgspec.json.encode(entry))
    command = [sys.executable, "-m", "detcost", "farm", "status", "--ledger", str(folder)]
    for _ in range(3):
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{40 * MANY} jobs: {took:.2f} s, {used:.2f} s of a processor")


if __name__ == "__main__":
    {"scheduling": scheduling, "status": status}[sys.argv[1]](
        Path(tempfile.mkdtemp(prefix="farm-measure-"))
    )
