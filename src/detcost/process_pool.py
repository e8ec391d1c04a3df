"""Processes that share the work on many files."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from multiprocessing.pool import Pool


def pool() -> Pool:
    """Return a pool with a process for each core, and one more since some wait for the disk.

    On Linux the processes are forks, which import nothing again. They do not collect cyclic
    garbage: records have no cycles, and the collection takes up to a third of the time.
    """
    start = "fork" if sys.platform == "linux" else "spawn"
    many = (os.cpu_count() or 1) + 1
    return multiprocessing.get_context(start).Pool(many, gc.disable)
