"""Trainings distributed by ``tf.distribute`` in real workers, and peers that fail or die."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import psutil
import pytest

from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory
from detcost.workers.peers import Peers
from detcost.workers.process import ProcessWorker

real = pytest.mark.tensorflow


def start(factory: ForkWorkerFactory, name: str, setting: str = "default") -> ProcessWorker:
    return factory.start(Cell(name, parse(setting), "CPU:0", size="small"))


def digest(factory: ForkWorkerFactory, name: str, setting: str = "default") -> str:
    """Return the digest of all steps."""
    worker = start(factory, name, setting)
    (only,) = {worker.build().digest, *worker.repeat(2)}
    worker.close()
    return only


@real
@pytest.mark.parametrize("setting", ["default", "threads=1", "xla"])
def test_two_devices_and_two_processes_give_the_same_bits(factory, setting):
    """Both add the sums of two shards. A single device sums the batch in another order."""
    none, mirrored, multi_worker = (
        digest(factory, f"replicas_{kind}", setting)
        for kind in ("none", "mirrored", "multi_worker")
    )
    assert mirrored == multi_worker != none


@real
@pytest.mark.parametrize("end", ["killed", "closed"])
def test_the_peer_dies_with_its_worker(factory, end):
    worker = start(factory, "replicas_multi_worker")
    worker.build()
    (peer,) = psutil.Process(worker.pid).children()
    os.kill(worker.pid, signal.SIGKILL) if end == "killed" else worker.close()
    assert psutil.wait_procs([peer], timeout=10)[1] == []


@real
def test_a_peer_that_dies_in_a_step_fails_the_cell_at_once(factory):
    worker = start(factory, "replicas_multi_worker")
    worker.build()
    (peer,) = psutil.Process(worker.pid).children()
    threading.Timer(0.3, peer.kill).start()
    with pytest.raises(CellError, match="a peer died during run") as caught:
        worker.burst(60.0, 1.0)
    worker.close()
    assert caught.value.status == "crashed"


@pytest.fixture
def peer() -> tuple[Peers, Connection]:
    """Return one peer, and the peer's end of its connection."""
    ours, theirs = Pipe()
    return Peers([ours]), theirs


def test_a_peer_gets_the_request_first_and_must_answer(peer):
    peers, theirs = peer
    with peers.broadcast("run", 3):
        assert theirs.recv() == ("run", (3,))
        theirs.send(("ok", None))


def test_the_reason_of_a_peer_takes_precedence(peer):
    peers, theirs = peer
    theirs.send(("unimplemented", "no kernel"))
    with pytest.raises(CellError, match="no kernel") as caught, peers.broadcast("sample", 1):
        raise RuntimeError("the collective operation was aborted")
    assert caught.value.status == "unimplemented"


def test_a_failure_is_raised_while_the_peer_still_waits(peer, monkeypatch):
    monkeypatch.setattr("detcost.workers.peers.GRACE", 0.01)
    peers, theirs = peer
    with pytest.raises(RuntimeError, match="a wrong shape"), peers.broadcast("sample", 1):
        raise RuntimeError("a wrong shape")
    assert not theirs.closed


def test_a_peer_that_never_answers_times_out(peer, monkeypatch):
    monkeypatch.setattr("detcost.workers.peers.LIMIT", 0.01)
    peers, theirs = peer
    with pytest.raises(CellError, match="did not answer") as caught, peers.broadcast("sample", 1):
        pass
    assert caught.value.status == "timed_out"
    assert not theirs.closed
