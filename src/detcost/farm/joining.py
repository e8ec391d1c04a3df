"""A machine joins a farm: a dask worker with one thread, which looks for a lost scheduler."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable

from detcost.errors import UsageError
from detcost.farm import worker
from detcost.farm.addresses import Place
from detcost.farm.worker import Here

#: Seconds between two attempts to reach a scheduler.
_PAUSE = 2.0


def join(place: Place, here: Here, on_change: Callable[[str], object], once: bool = False) -> None:
    """Work for a scheduler until this process is ended.

    Parameters
    ----------
    place
        The scheduler.
    here
        This machine.
    on_change
        Is told, in a line, when the scheduler was reached and when it was lost.
    once
        End when the scheduler is lost, instead of looking for it again.
    """
    if sys.platform == "win32":
        raise UsageError("a machine of a farm runs Linux or macOS; on Windows, use WSL")
    worker.join_as(here)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # on_change tells it better
    asyncio.run(_join(place, here, on_change, once))


async def _join(place: Place, here: Here, on_change: Callable[[str], object], once: bool) -> None:
    told = False
    while True:
        try:
            await _work(place, here, on_change)
            on_change(f"{place.address}: the scheduler was lost")
            told = True
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            if not told:
                reason = " ".join(str(error).split())
                on_change(f"{place.address}: waiting for a scheduler ({reason[:200]})")
            told = True
        if once:
            return
        await asyncio.sleep(_PAUSE)


async def _work(place: Place, here: Here, on_change: Callable[[str], object]) -> None:
    """Work until the scheduler is lost."""
    from distributed import Worker

    with tempfile.TemporaryDirectory(prefix="detcost-worker-") as folder:
        async with Worker(
            place.address,
            name=here.machine.name,
            host=place.worker_host,
            nthreads=1,
            memory_limit=0,
            local_directory=folder,
            security=place.security(),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            preload=[worker.__name__],
            death_timeout=30,
            silence_logs=50,
        ) as connected:
            on_change(f"{place.address}: {here.machine.name} has joined, process {os.getpid()}")
            await connected.finished()
