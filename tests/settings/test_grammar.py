"""Settings: unique names, errors with remedies, and code to paste."""

from __future__ import annotations

import ast
import itertools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest

from detcost.errors import UsageError, shortened
from detcost.host import machine
from detcost.settings import grammar, instruction_sets
from detcost.settings.grammar import Setting, parse
from detcost.settings.levers import LEVERS
from detcost.settings.snippets import snippets

#: The words of every lever, as users may write them.
WORDS_OF = {lever.name: [word.replace("=N", "=2") for word in lever.spellings] for lever in LEVERS}
WORDS = list(itertools.chain(*WORDS_OF.values()))
STRATEGIES = [word for word in WORDS if word.startswith("seeding=")]
#: A user's own XLA_FLAGS.
OWN_FLAGS = "--xla_cpu_enable_fast_math=false"


def compatible_settings() -> Iterator[Setting]:
    """Yield every combination of levers without conflicts."""
    for switches in itertools.product((False, True), repeat=len(LEVERS)):
        chosen = list(itertools.compress(LEVERS, switches))
        controls = [thing for lever in chosen for thing in lever.controls]
        if len(controls) == len(set(controls)):
            for words in itertools.product(*(WORDS_OF[lever.name] for lever in chosen)):
                yield parse("+".join(words) or "default")


ALL = list(compatible_settings())


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text)
    message = str(caught.value)
    assert "\n" not in message
    assert shortened(f'"{text}"') in message, "the message must contain the setting"
    return message


@pytest.mark.parametrize(
    "words", list(itertools.permutations(["op_determinism", "threads=1", "xla"]))
)
def test_the_order_of_levers_makes_no_difference(words):
    assert parse("+".join(words)).name == "op_determinism+threads=1+xla"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("isa=AVX2+onednn=off", "onednn=off+isa=AVX2"),
        ("tf32=off+isa=SSE4+xla+threads=1", "threads=1+xla+isa=SSE4+tf32=off"),
    ],
)
def test_the_instruction_set_follows_onednn_in_a_name(text, name):
    assert parse(text).name == name


def test_an_alias_equals_the_setting_it_stands_for():
    alias, plain = parse("xla+single_thread"), parse("threads=1+xla")
    assert alias == plain
    assert hash(alias) == hash(plain)
    assert alias.name == plain.name == str(alias) == "threads=1+xla"


@pytest.mark.parametrize("text", [" default ", "xla + threads=1", "threads=01"])
def test_spaces_and_leading_zeros_are_ignored(text):
    assert parse(text) == parse(text.replace(" ", "").replace("=01", "=1"))


@pytest.mark.parametrize("word", WORDS)
def test_every_lever_is_parsed_from_its_spelling(word):
    assert parse(word).name == word


def test_every_setting_is_parsed_from_its_own_name():
    assert len({setting.name for setting in ALL}) == len(ALL) > 100
    assert all(parse(setting.name) == setting for setting in ALL)


def test_duplicates_are_dropped_in_order():
    texts = ["xla", "single_thread+xla", "default", "xla+threads=1", "xla"]
    assert [s.name for s in grammar.parse_all(texts)] == ["xla", "threads=1+xla", "default"]


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("op_determinsm", "op_determinism"),
        ("xla+singel_thread", "single_thread"),
        ("thread=1", "threads=N"),
        ("onednn_off", "onednn=off"),
        ("single_thread=2", "single_thread"),
        ("XLA", "xla"),
    ],
)
def test_the_error_of_a_misspelt_lever_suggests_a_word(text, suggestion):
    assert f'did you mean "{suggestion}"?' in refusal(text)


@pytest.mark.parametrize("text", ["", "+", "xla+", "quux", "xla++threads=1"])
def test_the_error_of_another_unknown_word_names_the_list(text):
    assert "detcost list settings" in refusal(text)


@pytest.mark.parametrize("value", ["", "=", "=0", "=-1", "=x", "=1.5", "=+1", "=4097", "=²", "=٣"])
def test_a_number_of_threads_must_be_a_number(value):
    assert "a number from 1 to 4096, as threads=1" in refusal(f"threads{value}")


def test_a_number_too_long_for_python_is_refused_too():
    assert "a number from 1 to 4096" in refusal("threads=" + "9" * 5000)


@pytest.mark.parametrize("text", ["onednn=on", "onednn", "tf32=", "data_order=STRICT"])
def test_the_error_of_a_lever_with_one_word_names_it(text):
    name = text.partition("=")[0]
    assert f'write "{name}={"strict" if name == "data_order" else "off"}"' in refusal(text)


@pytest.mark.parametrize("text", ["seeding", "seeding=", "seeding=TF", "seeding=tf|numpy"])
def test_the_error_of_a_lever_with_several_words_lists_all(text):
    words = "tf|tf_numpy|per_op|numpy|generator|stateless"
    assert f'seeding takes a word; write "seeding={words}"' in refusal(text)


@pytest.mark.parametrize("text", ["isa", "isa=", "isa=AVX3", "isa=AVX512_CORE", "isa=avx2"])
def test_an_instruction_set_must_be_known_to_both_libraries(text):
    assert 'isa takes a word; write "isa=SSE4|AVX|AVX2|AVX512"' in refusal(text)


def test_the_error_of_a_misspelt_value_suggests_a_word():
    assert 'did you mean "seeding=stateless"?' in refusal("xla+seeding=statelss")
    assert 'did you mean "seeding=generator"?' in refusal("seed=generator")
    assert 'did you mean "isa=AVX2"?' in refusal("onednn=off+isa=avx2")
    assert 'did you mean "isa=SSE4"?' in refusal("isa=SSE4.2")


@pytest.mark.parametrize("text", ["xla=1", "op_determinism=true", "unseeded=", "xla=off"])
def test_a_switch_takes_no_value(text):
    assert f'takes no value; write "{text.partition("=")[0]}"' in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "xla+xla",
        "threads=1+threads=2",
        "single_thread+threads=1",
        "seeding=tf+seeding=numpy",
        "isa=AVX+isa=AVX2",
    ],
)
def test_a_lever_may_be_given_only_once(text):
    assert "given twice" in refusal(text)


def test_default_cannot_be_combined_with_a_lever():
    assert "default is not a lever; leave it out" in refusal("default+xla")


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("threads=1+intra=4", "intra"),
        ("inter=4+single_thread", "inter"),
        ("op_determinism+deterministic_ops_env", "op_determinism"),
        ("unseeded+seeding=tf", "seed"),
    ],
)
def test_levers_that_control_the_same_thing_conflict(text, thing):
    assert f"both set {thing}" in refusal(text)


def test_levers_that_control_different_things_are_compatible():
    assert parse("intra=1+inter=4").name == "intra=1+inter=4"


def test_the_default_grid_is_a_factorial_with_default_first():
    grid = grammar.default_grid()
    assert grid[0] == grammar.DEFAULT
    switches = [tuple(s.has(x) for x in ("op_determinism", "threads", "xla")) for s in grid]
    assert len(grid) == 8
    assert set(switches) == set(itertools.product((False, True), repeat=3))
    assert {value for s in grid for name, value in s.values if name == "threads"} == {1}


def test_a_snippet_is_valid_python():
    for setting in ALL:
        ast.parse(setting.python(seed=1))
        ast.parse(setting.snippet())


@pytest.mark.parametrize("own", [{}, {"XLA_FLAGS": OWN_FLAGS}])
def test_a_snippet_sets_variables_before_importing_tensorflow(own, monkeypatch):
    for setting in ALL:
        before, _, after = setting.snippet().partition("import tensorflow")
        monkeypatch.setattr(os, "environ", dict(own))
        wanted = {**own, **setting.environment}
        exec(before, {})
        assert os.environ == wanted
        assert "environ" not in after


@pytest.mark.parametrize(
    ("word", "onednn", "xla"),
    [
        ("SSE4", "SSE41", "SSE4_2"),
        ("AVX", "AVX", "AVX"),
        ("AVX2", "AVX2", "AVX2"),
        ("AVX512", "AVX512_CORE", "AVX512"),
    ],
)
def test_both_libraries_get_an_instruction_set_in_their_words(word, onednn, xla, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert parse(f"isa={word}").environment == {
        "ONEDNN_MAX_CPU_ISA": onednn,
        "XLA_FLAGS": f" --xla_cpu_max_isa={xla}",
    }


def test_the_users_own_flags_are_kept_before_the_cap(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", OWN_FLAGS)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert parse("isa=AVX2").environment == {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": f"{OWN_FLAGS} --xla_cpu_max_isa=AVX2",
    }


@pytest.mark.parametrize("own", ["", OWN_FLAGS])
@pytest.mark.parametrize("text", ["isa=AVX2", "onednn=off+isa=SSE4", "deterministic_ops_env"])
def test_lines_for_a_shell_set_the_variables_of_workers(text, own, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", own)
    setting = parse(text)
    script = f"{snippets(setting).environment}\n{sys.executable} -c '{SHOW_ENVIRONMENT}'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert setting.environment.items() <= json.loads(done.stdout).items()


SHOW_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.mark.tensorflow
@pytest.mark.parametrize("word", ["SSE4", "AVX2"])
def test_a_pasted_cap_is_in_force_in_both_libraries(word, tmp_path):
    check = "from detcost.host.isa import *; print(onednn_in_force(), XlaProbe().in_force())"
    done = subprocess.run(
        [sys.executable, "-c", f"{parse(f'onednn=off+isa={word}').snippet()}\n{check}"],
        env={"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    flags = set(machine.describe()["cpu_flags"])
    for cap, in_force in zip(instruction_sets.lever_caps(word), done.stdout.split(), strict=True):
        assert (in_force == cap.isa) == (
            instruction_sets.REQUIRED_FLAGS[cap.library][cap.isa] <= flags
        )


def test_a_setting_seeds_everything_unless_it_seeds_otherwise():
    for setting in ALL:
        otherwise = setting.has("unseeded") or setting.strategy
        for code in (setting.snippet(7), setting.python(7)):
            assert ("set_random_seed(7)" in code) == (not otherwise)


def test_every_way_to_seed_has_the_seed_but_unseeded_has_none():
    assert "7" not in parse("unseeded").snippet(7)
    for word in STRATEGIES:
        assert "7" in parse(word).snippet(7)
        assert "7" not in parse(word).snippet(8)


def test_the_seeding_code_begins_the_code_of_a_setting():
    for setting in ALL:
        assert setting.python(7).startswith(setting.seeding(7))
    assert parse("xla+seeding=tf_numpy").seeding(7).splitlines() == [
        "tf.random.set_seed(7)",
        "np.random.seed(7)",
    ]
    for word in ("per_op", "generator", "stateless"):
        assert parse(f"seeding={word}").seeding(7) == ""


def test_a_snippet_imports_what_it_uses():
    for setting in ALL:
        code = setting.snippet()
        assert ("import numpy as np" in code) == ("np." in code)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("op_determinism", "tf.config.experimental.enable_op_determinism()"),
        ("deterministic_ops_env", 'os.environ["TF_DETERMINISTIC_OPS"] = "1"'),
        ("threads=2", "set_intra_op_parallelism_threads(2)"),
        ("threads=2", "set_inter_op_parallelism_threads(2)"),
        ("intra=2", "set_intra_op_parallelism_threads(2)"),
        ("inter=2", "set_inter_op_parallelism_threads(2)"),
        ("xla", "jit_compile=True"),
        ("onednn=off", 'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"'),
        ("isa=AVX2", 'os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"'),
        (
            "isa=AVX2",
            'os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_max_isa=AVX2"',
        ),
        ("tf32=off", "enable_tensor_float_32_execution(False)"),
        ("data_order=strict", "options.deterministic = True"),
        ("seeding=tf", "tf.random.set_seed(42)"),
        ("seeding=tf_numpy", "np.random.seed(42)"),
        ("seeding=per_op", "tf.random.normal(shape, seed=next(seeds))"),
        ("seeding=numpy", "np.random.seed(42)"),
        ("seeding=generator", "tf.random.Generator.from_seed(42)"),
        ("seeding=stateless", "tf.random.stateless_normal(shape, seed=(42, 0))"),
    ],
)
def test_a_snippet_has_the_code_of_its_setting(word, code):
    assert code in parse(word).snippet()
    assert code not in grammar.DEFAULT.snippet()


def test_every_word_has_a_snippet_of_its_own():
    snippets = [grammar.DEFAULT.snippet(), *(parse(word).snippet() for word in WORDS)]
    assert len(set(snippets)) == len(snippets)


def test_a_snippet_contains_every_line_that_workers_run():
    for setting in ALL:
        assert set(setting.python(42).splitlines()) <= set(setting.snippet(42).splitlines())


def test_a_setting_returns_the_word_of_a_lever():
    setting = parse("seeding=tf+threads=2+xla+isa=AVX512")
    words = {lever.name: setting.word(lever.name) for lever in LEVERS}
    present = {name: word for name, word in words.items() if word}
    assert present == {"seeding": "tf", "threads": "2", "isa": "AVX512"}


def test_a_setting_expects_its_values_from_tensorflow():
    assert parse("op_determinism+intra=3+inter=2+onednn=off").expects() == {
        "op_determinism": True,
        "intra": 3,
        "inter": 2,
        "onednn": False,
    }
    assert parse("threads=5").expects() == {"intra": 5, "inter": 5}
    assert grammar.DEFAULT.expects() == {}


def test_settings_can_be_pickled():
    for setting in ALL:
        assert pickle.loads(pickle.dumps(setting)) == setting


def test_every_word_of_the_help_is_a_setting():
    for word in grammar.spellings():
        parse(word.replace("=N", "=1"))


def test_the_greatest_number_of_threads_is_4096():
    assert parse("threads=4096").name == "threads=4096"


def test_a_lever_of_one_value_has_no_further_advice():
    assert refusal("onednn=on") == ('setting "onednn=on": onednn takes a word; write "onednn=off"')


def test_a_word_without_a_near_lever_has_the_advice_to_list_them():
    assert refusal("quux") == (
        'setting "quux": no lever "quux"; detcost list settings shows them all'
    )


def test_a_snippet_seeds_once():
    """The worker runs the seeding alone, too, so it is kept apart from the other code."""
    lines = parse("seeding=tf_numpy+threads=1").snippet(7).splitlines()
    assert lines.count("tf.random.set_seed(7)") == lines.count("np.random.seed(7)") == 1


def test_a_snippet_without_variables_does_not_import_os():
    assert "import os" not in parse("xla+threads=1").snippet()
