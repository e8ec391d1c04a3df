"""Controls: scenarios with known divergence, to verify that a run detects it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(family="control")
def control_varies(bench: Bench) -> Callable[[], Any]:
    """Numbers from the operating system's entropy; every output must differ."""

    def step() -> Any:
        return tf.constant(np.random.default_rng().random(8))

    return step


@scenario(family="control")
def control_stable(bench: Bench) -> Callable[[], Any]:
    """Exact sums of integers; no order of additions can change a bit."""
    numbers = tf.constant(bench.integers((1024,), high=1000))

    def step() -> Any:
        return tf.reduce_sum(numbers)

    return step
