"""Takes jobs to machines, and brings their outcomes: dask.distributed behind a few methods.

Nothing else in detcost imports dask, but for the workers that ``joining`` starts. What happened is
told in a queue, and the ledger decides what to do about it: dask keeps, retries and moves nothing.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

import msgspec

from detcost.errors import UsageError
from detcost.farm import machines, worker
from detcost.farm.addresses import Place
from detcost.farm.machines import FarmMachine
from detcost.farm.worker import JobOutcome, Order, Runner

#: Seconds between two looks at the machines, and the longest time for an answer.
_LOOK, _ANSWER = 0.5, 20.0


class FarmEngine:
    """A connection to the machines that have joined a scheduler.

    Parameters
    ----------
    place
        The scheduler. It is started here if it has no address yet.
    runner
        What a job runs.
    """

    def __init__(self, place: Place, runner: Runner) -> None:
        self._runner = runner
        self._place = place
        self._cluster: Any = place.start_scheduler()
        self._client: Any = None
        self._futures: dict[str, tuple[Any, str]] = {}
        self._workers: dict[str, str] = {}
        self._machines: dict[str, FarmMachine] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._looked = threading.Event()
        #: The ends of attempts: a job's key, and how it ended.
        self.outcomes: queue.Queue[tuple[str, JobOutcome]] = queue.Queue()
        #: Why no machine can be reached now, in a line.
        self.problem: str | None = None
        self._connect()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._looked.wait(_ANSWER)

    @property
    def address(self) -> str:
        """The scheduler's address, to join it."""
        return str(self._cluster.scheduler_address if self._cluster else self._place.address)

    @property
    def dashboard(self) -> str | None:
        """The address of dask's page."""
        with contextlib.suppress(Exception):
            return self._client.dashboard_link or None
        return None

    def machines(self) -> dict[str, FarmMachine]:
        """Return the machines that are here now, by name."""
        with self._lock:
            return dict(self._machines)

    def submit(self, key: str, order: Order) -> bool:
        """Send a job to its machine. Return whether that machine is here.

        :attr:`outcomes` gets the outcome, once.
        """
        with self._lock:
            address = self._workers.get(order.job.machine)
            if not address or self.problem:
                return False
            try:
                future = self._send(order, address)
            except Exception:  # of many kinds: the connection has just been lost
                return False
            self._futures[key] = (future, address)
        future.add_done_callback(lambda future: self._ended(key, future))
        return True

    def _send(self, order: Order, address: str) -> Any:
        return self._client.submit(
            worker.run_job,
            msgspec.msgpack.encode(order),
            self._runner,
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )

    def stop(self, key: str) -> None:
        """End a job on its machine, if that can be reached. Its outcome may still arrive."""
        with self._lock:
            _, address = self._futures.get(key, (None, None))
        if address:
            # Not here: a machine that hangs does not answer.
            threading.Thread(target=self._stop, args=(key, address), daemon=True).start()

    def _stop(self, key: str, address: str) -> None:
        with contextlib.suppress(Exception):
            self._client.run(worker.stop_job, key, workers=[address])

    def close(self) -> None:
        """Leave the scheduler, and end it if it was started here."""
        self._closing.set()
        closers = [
            threading.Thread(target=each.close, kwargs={"timeout": 2}, daemon=True)
            for each in (self._client, self._cluster)
            if each
        ]
        for closer in closers:  # those that hang end with this process
            closer.start()
            closer.join(5)

    def _ended(self, key: str, future: Any) -> None:
        """Tell the outcome of a future. dask calls this in a thread of its own."""
        try:
            if future.status == "finished":
                outcome = msgspec.msgpack.decode(future.result(timeout=_ANSWER), type=JobOutcome)
            elif future.status == "cancelled":
                outcome = JobOutcome("disconnected", "the connection was lost")
            else:
                outcome = JobOutcome("lost", "the machine was lost")
        except Exception as error:
            outcome = JobOutcome("disconnected", f"its outcome cannot be read ({error})")
        self._tell(key, future, outcome)

    def _tell(self, key: str, future: Any, outcome: JobOutcome) -> None:
        with self._lock:
            if self._futures.get(key, (None,))[0] is not future:
                return  # it was told already
            del self._futures[key]
        self.outcomes.put((key, outcome))

    def _connect(self) -> None:
        """Connect to the scheduler.

        Raises
        ------
        UsageError
            If there is none.
        """
        from distributed import Client

        address = self.address
        try:
            self._client = Client(
                address,
                security=self._place.security(),
                timeout=_ANSWER / 2,
                set_as_default=False,
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise UsageError(
                f"{address}: no scheduler answers ({' '.join(str(error).split())}); start one with "
                "dask scheduler, or leave --scheduler out"
            ) from None

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
                self.problem = None
            except Exception as error:
                self._lose_everything(error)
            self._looked.set()
            self._closing.wait(_LOOK)

    def _look(self) -> None:
        """Ask the scheduler who is here."""
        if self._client.status not in ("running", "connecting"):
            with contextlib.suppress(Exception):
                self._client.close(timeout=1)
            self._connect()
        told = self._client.sync(
            self._client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER
        )
        here, addresses = _machines(told["workers"])
        with self._lock:
            self._machines, self._workers = here, addresses
            gone = [
                (key, future)
                for key, (future, address) in self._futures.items()
                if address not in told["workers"]
            ]
        for key, future in gone:
            time.sleep(0.05)  # an outcome that came just before its machine left counts
            self._tell(key, future, JobOutcome("lost", "the machine was lost"))
            with contextlib.suppress(Exception):
                future.release()

    def _lose_everything(self, error: Exception) -> None:
        reason = " ".join(str(error).split()) or type(error).__name__
        with self._lock:
            self.problem = f"the scheduler cannot be reached ({reason[:200]})"
            self._machines, self._workers = {}, {}
            lost = list(self._futures.items())
        for key, (future, _) in lost:
            self._tell(key, future, JobOutcome("disconnected", "the connection was lost"))


def _machines(workers: dict[str, Any]) -> tuple[dict[str, FarmMachine], dict[str, str]]:
    """Return machines, and their workers' addresses, by name.

    A worker with several threads is left out, since it would run several jobs at a time. So is a
    second one of the same name.
    """
    here: dict[str, FarmMachine] = {}
    addresses: dict[str, str] = {}
    for address, told in sorted(workers.items(), key=lambda item: item[0]):
        machine = machines.from_a_stranger(told.get(worker.TOLD))
        alone = told.get("nthreads") == 1 and told.get("status") == "running"
        if machine and alone and machine.name not in here:
            here[machine.name], addresses[machine.name] = machine, address
    return here, addresses
