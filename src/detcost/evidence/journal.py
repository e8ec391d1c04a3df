"""The journal: the evidence file that a run writes to, cell by cell, without losing a line."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from filelock import FileLock

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.evidence import places
from detcost.evidence.schema import Evidence

SUFFIX = places.SUFFIX


class Journal:
    """The file that a run writes to, safe against interrupts, a second run and a full disk.

    Finished cells are appended to ``path``. After every block, unfinished cells are written to a
    checkpoint beside it, which readers read too. So ``kill -9`` loses only the block under way.

    Parameters
    ----------
    path
        The evidence file. Its folder is made.
    run_id
        The run. It names the checkpoint, so that two runs may write to one file.

    Raises
    ------
    UsageError
        If the place is not for evidence, or the file cannot be written.
    """

    def __init__(self, path: Path, run_id: str):
        places.check(path)
        self.path = path
        self._unfinished = places.unfinished(path, run_id)
        self._check_writable()

    def append(self, records: Sequence[msgspec.Struct]) -> None:
        """Add finished records.

        Raises
        ------
        UsageError
            If the disk is full or the folder cannot be written. Earlier records stay, and no
            half line is left.
        """
        with self._usage_errors(), FileLock(f"{self.path}.lock"):
            _append(self.path, _lines(records))
        self._unfinished.unlink(missing_ok=True)

    def checkpoint(self, records: Sequence[Evidence]) -> None:
        """Replace the last checkpoint by these records of unfinished cells."""
        with self._usage_errors(), replacing(self._unfinished) as file:
            file.write(_lines(records))

    def _check_writable(self) -> None:
        """Try to write, but make no file: a run that measures nothing leaves no empty one."""
        with self._usage_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError), open(self.path, "r+b"):
                return
            with tempfile.TemporaryFile(dir=self.path.parent):
                pass

    @contextlib.contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be written ({error.strerror}); free some space, or choose "
                "another file with --out; records written before are kept"
            ) from error


def _lines(records: Iterable[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _append(path: Path, data: bytes) -> None:
    """Append whole lines or, if the disk is full, nothing."""
    size = path.stat().st_size if path.exists() else 0
    if not _ends_with_newline(path, size):
        data = b"\n" + data  # a killed run left half a line: it must not spoil this one
    with open(path, "ab", buffering=0) as file:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise


def _ends_with_newline(path: Path, size: int) -> bool:
    if size == 0:
        return True
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
