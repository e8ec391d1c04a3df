"""The inventory of a machine, and warnings about conditions that make results unreliable."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from detcost.host import machine
from detcost.host.machine import HostWarning

FAULTLESS = {
    "usable_cores": 8,
    "logical_cores": 8,
    "governor": "performance",
    "virtualisation": None,
}


@pytest.fixture
def warnings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[HostWarning]]:
    """Return the warnings of a machine with the given faults."""

    def change(
        load: float | None = 0.1, free: int = 16 << 30, throttled: int | None = 0, **inventory: Any
    ) -> list[HostWarning]:
        monkeypatch.setattr(machine, "describe", lambda: {**FAULTLESS, **inventory})
        monkeypatch.setattr(machine, "load", lambda: load)
        monkeypatch.setattr(machine, "throttled", lambda: throttled)
        memory = type("Memory", (), {"available": free})
        monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)
        return machine.host_warnings()

    return change


def test_the_inventory_is_complete_and_fits_into_a_record():
    inventory = machine.describe()
    assert set(inventory) == {
        *("name", "os", "arch", "cpu", "cpu_flags", "cores", "logical_cores", "usable_cores"),
        *("memory_bytes", "virtualisation", "governor", "gpus"),
    }
    assert json.loads(json.dumps(inventory)) == inventory
    assert all(inventory[key] for key in ("name", "os", "arch", "usable_cores", "memory_bytes"))
    assert inventory["memory_bytes"] > 1 << 28
    assert 1 <= inventory["usable_cores"] <= inventory["logical_cores"]


def test_a_machine_without_faults_gets_no_warning(warnings_of):
    assert warnings_of() == []


def test_unknown_values_give_no_warning(warnings_of):
    assert warnings_of(load=None, governor=None, throttled=None) == []


@pytest.mark.parametrize(
    ("fault", "what", "remedy"),
    [
        ({"load": 2.5}, "load is 2.50", "end other processes"),
        ({"governor": "powersave"}, "governor is powersave", "cpupower frequency-set"),
        ({"virtualisation": "container in a virtual machine"}, "container in a", "bare metal"),
        ({"usable_cores": 2}, "only 2 of 8 cores", "taskset"),
        ({"usable_cores": 1, "logical_cores": 1}, "one core", "more cores"),
        ({"free": 1 << 30}, "under 4 GiB", "--size small"),
        ({"throttled": 3}, "heat has throttled the CPU", "cool"),
    ],
)
def test_every_fault_has_a_warning_with_a_remedy(warnings_of, fault, what, remedy):
    (warning,) = warnings_of(**fault)
    assert what in warning.what
    assert remedy in warning.remedy


def test_some_load_is_no_fault_of_a_machine_with_many_cores(warnings_of):
    assert warnings_of(load=2.5, usable_cores=64, logical_cores=64) == []


@pytest.mark.parametrize(
    ("flags", "container", "kind"),
    [
        ([], False, None),
        ([], True, "container"),
        (["hypervisor"], False, "virtual machine"),
        (["hypervisor"], True, "container in a virtual machine"),
    ],
)
def test_containers_and_virtual_machines_are_detected(monkeypatch, flags, container, kind):
    monkeypatch.setattr(machine.Path, "exists", lambda path: container)
    assert machine.virtualisation(flags) == kind


@pytest.mark.parametrize(("text", "count"), [(None, None), ("0", 0), ("12", 12)])
def test_throttling_by_heat_is_read_from_the_systems_count(monkeypatch, text, count):
    monkeypatch.setattr(machine, "_read", lambda path: text)
    assert machine.throttled() == count
