"""The asv plugin that adds detcost's page to asv's published site. ``asv.conf.json`` names it.

asv loads it by its path in the checkout. At the top it imports only asv and the standard library,
because detcost may not be installed beside asv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asv.config import Config
from asv.console import log
from asv.publishing import OutputPublisher

FOLDER = "chooser"
#: The last entry in the list of pages on asv's own page.
LAST_ENTRY = '<li id="nav-li-graphdisplay">'
ENTRY = f'<li id="nav-li-{FOLDER}"><a href="{FOLDER}/index.html">Choose by cost</a></li>'


class ChooserPage(OutputPublisher):  # type: ignore[misc]  # asv has no types
    """Writes the page beside asv's own page. Each page links to the other."""

    name = FOLDER
    button_label = "Choose by cost"
    description = "The cheapest setting whose bits stay, with the evidence for it"
    order = 10

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        """Write the page if there is evidence and detcost is installed."""
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
    """Add the page to the list on asv's own page. Log a warning if there is no list."""
    text = index.read_text(encoding="utf-8")
    if LAST_ENTRY not in text:
        log.warning(f"{index} has changed: a link to {FOLDER}/index.html could not be added")
        return
    index.write_text(
        text.replace(LAST_ENTRY, f"{ENTRY}\n        {LAST_ENTRY}", 1), encoding="utf-8"
    )
