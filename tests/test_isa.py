"""Instruction-set caps: which there are on what CPU, and whether one that is set is in force."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from detcost import isa, machine
from detcost.isa import Cap, caps

# Flags as Linux spells them, each CPU's added to those of the one it follows.
NEHALEM = {"sse2", "sse4_1", "sse4_2"}
SANDY_BRIDGE = NEHALEM | {"avx"}
HASWELL = SANDY_BRIDGE | {"avx2", "fma"}
ALDER_LAKE = HASWELL | {"avx_vnni"}
LUNAR_LAKE = ALDER_LAKE | {"avx_vnni_int8", "avx_ne_convert"}
SKYLAKE = HASWELL | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
CASCADE_LAKE = SKYLAKE | {"avx512_vnni"}
ZEN_4 = CASCADE_LAKE | {"avx512_bf16"}
ZEN_5 = ZEN_4 | {"avx_vnni"}
SAPPHIRE_RAPIDS = ZEN_5 | {"avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}
GRANITE_RAPIDS = SAPPHIRE_RAPIDS | {"amx_fp16"}
ARM = {"asimd", "sve", "bf16", "i8mm"}


@pytest.mark.parametrize(
    ("flags", "onednn", "xla"),
    [
        (NEHALEM, "", ""),
        (SANDY_BRIDGE, "SSE41", "SSE4_2"),
        (HASWELL, "SSE41 AVX", "SSE4_2 AVX"),
        (ALDER_LAKE, "SSE41 AVX AVX2", "SSE4_2 AVX"),
        (LUNAR_LAKE, "SSE41 AVX AVX2 AVX2_VNNI", "SSE4_2 AVX"),
        (SKYLAKE, "SSE41 AVX AVX2", "SSE4_2 AVX AVX2"),
        (CASCADE_LAKE, "SSE41 AVX AVX2 AVX512_CORE", "SSE4_2 AVX AVX2 AVX512"),
        (
            ZEN_4,
            "SSE41 AVX AVX2 AVX512_CORE AVX512_CORE_VNNI",
            "SSE4_2 AVX AVX2 AVX512 AVX512_VNNI",
        ),
        (
            ZEN_5,
            "SSE41 AVX AVX2 AVX2_VNNI AVX512_CORE AVX512_CORE_VNNI",
            "SSE4_2 AVX AVX2 AVX512 AVX512_VNNI",
        ),
        (
            SAPPHIRE_RAPIDS,
            "SSE41 AVX AVX2 AVX2_VNNI AVX512_CORE AVX512_CORE_VNNI AVX512_CORE_BF16 "
            "AVX512_CORE_FP16",
            "SSE4_2 AVX AVX2 AVX512 AVX512_VNNI AVX512_BF16",
        ),
        (
            GRANITE_RAPIDS,
            "SSE41 AVX AVX2 AVX2_VNNI AVX512_CORE AVX512_CORE_VNNI AVX512_CORE_BF16 "
            "AVX512_CORE_FP16 AVX512_CORE_AMX",
            "SSE4_2 AVX AVX2 AVX512 AVX512_VNNI AVX512_BF16 AMX",
        ),
        (ARM, "", ""),
        (set(), "", ""),
    ],
)
def test_the_caps_are_all_that_is_below_the_cpu(flags, onednn, xla):
    assert caps(flags) == [
        *(Cap("oneDNN", word) for word in onednn.split()),
        *(Cap("XLA", word) for word in xla.split()),
    ]


def test_half_of_an_instruction_set_is_none():
    without_dq = SKYLAKE - {"avx512dq"}
    assert [cap.isa for cap in caps(without_dq) if cap.library == "oneDNN"] == ["SSE41", "AVX"]


def test_evidence_names_a_cap_by_its_label():
    assert Cap("oneDNN", "AVX2").label == "oneDNN=AVX2"
    assert Cap("XLA", "SSE4_2").label == "XLA=SSE4_2"


def test_a_record_keeps_every_flag_that_caps_are_worked_out_from():
    needed = {flag for needs in isa._NEEDS.values() for flags in needs.values() for flag in flags}
    assert needed <= machine._TELLING_FLAGS


def test_what_onednn_says_is_understood_for_every_word():
    assert set(isa._ONEDNN_SAYS.values()) == set(isa._NEEDS["oneDNN"])


@pytest.mark.parametrize(
    ("code", "newest"),
    [
        ("66 0f 38 37 c8", "SSE4_2"),  # pcmpgtq %xmm0,%xmm1
        ("66 44 0f 38 37 c0", "SSE4_2"),  # pcmpgtq %xmm0,%xmm8
        ("c4 e2 79 37 e2", "AVX"),  # vpcmpgtq %xmm2,%xmm0,%xmm4
        ("c4 e2 7d 37 e2", "AVX2"),  # vpcmpgtq %ymm2,%ymm0,%ymm4
        ("62 f2 fd 28 3d 06", "AVX512"),  # vpmaxsq (%rsi),%ymm0,%ymm0
        ("62 f2 fd 48 3d 06", "AVX512"),  # vpmaxsq (%rsi),%zmm0,%zmm0
        ("c5 f8 77 c3", None),  # vzeroupper, ret
        ("", None),
    ],
)
def test_machine_code_tells_its_instruction_set(code, newest):
    assert isa._newest_in(bytes.fromhex(code)) == newest


#: Forks a worker for every question, as detcost does: TensorFlow is imported and has run nothing.
WORKERS = """
import hashlib, json, os, sys
import numpy as np
import tensorflow as tf
from detcost.isa import Cap, apply

NUMBERS = np.random.default_rng(0).standard_normal((640, 640), dtype=np.float32)
VARIABLES = {"oneDNN": "ONEDNN_MAX_CPU_ISA={}", "XLA": "XLA_FLAGS=--xla_cpu_max_isa={}"}

def work():
    x = tf.constant(NUMBERS)
    compiled = tf.function(lambda: tf.reduce_sum(tf.exp(x) * x), jit_compile=True, autograph=False)
    parts = tf.linalg.matmul(x, x), compiled()
    return [hashlib.md5(part.numpy().tobytes()).hexdigest() for part in parts]

def answer(how, label):
    library, _, isa = label.partition("=")
    if how == "by hand":
        os.environ.update([VARIABLES[library].format(isa).split("=", 1)])
    if how == "too late":
        work()
    in_force = apply(Cap(library, isa)) if how in ("capped", "too late") else None
    return in_force, work(), os.environ["XLA_FLAGS"]

for how, label in json.loads(sys.argv[1]):
    pid = os.fork()
    if pid == 0:
        print(json.dumps([how, label, *answer(how, label)]), flush=True)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, label
"""

#: Caps nothing, and is on the same flag as the cap.
OWN_FLAGS = "--xla_cpu_max_isa=AMX_FP16"


def here() -> list[Cap]:
    return caps(machine.describe()["cpu_flags"])


def lowest() -> list[Cap]:
    return [next(cap for cap in here() if cap.library == library) for library in isa._NEEDS]


def ignored() -> list[Cap]:
    """Words that no library knows, and words above this CPU where that would show."""
    flags = set(machine.describe()["cpu_flags"])
    high = [Cap("oneDNN", "AVX512_CORE_AMX_FP16"), Cap("XLA", "AVX512")]
    above = [cap for cap in high if not isa._NEEDS[cap.library][cap.isa] <= flags]
    return [Cap("oneDNN", "AVX3"), Cap("XLA", "AVX3"), *above]


@pytest.fixture(scope="module")
def workers() -> subprocess.CompletedProcess[str]:
    """Workers of every kind, one after the other."""
    if not here() or not hasattr(os, "fork"):
        pytest.skip("nothing to cap on this CPU, or no fork")
    every_word = [Cap("XLA", word) for word in isa._NEEDS["XLA"]]
    asked = [("uncapped", "")]
    asked += [("capped", cap.label) for cap in dict.fromkeys([*here(), *ignored(), *every_word])]
    asked += [(how, cap.label) for how in ("by hand", "too late") for cap in lowest()]
    return subprocess.run(
        [sys.executable, "-c", WORKERS, json.dumps(asked)],
        env={**os.environ, "XLA_FLAGS": OWN_FLAGS, "TF_CPP_MIN_LOG_LEVEL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def answers(workers) -> dict[tuple[str, str], Any]:
    """What each worker found in force, the digests it got, and its XLA flags."""
    assert workers.returncode == 0, workers.stderr
    # A line that is no answer was printed by a library: an error here, as it is in a step.
    lines = [json.loads(line) for line in workers.stdout.splitlines()]
    return {(how, label): rest for how, label, *rest in lines}


@pytest.mark.tensorflow
def test_every_cap_of_this_machine_is_in_force_once_applied(answers):
    assert [answers["capped", cap.label][0] for cap in here()] == [cap.isa for cap in here()]


@pytest.mark.tensorflow
def test_the_lowest_cap_changes_the_bits_of_its_library_alone(answers):
    _, (product, compiled), _ = answers["uncapped", ""]
    for cap in lowest():
        _, (capped_product, capped_compiled), _ = answers["capped", cap.label]
        assert (capped_product != product) == (cap.library == "oneDNN")
        assert (capped_compiled != compiled) == (cap.library == "XLA")


@pytest.mark.tensorflow
def test_finding_out_what_is_in_force_changes_no_bits(answers):
    for cap in lowest():
        assert answers["capped", cap.label][1] == answers["by hand", cap.label][1]


@pytest.mark.tensorflow
def test_a_cap_that_the_library_ignores_is_seen_to_be(answers):
    for cap in ignored():
        in_force, digests, _ = answers["capped", cap.label]
        assert in_force not in (None, cap.isa)
        assert digests == answers["uncapped", ""][1]


@pytest.mark.tensorflow
def test_xla_knows_every_word_and_complains_of_others(workers):
    assert set(re.findall(r"Unknown CPU ISA: (\w+)", workers.stderr)) == {"AVX3"}


@pytest.mark.tensorflow
def test_a_cap_after_the_first_op_is_seen_not_to_take(answers):
    for cap in lowest():
        in_force, digests, _ = answers["too late", cap.label]
        assert in_force is None
        assert digests == answers["uncapped", ""][1]


@pytest.mark.tensorflow
def test_the_users_own_xla_flags_are_kept_before_the_cap(answers):
    _, xla = lowest()
    flags = answers["capped", xla.label][2]
    assert flags.startswith(f"{OWN_FLAGS} --xla_cpu_max_isa={xla.isa} ")
