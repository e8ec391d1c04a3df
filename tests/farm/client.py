"""A run of the tests' plan with stand-in jobs: ``client.py ADDRESS LEDGER DISK``."""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
from pathlib import Path

from stand_in import StandIn

from detcost.errors import UsageError
from detcost.farm import ledger as ledgers
from detcost.farm import machines, plan, status
from detcost.farm.addresses import Place
from detcost.farm.engine import FarmEngine
from detcost.farm.running import FarmRun


def main(address: str, folder: str, disk: str) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    faulthandler.register(signal.SIGUSR1)  # for those who look for a hang
    if disk != "None":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(disk), int(disk)))
    wanted = plan.read(Path("../plan.toml"))
    families = {"conv": ("^conv",), "matmul": ("^matmul",)}
    book = ledgers.Ledger(Path(folder))
    engine = FarmEngine(Place(address).checked(), StandIn(0.3))
    with book.holding() as holder:
        run = FarmRun(wanted, families, machines.commit(Path.cwd()), book, engine, holder)
        try:
            run.begin(ledgers.entries(Path(folder)), retry=True)
            while run.step():
                pass
        except KeyboardInterrupt:
            run.interrupt()
            return 130
        finally:
            engine.close()
    return 0 if status.summarise(run.entries).all_done else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except UsageError as error:
        sys.exit(f"detcost: {error}")
