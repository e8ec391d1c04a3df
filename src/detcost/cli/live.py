"""What a user sees while a program is measured: the table so far, and what is being done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from detcost.cli.console import err

if TYPE_CHECKING:
    from detcost.evidence.schema import Evidence
    from detcost.experiment.planning import ProgramPlan
    from detcost.experiment.progress import Progress

#: Seconds between two lines, where there is no terminal to draw in.
INTERVAL = 10.0


class LiveView:
    """Shows a measurement on standard error while it runs.

    A terminal gets a table that fills, a bar and a clock. Otherwise a line says every
    :data:`INTERVAL` seconds what is being done.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._plan: ProgramPlan | None = None
        self._partial: list[Evidence] = []
        self.records: list[Evidence] = []
        self.plans: list[ProgramPlan] = []

    @property
    def so_far(self) -> list[Evidence]:
        """The records of finished cells, and then those of cells that are not finished."""
        return [*self.records, *self._partial]

    def on_progress(self, progress: Progress) -> None:
        """Show what is being done."""
        self._progress = progress
        self._begun.set()

    def on_plan(self, plan: ProgramPlan) -> None:
        """Begin a new table."""
        self._plan, self._partial = plan, []
        self.plans.append(plan)

    def on_partial(self, records: Sequence[Evidence]) -> None:
        """Fill the table with the records so far."""
        self._partial = list(records)

    def on_record(self, record: Evidence) -> None:
        """Keep the record of a finished cell."""
        self.records.append(record)
        self._partial = [other for other in self._partial if other.cell != record.cell]

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the measurement until the block ends."""
        if err.is_terminal:
            from rich.live import Live

            with Live(
                get_renderable=self._render, console=err, refresh_per_second=4, transient=True
            ):
                yield
            return
        printer = threading.Thread(target=self._print_lines, daemon=True)
        printer.start()
        try:
            yield
        finally:
            self._ended.set()
            self._begun.set()
            printer.join()

    def _print_lines(self) -> None:
        self._begun.wait()  # a mistake that is found before any work is the only line
        while self._progress:
            err.print(f"{self._clock()} {self._progress}", markup=False, soft_wrap=True)
            if self._ended.wait(INTERVAL):
                return

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60}:{seconds % 60:02}"

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._plan and self._partial:
            parts.append(self._table())
        status = Table.grid(padding=(0, 1))
        fraction = self._progress.fraction if self._progress else 0.0
        doing = str(self._progress or "")
        status.add_row(Text(self._clock()), ProgressBar(1.0, fraction, width=20), Text(doing))
        return Group(*parts, status)

    def _table(self) -> RenderableType:
        from detcost.tables.live_table import live_table

        assert self._plan
        settings = [setting.name for setting in self._plan.settings]
        return live_table(self._partial, settings, self._plan.profile.scopes)
