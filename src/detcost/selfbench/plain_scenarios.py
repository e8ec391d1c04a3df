"""The plain programs as scenarios, named ``detcost.selfbench.plain_scenarios:conv``.

They are not built-in scenarios. Only the harness benchmarks measure them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario
from detcost.selfbench import plain_programs


@scenario(family="plain")
def conv(bench: Bench) -> Callable[[], Any]:
    """Both gradients of a convolution, as a user writes it."""
    return plain_programs.conv(tf, bench.function)


@scenario(family="plain")
def mlp(bench: Bench) -> Callable[[], Any]:
    """Gradients of a perceptron with one hidden layer, as a user writes it."""
    return plain_programs.mlp(tf, bench.function)
