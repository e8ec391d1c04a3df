import subprocess
import sys
from pathlib import Path

import pytest

from detcost.asv_integration import tensorflow_build
from detcost.asv_integration.tensorflow_build import choose


@pytest.mark.parametrize(
    ("system", "machine", "nvidia", "distribution", "label"),
    [
        ("Linux", "x86_64", False, "tensorflow-cpu", "CPU"),
        ("Linux", "x86_64", True, "tensorflow[and-cuda]", "CUDA"),
        ("Linux", "aarch64", False, "tensorflow", "CPU"),
        ("Linux", "aarch64", True, "tensorflow", "CPU"),
        ("Darwin", "arm64", False, "tensorflow", "CPU"),
        ("Windows", "AMD64", False, "tensorflow", "CPU"),
        ("Windows", "AMD64", True, "tensorflow", "CPU"),
    ],
)
def test_every_machine_gets_the_build_that_fits(system, machine, nvidia, distribution, label):
    build = choose(system, machine, nvidia)

    assert (build.distribution, build.label) == (distribution, label)
    assert build.why


def test_the_build_of_a_nightly_fits_too():
    assert choose("Linux", "x86_64", False, "tf-nightly").distribution == "tf-nightly-cpu"
    assert choose("Linux", "x86_64", True, "tf-nightly").distribution == "tf-nightly[and-cuda]"


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("2.21.0", "tensorflow-cpu==2.21.0"),
        (">=2.20,<2.22", "tensorflow-cpu>=2.20,<2.22"),
        ("", "tensorflow-cpu"),
    ],
)
def test_a_requirement_takes_a_number_a_specifier_or_nothing(version, requirement):
    assert choose("Linux", "x86_64", False).requirement(version) == requirement


def test_a_driver_is_found_in_proc_or_by_nvidia_smi(monkeypatch, tmp_path):
    monkeypatch.setattr(tensorflow_build, "NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not tensorflow_build.has_nvidia()

    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: some card (UUID: GPU-0)'\n")
    smi.chmod(0o755)
    assert tensorflow_build.has_nvidia()

    smi.unlink()
    (tmp_path / "version").touch()
    assert tensorflow_build.has_nvidia()


def test_as_a_script_it_prints_the_requirement_and_the_reason():
    script = Path(tensorflow_build.__file__)
    done = subprocess.run(
        [sys.executable, "-P", script, "2.21.0"], capture_output=True, text=True, check=True
    )

    assert done.stdout == tensorflow_build.requirement("2.21.0") + "\n"
    assert tensorflow_build.build().why in done.stderr
