"""asv's published site gets the page to choose on: the second plugin of ``asv.conf.json``.

Like the first it is loaded by its place in the checkout, and imports asv and the standard
library alone; the page wants the rest of detcost, which may not be installed beside asv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asv.config import Config
from asv.console import log
from asv.publishing import OutputPublisher

FOLDER = "chooser"
#: In asv's own page the list of its pages ends with this entry.
LAST_ENTRY = '<li id="nav-li-graphdisplay">'
ENTRY = f'<li id="nav-li-{FOLDER}"><a href="{FOLDER}/index.html">Choose by cost</a></li>'


class ChooserPage(OutputPublisher):  # type: ignore[misc]  # asv has no types
    """Writes the page beside asv's own, each linked to the other."""

    name = FOLDER
    button_label = "Choose by cost"
    description = "The cheapest setting whose bits stay, and all it rests on"
    order = 10

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        """Write it, where there is evidence and detcost is installed."""
        try:
            from detcost.errors import UsageError
            from detcost.report import site
        except ImportError as error:
            log.warning(f"no page to choose on ({error}); pip install detcost beside asv")
            return
        folder = Path(conf.html_dir)
        try:
            page, problems = site.write(Path(conf.results_dir), folder / FOLDER, "../index.html")
        except UsageError as error:
            log.warning(f"no page to choose on: {error}")
            return
        for problem in problems:
            log.warning(f"skipped {problem}")
        link_from(folder / "index.html")
        log.info(f"The page to choose on is {page}")


def link_from(index: Path) -> None:
    """Put the page into the list in asv's own; say so where that has none."""
    text = index.read_text(encoding="utf-8")
    if LAST_ENTRY not in text:
        log.warning(f"{index} has changed: no link to {FOLDER}/index.html could be put into it")
        return
    index.write_text(
        text.replace(LAST_ENTRY, f"{ENTRY}\n        {LAST_ENTRY}", 1), encoding="utf-8"
    )
