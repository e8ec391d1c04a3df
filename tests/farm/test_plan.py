"""A plan says what to measure and where. It can run nothing, whoever wrote it."""

from __future__ import annotations

import json
import math

import pytest

from detcost.errors import UsageError
from detcost.farm import asv_jobs, jobs, machines, plan
from detcost.farm.machines import FarmMachine
from paths import ROOT

COMMIT = "a" * 40
BOX = FarmMachine("box", ("name=box", "cpu=avx512", "gpu=none"), COMMIT, "3.11")
GPU = FarmMachine("big", ("name=big", "cpu=avx512", "gpu=h100"), COMMIT, "3.12")


def test_a_version_alone_is_a_plan_of_the_core_set_on_every_machine():
    wanted = plan.parse(b'tensorflow = ["2.21.0"]')
    assert (wanted.profile, wanted.sizes, wanted.suites) == ("standard", ("medium",), (plan.CORE,))
    assert machines.selected(wanted, [GPU, BOX]) == [GPU, BOX]


def test_labels_select_machines_and_those_joined_by_a_plus_must_all_fit():
    def chosen(*labels: str) -> list[str]:
        wanted = plan.FarmPlan(("2.21.0",), machines=labels)
        return [machine.name for machine in machines.selected(wanted, [BOX, GPU])]

    assert chosen("cpu=avx512") == ["big", "box"]
    assert chosen("cpu=avx512+gpu=h100") == ["big"]
    assert chosen("name=box", "gpu=h100") == ["big", "box"]


HOSTILE = {
    'command = "rm -rf /"': 'the plan contains unknown field "command"',
    'env = {LD_PRELOAD = "x.so"}': 'unknown field "env"',
    "[limits]\nshell = 1": 'limits: the plan contains unknown field "shell"',
    "suites = 3": "suites: Expected",
    'suites = ["("]': 'suites: "(" is no regular expression',
    'suites = [""]': "is no regular expression",
    'suites = ["a\\nb"]': "is no regular expression",
    'suites = ["(?i)x"]': "is no regular expression",
    'machines = ["gpu=h100;reboot"]': "is no label",
    'machines = ["gpu"]': "is no label",
    'sizes = ["huge"]': 'sizes: no "huge"; there are small, medium, large',
    "sizes = []": "at least one each",
    'profile = "../quick"': 'profile: no "../quick"',
    '[limits]\njob = "1 day"': '"1 day" is no time',
    '[limits]\njob = "0s"': '"job" is no time at all',
    '[limits]\njob = "999999999999h"': "is no time",
    "[limits]\ntries = 0": "tries is 0",
    "a = [" + "[" * 5000: "this is no TOML",
    "\0": "this is no TOML",
    "x = 1 #" + "y" * 70000: "at most 65536 bytes",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_plan_is_one_line_that_says_what_is_wrong(text: str, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text(f'tensorflow = ["2.21.0"]\n{text}')
    with pytest.raises(UsageError) as error:
        plan.read(file)
    assert HOSTILE[text] in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "version", ["", "2.21", "2.21.0 --index-url http://x", "nightly", "2.21.0\\n", "../2.21.0"]
)
def test_a_version_that_pip_could_read_as_more_is_refused(version: str):
    with pytest.raises(UsageError, match="is no version"):
        plan.parse(f'tensorflow = ["{version}"]'.encode())


def test_a_label_that_no_machine_has_is_named_with_the_labels_there_are():
    wanted = plan.FarmPlan(("2.21.0",), machines=("gpu=h200", "cpu=avx512"))
    assert machines.missing(wanted, [BOX]) == ["gpu=h200"]
    message = str(machines.no_such_label(["gpu=h200"], [BOX]))
    assert "no machine has gpu=h200" in message
    assert "cpu=avx512, gpu=none, name=box" in message


def test_a_job_has_a_new_key_when_anything_about_it_is_new():
    def keys(machine: FarmMachine = BOX, commit: str = COMMIT, **words) -> set[str]:
        wanted = plan.FarmPlan(**{"tensorflow": ("2.21.0",), **words})
        return {job.key for job in jobs.of_machine(wanted, {"conv": ("x",)}, commit, machine)}

    first = keys()
    assert first == keys()
    for others in (
        keys(GPU),
        keys(commit="b" * 40),
        keys(tensorflow=("2.20.0",)),
        keys(profile="quick"),
        keys(sizes=("small",)),
        keys(FarmMachine("box", BOX.labels, COMMIT, "3.12")),
    ):
        assert len(others) == 1
        assert first.isdisjoint(others)


def test_what_a_stranger_tells_about_his_machine_is_checked():
    told = {"name": "box", "labels": ["name=box"], "commit": COMMIT, "python": "3.11"}
    assert machines.from_a_stranger(told) == FarmMachine("box", ("name=box",), COMMIT, "3.11")
    for name, value in {
        "name": "../../etc",
        "labels": ["x=\x1b[2J"],
        "commit": "--upload-pack=x",
        "python": "3.11; reboot",
    }.items():
        assert machines.from_a_stranger({**told, name: value}) is None
    assert machines.from_a_stranger(None) is None


RESULT: dict[str, object] = {
    "commit_hash": COMMIT,
    "requirements": {"tensorflow": "2.21.0"},
    "results": {"conv.Conv2d.track_cost": [[1.0, None]], "conv.Other.track_cost": [None]},
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"commit_hash": "b" * 40}, "asv measured commit bbbbbbbb"),
        ({"requirements": {}}, "asv measured TensorFlow None, and the plan is for 2.21.0"),
        ({"results": {"rnn.Lstm.track_cost": [[1.0]]}}, "which is not of conv"),
        ({"results": {"conv.Conv2d.track_cost": [[math.nan, None]]}}, "asv measured nothing"),
        ({"results": 7}, "cannot be read"),
    ],
)
def test_a_result_of_asv_is_taken_for_the_job_that_asked_for_it_alone(changed, reason):
    wanted = plan.FarmPlan(("2.21.0",))
    (job,) = jobs.of_machine(wanted, {"conv": ("x",)}, COMMIT, BOX)
    files = {"box/x.json": json.dumps({**RESULT, **changed}).encode(), "box/machine.json": b"{}"}
    refused = asv_jobs.AsvRunner().refusal(job, 0, files)
    assert refused is None if reason is None else reason in refused
    assert asv_jobs.AsvRunner().refusal(job, 1, files) == "asv failed"
    assert asv_jobs.AsvRunner().refusal(job, 0, {"box/machine.json": b"{}"})


def test_the_families_of_a_suite_are_those_in_which_asv_finds_it():
    found = asv_jobs.families(ROOT, [r"^conv\.", "Matmul"])
    assert found["conv"] == (r"^conv\.",)
    assert found["matmul"] == found["more.matmul"] == ("Matmul",)
    with pytest.raises(UsageError, match='"nothing_like_it" selects no benchmark'):
        asv_jobs.families(ROOT, ["nothing_like_it"])
