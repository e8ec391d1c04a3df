"""What a machine says of itself, and what about it would make figures untrustworthy."""

from __future__ import annotations

import json

import pytest

from detcost.host import machine

UNPERTURBED = {
    "usable_cores": 8,
    "logical_cores": 8,
    "governor": "performance",
    "virtualisation": None,
}


@pytest.fixture
def quiet(monkeypatch):
    """A machine without fault, as a function that gives it some."""

    def change(load=0.1, free=16 << 30, throttled=0, **inventory):
        monkeypatch.setattr(machine, "describe", lambda: {**UNPERTURBED, **inventory})
        monkeypatch.setattr(machine, "load", lambda: load)
        monkeypatch.setattr(machine, "throttled", lambda: throttled)
        memory = type("Memory", (), {"available": free})
        monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)
        return machine.host_warnings()

    return change


def test_the_inventory_is_whole_and_goes_into_a_record():
    found = machine.describe()
    assert set(found) == {
        *("name", "os", "arch", "cpu", "cpu_flags", "cores", "logical_cores", "usable_cores"),
        *("memory_bytes", "virtualisation", "governor"),
    }
    assert json.loads(json.dumps(found)) == found
    assert all(found[key] for key in ("name", "os", "arch", "usable_cores", "memory_bytes"))
    assert found["memory_bytes"] > 1 << 28
    assert 1 <= found["usable_cores"] <= found["logical_cores"]


def test_a_machine_without_fault_raises_no_doubt(quiet):
    assert quiet() == []


def test_what_cannot_be_told_raises_no_doubt(quiet):
    assert quiet(load=None, governor=None, throttled=None) == []


@pytest.mark.parametrize(
    ("fault", "what", "remedy"),
    [
        ({"load": 2.5}, "load is 2.50", "end what else runs"),
        ({"governor": "powersave"}, "governor is powersave", "cpupower frequency-set"),
        ({"virtualisation": "container in a virtual machine"}, "container in a", "bare metal"),
        ({"usable_cores": 2}, "only 2 of 8 cores", "taskset"),
        ({"usable_cores": 1, "logical_cores": 1}, "one core", "more cores"),
        ({"free": 1 << 30}, "under 4 GiB", "--size small"),
        ({"throttled": 3}, "slowed down for heat", "cool"),
    ],
)
def test_every_fault_is_told_with_a_remedy(quiet, fault, what, remedy):
    (warning,) = quiet(**fault)
    assert what in warning.what
    assert remedy in warning.remedy


def test_some_load_is_no_fault_of_a_machine_with_many_cores(quiet):
    assert quiet(load=2.5, usable_cores=64, logical_cores=64) == []


@pytest.mark.parametrize(
    ("flags", "container", "words"),
    [
        ([], False, None),
        ([], True, "container"),
        (["hypervisor"], False, "virtual machine"),
        (["hypervisor"], True, "container in a virtual machine"),
    ],
)
def test_what_it_runs_under_is_told(monkeypatch, flags, container, words):
    monkeypatch.setattr(machine.Path, "exists", lambda path: container)
    assert machine.virtualisation(flags) == words


@pytest.mark.parametrize(("text", "count"), [(None, None), ("0", 0), ("12", 12)])
def test_heat_is_told_where_the_system_counts_it(monkeypatch, text, count):
    monkeypatch.setattr(machine, "_read", lambda path: text)
    assert machine.throttled() == count
