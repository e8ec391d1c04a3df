"""The commands ``detcost farm …``: run a plan on many machines, join them, see how far it is."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detcost.cli.console import err, out
from detcost.cli.exit_codes import INTERRUPTED, SOME_FAILED
from detcost.cli.options import Command, Json, several
from detcost.cli.output import Output
from detcost.errors import UsageError

if TYPE_CHECKING:
    from detcost.farm.addresses import Place
    from detcost.farm.engine import FarmEngine
    from detcost.farm.ledger import Ledger
    from detcost.farm.local import LocalWorker
    from detcost.farm.running import FarmRun

app = typer.Typer(no_args_is_help=True, help="Measure on many machines, and lose nothing.")

#: Seconds for machines to join a scheduler that was just started, and for this one to join it.
_SETTLE, _LOCAL = 8.0, 90.0

LedgerFolder = Annotated[
    Path, typer.Option("--ledger", help="Folder that keeps every job's state.")
]
Certificates = Annotated[
    str | None, typer.Option(help="Folder of the certificate, for machines that are elsewhere.")
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Let anyone who reaches the scheduler run programs on it."),
]
SchedulerFile = Annotated[
    str | None, typer.Option(help="File in which a scheduler tells its address.")
]
Environment = Annotated[
    str | None, typer.Option(help="asv's, such as existing; else what its configuration says.")
]


@app.command(cls=Command)
def run(
    plan: Annotated[Path, typer.Argument(help="The plan, such as plan.toml.")],
    scheduler: Annotated[str | None, typer.Option(help="Address, such as tls://host:8786.")] = None,
    scheduler_file: SchedulerFile = None,
    listen: Annotated[
        str | None, typer.Option(help="Host and port at which machines may join this run.")
    ] = None,
    certificates: Certificates = None,
    insecure: Insecure = False,
    ledger: LedgerFolder = Path("ledger"),
    into: Annotated[Path, typer.Option(help="Folder of results to merge into.")] = Path("results"),
    environment: Environment = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed jobs again.")] = False,
) -> None:
    """Run a plan, or resume it. Without a scheduler, this machine alone is the farm.

    The exit code is 0 if every job is done, else 1.
    """
    from detcost.farm import asv_jobs, machines
    from detcost.farm import ledger as ledgers
    from detcost.farm import plan as plans
    from detcost.farm.addresses import Place
    from detcost.farm.running import FarmRun

    wanted = plans.read(plan)
    place = Place(scheduler, scheduler_file, listen, certificates, insecure).checked()
    if environment and (place.address or place.listen):
        raise UsageError("--environment is each machine's own; give it to detcost farm join")
    if place.insecure:
        err.print("detcost: --insecure: anyone who reaches the scheduler can run programs")
    checkout = Path.cwd()
    commit = machines.commit(checkout)
    families = asv_jobs.families(checkout, wanted.suites)
    book = ledgers.Ledger(ledger)
    with book.holding() as holder, _engine(place, environment, book) as (engine, local):
        settle = _SETTLE if listen else 0.0
        farm = FarmRun(wanted, families, commit, book, engine, holder, settle)
        farm.begin(ledgers.entries(ledger), retry)
        _watch(farm, local)
    _finish(farm, ledger, into)


@app.command(cls=Command)
def join(
    scheduler: Annotated[
        str | None, typer.Argument(help="Address, such as tls://host:8786.")
    ] = None,
    scheduler_file: SchedulerFile = None,
    certificates: Certificates = None,
    insecure: Insecure = False,
    name: Annotated[
        str | None, typer.Option(help="Of this machine; else asv's name of it.")
    ] = None,
    label: Annotated[list[str] | None, several("--label", help="Such as rack=7.")] = None,
    environment: Environment = None,
    once: Annotated[bool, typer.Option("--once", help="End with the scheduler.")] = False,
) -> None:
    """Let this machine work for a farm, one job at a time, until this command is ended."""
    from detcost.farm import joining, machines
    from detcost.farm.addresses import Place
    from detcost.farm.worker import Here

    if not (scheduler or scheduler_file):
        raise UsageError("whom to join? name the scheduler's address, such as tls://host:8786")
    place = Place(scheduler, scheduler_file, None, certificates, insecure).checked()
    checkout = Path.cwd()
    described = machines.describe(name or machines.default_name(), checkout, label or ())
    out.print(f"labels: {', '.join(described.labels)}", markup=False, soft_wrap=True)
    try:
        with _terminated_as_interrupted():
            joining.join(
                place,
                Here(described, str(checkout), environment),
                lambda line: err.print(line, markup=False, soft_wrap=True),
                once,
            )
    except KeyboardInterrupt:
        err.print("detcost: this machine has left the farm")
        raise typer.Exit(INTERRUPTED) from None


@app.command(cls=Command)
def status(ledger: LedgerFolder = Path("ledger"), json: Json = False) -> None:
    """Show every machine and its jobs, from the ledger alone.

    The exit code is 0 if every job is done, else 1.
    """
    from detcost.farm import ledger as ledgers
    from detcost.farm.status import summarise
    from detcost.tables import farm_tables

    output = Output("farm status", json)
    state = summarise(ledgers.entries(ledger), ledgers.about(ledger))
    output.print(state, farm_tables.terminal, farm_tables.json_text, farm_tables.json_text)
    if not state.all_done:
        raise typer.Exit(SOME_FAILED)


@app.command(cls=Command)
def certificates(
    folder: Annotated[Path, typer.Argument(help="The folder to write, such as certificates.")],
) -> None:
    """Make the certificate of a farm. Copy the folder to every machine."""
    from detcost.farm import addresses

    addresses.make_certificates(folder)
    typer.echo(f"{folder} is written. Copy it to every machine, and keep it secret.")


@contextlib.contextmanager
def _engine(
    place: Place, environment: str | None, ledger: Ledger
) -> Iterator[tuple[FarmEngine, LocalWorker | None]]:
    """Reach the machines. Without a scheduler and an address to listen at, use this one."""
    from detcost.farm.asv_jobs import AsvRunner
    from detcost.farm.engine import FarmEngine
    from detcost.farm.local import LocalWorker

    engine, local = FarmEngine(place, AsvRunner()), None
    try:
        if place.listen:
            err.print(f"join it: detcost farm join {engine.address}", markup=False)
        elif not place.address:
            words = ["--environment", environment] if environment else []
            local = LocalWorker(engine.address, words, ledger.folder / "logs" / "worker.log")
            _await_local(engine, local)
        yield engine, local
    finally:
        if local:
            local.close()
        engine.close()


def _await_local(engine: FarmEngine, local: LocalWorker) -> None:
    """Wait until this machine has joined."""
    until = time.monotonic() + _LOCAL
    while not engine.machines() and time.monotonic() < until:
        local.look_after()
        time.sleep(0.1)


def _watch(farm: FarmRun, local: LocalWorker | None) -> None:
    """Take steps until nothing is left to do. Ctrl-C returns the jobs to the ledger."""
    from detcost.cli.farm_view import FarmView
    from detcost.farm.status import summarise

    try:
        with (
            _terminated_as_interrupted(),
            FarmView(lambda: summarise(farm.entries, farm.about)) as view,
        ):
            while farm.step():
                view.show()
                if local:
                    local.look_after()
    except KeyboardInterrupt:
        farm.interrupt()
        err.print("detcost: interrupted; the same command resumes")
        raise typer.Exit(INTERRUPTED) from None
    except BaseException:
        farm.interrupt()
        raise


def _finish(farm: FarmRun, ledger: Path, into: Path) -> None:
    """Merge what is done, and print the state."""
    from detcost.farm.status import summarise
    from detcost.tables import farm_tables

    brought = [ledger / "brought" / e.job.key for e in farm.entries if e.state == "done"]
    if brought:
        _merge(brought, into)
    state = summarise(farm.entries, farm.about)
    out.print(farm_tables.terminal(state))
    if not state.all_done:
        raise typer.Exit(SOME_FAILED)


def _merge(brought: list[Path], into: Path) -> None:
    from detcost.farm.merging.run import merge

    merged = merge(brought, into)
    for old, new in merged.renamed:
        err.print(f"{old} is {new} in {into}", markup=False, soft_wrap=True)
    for problem in merged.problems:
        err.print(f"left out {problem}", markup=False, soft_wrap=True)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Treat the end that a service manager or a CI asks for as Ctrl-C."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
