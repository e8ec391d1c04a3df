"""asv benchmarks of detcost itself. Each figure compares it with something plain, in one run."""

from detcost.selfbench import overhead

Checks = dict[str, overhead.CostCheck]

version = "1"
timeout = 600


def track_trial_speedup() -> float:
    """Time to the first digest in a fresh interpreter ÷ time in a forked trial."""
    return overhead.trial_speedup()


def track_threads_trial_cost() -> float:
    """Time of a trial of scope threads ÷ time of a trial of scope process."""
    return overhead.threads_trial_cost()


def track_timing_overhead() -> float:
    """Time that a sample adds to a step of 1 ms, as a share of a tight loop around the step."""
    return overhead.timing_overhead()


def track_digest_bandwidth() -> float:
    """Bandwidth of the digest ÷ bandwidth of a plain read of the same bytes."""
    return overhead.digest_bandwidth()


def track_severity_bandwidth() -> float:
    """Bandwidth of the comparison of two outputs ÷ bandwidth of a plain copy of one."""
    return overhead.severity_bandwidth()


def track_severity_memory() -> float:
    """Peak resident bytes of comparing two outputs of 512 MiB, without the outputs."""
    return overhead.severity_memory()


def track_coordinator_memory() -> float:
    """Peak resident bytes of the process that runs an experiment."""
    return overhead.coordinator_memory()


class CostBias:
    """Costs of plain programs, compared with an estimate made without detcost."""

    params = ("conv threads=1", "conv xla", "mlp threads=1")
    param_names = ("program and setting",)
    version = "1"
    timeout = 1800  # setup_cache measures everything, about three minutes a program and setting

    def setup_cache(self) -> Checks:
        return {case: overhead.check_cost(*case.split()) for case in self.params}

    def track_independent_cost(self, checks: Checks, case: str) -> float:
        """Step time ÷ step time under ``default``, in fresh pairs of processes without detcost."""
        return checks[case].independent.ratio

    track_independent_cost.unit = "ratio"  # type: ignore[attr-defined]

    def track_cost_bias(self, checks: Checks, case: str) -> float:
        """The share by which detcost's cost lies above the independent cost."""
        return overhead.cost_bias(checks[case].engine, checks[case].independent)

    track_cost_bias.unit = "share"  # type: ignore[attr-defined]

    def track_cost_bias_in_errors(self, checks: Checks, case: str) -> float:
        """How far detcost's cost lies above the independent cost, in standard errors."""
        return overhead.cost_bias_in_errors(checks[case].engine, checks[case].independent)

    track_cost_bias_in_errors.unit = "standard errors"  # type: ignore[attr-defined]

    def track_cost_bias_unsettled(self, checks: Checks, case: str) -> float:
        """The same share for the former sampling: bursts of 1 ms, without settling."""
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
