"""Coarse words for machines: the same for one machine, and different for unlike machines."""

from __future__ import annotations

import json

import pytest

from detcost.host import words
from paths import RESULTS


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "xeon-platinum-8259cl"),
        ("AMD EPYC 7763 64-Core Processor", "epyc-7763"),
        ("AMD EPYC", "epyc"),
        ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", "core-i7-8650u"),
        ("Apple M2 Pro", "apple-m2-pro"),
        ("../../etc", "etc"),
        (None, ""),
        (["a", 1], "a-1"),
        ("x" * 10_000, "x" * 40),
    ],
)
def test_a_processor_s_word_is_its_model_without_what_all_have(model, word):
    assert words.processor(model) == word


@pytest.mark.parametrize(
    ("size", "gib"),
    [
        (25276514304, 24),
        ("25276514304", 24),
        (135148564480, 128),
        ("16GB", 16),
        ("4 GiB", 4),
        (1 << 30, 1),
        (5 << 30, 6),
        (0, None),
        (None, None),
        ("much", None),
        ("9" * 5000, None),
    ],
)
def test_memory_is_what_may_be_installed(size, gib):
    assert words.memory_gib(size) == gib


def test_a_system_that_reports_a_little_less_after_an_update_is_the_same_machine():
    sizes = {words.memory_gib(share * (32 << 30) // 100) for share in range(80, 101)}
    assert sizes == {32}


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["sse4_1", "avx", "avx2", "fma"], "avx2"),
        (["avx2", "avx512f", "avx512_vnni", "avx512_bf16"], "avx512_bf16"),
        (["amx_tile", "avx512f", "avx512_fp16"], "amx"),
        (["asimd"], "neon"),
        ([], ""),
        ([{}, 3], ""),
    ],
)
def test_the_level_is_the_newest_instruction_set(flags, word):
    assert words.level(flags) == word


def test_gpus_are_counted_whoever_lists_them():
    assert words.gpus(["NVIDIA H200"]) == "h200"
    assert words.gpus(["Tesla T4", "Tesla T4"]) == "2x-t4"
    assert words.gpu_models({"accelerators": ["GPU:0 NVIDIA H200"]}) == ["NVIDIA H200"]
    assert words.gpu_models({"gpus": [], "accelerators": ["TPU:0 v5"]}) == []
    assert words.gpu_models({"gpu": "none"}) == []
    assert words.gpu_models({"gpu": "Tesla T4, Tesla T4"}) == ["Tesla T4", "Tesla T4"]


def test_the_committed_machines_are_proposed_the_names_that_they_have():
    names = {}
    for file in RESULTS.rglob("*.trials.jsonl"):
        with open(file) as lines:
            machine = json.loads(next(lines))["machine"]
        names[machine["name"]] = words.proposed_name(machine), words.identity(machine)
    assert names["epyc-avx2-2core-vm"] == ("epyc-avx2-2core-vm", "epyc-avx2-2core-24g")
    assert names["epyc-avx512-2core-vm"][0] == "epyc-avx512-2core-vm"
    assert names["xeon-amx-2core-vm"] == ("xeon-amx-2core-vm", "xeon-amx-2core-24g")
    assert names["hopper-16core-vm"][1] == "xeon-amx-16core-128g-h200"


def test_a_hostile_description_has_words_too():
    odd = {"cpu": {}, "cpu_flags": 3, "logical_cores": "2; rm", "memory_bytes": [], "arch": "/../"}
    assert words.identity(odd) == "unknown"


@pytest.mark.parametrize(
    "name", ["..", ".x", "a/b", "a\\b", "", "x" * 101, "a\n", "-x", "a.", "a:b"]
)
def test_a_name_that_leads_elsewhere_names_no_folder(name):
    assert not words.can_name_a_folder(name)
    assert words.can_name_a_folder("my box.2")
