"""The ledger of a farm: a small file for each job, which tells its state. The files are the truth.

A job is *planned*, then *leased* to a run until a time, then *done* or *failed*. A lease that is
not renewed expires, and the job can be leased again. It can be leased at once if its run is seen
to be dead. Every step is safe to do twice. Several runs may share a ledger, since each step holds
the ledger's lock, which ends with its process.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from filelock import FileLock

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.farm import bringing, holders
from detcost.farm.entries import About, Entry, Lease, State, Try, holds, is_hopeless
from detcost.farm.jobs import Job
from detcost.farm.machines import FarmMachine

#: Seconds after which a lease that is not renewed expires.
LEASE = 60.0


class Ledger:
    """A folder with the state of every job, what the jobs brought, and their logs.

    Parameters
    ----------
    folder
        Where it is. It is made.
    clock
        The seconds of the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        with self._writing():
            for name in ("jobs", "machines", "brought", "logs", "runs"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._remove_parts()
                self.id = self._identity()

    def holding(self) -> contextlib.AbstractContextManager[str]:
        """Give a run a name for its leases, while this process lives."""
        return holders.holding(self.folder / "runs")

    def brought(self, key: str) -> Path:
        """Return the folder of what a job brought."""
        return self.folder / "brought" / key

    def plan(self, jobs: Iterable[Job]) -> None:
        """Add jobs that are not in the ledger. The others stay as they are."""
        with self._writing(), self._locked():
            for job in jobs:
                if self.read(job.key) is None:
                    self._write(Entry(job))

    def know(self, machine: FarmMachine) -> None:
        """Note a machine that has joined, with its labels."""
        with self._writing(), replacing(self.folder / "machines" / f"{machine.name}.json") as file:
            file.write(msgspec.json.encode(machine))

    def machines(self) -> list[FarmMachine]:
        """Return every machine that has ever joined, as it was then."""
        found = []
        for path in sorted((self.folder / "machines").glob("*.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=FarmMachine))
        return found

    def read(self, key: str) -> Entry | None:
        """Return a job's entry; ``None`` if it is missing, or cut off by a crash."""
        try:
            return _DECODER.decode(self._path(key).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None

    def lease(self, key: str, holder: str) -> Entry | None:
        """Lease a job. Return its entry; ``None`` if it is not free."""
        now = self._clock()
        lease = Lease(holder, now, now, now + LEASE)

        def step(entry: Entry) -> Entry | None:
            free = entry.state == "planned" or self.is_free(entry, holder)
            return msgspec.structs.replace(entry, state="leased", lease=lease) if free else None

        return self._step(key, step)

    def is_free(self, entry: Entry, holder: str) -> bool:
        """Return whether ``holder`` may lease a leased job: it expired, or nobody else has it."""
        if entry.state != "leased" or not (lease := entry.lease):
            return False
        if lease.holder == holder or lease.until < self._clock():
            return True
        return holders.is_dead(self.folder / "runs", lease.holder)

    def renew(self, key: str, holder: str) -> Entry | None:
        """Prolong a lease. Return the entry; ``None`` if the job is no longer the holder's."""
        now = self._clock()

        def step(entry: Entry) -> Entry | None:
            if not holds(entry, holder) or entry.lease is None:
                return None
            lease = msgspec.structs.replace(entry.lease, heartbeat=now, until=now + LEASE)
            return msgspec.structs.replace(entry, lease=lease)

        return self._step(key, step)

    def release(self, key: str, holder: str) -> Entry | None:
        """Return a leased job to the planned ones; ``None`` if it is not the holder's."""

        def step(entry: Entry) -> Entry | None:
            if not holds(entry, holder):
                return None
            return msgspec.structs.replace(entry, state="planned", lease=None)

        return self._step(key, step)

    def finish(self, key: str, files: dict[str, bytes], seconds: float) -> Entry | None:
        """Store what a job brought, and note that it is done; ``None`` if it was done before.

        Who holds the lease is not asked: what a job brought is as good after its lease expired.

        Raises
        ------
        Refused
            If the files are not as they should be.
        """

        def step(entry: Entry) -> Entry | None:
            if entry.state == "done":
                return None
            digest = bringing.store(files, self.brought(key))
            return msgspec.structs.replace(
                entry, state="done", lease=None, digest=digest, seconds=seconds
            )

        return self._step(key, step)

    def fail(
        self, key: str, holder: str, reason: str, *, lost: bool, log: bytes = b"", tries: int
    ) -> Entry | None:
        """Note an attempt that brought nothing; ``None`` if the job is not the holder's.

        The job is planned again. It has failed if two attempts in a row ended for the same
        reason, or after ``tries`` attempts. A lost machine counts in ``tries`` alone.
        """

        def step(entry: Entry) -> Entry | None:
            if not holds(entry, holder):
                return None
            name = self._store_log(key, len(entry.tries), log) if log else None
            tried = (*entry.tries, Try(self._clock(), reason, lost, name))
            ended = is_hopeless(tried, tries)
            state: State = "failed" if ended else "planned"
            return msgspec.structs.replace(entry, state=state, lease=None, tries=tried)

        return self._step(key, step)

    def retry(self, key: str) -> Entry | None:
        """Return a failed job to the planned ones, without its attempts."""

        def step(entry: Entry) -> Entry | None:
            return Entry(entry.job) if entry.state == "failed" else None

        return self._step(key, step)

    def verify(self, entry: Entry) -> Entry | None:
        """Return a finished job to the planned ones if what it brought is gone or changed."""

        def step(entry: Entry) -> Entry | None:
            return Entry(entry.job) if entry.state == "done" else None

        if entry.digest == bringing.stored(self.brought(entry.job.key)):
            return None
        return self._step(entry.job.key, step)

    def tell(self, about: About) -> None:
        """Note what a run tells about itself."""
        with self._writing(), replacing(self.folder / "run.json") as file:
            file.write(msgspec.json.encode(about))

    def _step(self, key: str, step: Callable[[Entry], Entry | None]) -> Entry | None:
        """Replace an entry by what ``step`` makes of it, if anything. Return the new one."""
        with self._writing(), self._locked():
            entry = self.read(key)
            new = step(entry) if entry else None
            if new:
                self._write(new, durable=new.state in ("done", "failed"))
            return new

    def _write(self, entry: Entry, durable: bool = False) -> None:
        with replacing(self._path(entry.job.key)) as file:
            file.write(msgspec.json.encode(entry))
            if durable:
                file.flush()
                os.fsync(file.fileno())

    def _store_log(self, key: str, number: int, log: bytes) -> str:
        name = f"{key}.{number + 1}.log"
        with replacing(self.folder / "logs" / name) as file:
            file.write(log)
        return name

    def _path(self, key: str) -> Path:
        return self.folder / "jobs" / f"{key}.json"

    def _remove_parts(self) -> None:
        """Remove what a killed run was writing. Whoever writes there has the lock."""
        for part in (self.folder / "jobs").glob("*.part"):
            part.unlink(missing_ok=True)
        for part in (self.folder / "brought").glob(".*.part"):
            shutil.rmtree(part, ignore_errors=True)

    def _identity(self) -> str:
        """Return the ledger's own name, which is drawn once."""
        path = self.folder / "ledger"
        with contextlib.suppress(OSError):
            if len(known := path.read_text("ascii", "replace")) == 16 and known.isalnum():
                return known
        with replacing(path) as file:
            file.write(secrets.token_hex(8).encode())
        return path.read_text("ascii")

    def _locked(self) -> FileLock:
        return FileLock(self.folder / "lock")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise bringing.cannot_write(self.folder, error) from error


def entries(folder: Path) -> list[Entry]:
    """Return every entry of a ledger, by key. What a crash cut off is left out.

    Raises
    ------
    UsageError
        If there is no ledger.
    """
    try:
        names = sorted(os.listdir(folder / "jobs"))
    except OSError:
        raise UsageError(
            f"{folder}: no ledger here; name its folder with --ledger, or make one with "
            "detcost farm run"
        ) from None
    found = (_entry(f"{folder}/jobs/{name}") for name in names if name.endswith(".json"))
    return [entry for entry in found if entry]


def about(folder: Path) -> About | None:
    """Return what the last run told about itself; ``None`` if there was none."""
    try:
        return msgspec.json.decode((folder / "run.json").read_bytes(), type=About)
    except (OSError, msgspec.DecodeError):
        return None


#: More than the longest entry, in bytes.
_ENTRY = 1 << 16
_DECODER = msgspec.json.Decoder(Entry)


def _entry(path: str) -> Entry | None:
    """Return the entry in a file. A ledger may have 40,000, so nothing is done but reading."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            return _DECODER.decode(os.read(file, _ENTRY))
        finally:
            os.close(file)
    except (OSError, msgspec.DecodeError):
        return None
