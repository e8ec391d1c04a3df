"""Starts asv for a job of a farm: with results, a TensorFlow and a machine of the job's own.

``python -m detcost.asv_integration.for_farm SETTINGS run …`` is ``asv run …``, where SETTINGS is
JSON with ``results_dir``, ``tensorflow`` and ``machine``, asv's entry for it. asv has no options
for the first two, and knows only machines of the user's own file.

``python -m detcost.asv_integration.for_farm families`` reads a list of regular expressions as
JSON, and prints which of them select benchmarks of which module.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asv import main, runner, util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import MachineCollection


def run(settings: Mapping[str, Any], arguments: list[str]) -> None:
    """Run asv with these arguments. It ends the process."""
    results = Path(settings["results_dir"])
    known = results.with_name("machine")
    load = Config.from_json.__func__

    def from_json(cls: type[Config], parsed: dict[str, Any]) -> Config:
        conf = load(cls, parsed)
        conf.results_dir = str(results)
        matrix = dict(conf.matrix)
        matrix["req"] = {**matrix.get("req", {}), "tensorflow": [settings["tensorflow"]]}
        conf.matrix = matrix
        return conf

    Config.from_json = classmethod(from_json)
    entry = as_known(settings["machine"])
    MachineCollection.save(entry["machine"], entry, _path=str(known))
    MachineCollection.get_machine_file_path = staticmethod(lambda: str(known))
    sys.argv[1:] = arguments
    main.main()


def as_known(entry: Mapping[str, str]) -> dict[str, str]:
    """Return asv's entry for a machine, with the user's own words where there are any."""
    try:
        own = dict(MachineCollection.load(entry["machine"]))
    except util.UserError:
        own = {}
    return {**entry, **own}


def families(suites: list[str]) -> dict[str, list[str]]:
    """Return the modules with benchmarks that the expressions select, with those of each."""
    conf = Config.load()
    root = Path(conf.benchmark_dir).absolute()
    listed = _listed(root)
    found: dict[str, list[str]] = {}
    for suite in suites:
        for name in Benchmarks(conf, listed, regex=suite):
            chosen = found.setdefault(_module(root, name), [])
            if suite not in chosen:
                chosen.append(suite)
    return dict(sorted(found.items()))


def _listed(root: Path) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "benchmarks.json")
        subprocess.run(
            [sys.executable, runner.BENCHMARK_RUN_SCRIPT, "discover", str(root), str(out)],
            cwd=folder,
            stdout=sys.stderr,
            check=True,
        )
        return list(json.loads(out.read_text()))


def _module(root: Path, name: str) -> str:
    """Return the module of a benchmark: the longest part of its name that is a file."""
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        if Path(root, *words[:count]).with_suffix(".py").is_file():
            return ".".join(words[:count])
    return words[0]


if __name__ == "__main__":
    if sys.argv[1] == "families":
        print(json.dumps(families(json.load(sys.stdin))))
    else:
        run(json.loads(sys.argv[1]), sys.argv[2:])
