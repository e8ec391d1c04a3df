"""What a trial's conditions mean inside its worker: beneath the setting, around the program."""

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
from detcost.workers.program.in_force import read_back


def prepare(conditions: Conditions) -> None:
    """Change what must be changed before the setting is applied, which thus overrides it."""
    if conditions.pool_size:
        tf.config.threading.set_intra_op_parallelism_threads(conditions.pool_size)
        tf.config.threading.set_inter_op_parallelism_threads(conditions.pool_size)


def check_pools(conditions: Conditions, setting: Setting) -> None:
    """See that the pools have the size the trial wants, where the setting leaves it free.

    Raises
    ------
    CellError
        ``not_applicable`` if they do not: the trial would not show what it should.
    """
    if conditions.pool_size is None:
        return
    fixed = setting.expects()
    for pool, size in read_back().items():
        if pool in ("intra", "inter") and size != fixed.get(pool, conditions.pool_size):
            raise CellError("not_applicable", f"the pool {pool} has {size} threads")


def enter(conditions: Conditions, setting: Setting) -> None:
    """Change the rest, once the setting is applied and before the program is built.

    Raises
    ------
    CellError
        ``not_applicable`` if a change did not take.
    """
    if conditions.cap and not setting.has("isa"):
        check_cap(conditions.cap, isa.apply(conditions.cap))
    if conditions.execution == "eager" and not setting.has("xla"):
        tf.config.run_functions_eagerly(True)
    for _ in range(conditions.busy_threads):
        threading.Thread(target=_keep_busy, daemon=True).start()
    if conditions.cores:
        tf.zeros(())  # starts the pools, with the size they have on every core
        _move_to(conditions.cores)


def check_cap(cap: instruction_sets.Cap, in_force: str | None) -> None:
    """See that a library uses what it is capped to.

    Raises
    ------
    CellError
        ``not_applicable`` if it does not.
    """
    if in_force != cap.isa:
        raise CellError(
            "not_applicable", f"{cap.label} did not take: {in_force or 'nothing known'} is in force"
        )


def _move_to(cores: tuple[int, ...]) -> None:
    """Confine this process to some cores, the threads that run already too."""
    if sys.platform != "linux":
        raise CellError("not_applicable", "only Linux moves running threads between cores")
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _keep_busy() -> None:
    """Compete for cores and not for Python's lock, which hashing a large block lets go."""
    block = bytes(1 << 20)
    while True:
        hashlib.sha256(block)
