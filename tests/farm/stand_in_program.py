"""The program of a stand-in job. It starts fast: it imports only the standard library."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def result(job: dict[str, str]) -> dict[str, object]:
    """Return a result as asv stores it, of one benchmark."""
    return {
        "commit_hash": job["commit"],
        "env_name": f"existing-tensorflow{job['tensorflow']}",
        "date": 1795707727000,
        "params": {"machine": job["machine"], "cpu": job["machine"], "python": job["python"]},
        "python": job["python"],
        "requirements": {"tensorflow": job["tensorflow"]},
        "result_columns": ["result", "params", "version"],
        "results": {f"{job['family']}.StandIn.track_answer": [[42.0], [], "1"]},
        "version": 2,
    }


def main(key: str, written: str, results: str, seconds: str) -> None:
    job = json.loads(written)
    behaviour = Path(os.environ.get("STAND_IN", "/nonexistent"))
    print(f"measuring {key}", flush=True)
    time.sleep(float(seconds))
    folder = Path(results, job["machine"])
    folder.mkdir()
    machine = {"machine": job["machine"], "cpu": job["machine"], "version": 1}
    (folder / "machine.json").write_text(json.dumps(machine))
    (folder / f"{job['commit'][:8]}-stand-in.json").write_text(json.dumps(result(job)))
    if os.environ.get("STAND_IN"):
        with open(behaviour / "ran", "a") as ran:
            ran.write(f"{key}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
