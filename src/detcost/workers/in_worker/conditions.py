"""Apply a trial's conditions inside its worker. The setting takes precedence."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

import tensorflow as tf

from detcost.host import isa
from detcost.settings import instruction_sets
from detcost.settings.grammar import Setting
from detcost.workers.contract import CellError, Conditions
from detcost.workers.in_worker.in_force import read_back
from detcost.workers.in_worker.redrawing import draw_anew


def prepare(conditions: Conditions) -> None:
    """Apply conditions that must come before the setting, which then overrides them."""
    if conditions.pool_size:
        tf.config.threading.set_intra_op_parallelism_threads(conditions.pool_size)
        tf.config.threading.set_inter_op_parallelism_threads(conditions.pool_size)


def check_pools(conditions: Conditions, setting: Setting) -> None:
    """Verify that the thread pools have the trial's size, unless the setting fixes it.

    Raises
    ------
    CellError
        ``not_applicable`` if a pool has another size, since the trial would be misleading.
    """
    if conditions.pool_size is None:
        return
    fixed = setting.expects()
    for pool, size in read_back().items():
        if pool in ("intra", "inter") and size != fixed.get(pool, conditions.pool_size):
            raise CellError("not_applicable", f"the {pool} pool has {size} threads")


def enter(conditions: Conditions, setting: Setting) -> None:
    """Apply the other conditions, after the setting and before the program is built.

    Raises
    ------
    CellError
        ``not_applicable`` if a condition did not take effect.
    """
    if conditions.cap and not setting.has("isa"):
        check_cap(conditions.cap, isa.apply(conditions.cap))
    if conditions.execution == "eager" and not setting.has("xla"):
        tf.config.run_functions_eagerly(True)
    if conditions.draws_anew:
        draw_anew()
    for _ in range(conditions.busy_threads):
        threading.Thread(target=_keep_busy, daemon=True).start()
    if conditions.cores:
        tf.zeros(())  # starts the pools, whose size then does not depend on the cores
        _move_to(conditions.cores)


def check_cap(cap: instruction_sets.Cap, in_force: str | None) -> None:
    """Verify that the instruction set in force is that of the cap.

    Raises
    ------
    CellError
        ``not_applicable`` if it is another.
    """
    if in_force != cap.isa:
        raise CellError(
            "not_applicable",
            f"{cap.label} did not take effect: {in_force or 'an unknown set'} is in force",
        )


def _move_to(cores: tuple[int, ...]) -> None:
    """Confine this process to some cores, including threads that already run."""
    if sys.platform != "linux":
        raise CellError("not_applicable", "only Linux can move running threads between cores")
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _keep_busy() -> None:
    """Compete for cores, but not for Python's lock, which hashing a large block releases."""
    block = bytes(1 << 20)
    while True:
        hashlib.sha256(block)
