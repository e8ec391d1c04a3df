"""Choice of devices, on machines that a fake TensorFlow reports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from detcost.errors import NotApplicable
from detcost.host import devices


@dataclass(frozen=True)
class Physical:
    name: str

    @property
    def device_type(self) -> str:
        return self.name.removeprefix("/physical_device:").partition(":")[0]


class Configuration:
    """The ``tf.config`` of a machine, which records its calls."""

    def __init__(self, names: list[str], grows: bool = True):
        self._present = [Physical(f"/physical_device:{name}") for name in names]
        self._grows = grows
        self.growing: list[str] = []
        self.visible: dict[str, list[Physical]] = {}
        self.split: dict[str, int] = {}
        self.experimental = self
        self.LogicalDeviceConfiguration = object

    def list_physical_devices(self, kind: str | None = None) -> list[Physical]:
        return [device for device in self._present if kind in (None, device.device_type)]

    def get_device_details(self, device: Physical) -> dict[str, str]:
        return {"device_name": "METAL"} if device.device_type == "GPU" else {}

    def set_memory_growth(self, device: Physical, on: bool) -> None:
        if not self._grows:
            raise ValueError("Cannot set memory growth on this device")
        self.growing.append(device.name)

    def get_memory_info(self, name: str) -> dict[str, int]:
        raise ValueError("Allocator stats not available")

    def set_visible_devices(self, chosen: list[Physical], kind: str) -> None:
        self.visible[kind] = chosen

    def set_logical_device_configuration(self, device: Physical, parts: list[object]) -> None:
        self.split[device.name] = len(parts)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Configuration]:
    def pretend(*names: str, grows: bool = True) -> Configuration:
        configuration = Configuration(list(names), grows)
        fake = SimpleNamespace(config=configuration, errors=SimpleNamespace(OpError=OSError))
        monkeypatch.setitem(sys.modules, "tensorflow", fake)
        return configuration

    return pretend


def test_an_apple_gpu_is_a_device_like_any_other(machine):
    """tensorflow-metal registers it as GPU:0. The system manages its memory."""
    machine("GPU:0", "CPU:0", grows=False)
    assert [(d.name, d.model) for d in devices.inventory()] == [("CPU:0", None), ("GPU:0", "METAL")]
    devices.select("GPU:0")
    assert devices.peak_memory("GPU:0") is None


def test_the_memory_of_every_accelerator_grows_with_use(machine):
    here = machine("CPU:0", "GPU:0", "GPU:1")
    devices.select("GPU:1")
    assert here.growing == ["/physical_device:GPU:0", "/physical_device:GPU:1"]


def test_replicas_use_all_devices_of_a_kind_and_split_a_cpu(machine):
    here = machine("CPU:0", "GPU:0", "GPU:1")
    assert devices.several("GPU:1") == ["GPU:0", "GPU:1"]
    assert devices.several("CPU:0") == ["CPU:0", "CPU:1"]
    assert here.split == {"/physical_device:CPU:0": 2}


def test_a_single_gpu_has_no_replicas(machine):
    machine("CPU:0", "GPU:0")
    with pytest.raises(NotApplicable, match="has one GPU; replicas need several"):
        devices.several("GPU:0")


def test_each_process_keeps_one_gpu(machine):
    here = machine("CPU:0", "GPU:0", "GPU:1")
    devices.keep_one("GPU:0", task=1)
    assert [device.name for device in here.visible["GPU"]] == ["/physical_device:GPU:1"]
    devices.keep_one("CPU:0", task=1)
    assert here.visible["GPU"] == []
    with pytest.raises(NotApplicable, match="too few GPUs"):
        devices.keep_one("GPU:0", task=2)
    with pytest.raises(NotApplicable, match="named GPU:0; use that name"):
        devices.keep_one("GPU:1", task=0)
