"""Change the sources here and there, and list the changes that no test notices: ``make mutants``.

mutmut makes the changes, in ``mutants/``. pyproject.toml has the modules to change, and the tests
to run. ``equivalent_mutants.toml`` lists the changes that change nothing, with the reasons.

mutmut changes the bodies of functions and methods without decorators. It does not change
properties, cached functions, fields of dataclasses, and constants of modules.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

BIN = Path(sys.executable).parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")


def main() -> int:
    """Print survivors and how many were killed; 1 if a survivor is not listed as equivalent."""
    shutil.rmtree("mutants", ignore_errors=True)  # results of other tests
    mutmut("run", stdout=None)
    names = re.findall(r"(\S+__mutmut_\d+): (?:survived|no tests)", mutmut("results"))
    survivors = {name: change(name) for name in names}
    reasons = {
        (entry["function"], entry["before"], entry["after"]): entry["reason"]
        for entry in tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    }
    found = [mutant for mutant in survivors.values() if mutant not in reasons]
    for function, before, after in found:
        print(f"{function}\n  - {before}\n  + {after}")
    stale = [mutant for mutant in reasons if mutant not in survivors.values()]
    for function, before, after in stale:
        print(f"Listed as equivalent, but killed or gone: {function}\n  - {before}\n  + {after}")
    mutmut("export-cicd-stats")
    stats = json.loads(Path("mutants/mutmut-cicd-stats.json").read_text())
    noticed, by_tests = stats["total"] - len(survivors), stats["killed"] + stats["timeout"]
    percent = 100 * noticed / (noticed + len(found))
    print(f"{percent:.1f} % killed: {by_tests} by tests, {noticed - by_tests} by mypy; ", end="")
    print(f"{len(found)} survived, {len(survivors) - len(found)} are equivalent")
    return bool(found or stale)


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
