"""asv benchmarks of detcost itself: ratios against something plain, both measured in one run."""

from detcost import harness

version = "1"
timeout = 600


def track_trial_speedup() -> float:
    """How many times faster a forked trial is than a fresh interpreter, to the first digest."""
    return harness.trial_speedup()


def track_threads_trial_cost() -> float:
    """Time of a trial of scope threads ÷ time of a trial of scope process."""
    return harness.threads_trial_cost()


def track_timing_overhead() -> float:
    """What the harness adds to a step of 1 ms, as a share of a tight loop around the step."""
    return harness.timing_overhead()


def track_digest_bandwidth() -> float:
    """Bandwidth of the digest ÷ bandwidth of a plain read of the same bytes."""
    return harness.digest_bandwidth()


def track_severity_bandwidth() -> float:
    """Bandwidth of the comparison of two outputs ÷ bandwidth of a plain copy of one."""
    return harness.severity_bandwidth()


def track_severity_memory() -> float:
    """Peak resident bytes of the comparison of two outputs of 512 MiB beyond the outputs."""
    return harness.severity_memory()


def track_coordinator_memory() -> float:
    """Peak resident bytes of the process that runs an experiment."""
    return harness.coordinator_memory()


for _benchmark, _unit in (
    (track_trial_speedup, "times"),
    (track_threads_trial_cost, "ratio"),
    (track_timing_overhead, "share"),
    (track_digest_bandwidth, "ratio"),
    (track_severity_bandwidth, "ratio"),
    (track_severity_memory, "bytes"),
    (track_coordinator_memory, "bytes"),
):
    for _name, _value in (("unit", _unit), ("version", version), ("timeout", timeout)):
        setattr(_benchmark, _name, _value)
