"""Results of made-up machines, drawn from a seed, and what a tree of results has."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from detcost.host import words
from detcost.pairing.schema import PairEvidence, ProgramResult
from factories import record

COMMITS = ("1" * 40, "2" * 40)
SMALL: dict[str, Any] = {"cpu": "AMD EPYC", "logical_cores": 2, "memory_bytes": 25 << 30}
MACHINES: list[dict[str, Any]] = [
    {"name": "vm", **SMALL, "cpu_flags": ["avx2"]},
    {"name": "vm", **SMALL, "cpu_flags": ["avx2", "avx512f"]},
    {"name": "vm", **SMALL, "logical_cores": 16, "accelerators": ["GPU:0 NVIDIA H200"]},
    {"name": "box", **SMALL, "cpu_flags": ["avx2"]},
]


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def line(number: int, machine: dict[str, Any], chance: random.Random | None = None) -> bytes:
    """Return a record of a cell. The figures of one number are equal, unless drawn."""
    second = number if chance is None else chance.randrange(60)
    cell = record(
        run_id=f"run-{number % 3}-{machine['name']}-{words.identity(machine)}",
        scenario=f"scenario_{number}",
        measured_at=f"2026-01-02T03:04:{second % 60:02}+00:00",
        accuracy=None if chance is None else float(chance.randrange(3)),
        machine=machine,
    )
    return msgspec.json.encode(cell) + b"\n"


def pair(number: int, machine: dict[str, Any]) -> bytes:
    program = ProgramResult(scenario="a.py:a", dtype="float32", status="ok")
    compared = PairEvidence(
        run_id=f"pair-{number}",
        measured_at=f"2026-01-02T03:04:{number:02}+00:00",
        setting="default",
        device="CPU:0",
        size="medium",
        seed=42,
        first=program,
        second=program,
        machine=machine,
    )
    return msgspec.json.encode(compared) + b"\n"


def asv_machine(machine: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": machine["name"],
        "os": "Linux",
        "arch": "x86_64",
        "cpu": machine["cpu"],
        "num_cpu": str(machine["logical_cores"]),
        "ram": str(machine["memory_bytes"]),
    }


def result(
    machine: dict[str, Any], commit: str, rows: dict[str, list[Any]], environment: str = "py3.11"
) -> dict[str, Any]:
    """Return a result file; each row is ``[figures, params, version, started_at]``."""
    return {
        "commit_hash": commit,
        "env_name": environment,
        "date": 1_700_000_000_000,
        "params": {**asv_machine(machine), "python": "3.11"},
        "python": "3.11",
        "requirements": {"tensorflow": "2.21.0"},
        "env_vars": {},
        "result_columns": ["result", "params", "version", "started_at", "duration"],
        "results": rows,
        "durations": {"<setup_cache x:1>": 1.5},
        "version": 2,
    }


def benchmark(name: str, settings: list[str], version: str = "1") -> dict[str, Any]:
    return {
        "name": name,
        "code": f"def {name}",
        "param_names": ["setting"],
        "params": [settings],
        "version": version,
        "type": "track",
        "unit": "ratio",
    }


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_lines(path: Path, lines: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))


def write_machine(folder: Path, machine: dict[str, Any]) -> None:
    write_json(folder / "machine.json", {**asv_machine(machine), "version": 1})


def draw(folder: Path, chance: random.Random) -> None:
    """Write the results of one checkout: one or two machines, with some files of each kind."""
    for machine in chance.sample(MACHINES, chance.choice((1, 1, 1, 2))):
        _draw_machine(folder / machine["name"], machine, chance)
    settings = chance.choice((["'default'"], ["'default'", "'xla'"], ["'xla'", "'default'"]))
    names = chance.sample(("conv.a", "conv.b", "rnn.c"), 2)
    entries = {name: benchmark(name, settings, chance.choice("12")) for name in names}
    if chance.random() < 0.8:
        write_json(folder / "benchmarks.json", {**entries, "version": 2})


def _draw_machine(at: Path, machine: dict[str, Any], chance: random.Random) -> None:
    asv = chance.random() < 0.8
    stem = f"{COMMITS[0][:8]}-py3.11"
    numbers = sorted(chance.sample(range(12), chance.randrange(1, 9)))
    records = [line(n, machine, chance if chance.random() < 0.3 else None) for n in numbers]
    write_lines(at / f"{stem}.trials.jsonl", records)
    if chance.random() < 0.4:
        unfinished = [line(n, machine) for n in chance.sample(range(12), 2)]
        write_lines(at / f"{stem}.run-0.unfinished.trials.jsonl", unfinished)
    if chance.random() < 0.4:
        write_lines(at / "x.folklore.jsonl", [line(n, machine) for n in chance.sample(range(5), 2)])
    if chance.random() < 0.4:
        write_lines(at / "x.compare.jsonl", [pair(n, machine) for n in chance.sample(range(5), 2)])
    if chance.random() < 0.4:
        located = {
            **{"scenario": "s", "setting": "default", "device": "CPU:0", "size": "medium"},
            **{"dtype": "float32", "seed": 42, "scope": "process", "compared": "two runs"},
            "probed": {"divergent": 1, "trials": 2, "low": 0.1, "high": 0.9},
            "located_at": f"2026-01-0{chance.randrange(1, 9)}",
            "machine": {"name": machine["name"], "cpu": machine["cpu"], "os": "Linux"},
            "versions": {"tensorflow": chance.choice(("2.20.0", "2.21.0"))},
        }
        write_json(at / "located" / "s-process.located.json", located)
    if asv:
        write_machine(at, machine)
        for commit in chance.sample(COMMITS, chance.randrange(3)):
            rows = {
                name: [
                    [chance.choice((1.0, 2.0, None, float("nan")))],
                    [["'default'"]],
                    chance.choice("12"),
                    chance.randrange(4),
                    0.5,
                ]
                for name in chance.sample(("conv.a", "conv.b", "rnn.c"), 2)
            }
            write_json(at / f"{commit[:8]}-py3.11.json", result(machine, commit, rows))
