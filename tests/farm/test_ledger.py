"""The ledger loses nothing, whoever writes to it, and whenever they end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from detcost.errors import UsageError
from detcost.farm import bringing, ledger
from detcost.farm.bringing import Refused
from detcost.farm.jobs import Job
from detcost.farm.ledger import LEASE, Ledger

JOB = Job("conv", ("^conv",), "2.21.0", "3.11", "quick", "small", "box", "a" * 40)
FILES = {"box/result.json": b"{}", "benchmarks.json": b"{}"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path, clock) -> Ledger:
    made = Ledger(tmp_path / "ledger", clock)
    made.plan([JOB])
    return made


def fail(book: Ledger, reason: str = "no luck", *, lost: bool = False, tries: int = 5):
    assert book.lease(JOB.key, "me")
    return book.fail(JOB.key, "me", reason, lost=lost, log=b"a log", tries=tries)


def test_planning_a_job_twice_keeps_its_state(book):
    book.lease(JOB.key, "me")
    book.plan([JOB])
    assert book.read(JOB.key).state == "leased"


def test_a_leased_job_is_for_nobody_else_until_its_lease_expires(book, clock):
    assert book.lease(JOB.key, "me")
    assert book.lease(JOB.key, "other") is None
    clock.now += LEASE / 2
    assert book.renew(JOB.key, "me")
    clock.now += LEASE - 1
    assert book.lease(JOB.key, "other") is None
    clock.now += 2
    assert book.lease(JOB.key, "other")
    assert book.renew(JOB.key, "me") is None
    assert book.release(JOB.key, "me") is None
    assert book.fail(JOB.key, "me", "late", lost=False, tries=5) is None


def test_what_a_job_brought_counts_even_after_its_lease_expired_and_only_once(book, clock):
    book.lease(JOB.key, "me")
    clock.now += 2 * LEASE
    book.lease(JOB.key, "other")
    done = book.finish(JOB.key, dict(FILES), 3.0)
    assert (done.state, done.digest) == ("done", bringing.digest(FILES))
    assert book.finish(JOB.key, {"box/other.json": b"[]"}, 1.0) is None
    assert bringing.collect(book.brought(JOB.key)) == FILES
    assert book.fail(JOB.key, "other", "late", lost=False, tries=5) is None


def test_the_same_failure_twice_is_the_last(book):
    assert fail(book, "no luck").state == "planned"
    assert fail(book, "other luck").state == "planned"
    ended = fail(book, "other luck")
    assert ended.state == "failed"
    assert (book.folder / "logs" / ended.tries[-1].log).read_bytes() == b"a log"
    assert book.lease(JOB.key, "me") is None
    assert book.retry(JOB.key).tries == ()
    assert book.lease(JOB.key, "me")


def test_a_lost_machine_counts_in_the_number_of_tries_alone(book):
    for _ in range(3):
        assert fail(book, "the machine was lost", lost=True, tries=4).state == "planned"
    assert fail(book, "the machine was lost", lost=True, tries=4).state == "failed"


def test_a_file_cut_off_by_a_crash_is_planned_again(book):
    path = book.folder / "jobs" / f"{JOB.key}.json"
    path.write_bytes(path.read_bytes()[:20])
    assert ledger.entries(book.folder) == []
    book.plan([JOB])
    assert book.read(JOB.key).state == "planned"


@pytest.mark.parametrize("harm", ["changed", "gone", "more"])
def test_a_done_job_whose_results_are_not_as_brought_is_planned_again(book, harm):
    entry = book.finish(JOB.key, dict(FILES), 1.0)
    assert book.verify(entry) is None
    file = book.brought(JOB.key) / "benchmarks.json"
    if harm == "gone":
        file.unlink()
    else:
        name = "benchmarks.json" if harm == "changed" else "x.json"
        file.with_name(name).write_text("[]")
    assert book.verify(entry).state == "planned"


def test_many_threads_lease_each_job_once(tmp_path):
    book = Ledger(tmp_path / "shared")
    made = [Job(f"f{i}", (), "2.21.0", "3.11", "quick", "small", "box", "a") for i in range(20)]
    book.plan(made)
    won: list[str] = []

    def take(holder: str) -> None:
        mine = Ledger(tmp_path / "shared")
        won.extend(job.key for job in made if mine.lease(job.key, holder))

    threads = [threading.Thread(target=take, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted(job.key for job in made)


def test_a_full_disk_is_one_line_and_leaves_the_old_state(book, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    book.lease(JOB.key, "me")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"No space left on device.*run the same command again"):
        book.finish(JOB.key, dict(FILES), 1.0)
    monkeypatch.undo()
    assert book.read(JOB.key).state == "leased"
    assert list((book.folder / "brought").iterdir()) == []


HOSTILE = [
    {"../escaped.json": b""},
    {"/etc/cron.d/x.json": b""},
    {"box/../../x.json": b""},
    {"box/.hidden.json": b""},
    {"a/b/c/d.json": b""},
    {"box/x.py": b""},
    {"box/x.json\n": b""},
    {"box\\..\\x.json": b""},
    {f"box/{i}.json": b"" for i in range(bringing.MOST + 1)},
    {},
]


@pytest.mark.parametrize("files", HOSTILE, ids=lambda files: str(list(files))[:30])
def test_hostile_results_are_refused_and_nothing_of_them_is_written(book, tmp_path, files):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused):
        book.finish(JOB.key, files, 1.0)
    assert sorted(tmp_path.rglob("*")) == before


def test_links_in_a_results_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.json").write_text("secret")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").symlink_to(tmp_path / "secret.json")
    (tmp_path / "results" / "y.json").write_text("mine")
    assert bringing.collect(tmp_path / "results") == {"y.json": b"mine"}


def test_what_a_killed_run_was_writing_is_removed_by_the_next(book):
    (book.folder / "brought" / ".conv.7.part" / "box").mkdir(parents=True)
    (book.folder / "jobs" / "conv.json.7.part").touch()
    Ledger(book.folder)
    assert list((book.folder / "brought").iterdir()) == []
    assert [path.name for path in (book.folder / "jobs").iterdir()] == [f"{JOB.key}.json"]


def test_no_ledger_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no ledger here"):
        ledger.entries(tmp_path)


def test_the_lease_of_a_run_that_was_killed_is_free_at_once(book):
    program = f"""
import os
import subprocess
import sys
from pathlib import Path
from detcost.farm.ledger import Ledger
book = Ledger(Path({str(book.folder)!r}), lambda: 1000.0)
with book.holding() as holder:
    assert book.lease({JOB.key!r}, holder)
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    assert book.read(JOB.key).state == "leased"
    assert book.lease(JOB.key, "me")


def test_the_lease_of_a_run_that_lives_is_not_free(book):
    with book.holding() as holder:
        assert book.lease(JOB.key, holder)
        assert book.lease(JOB.key, "me") is None
