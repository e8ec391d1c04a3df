"""What a machine is, in asv's file: complete, coarse, and without names of users and hosts."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path
from typing import Any

import pytest
from asv.machine import Machine, MachineCollection

from detcost.errors import UsageError
from detcost.host import asv_machine, cuda, machine

VM: dict[str, Any] = {
    "name": "vm",
    "arch": "x86_64",
    "cpu": "AMD EPYC",
    "cpu_flags": ["avx2", "avx512f", "hypervisor"],
    "logical_cores": 2,
    "memory_bytes": 25276514304,
    "virtualisation": "container in a virtual machine",
    "governor": None,
    "gpus": [],
}
BARE = VM | {"cpu": "AMD EPYC 7763 64-Core Processor", "cpu_flags": ["avx2"], "logical_cores": 128}
BARE |= {"virtualisation": None, "governor": "performance"}
UNKNOWN = dict.fromkeys(VM) | {"cpu_flags": [], "gpus": []}
GPU = VM | {"gpus": ["NVIDIA H200", "NVIDIA H200"]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(machine, "describe", lambda: VM)
    return tmp_path


@pytest.mark.parametrize(
    ("here", "name", "some"),
    [
        (VM, "epyc-avx512-2core-vm", {"ram": "24 GiB", "governor": "unknown", "gpu": "none"}),
        (BARE, "epyc-7763-avx2-128core", {"virtualisation": "none", "governor": "performance"}),
        (GPU, "epyc-avx512-2core-2x-h200-vm", {"gpu": "NVIDIA H200, NVIDIA H200", "driver": "580"}),
        (UNKNOWN, "unknown", {"cpu": "unknown", "num_cpu": "unknown", "ram": "unknown"}),
    ],
)
def test_every_machine_has_every_key(here, name, some, monkeypatch):
    versions = {"nvidia_driver": "580.159.04", "cuda_driver": "13.0", "cudnn": "9.19.0"}
    monkeypatch.setattr(machine, "describe", lambda: here)
    monkeypatch.setattr(cuda, "versions", lambda: versions)
    entry, _ = asv_machine.write()
    assert entry["machine"] == name
    assert entry | some == entry
    asv_s = {field for field, _ in Machine.fields}
    ours = {"isa", "virtualisation", "governor", "gpu", "driver", "cuda", "cudnn"}
    assert set(entry) == asv_s | ours
    assert all(isinstance(value, str) and value for value in entry.values())


def test_a_gpu_whose_libraries_are_not_here_has_unknown_versions(monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: GPU)
    monkeypatch.setattr(cuda, "versions", dict)
    monkeypatch.setattr(asv_machine, "_CUDNN", ("no-such-distribution",))
    entry = asv_machine.describe()
    assert [entry[key] for key in ("driver", "cuda", "cudnn")] == ["unknown"] * 3


def test_the_version_of_cudnn_is_that_beside_tensorflow(monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: GPU)
    monkeypatch.setattr(cuda, "versions", dict)
    monkeypatch.setattr(asv_machine, "_CUDNN", ("no-such-distribution", "pytest"))
    assert asv_machine.describe()["cudnn"].isdigit()


def test_asv_takes_the_entry_for_this_machine():
    entry, names = asv_machine.write()
    assert MachineCollection.load(Machine.get_unique_machine_name()) == entry
    assert names == [entry["machine"]]
    assert not asv_machine.needs_name(names)


def test_no_name_of_a_user_or_a_host_is_written(home: Path, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: VM | {"name": "secret-host"})
    asv_machine.write()
    words = json.loads((home / ".asv-machine.json").read_text())["epyc-avx512-2core-vm"].values()
    assert not {"secret-host", platform.node(), getpass.getuser()} & set(words)


def test_what_a_user_has_written_stays_until_it_is_overwritten(home: Path):
    MachineCollection.save("office", {"machine": "office", "cpu": "fast", "num_cpu": "2"})
    entry, names = asv_machine.write()
    assert (entry["machine"], entry["cpu"], entry["ram"]) == ("office", "fast", "24 GiB")
    assert names == ["office"]
    entry, names = asv_machine.write(overwrite=True)
    assert (entry["machine"], entry["cpu"]) == ("epyc-avx512-2core-vm", "AMD EPYC")
    assert names == ["epyc-avx512-2core-vm"]


def test_a_name_given_is_the_machine_s_new_name():
    asv_machine.write()
    entry, names = asv_machine.write("rack-7")
    assert (entry["machine"], names) == ("rack-7", ["rack-7"])


def test_writing_twice_changes_nothing(home: Path):
    asv_machine.write()
    first = (home / ".asv-machine.json").read_bytes()
    asv_machine.write()
    assert (home / ".asv-machine.json").read_bytes() == first


def test_another_machine_of_a_shared_home_keeps_its_entry():
    MachineCollection.save("big", {"machine": "big", "num_cpu": "64", "arch": "x86_64"})
    _, names = asv_machine.write()
    assert names == ["big", "epyc-avx512-2core-vm"]
    assert MachineCollection.load("big")["num_cpu"] == "64"
    assert asv_machine.needs_name(names)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 1, "x": 3}', "{}", "[" * 10**5])
def test_a_file_of_something_else_is_named_and_stays(content: str, home: Path):
    (home / ".asv-machine.json").write_text(content)
    with pytest.raises(UsageError, match=r"\.asv-machine\.json: not a file of asv's"):
        asv_machine.write()
    assert (home / ".asv-machine.json").read_text() == content


def test_a_file_of_a_newer_asv_stays(home: Path):
    (home / ".asv-machine.json").write_text('{"version": 2}')
    with pytest.raises(UsageError, match="version 2"):
        asv_machine.write()


def test_a_home_that_cannot_be_written_is_one_line(home: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(home / "absent"))
    with pytest.raises(UsageError, match="cannot be written"):
        asv_machine.write()
