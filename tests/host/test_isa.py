"""Caps on instruction sets: the list for each CPU, and proof that a cap is in force."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detcost.host import isa, machine
from detcost.settings import instruction_sets
from detcost.settings.instruction_sets import LEVER_CAPS, Cap, caps, lever_caps

# Flags in Linux's spelling. Each CPU has those of its predecessor.
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
def test_the_caps_are_all_sets_below_the_newest_of_the_cpu(flags, onednn, xla):
    assert caps(flags) == [
        *(Cap("oneDNN", word) for word in onednn.split()),
        *(Cap("XLA", word) for word in xla.split()),
    ]


@pytest.mark.parametrize(
    ("flags", "word", "onednn", "xla"),
    [
        (HASWELL, "AVX", "AVX", "AVX"),
        (HASWELL, "AVX2", "", ""),
        (SANDY_BRIDGE, "AVX2", "", ""),
        (ALDER_LAKE, "AVX2", "AVX2", ""),
        (ZEN_4, "AVX512", "AVX512_CORE AVX512_CORE_VNNI", "AVX512 AVX512_VNNI"),
        (
            SAPPHIRE_RAPIDS,
            "AVX2",
            "AVX2 AVX2_VNNI AVX512_CORE AVX512_CORE_VNNI AVX512_CORE_BF16 AVX512_CORE_FP16",
            "AVX2 AVX512 AVX512_VNNI AVX512_BF16",
        ),
        (ARM, "AVX2", "", ""),
    ],
)
def test_under_the_lever_caps_below_its_word_are_left_out(flags, word, onednn, xla):
    assert caps(flags, word) == [
        *(Cap("oneDNN", isa) for isa in onednn.split()),
        *(Cap("XLA", isa) for isa in xla.split()),
    ]


def test_the_levers_words_ascend_in_every_library():
    for library, needs in instruction_sets.REQUIRED_FLAGS.items():
        words = [[c.isa for c in lever_caps(w) if c.library == library] for w in LEVER_CAPS]
        assert [len(library_words) for library_words in words] == [1] * len(LEVER_CAPS)
        positions = [list(needs).index(word) for [word] in words]
        assert positions == sorted(set(positions))


def test_without_the_lever_nothing_is_capped():
    assert lever_caps(None) == ()


def test_a_set_needs_all_of_its_flags():
    without_dq = SKYLAKE - {"avx512dq"}
    assert [cap.isa for cap in caps(without_dq) if cap.library == "oneDNN"] == ["SSE41", "AVX"]


def test_evidence_names_a_cap_by_its_label():
    assert Cap("oneDNN", "AVX2").label == "oneDNN=AVX2"
    assert Cap("XLA", "SSE4_2").label == "XLA=SSE4_2"


def test_a_record_keeps_every_flag_that_caps_depend_on():
    needed = {
        flag
        for needs in instruction_sets.REQUIRED_FLAGS.values()
        for flags in needs.values()
        for flag in flags
    }
    assert needed <= machine._DISPATCH_FLAGS


def test_every_word_of_onednn_has_a_printed_name():
    assert set(isa._WORD_BY_ONEDNN_NAME.values()) == set(instruction_sets.REQUIRED_FLAGS["oneDNN"])


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
def test_the_newest_instruction_set_of_machine_code_is_found(code, newest):
    assert isa._newest_in(bytes.fromhex(code)) == newest


AVX2_CODE, AVX512_CODE = bytes.fromhex("c4e27d37e2"), bytes.fromhex("62f2fd283d06")


@pytest.mark.parametrize(
    ("word", "code", "in_force"),
    [
        ("AVX2", AVX2_CODE, "AVX2"),
        ("AVX512", AVX512_CODE, "AVX512"),  # on a CPU with AMX, too
        ("AVX512", AVX2_CODE, "AVX2"),  # above the CPU
        ("AVX2", AVX512_CODE, "AVX512"),  # read too late
        ("AMX", AVX512_CODE, "AMX"),
        ("AMX", AVX2_CODE, "AVX2"),
        ("", AVX512_CODE, "AVX512"),  # uncapped
        ("AVX2", b"", None),  # nothing was compiled
    ],
)
def test_xlas_option_counts_only_if_its_code_confirms_it(word, code, in_force):
    assert isa._xla_set(b'xla_cpu_max_isa: "%s"' % word.encode(), code) == in_force


@pytest.mark.parametrize(
    ("name", "in_force"),
    [
        ("Intel AVX2", "AVX2"),
        ("Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions", "AVX512_CORE"),
        ("AArch64 (with Advanced SIMD & floating-point)", None),
    ],
)
def test_the_set_is_read_from_what_onednn_prints(name, in_force):
    printed = f"onednn_verbose,v1,info,cpu,engine\nonednn_verbose,v1,info,cpu,isa:{name}\n"
    assert isa._parse_onednn_set(printed) == (in_force or name)
    assert isa._parse_onednn_set("") is None


#: Forks a worker for each case, as detcost does, from a process that has run no op.
WORKERS = """
import hashlib, json, os, sys
import numpy as np
import tensorflow as tf
from detcost.host.isa import XlaProbe, apply, onednn_in_force
from detcost.settings.instruction_sets import Cap
from detcost.settings.grammar import parse

NUMBERS = np.random.default_rng(0).standard_normal((640, 640), dtype=np.float32)
VARIABLES = {"oneDNN": "ONEDNN_MAX_CPU_ISA={}", "XLA": "XLA_FLAGS=--xla_cpu_max_isa={}"}

def work():
    x = tf.constant(NUMBERS)
    compiled = tf.function(lambda: tf.reduce_sum(tf.exp(x) * x), jit_compile=True, autograph=False)
    parts = tf.linalg.matmul(x, x), compiled()
    return [hashlib.md5(part.numpy().tobytes()).hexdigest() for part in parts]

def leave_eager_mode():
    tf.compat.v1.disable_eager_execution()
    tf.compat.v1.Session().run(tf.constant(1.0) + 1.0)

#: Actions of a program that the probe must survive.
ODD = {
    "eager functions": lambda: tf.config.run_functions_eagerly(True),
    "sessions": leave_eager_mode,
}

def log(text):
    print(text, file=sys.stderr, flush=True)

def apply_lever(how, setting):
    # Under the lever the variables are set already. The program runs before the probe compiles.
    os.environ.update(parse(setting).environment)
    onednn, probe = onednn_in_force(), XlaProbe()
    if how == "killed":
        return None, work(), os.environ["XLA_FLAGS"]
    log(f"<{how} {setting}>")
    digests = work()
    log("<probe>")
    ODD.get(how, lambda: None)()
    in_force = [onednn, probe.in_force()]
    log("<end>")
    return in_force, digests, os.environ["XLA_FLAGS"]

def answer(how, label):
    if label.startswith("isa="):
        return apply_lever(how, label)
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

#: Uses the flag of the cap, but caps nothing.
OWN_FLAGS = "--xla_cpu_max_isa=AMX_FP16"


def here() -> list[Cap]:
    return caps(machine.describe()["cpu_flags"])


def lowest() -> list[Cap]:
    return [
        next(cap for cap in here() if cap.library == library)
        for library in instruction_sets.REQUIRED_FLAGS
    ]


def ignored() -> list[Cap]:
    """Return caps with unknown words, and caps above this CPU that the probe can show."""
    flags = set(machine.describe()["cpu_flags"])
    high = [Cap("oneDNN", "AVX512_CORE_AMX_FP16"), Cap("XLA", "AVX512")]
    above = [
        cap for cap in high if not instruction_sets.REQUIRED_FLAGS[cap.library][cap.isa] <= flags
    ]
    return [Cap("oneDNN", "AVX3"), Cap("XLA", "AVX3"), *above]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the workers' temporary files."""
    return tmp_path_factory.mktemp("dumps")


@pytest.fixture(scope="module")
def workers(dumps: Path) -> subprocess.CompletedProcess[str]:
    """Run a worker for every case, one after the other."""
    if not here() or not hasattr(os, "fork"):
        pytest.skip("nothing to cap on this CPU, or no fork")
    every_word = [Cap("XLA", word) for word in instruction_sets.REQUIRED_FLAGS["XLA"]]
    cases = [("uncapped", "")]
    cases += [("capped", cap.label) for cap in dict.fromkeys([*here(), *ignored(), *every_word])]
    cases += [(how, cap.label) for how in ("by hand", "too late") for cap in lowest()]
    cases += [("lever", f"isa={word}") for word in LEVER_CAPS]
    cases += [(how, "isa=SSE4") for how in ("eager functions", "sessions", "killed")]
    return subprocess.run(
        [sys.executable, "-c", WORKERS, json.dumps(cases)],
        env={**os.environ, "XLA_FLAGS": OWN_FLAGS, "TMPDIR": str(dumps)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def answers(workers) -> dict[tuple[str, str], Any]:
    """The sets in force in each worker, its digests, and its XLA flags."""
    assert workers.returncode == 0, workers.stderr
    # Any other line was printed by a library. That is an error, here as in a step.
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
def test_finding_out_the_set_in_force_changes_no_bits(answers):
    for cap in lowest():
        assert answers["capped", cap.label][1] == answers["by hand", cap.label][1]


@pytest.mark.tensorflow
def test_an_ignored_cap_is_not_reported_in_force(answers):
    for cap in ignored():
        in_force, digests, _ = answers["capped", cap.label]
        assert in_force not in (None, cap.isa)
        assert digests == answers["uncapped", ""][1]


@pytest.mark.tensorflow
def test_xla_knows_every_word_and_warns_about_others(workers):
    assert set(re.findall(r"Unknown CPU ISA: (\w+)", workers.stderr)) == {"AVX3"}


@pytest.mark.tensorflow
def test_a_cap_after_the_first_op_is_not_in_force(answers):
    for cap in lowest():
        in_force, digests, _ = answers["too late", cap.label]
        assert in_force is None
        assert digests == answers["uncapped", ""][1]


@pytest.mark.tensorflow
def test_the_users_own_xla_flags_are_kept_before_the_cap(answers):
    _, xla = lowest()
    flags = answers["capped", xla.label][2]
    assert flags.startswith(f"{OWN_FLAGS} --xla_cpu_max_isa={xla.isa} ")


@pytest.mark.tensorflow
@pytest.mark.parametrize("word", LEVER_CAPS)
def test_the_lever_caps_the_libraries_unless_the_cpu_has_less(answers, word):
    flags = set(machine.describe()["cpu_flags"])
    in_force, _, xla_flags = answers["lever", f"isa={word}"]
    for cap, shown in zip(lever_caps(word), in_force, strict=True):
        assert (shown == cap.isa) == (
            instruction_sets.REQUIRED_FLAGS[cap.library][cap.isa] <= flags
        )
    assert xla_flags.startswith(f"{OWN_FLAGS} --xla_cpu_max_isa=")


@pytest.mark.tensorflow
def test_the_lever_gives_the_bits_of_its_two_caps(answers):
    onednn, xla = lever_caps("SSE4")
    (product, _), (_, compiled) = (answers["capped", cap.label][1] for cap in (onednn, xla))
    assert answers["lever", "isa=SSE4"][1] == [product, compiled]


@pytest.mark.tensorflow
@pytest.mark.parametrize("how", ["eager functions", "sessions"])
def test_the_probe_works_after_a_program_changes_execution(answers, how):
    assert answers[how, "isa=SSE4"][0] == [cap.isa for cap in lever_caps("SSE4")]


@pytest.mark.tensorflow
def test_the_first_function_that_xla_compiles_is_the_programs(workers):
    """TensorFlow logs the line once in a process. So it must be about the program."""
    parts = re.findall("<lever isa=.*?>(.*?)<probe>(.*?)<end>", workers.stderr, re.DOTALL)
    assert len(parts) == len(LEVER_CAPS)
    for program, probe in parts:
        assert "Compiled cluster using XLA!" in program
        assert "Compiled cluster using XLA!" not in probe


@pytest.mark.tensorflow
def test_the_probe_leaves_nothing_behind(answers, dumps):
    assert ("killed", "isa=SSE4") in answers
    assert list(dumps.iterdir()) == []
