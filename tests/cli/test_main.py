"""A mistake is one line and exit code 2; a failed cell is a row and exit code 1."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from cli_output import without_progress
from detcost import __version__
from detcost.cli import main
from detcost.evidence import reading, schema
from detcost.evidence.journal import Journal
from detcost.evidence.json_schema import json_schema
from detcost.settings import grammar
from detcost.tables import readme
from factories import cost, record
from paths import USER_SCENARIOS

MAIN = [sys.executable, "-c", "from detcost.cli.main import main; main()"]
QUICK = ["-s", "default", "--profile", "quick", "--size", "small"]


@pytest.fixture
def mistake(detcost: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Run a command with a mistake, which must be one line and exit code 2; return the line."""

    def run(*words: str) -> str:
        code, out, err = detcost(*words)
        assert code == 2
        assert out == ""
        assert "Traceback" not in err
        (line,) = without_progress(err)
        assert line.startswith("detcost: ")
        return line

    return run


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace TensorFlow and Keras by modules that load fast, for mistakes before any op."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    for name in ("tensorflow.py", "keras.py"):
        (folder / name).write_text(
            "import sys, unittest.mock\n"
            "sys.modules[__name__] = unittest.mock.MagicMock(__file__=__file__)"
        )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    monkeypatch.chdir(tmp_path)
    return folder


# Mistakes.


@pytest.mark.parametrize(
    ("words", "thing", "remedy"),
    [
        (["measure", "matmul_sqare"], '"matmul_sqare"', 'did you mean "matmul_square"?'),
        (["measure", "qqqq"], '"qqqq"', "detcost list scenarios"),
        (["measure", "matmul_square", "-s", "xla,opdet"], '"opdet"', "op_determinism"),
        (["measure", "matmul_square", "-s", "threads"], "threads", "threads=1"),
        (["measure", "matmul_square", "-s", "threads=1+intra=4"], "intra", "keep one"),
        (["measure", "matmul_square", "-d", "cpu"], '"cpu"', "detcost list devices"),
        (["measure", "matmul_square", "--scopes", "repeat,loud"], '"loud"', "repeat, process"),
        (["measure", "matmul_square", "--size", "big"], '"big"', "small, medium, large"),
        (["measure", "matmul_square", "--profile", "quik"], '"quik"', '"quick"'),
        (["measure", "matmul_square", "--dtype", "float33"], '"float33"', '"float32"'),
        (["measure", "matmul_square", "--seed", "-1"], "-1", "from 0 to"),
        (["measure", "matmul_square", "--out", "/proc/x/y.jsonl"], "/proc/x/y.jsonl", "--out"),
        (["show", "--results", "/nowhere"], "/nowhere", "name one"),
        (["list", "scenrios"], '"scenrios"', 'did you mean "scenarios"?'),
    ],
)
def test_a_wrong_word_is_one_line_that_names_it_and_the_remedy(mistake, words, thing, remedy):
    line = mistake(*words)
    assert thing in line
    assert remedy in line


def test_a_wrong_profile_in_the_environment_is_one_line(mistake, monkeypatch):
    monkeypatch.setenv("DETCOST_PROFILE", "quik")
    assert "DETCOST_PROFILE" in mistake("measure", "matmul_square")


def test_a_mistake_prints_no_json(mistake):
    assert "did you mean" in mistake("measure", "matmul_sqare", "--json")


@pytest.mark.parametrize("words", [["measure"], ["list"], ["nonsense"], ["measure", "--seed", "x"]])
def test_a_command_cut_short_ends_with_2_and_shows_its_usage(detcost, words):
    code, _, err = detcost(*words)
    assert code == 2
    assert "--help" in err
    assert "Traceback" not in err


FILES = {
    "broken.py": "def (",
    "binary.py": "\x00\x01",
    "raises.py": "raise RuntimeError('first\\nsecond')",
    "leaves.py": "import os; os._exit(3)",
    "fine.py": "import detcost\n@detcost.scenario(family='x')\ndef mine(bench): ...",
}


@pytest.mark.parametrize(
    ("reference", "what", "remedy"),
    [
        ("broken.py:mine", "SyntaxError", "run python broken.py"),
        ("binary.py:mine", "SyntaxError", "run python binary.py"),
        ("raises.py:mine", "RuntimeError: first", "run python raises.py"),
        ("leaves.py:mine", "exited with code 3", "leaves.py"),
        ("gone.py:mine", "no such file", "path/to/file.py:name"),
        ("fine.py:mane", 'no scenario "mane"', 'did you mean "mine"?'),
        ("no_package.module:mine", "No module named 'no_package'", "import no_package.module"),
    ],
)
def test_a_file_that_gives_no_scenario_is_one_line(stand_in, mistake, reference, what, remedy):
    for name, text in FILES.items():
        Path(name).write_text(text)
    line = mistake("measure", reference)
    assert reference.rpartition(":")[0] in line
    assert what in line
    assert remedy in line


def test_two_scenarios_with_one_name_in_results_are_refused(stand_in, mistake):
    """Evidence of one would count for both."""
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "fine.py").write_text(FILES["fine.py"])
    line = mistake("measure", "a/fine.py:mine", "b/fine.py:mine")
    assert "a/fine.py:mine and b/fine.py:mine are both called fine.py:mine" in line


def test_scenarios_import_the_modules_of_their_own_folder(stand_in, mistake):
    """Both folders have a model.py. The second scenario must not import the first one."""
    for folder, name in (("a", "Wide"), ("b", "Deep")):
        Path(folder).mkdir()
        Path(folder, "model.py").write_text(f"class {name}: ...")
        Path(folder, f"of_{folder}.py").write_text(f"from model import {name}\n{FILES['fine.py']}")
    line = mistake("measure", "a/of_a.py:mine", "b/of_b.py:mine", "gone.py:mine")
    assert line.startswith("detcost: gone.py: no such file"), "which is looked at last"


def test_an_interrupt_is_one_line_and_leaves_no_process(stand_in):
    started = stand_in / "started"
    (stand_in / "tensorflow.py").write_text(
        f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    run = subprocess.Popen(
        [*MAIN, "measure", "matmul_square"], stderr=subprocess.PIPE, text=True, process_group=0
    )
    end = time.monotonic() + 20
    while not (started.exists() and started.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130
    (line,) = without_progress(err)
    assert line.startswith("detcost: interrupted; ")
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


# Repeated options.


def lists() -> list[tuple[str, str]]:
    """Return the command and the long name of every option that takes more than one word."""
    return [
        (name, max(option.opts, key=len))
        for name, command in typer.main.get_command(main.app).commands.items()
        for option in command.params
        if getattr(option, "multiple", False)
    ]


def read(command: str, *words: str) -> dict[str, object]:
    """Return the parameters that a command parses, without running it."""
    parser = typer.main.get_command(main.app).commands[command]
    return parser.make_context(command, [*words, *(["x"] if command == "measure" else [])]).params


def test_the_options_that_take_several_words_are_known():
    assert set(lists()) == {
        ("compare", "--settings"),
        ("compare", "--devices"),
        ("measure", "--settings"),
        ("measure", "--devices"),
        ("measure", "--scopes"),
        ("summary", "--scenario"),
        ("choose", "--scenario"),
        ("choose", "--survive"),
        ("agreement", "--settings"),
        ("agreement", "--scenario"),
    }


@pytest.mark.parametrize(("command", "option"), lists())
@pytest.mark.parametrize("values", [["a,b,c"], ["a", "b", "c"], ["a, b", "c"], [" a ,b,a", "c,b"]])
def test_several_words_add_up_however_they_are_given(command, option, values):
    words = [word for value in values for word in (option, value)]
    assert read(command, *words)[option.strip("-")] == ["a", "b", "c"]


@pytest.mark.parametrize(("command", "option"), lists())
@pytest.mark.parametrize("value", ["", " ", "a,,b", "a,", ","])
def test_an_empty_word_is_one_line_that_says_what_to_do(mistake, command, option, value):
    line = mistake(command, *(["matmul_square"] if command == "measure" else []), option, value)
    assert f'{option} "{value}"' in line
    assert f"leave {option} out" in line


def options_of_one_value() -> list[tuple[str, str]]:
    """Return the command and the long name of every option that takes one value."""
    return [
        (name, max(option.opts, key=len))
        for name, command in typer.main.get_command(main.app).commands.items()
        for option in command.params
        if option.param_type_name == "option" and not (option.multiple or option.is_flag)
    ]


@pytest.mark.parametrize(("command", "option"), options_of_one_value())
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_one_line_and_no_default(mistake, command, option, value):
    line = mistake(command, *(["matmul_square"] if command == "measure" else []), option, value)
    assert f'{option} "{value}": the value is missing' in line


def test_a_report_is_about_the_programs_just_measured(detcost, monkeypatch, tmp_path):
    """The file may hold others, which were measured before."""
    monkeypatch.chdir(tmp_path)
    Journal(Path("mine.trials.jsonl"), "old").append([record(scenario="theirs.py:run")])

    def measure(*_: object, on_record: Callable[[object], None], **__: object) -> None:
        on_record(record(scenario="mine.py:fit"))

    monkeypatch.setattr("detcost.measure", measure, raising=False)
    words = ["mine.py", "--out", "mine.trials.jsonl", "--report", "site"]
    code, _, err = detcost("measure", *words)
    assert code == 0
    assert "The page is site/index.html" in err
    files = (file for file in Path("site").rglob("*") if file.suffix in (".html", ".js"))
    page = "".join(file.read_text() for file in files)
    assert "mine.py:fit" in page
    assert "theirs.py" not in page


def test_a_measurement_gets_all_the_words(detcost, monkeypatch):
    asked = {}

    def measure(scenarios: object, settings: object, devices: object, **rest: object) -> None:
        asked.update(settings=settings, devices=devices, scopes=rest["scopes"])

    monkeypatch.setattr("detcost.measure", measure, raising=False)
    words = ["-s", "xla", "--settings", "threads=1, default", "-d", "CPU:0", "-d", "GPU:0"]
    assert detcost("measure", "x", *words, "--scopes", "threads", "--scopes", "load")[0] == 0
    assert asked == {
        "settings": ["xla", "threads=1", "default"],
        "devices": ["CPU:0", "GPU:0"],
        "scopes": ["threads", "load"],
    }


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["measure", "x", "--size", "small", "--size", "large"], "--size"),
        (["measure", "x", "--profile", "quick", "--profile=full"], "--profile"),
        (["choose", "--device", "CPU:0", "--device", "GPU:0"], "--device"),
        (["show", "--results", "a", "--results", "b"], "--results"),
    ],
)
def test_a_second_value_of_a_single_option_is_refused(mistake, words, option):
    """Otherwise the first value would be dropped without a message."""
    assert f"{option} is given 2 times" in mistake(*words)


@pytest.mark.parametrize("command", ["choose", "folklore", "agreement"])
@pytest.mark.parametrize("other", [["--markdown"], ["--write", "README.md"]])
def test_json_and_markdown_are_refused_before_any_work(mistake, monkeypatch, command, other):
    """To measure for folklore takes minutes."""
    monkeypatch.setattr("detcost.claims.measuring.measure", pytest.fail)
    monkeypatch.setattr("detcost.evidence.reading.read", pytest.fail)
    line = mistake(command, "--json", *other)
    assert other[0] in line
    assert "choose one" in line


def test_evidence_is_either_read_or_measured(mistake, monkeypatch):
    """With --results nothing is measured, so nothing would be written to --out."""
    monkeypatch.setattr("detcost.claims.measuring.measure", pytest.fail)
    words = ["--results", "results", "--out", "mine.folklore.jsonl"]
    line = mistake("folklore", *words)
    assert all(text in line for text in ("--results", "--out", "keep one"))
    assert not Path("mine.folklore.jsonl").exists()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fail if anything is measured."""
    monkeypatch.setattr("detcost.experiment.preparation.start_workers", pytest.fail)
    monkeypatch.setattr("detcost.claims.measuring.start_workers", pytest.fail)
    monkeypatch.chdir(tmp_path)
    Path("scenario.py").write_text("print(1)")
    Path("data.jsonl").write_text('{"text": "a prompt"}')
    Path("site").mkdir()
    Path("site", "index.html").write_text("<p>mine")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["measure", "--out", "scenario.py"], "such as scenario.trials.jsonl"),
        (["measure", "--out", "data.jsonl"], "name another file"),
        (["measure", "--out", "."], "such as mine.trials.jsonl"),
        (["measure", "--out", "site"], "such as site/mine.trials.jsonl"),
        (["measure", "--out", "x.folklore.jsonl"], "name it x.trials.jsonl"),
        (["measure", "--out", "x.compare.jsonl"], "name it x.trials.jsonl"),
        (["measure", "--report", "site"], "name a new folder"),
        (["measure", "--report", "scenario.py"], "name a folder"),
        (["folklore", "--out", "scenario.py"], "name it scenario.py.folklore.jsonl"),
        (["folklore", "--out", "x.trials.jsonl"], "name it x.folklore.jsonl"),
    ],
)
def test_a_place_that_holds_something_else_is_refused_before_any_work(
    mistake, unmeasured, words, remedy
):
    command, option, place = words
    line = mistake(command, *(["matmul_square"] if command == "measure" else []), option, place)
    assert line.startswith(f"detcost: {place}: ")
    assert remedy in line
    assert {str(path) for path in Path().rglob("*")} == {
        *("scenario.py", "data.jsonl", "site", "site/index.html")
    }
    assert Path("scenario.py").read_text() == "print(1)"


# Versions and the schema.


def test_the_versions_are_those_installed(detcost):
    code, out, err = detcost("--version")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first == f"detcost {__version__}"
    [build] = rest
    assert re.fullmatch(r"(tensorflow|tf)[\w-]* \d[\w.+]*", build)


def test_without_tensorflow_the_version_of_detcost_is_all(detcost, monkeypatch):
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {"numpy": ["numpy"]})
    assert detcost("--version") == (0, f"detcost {__version__}\n", "")


def test_the_schema_of_the_evidence_is_printed_as_json(detcost):
    code, out, err = detcost("schema")
    assert (code, err) == (0, "")
    assert json.loads(out) == json_schema()


# Tables.


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    journal = Journal(folder / "box" / "x.trials.jsonl", "run")
    old = {"run_id": "old", "measured_at": "2025-01-01T00:00:00+00:00"}
    journal.append([record(), record(setting="op_determinism")])
    journal.append([record(cost=cost(9.99, 9.0, 11.0), **old), record(scenario="mine", **old)])
    return folder


def test_show_prints_the_newest_of_every_cell(detcost, results):
    code, out, err = detcost("show", "--results", str(results))
    assert (code, err) == (0, "")
    assert re.search(r"matmul_square\s", out)
    assert re.search(r"op_determinism .*1.34 \[1.29, 1.40\]", out)
    assert re.search(r"mine\s", out)
    assert "9.99" not in out


def test_show_reads_one_file_as_well_as_a_folder(detcost, results):
    whole = detcost("show", "--results", str(results))
    assert detcost("show", "--results", str(results / "box" / "x.trials.jsonl")) == whole


def test_show_as_markdown_prints_the_table_alone(detcost, results):
    code, out, err = detcost("show", "--results", str(results), "--markdown")
    assert (code, err) == (0, "")
    assert all(line.startswith("| ") and line.endswith(" |") for line in out.splitlines())
    assert len(out.splitlines()) == 2 + len(reading.latest(reading.read(results)[0]))


def test_show_writes_the_table_into_a_file(detcost, results, tmp_path):
    path = tmp_path / "README.md"
    begin, end = readme.marks("show")
    path.write_text(f"before\n{begin}\n{end}\nafter\n")
    code, out, err = detcost("show", "--results", str(results), "--write", str(path))
    assert (code, out, err) == (0, "", "")
    text = path.read_text()
    assert text.startswith(f"before\n{begin}\n\n| scenario |")
    assert text.endswith(f"{end}\nafter\n")


def test_show_writes_into_no_file_without_marks(mistake, results, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    line = mistake("show", "--results", str(results), "--write", str(tmp_path / "README.md"))
    assert "README.md" in line
    assert (tmp_path / "README.md").read_text() == "mine"


def test_show_skips_and_reports_a_line_it_cannot_read(detcost, results):
    path = results / "box" / "x.trials.jsonl"
    path.write_bytes(path.read_bytes() + b"\n" * 95 + b'{"schema": 99}\n{"half')
    code, out, err = detcost("show", "--results", str(results))
    assert code == 0
    assert "matmul_square" in out
    newer, half = err.splitlines()
    assert newer.startswith(f"skipped {path}:100: schema 99 is newer than {schema.SCHEMA}"), (
        "and no emoji"
    )
    assert half.startswith(f"skipped {path}:101: ")


def test_after_an_interrupt_the_named_file_is_shown_with_its_unfinished_cells(
    detcost, mistake, tmp_path
):
    path = tmp_path / "mine.trials.jsonl"
    Journal(path, "killed").checkpoint([record(), record(setting="xla")])
    code, out, err = detcost("show", "--results", str(path))
    assert code == 0
    assert "matmul_square" in out
    assert err == "2 cells are unfinished: a run was interrupted, or it still measures\n"
    assert detcost("choose", "--results", str(path))[0] == 0


@pytest.mark.parametrize("command", ["show", "summary", "choose", "agreement", "report"])
def test_evidence_that_cannot_be_read_is_one_line_with_the_reason(
    mistake, tmp_path, results, command
):
    path = tmp_path / "mine.trials.jsonl.gz"
    path.write_bytes(gzip.compress((results / "box" / "x.trials.jsonl").read_bytes()))
    place = ["--out", str(tmp_path / "page")] if command == "report" else []
    line = mistake(command, "--results", str(path), *place)
    assert f"no evidence here that can be read ({path}: compressed; gunzip it)" in line


@pytest.mark.parametrize(
    "words", [["show"], ["summary"], ["choose"], ["agreement"], ["folklore"], ["report"]]
)
def test_a_place_too_long_for_a_file_is_one_short_line(mistake, words):
    assert len(mistake(*words, "--results", "a" * 20_000)) < 200


def test_without_evidence_there_are_no_verdicts_on_claims(mistake, results):
    assert "no evidence for claims here" in mistake("folklore", "--results", str(results))


def test_show_of_an_empty_folder_has_a_remedy(mistake, tmp_path):
    assert "detcost measure --out" in mistake("show", "--results", str(tmp_path))


def test_without_a_terminal_scenarios_are_not_cut_off(detcost):
    code, out, err = detcost("list", "scenarios")
    assert (code, err) == (0, "")
    assert re.search(r"matmul_square .*matmul .*yes .*float32 bfloat16", out)
    assert "…" not in out


def test_the_code_to_paste_is_not_cut_off(detcost):
    code, out, err = detcost("list", "settings")
    assert (code, err) == (0, "")
    assert "…" not in out
    for word in grammar.spellings():
        assert f" {word} " in out
        for line in grammar.parse(word.replace("=N", "=1")).snippet().splitlines():
            assert line in out


# Real TensorFlow.

OWN = '''
import os
import detcost, tensorflow as tf

@detcost.scenario(family="mine")
def square(bench):
    """A product of my own."""
    x = bench.normal((64, 64))

    @bench.function
    def step():
        return x @ x
    return step

@detcost.scenario(family="mine")
def reads(bench):
    """Fails with a file's name that is no Unicode."""
    raise FileNotFoundError(os.fsdecode(b"data-\\xff.csv"))
'''


Measured = tuple[subprocess.CompletedProcess[str], list[schema.Evidence], list[reading.Problem]]


def measured(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").write_text("")
    for path in (folder / "own.py", folder / "mine" / "own.py"):
        path.write_text(OWN)
    return subprocess.run(
        [*MAIN, "measure", *words, *QUICK, "--out", "mine.trials.jsonl"],
        cwd=folder,
        # With a hash seed of the user's, detcost starts one Python instead of two.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Measure own scenarios, and ask for a device that is not here."""
    folder = tmp_path_factory.mktemp("good")
    words = ["own.py:square", "mine.own:square", "-s", "op_determinism", "-d", "CPU:0,GPU:7"]
    return measured(folder, *words), *reading.read(folder)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Measure one scenario, and many that fail."""
    folder = tmp_path_factory.mktemp("bad")
    trouble = ("raises", "returns_nothing", "changes_shape", "prints", "forks", "exits")
    words = [f"{USER_SCENARIOS}:{name}" for name in trouble]
    run = measured(folder, "control_stable", *words, "own.py:reads", "-d", "CPU:0")
    return run, *reading.read(folder)


@pytest.mark.tensorflow
def test_own_scenarios_are_measured_by_path_and_by_module(good):
    _, records, problems = good
    assert problems == []
    cells = {(r.scenario, r.setting): r for r in records if r.device == "CPU:0"}
    assert set(cells) == {
        (scenario, setting)
        for scenario in ("own.py:square", "mine.own:square")
        for setting in ("default", "op_determinism")
    }
    assert len({kept.digest for kept in cells.values()}) == 1
    for kept in cells.values():
        assert (kept.status, kept.family, kept.size) == ("ok", "mine", "small")
        assert kept.divergence["repeat"].trials >= 60
        assert kept.divergence["process"].trials >= 6
        assert kept.cost.low <= kept.cost.ratio <= kept.cost.high
        assert kept.applied["op_determinism"] == (kept.setting == "op_determinism")


@pytest.mark.tensorflow
def test_a_device_that_is_not_here_is_one_line_and_exit_code_1(good):
    """Otherwise a test of a GPU would pass in CI without one."""
    run, records, _ = good
    absent = [kept for kept in records if kept.device == "GPU:7"]
    assert len(absent) == 4
    assert {kept.status for kept in absent} == {"not_applicable"}
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "detcost: no GPU:7 here; TensorFlow reports CPU:0"
    assert re.search(r"default .*no GPU:7 here.*\n.*not applicable", run.stdout)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("raises", "failed", "ValueError: a wrong shape somewhere"),
        ("returns_nothing", "failed", "step() returned nothing"),
        ("changes_shape", "failed", "it must return one shape"),
        ("prints", "failed", "step() prints"),
        ("forks", "failed", "forked"),
        ("exits", "crashed", "exited with code 3"),
        ("reads", "failed", "FileNotFoundError: data-"),
    ],
)
def test_a_scenario_that_misbehaves_is_a_row_with_the_reason(bad, name, status, reason):
    run, records, _ = bad
    (kept,) = (kept for kept in records if kept.scenario.endswith(f":{name}"))
    assert kept.status == status
    assert reason in kept.reason
    table = run.stdout.partition(f":{name} ")[2].partition("default against itself")[0]
    assert status in table
    assert reason.split()[0] in table


@pytest.mark.tensorflow
def test_a_failed_cell_is_exit_code_1_and_loses_no_other(bad):
    run, records, problems = bad
    assert (run.returncode, without_progress(run.stderr), problems) == (1, [], [])
    assert len(records) == 8
    stable = next(kept for kept in records if kept.scenario == "control_stable")
    assert stable.status == "ok"
    assert stable.divergence["repeat"].divergent == 0
    assert re.search(r"control_stable\s", run.stdout)


@pytest.mark.tensorflow
def test_the_devices_here_are_listed(detcost):
    code, out, _ = detcost("list", "devices")
    assert code == 0
    assert " CPU:0 " in out
