"""The baseline tells a changed program from a changed machine, and damage from both."""

from __future__ import annotations

import json

import msgspec
import pytest

import factories
from detcost.errors import UsageError
from detcost.testing import baseline
from detcost.testing.baseline import Incomparable

MACHINE = {
    "os": "Linux-6.1.0-x86_64-with-glibc2.36",
    "arch": "x86_64",
    "cpu": "Some CPU",
    "cpu_flags": ["avx2", "fma"],
    "usable_cores": 2,
}
A, B, C = ("0123456789abcdef" * 2, "fedcba9876543210" * 2, "00000000000000ff" * 2)
TEST = "tests/test_model.py::test_training[3]"


def record(digest=A, **changes):
    return factories.record(**{"digest": digest, "machine": MACHINE, **changes})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "folder" / "baseline.json"
    baseline.update(path, TEST, record())
    return path


def compared(file, now):
    return baseline.compare(baseline.read(file), TEST, now)


def test_the_same_bits_on_the_same_kind_of_machine_pass(file):
    other = {**MACHINE, "name": "another", "os": "Linux-6.8.1-x86_64-with-glibc2.39"}
    assert compared(file, record()) is None
    assert compared(file, record(machine=other)) is None


def test_other_bits_on_this_kind_of_machine_fail(file):
    assert compared(file, record(B)) == (
        "its bits have changed since the baseline, on this kind of machine; "
        "every version is the same"
    )


def test_a_version_that_changed_with_the_bits_is_named(file):
    newer = {"tensorflow": "2.22.0", "python": "3.11.7", "detcost": "9.0"}
    assert compared(file, record(versions=newer)) is None
    assert compared(file, record(B, versions=newer)).endswith(
        "; versions: tensorflow 2.21.0 → 2.22.0"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": "Another CPU"}, "processor Another CPU and not Some CPU"),
        ({"cpu_flags": ["avx2", "fma", "avx512f"]}, "instruction sets differ by avx512f"),
        ({"usable_cores": 4}, "cores 4 and not 2"),
        ({"arch": "aarch64"}, "arch aarch64 and not x86_64"),
    ],
)
def test_another_kind_of_machine_cannot_be_compared(file, change, words):
    with pytest.raises(Incomparable, match=words):
        compared(file, record(B, machine={**MACHINE, **change}))


def test_the_kind_of_an_accelerator_is_its_model(file):
    gpu = {**MACHINE, "accelerators": ["GPU:0 Some GPU"]}
    baseline.update(file, TEST, record(device="GPU:0", machine=gpu))
    with pytest.raises(Incomparable, match="processor Other GPU and not Some GPU"):
        compared(file, record(device="GPU:0", machine={**gpu, "accelerators": ["GPU:0 Other GPU"]}))


def test_a_test_or_a_setting_that_the_baseline_lacks_fails(file):
    assert "has no bits of it under op_determinism" in compared(
        file, record(setting="op_determinism")
    )
    assert "has no bits" in baseline.compare(baseline.read(file), "another", record())


def test_state_is_compared_call_by_call_over_the_calls_that_both_have(file):
    baseline.update(file, TEST, record(sequence=[A, B, C], carries_state=True))
    assert compared(file, record(sequence=[A, B], carries_state=True)) is None
    assert compared(file, record(sequence=[A, C], carries_state=True)) is not None
    assert compared(file, record()) is not None  # it carried state, and does no longer


def test_an_update_replaces_this_kind_of_machine_and_keeps_the_others(file):
    other = {**MACHINE, "cpu": "A CPU"}
    baseline.update(file, TEST, record(B, machine=other))
    baseline.update(file, TEST, record(C))
    assert compared(file, record(C)) is None
    assert compared(file, record(B, machine=other)) is None
    assert [bits.machine.processor for bits in baseline.read(file).tests[TEST]] == [
        "A CPU",
        "Some CPU",
    ]


def test_the_file_is_sorted_and_the_same_whatever_the_order_of_updates(tmp_path):
    names = ["b", "a", "ö"]
    for path, order in ((tmp_path / "1", names), (tmp_path / "2", names[::-1])):
        for name in order:
            baseline.update(path, name, record())
    text = (tmp_path / "1").read_text()
    assert text == (tmp_path / "2").read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)["tests"]) == ["a", "b", "ö"]
    assert list(json.loads(text)) == ["schema", "tests"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "no baseline"),
        (lambda text: text.replace('"schema": 1', '"schema": 2, "new": 3'), "upgrade detcost"),
        (lambda text: text.replace('"schema": 1', '"schema": 1, "more": 3'), "unknown field"),
        (lambda text: text.replace(A, "no digest"), "matching regex"),
        (lambda text: text.replace('"cores": 2', '"cores": "2"'), "Expected `int | null`"),
        (lambda text: text.replace("Some CPU", "x" * 500), "length <= 400"),
        (lambda text: "[" * 100_000, "no baseline"),
        (lambda text: "\udcff", "no baseline"),
        (lambda text: "", "no baseline"),
    ],
)
def test_a_damaged_file_is_one_line_and_stays_as_it_is(file, change, message):
    damaged = change(file.read_text()).encode("utf-8", "surrogateescape")
    file.write_bytes(damaged)
    with pytest.raises(UsageError, match=message.replace("|", r"\|")):
        baseline.read(file)
    with pytest.raises(UsageError):
        baseline.update(file, TEST, record())
    assert file.read_bytes() == damaged


def test_a_long_id_of_a_test_can_be_read_again(tmp_path):
    baseline.update(tmp_path / "b.json", "x" * 5000, record())
    assert baseline.compare(baseline.read(tmp_path / "b.json"), "x" * 5000, record()) is None


def test_a_file_that_cannot_be_written_is_one_line(file):
    with pytest.raises(UsageError, match="cannot be written"):
        baseline.update(file / "below", TEST, record())


def test_an_entry_has_no_name_of_a_machine(file):
    [bits] = baseline.read(file).tests[TEST]
    assert "box" not in msgspec.json.encode(bits).decode()
