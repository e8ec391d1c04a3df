"""Processes that share the work on a report."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from multiprocessing.pool import Pool


def pool() -> Pool:
    """Return a pool of a process a core, and one more for while another waits for the disk.

    On Linux they need not import again what is imported here. They do not look for cyclic
    garbage: records are trees, figures are few, and it would take up to a third.
    """
    start = "fork" if sys.platform == "linux" else "spawn"
    many = (os.cpu_count() or 1) + 1
    return multiprocessing.get_context(start).Pool(many, gc.disable)
