"""Plant culprits in random programs, and count how many ``locate`` names.

A run that was stopped goes on where it was, if it has the same folder.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from detcost.selfbench.injection import report, running
from detcost.selfbench.injection.judging import InjectionVerdict
from detcost.workers.launch import start_workers


def main() -> None:
    """Run the command."""
    options = _options()
    seeds = range(options.seed * 10_000, options.seed * 10_000 + options.programs)
    began, done = time.monotonic(), 0

    def told(verdict: InjectionVerdict) -> None:
        nonlocal done
        done += 1
        minutes = (time.monotonic() - began) / 60
        planted = ", ".join(verdict.planted) or "nothing planted"
        rest = "; ".join(filter(None, (*verdict.others, verdict.reason)))
        print(
            f"{done}/{options.programs} after {minutes:.1f} min: {verdict.outcome}, "
            f"program {verdict.seed}, {planted}, {verdict.seconds} s {rest}",
            flush=True,
        )

    factory = start_workers(options.seed)
    try:
        verdicts = running.run(
            seeds, options.folder, factory, seconds=options.seconds, on_verdict=told
        )
    finally:
        factory.close()
    print(report.text(verdicts))
    if options.plain:
        run = [verdict for verdict in verdicts if verdict.outcome != "failed"]
        _compare_plain(run[: options.plain], options.folder)


def _compare_plain(verdicts: list[InjectionVerdict], folder: Path) -> None:
    """Print whether plain runs without detcost agree with the verdicts."""
    plain = dict(running.plain_differences([v.seed for v in verdicts], folder, calls=5))
    clean = [verdict.seed for verdict in verdicts if not verdict.planted]
    named = [verdict.seed for verdict in verdicts if verdict.outcome == "named"]
    print(
        f"* Two plain runs without detcost, of 5 calls: outputs differ in {_count(clean, plain)} "
        f"programs without a culprit, and in {_count(named, plain)} with a named one."
    )


def _count(seeds: list[int], differ: dict[int, bool]) -> str:
    return f"{sum(differ[seed] for seed in seeds)} of {len(seeds)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m detcost.selfbench.injection", description=__doc__
    )
    parser.add_argument("--programs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="for the search in each program"
    )
    parser.add_argument("--plain", type=int, default=40, help="programs to run without detcost too")
    parser.add_argument("--folder", type=Path, default=Path("injection"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
