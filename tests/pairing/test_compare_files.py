"""Files of comparisons: they are read back whole, and never taken for evidence of one program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import detcost
from detcost.evidence import reading
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Control, Controls
from detcost.pairing import schema
from detcost.pairing.schema import PairEvidence, ProgramResult
from factories import cost, divergence, protocol, record


def pair(bits: str = "equal", setting: str = "default") -> PairEvidence:
    x, y = (
        ProgramResult(
            scenario=name,
            dtype="float32",
            status="ok",
            outputs=["step() float32[1,64]"],
            sequence=["0123"] * 13,
            divergence={"repeat": divergence(0, 84)},
        )
        for name in ("a.py:x", "b.py:y")
    )
    return PairEvidence(
        run_id="run",
        measured_at="2026-01-02T03:04:05+00:00",
        setting=setting,
        device="CPU:0",
        size="medium",
        seed=42,
        first=x,
        second=y,
        bits=bits,  # type: ignore[arg-type]
        cost=cost(),
        protocol=protocol(),
        controls=Controls(cost(1.0, 0.99, 1.01), Control(20, 20, True), Control(0, 20, True)),
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "mine.compare.jsonl"
    Journal(path, "run").append([pair(), pair("different", "op_determinism")])
    return path


def test_records_are_read_back_whole(kept: Path):
    assert schema.read(kept) == ([pair(), pair("different", "op_determinism")], [])


def test_a_damaged_or_newer_line_is_a_problem_and_the_rest_is_read(kept: Path):
    newer = msgspec.structs.replace(pair(), schema=99)
    lines = [b'{"schema": 1, "run_id"', msgspec.json.encode(newer), b"[" * 9999]
    kept.write_bytes(kept.read_bytes() + b"\n".join(lines))
    records, problems = schema.read(kept)
    assert len(records) == 2
    assert [problem.line for problem in problems] == [3, 4, 5]
    assert "newer than 1" in problems[1].why


def test_evidence_of_one_program_is_no_comparison_and_the_reverse(kept: Path, tmp_path: Path):
    Journal(tmp_path / "run.trials.jsonl", "run").append([record()])
    assert detcost.read(tmp_path) == ([record()], [])
    with pytest.raises(detcost.UsageError, match="compare --results"):
        reading.read(kept)
    with pytest.raises(detcost.UsageError, match=r"\.compare\.jsonl"):
        schema.read(tmp_path / "run.trials.jsonl")


def test_kept_comparisons_are_shown_without_tensorflow(kept: Path, detcost: Callable):
    code, out, _ = detcost("compare", "--results", str(kept))
    assert code == 1
    assert "x and y on CPU:0" in out
    code, out, _ = detcost("compare", "--results", str(kept), "--json")
    assert msgspec.json.decode(out, type=list[PairEvidence])[0] == pair()


def test_equal_bits_under_every_setting_are_exit_code_0(tmp_path: Path, detcost: Callable):
    path = tmp_path / "equal.compare.jsonl"
    Journal(path, "run").append([pair(), pair(setting="op_determinism")])
    assert detcost("compare", "--results", str(path))[0] == 0


def test_an_empty_file_shows_nothing_and_says_so(tmp_path: Path, detcost: Callable):
    path = tmp_path / "none.compare.jsonl"
    path.touch()
    code, out, err = detcost("compare", "--results", str(path))
    assert (code, out) == (2, "")
    assert "no comparison" in err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["matmul_square"], "takes two programs, not 1"),
        ([], "takes two programs, not 0"),
        (["matmul_square", "matmul_square"], "named twice"),
        (["matmul_square", "matmul_sqare"], "did you mean"),
        (["matmul_square", "conv2d_backward", "-s", "opdet"], "op_determinism"),
        (["matmul_square", "conv2d_backward", "--profile", "quik"], "quick"),
        (["matmul_square", "conv2d_backward", "--size", "big"], "small, medium, large"),
        (["matmul_square", "conv2d_backward", "--out", "x.trials.jsonl"], "….compare.jsonl"),
        (["matmul_square", "conv2d_backward", "--out", "/proc/x/y.compare.jsonl"], "--out"),
        (["matmul_square", "--results", "x.compare.jsonl"], "leave programs and --out away"),
        (["--results", "nowhere.compare.jsonl"], "name another file"),
        (["--json", "--markdown"], "choose one"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], remedy: str, detcost: Callable):
    code, out, err = detcost("compare", *words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert remedy in line
