"""A machine in a network namespace whose link is cut while it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in import StandIn

from detcost.farm.addresses import Place
from detcost.farm.engine import FarmEngine
from detcost.farm.ledger import Ledger
from detcost.farm.plan import FarmPlan
from detcost.farm.running import FarmRun

HOST, GUEST, NETWORK = "detcost-host", "detcost-guest", "detcost-test"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network of this machine and one guest."""
    if not shutil.which("ip"):
        pytest.skip("no ip here")
    try:
        ip("netns", "add", NETWORK)
    except subprocess.CalledProcessError:
        pytest.skip("no right to make a network")
    try:
        ip("link", "add", HOST, "type", "veth", "peer", "name", GUEST, "netns", NETWORK)
        ip("addr", "add", "10.213.77.1/30", "dev", HOST)
        ip("link", "set", HOST, "up")
        for words in (
            ("addr", "add", "10.213.77.2/30", "dev", GUEST),
            ("link", "set", GUEST, "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", NETWORK, *words)
        yield "10.213.77.1"
    finally:
        # The link first: without its network it would end some time later.
        subprocess.run(["ip", "link", "delete", HOST], check=False, capture_output=True)
        ip("netns", "delete", NETWORK)


def until(wanted, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def checkout(tmp_path) -> Path:
    made = tmp_path / "checkout"
    made.mkdir()
    (made / "asv.conf.json").write_text("{}")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], cwd=made, check=True)
    return made


def test_a_job_whose_link_is_cut_is_done_once_and_collected_when_the_link_is_back(
    namespace, checkout, tmp_path, monkeypatch
):
    behaviour = tmp_path / "behaviour"
    behaviour.mkdir()
    monkeypatch.setattr("detcost.farm.addresses._TTL", "2s")
    engine = FarmEngine(Place(listen=namespace, insecure=True).checked(), StandIn(2.0))
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "STAND_IN": str(behaviour),
        "DETCOST_MACHINE_LOCK": "",
    }
    words = [sys.executable, "-m", "detcost", "farm", "join", engine.address, "--insecure"]
    member = subprocess.Popen(
        ["ip", "netns", "exec", NETWORK, *words, "--name", "guest"], cwd=checkout, env=env
    )
    try:
        until(engine.machines)
        commit = engine.machines()["guest"].commit
        book = Ledger(tmp_path / "ledger")
        with book.holding() as holder:
            families = {"conv": ("x",)}
            run = FarmRun(FarmPlan(("2.21.0",)), families, commit, book, engine, holder)
            until(lambda: run.step() and any(e.state == "leased" for e in run.entries))
            ip("link", "set", HOST, "down")
            until(lambda: run.step() and "for guest to come back" in "".join(run.waiting))
            ip("link", "set", HOST, "up")
            until(lambda: not run.step())
        (entry,) = run.entries
        assert (entry.state, [one.lost for one in entry.tries]) == ("done", [True])
        assert (behaviour / "ran").read_text() == f"{entry.job.key}\n", "measured once"
    finally:
        member.kill()
        member.wait()
        engine.close()
