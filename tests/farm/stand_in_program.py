"""The program of a stand-in job. It starts fast: it imports only the standard library."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(key: str, machine: str, results: str, seconds: str) -> None:
    behaviour = Path(os.environ.get("STAND_IN", "/nonexistent"))
    print(f"measuring {key}", flush=True)
    time.sleep(float(seconds))
    if (behaviour / f"fail-{key}").exists():
        sys.exit(f"no luck with {key}")
    if (behaviour / f"hang-{key}").exists():
        time.sleep(1000)
    folder = Path(results, machine)
    folder.mkdir()
    (folder / f"{key}.json").write_text(json.dumps({"key": key}))
    if os.environ.get("STAND_IN"):
        with open(behaviour / "ran", "a") as ran:
            ran.write(f"{key}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
