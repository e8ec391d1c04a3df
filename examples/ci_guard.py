"""Fail a CI job when a program's bits differ under the setting that it uses.

::

    python ci_guard.py own/measure_photos.py:pipeline op_determinism
"""

import sys

import detcost

SCOPES = ["repeat", "process"]


def main(scenario, setting):
    """Measure once, print each scope, and return the exit code. Never retry to pass."""
    measured = detcost.measure(
        scenario, [setting], ["CPU:0"], scopes=SCOPES, profile="quick", out="ci.trials.jsonl"
    )
    last = measured.records[-1]  # the setting's; default is always measured before it
    choice = detcost.choose(last.scenario, survive=SCOPES, results=measured.records)
    guarded = next(c for c in choice.candidates if c.setting == last.setting)
    for check in guarded.findings:
        if check.trials:
            print(
                f"{check.scope}: {check.divergent} of {check.trials} differed, "
                f"rate at most {check.high:.1%} (95 %)"
            )
    for reason in (*guarded.reasons, *choice.source.failed_controls):
        print(f"FAILED: {reason}", file=sys.stderr)
    return 0 if guarded.qualifies and not choice.source.failed_controls else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except detcost.UsageError as error:
        print(f"ci_guard: {error}", file=sys.stderr)
        sys.exit(2)
