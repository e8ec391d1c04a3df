"""asv benchmarks of detcost itself: figures against something plain, both measured in one run."""

from detcost.selfbench import overhead

Checks = dict[str, overhead.CostCheck]

version = "1"
timeout = 600


def track_trial_speedup() -> float:
    """How many times faster a forked trial is than a fresh interpreter, to the first digest."""
    return overhead.trial_speedup()


def track_threads_trial_cost() -> float:
    """Time of a trial of scope threads ÷ time of a trial of scope process."""
    return overhead.threads_trial_cost()


def track_timing_overhead() -> float:
    """What the harness adds to a step of 1 ms, as a share of a tight loop around the step."""
    return overhead.timing_overhead()


def track_digest_bandwidth() -> float:
    """Bandwidth of the digest ÷ bandwidth of a plain read of the same bytes."""
    return overhead.digest_bandwidth()


def track_severity_bandwidth() -> float:
    """Bandwidth of the comparison of two outputs ÷ bandwidth of a plain copy of one."""
    return overhead.severity_bandwidth()


def track_severity_memory() -> float:
    """Peak resident bytes of the comparison of two outputs of 512 MiB beyond the outputs."""
    return overhead.severity_memory()


def track_coordinator_memory() -> float:
    """Peak resident bytes of the process that runs an experiment."""
    return overhead.coordinator_memory()


class CostBias:
    """Costs of plain programs, held against an estimate made without detcost's engine."""

    params = ("conv threads=1", "conv xla", "mlp threads=1")
    param_names = ("program and setting",)
    version = "1"
    timeout = 1800  # setup_cache measures everything, about three minutes a program and setting

    def setup_cache(self) -> Checks:
        return {case: overhead.check_cost(*case.split()) for case in self.params}

    def track_independent_cost(self, checks: Checks, case: str) -> float:
        """Step time ÷ ``default``'s, from fresh pairs of processes that know no detcost."""
        return checks[case].independent.ratio

    track_independent_cost.unit = "ratio"  # type: ignore[attr-defined]

    def track_cost_bias(self, checks: Checks, case: str) -> float:
        """By what share the engine's cost lies above the independent one."""
        return overhead.cost_bias(checks[case].engine, checks[case].independent)

    track_cost_bias.unit = "share"  # type: ignore[attr-defined]

    def track_cost_bias_in_errors(self, checks: Checks, case: str) -> float:
        """How far the engine's cost lies above the independent one, in standard errors."""
        return overhead.cost_bias_in_errors(checks[case].engine, checks[case].independent)

    track_cost_bias_in_errors.unit = "standard errors"  # type: ignore[attr-defined]

    def track_cost_bias_unsettled(self, checks: Checks, case: str) -> float:
        """By what share the cost of the former sampling lies above: bursts of 1 ms, no settling."""
        return overhead.cost_bias(checks[case].former, checks[case].independent)

    track_cost_bias_unsettled.unit = "share"  # type: ignore[attr-defined]


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
