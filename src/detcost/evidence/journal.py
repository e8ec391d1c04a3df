"""The journal: the evidence file a run writes to, cell by cell, and never loses a line of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from filelock import FileLock

from detcost.errors import UsageError
from detcost.evidence.schema import Evidence

SUFFIX = ".trials.jsonl"


class Journal:
    """The file a run writes to, safe against interrupts, a second run and a full disk.

    Finished cells are appended to ``path``. What is measured of unfinished ones
    stands, after every block, in a file of the run's own beside it, which readers
    read too: ``kill -9`` loses the block under way and nothing else.
    """

    def __init__(self, path: Path, run_id: str):
        self.path = path
        self._unfinished = path.with_name(
            f"{path.name.removesuffix(SUFFIX).removesuffix('.jsonl')}.{run_id}.unfinished{SUFFIX}"
        )
        self._check_writable()

    def append(self, records: Sequence[Evidence]) -> None:
        """Add finished records.

        Raises
        ------
        UsageError
            If the disk is full or the folder cannot be written. What was
            written before stays, and no half line is left.
        """
        with self._reported(), FileLock(f"{self.path}.lock"):
            _append(self.path, _lines(records))
        self._unfinished.unlink(missing_ok=True)

    def checkpoint(self, records: Sequence[Evidence]) -> None:
        """Put what is measured so far of unfinished cells in place of the last checkpoint."""
        partial = self._unfinished.with_suffix(".partial")
        with self._reported():
            partial.write_bytes(_lines(records))
            partial.replace(self._unfinished)

    def _check_writable(self) -> None:
        with self._reported():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab"):
                pass

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be written ({error.strerror}); free or choose another place "
                "with --out; what was written before is kept"
            ) from error


def _lines(records: Iterable[Evidence]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _append(path: Path, data: bytes) -> None:
    """Add whole lines or, if the disk is full, nothing."""
    size = path.stat().st_size
    if not _ends_whole(path, size):
        data = b"\n" + data  # a run was cut off here: its half line must cost itself alone
    with open(path, "ab", buffering=0) as file:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise


def _ends_whole(path: Path, size: int) -> bool:
    if size == 0:
        return True
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
