"""Change the sources here and there, and list the changes that no test notices: ``make mutants``.

mutmut makes the changes, in ``mutants/``. pyproject.toml has the modules to change, and the tests
to run. ``equivalent_mutants.toml`` lists the changes that change nothing, with the reasons.

mutmut changes the bodies of functions and methods without decorators. It does not change
properties, cached functions, fields of dataclasses, and constants of modules.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

BIN = Path(sys.executable).parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")


NOTICED = {"killed": "by tests", "timeout": "by tests", "caught by type check": "by mypy"}


def main() -> int:
    """Print how many were killed, and the survivors; 1 if one is not listed as equivalent."""
    shutil.rmtree("mutants", ignore_errors=True)  # results of other tests
    mutmut("run", stdout=None)
    pattern = r"(\S+__mutmut_\d+): (.+)"
    statuses = dict(re.findall(pattern, mutmut("results", "--all", "true")))
    survivors = {change(name) for name, status in statuses.items() if status not in NOTICED}
    reasons = {
        (entry["function"], entry["before"], entry["after"]): entry["reason"]
        for entry in tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    }
    print_table(statuses)
    for title, mutants in (
        ("Survived", survivors - reasons.keys()),
        ("Listed as equivalent, but killed or gone", reasons.keys() - survivors),
    ):
        for function, before, after in sorted(mutants):
            print(f"{title}: {function}\n  - {before}\n  + {after}")
    return bool(survivors ^ reasons.keys())


def print_table(statuses: dict[str, str]) -> None:
    """Print for each module how many mutants were killed. Equivalent ones count as survivors."""
    modules: dict[str, Counter[str]] = {}
    for name, status in statuses.items():
        for module in (name.rpartition(".")[0], "all"):
            modules.setdefault(module, Counter())[NOTICED.get(status, "survived")] += 1
    print(f"{'module':36} mutants  by tests  by mypy  survived  killed")
    for module, counts in sorted(modules.items()):
        tests, mypy, survived = counts["by tests"], counts["by mypy"], counts["survived"]
        killed = 100 * (tests + mypy) / counts.total()
        print(f"{module:36} {counts.total():7}  {tests:8}  {mypy:7}  {survived:8}  {killed:5.1f} %")


def mutmut(*words: str, stdout: int | None = subprocess.PIPE) -> str:
    """Run it where it finds mypy; return what it prints unless that goes to the terminal."""
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        [BIN / "mutmut", *words],
        env={**os.environ, "PATH": path},
        stdout=stdout,
        text=True,
        check=True,
    )
    return done.stdout or ""


def change(name: str) -> tuple[str, str, str]:
    """Return a mutant's function, and the line before and after."""
    diff = mutmut("show", name)
    before, after = (
        " ".join(line.strip() for line in re.findall(rf"^{sign}(?!{sign})(.*)", diff, re.MULTILINE))
        for sign in (r"-", r"\+")
    )
    module, _, function = name.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{re.sub('^x[_ǁ]', '', function).replace('ǁ', '.')}", before, after


if __name__ == "__main__":
    sys.exit(main())
