"""Matrix products: sums of products in an order that the kernel chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

DTYPES = ("float32", "bfloat16")


@scenario(family="matmul", core=True, dtypes=DTYPES, float64_reference=True)
def matmul_square(bench: Bench) -> Callable[[], Any]:
    """Square matrix product; the blocking of the inner sum depends on the instruction set."""
    n = bench.sized(256, 640, 2048)
    return _product(bench, (n, n), (n, n))


@scenario(family="matmul", dtypes=DTYPES, float64_reference=True)
def matmul_tall_skinny(bench: Bench) -> Callable[[], Any]:
    """Small product over a large inner dimension; threads may split that long sum."""
    n, inner = bench.sized((16, 16_384), (32, 65_536), (64, 524_288))
    return _product(bench, (n, inner), (inner, n))


@scenario(family="matmul", dtypes=DTYPES, float64_reference=True)
def matmul_batched(bench: Bench) -> Callable[[], Any]:
    """Batch of square products; the number of threads may change the inner blocking."""
    batch, n = bench.sized((8, 64), (32, 128), (64, 512))
    return _product(bench, (batch, n, n), (batch, n, n))


def _product(bench: Bench, left: tuple[int, ...], right: tuple[int, ...]) -> Callable[[], Any]:
    a, b = bench.normal(left), bench.normal(right)

    @bench.function
    def step() -> Any:
        return tf.matmul(a, b)

    return step
