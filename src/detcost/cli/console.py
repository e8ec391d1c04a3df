"""The terminal: what the command line prints on, and the progress it shows meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detcost.evidence.reading import Problem

if TYPE_CHECKING:
    from detcost.experiment import experiment

# A colon is a colon: rich would show the file x:100:y as an emoji.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


@contextmanager
def live_progress() -> Iterator[Callable[[experiment.Progress], None]]:
    """Show a bar until the end, moved by calls of what this gives."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("starting TensorFlow", total=1.0, left="")

        def on_progress(now: experiment.Progress) -> None:
            bar.update(
                task,
                completed=now.fraction,
                description=f"{now.scenario} on {now.device}: {now.doing}",
                left=f"about {now.time_left} left",
            )

        yield on_progress


def print_wide(table: RenderableType) -> None:
    """Print without cutting columns off when there is no terminal to fit into."""
    console = out if out.is_terminal else Console(width=200, emoji=False)
    console.print(table)


def tell(problems: Iterable[Problem]) -> None:
    """Say what of the evidence could not be read."""
    for problem in problems:
        err.print(f"skipped {problem}", markup=False, soft_wrap=True)
