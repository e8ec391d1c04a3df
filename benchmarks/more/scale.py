"""asv benchmarks of reporting and merging a synthetic farm: ``asv run -b scale``."""

import shutil
import tempfile
from pathlib import Path

from detcost.selfbench import merge_scale, report_scale

timeout = 1800
version = "1"


class Farm:
    timeout = timeout

    def setup_cache(self) -> dict[str, float]:
        """Write the evidence of a thousand machines, and its page, once for all figures."""
        folder = Path(tempfile.mkdtemp(prefix="detcost-farm-"))
        try:
            report_scale.make_farm(folder / "results")
            return report_scale.farm_figures(folder / "results", folder / "page")
        finally:
            shutil.rmtree(folder)

    def track_report_seconds(self, figures: dict[str, float]) -> float:
        """Seconds to write the page of 1.2 million records."""
        return figures["report_seconds"]

    def track_report_memory(self, figures: dict[str, float]) -> float:
        """Peak bytes of all processes that write the page."""
        return figures["report_memory"]

    def track_first_screen(self, figures: dict[str, float]) -> float:
        """Seconds until Chromium shows the first answer; NaN without Chromium."""
        return figures["first_screen"]

    def track_filter(self, figures: dict[str, float]) -> float:
        """Seconds until a filter has answered and is painted: the worst of many."""
        return figures["filter"]


class Merging:
    """The same farm, merged. In the second one every machine has the name ``vm``."""

    params = ("own names", "one name")
    param_names = ("machines with",)
    timeout = timeout

    def setup_cache(self) -> dict[str, tuple[float, int]]:
        """Merge two farms of a thousand machines, once for all figures."""
        folder = Path(tempfile.mkdtemp(prefix="detcost-merge-"))
        try:
            return merge_scale.figures(folder)
        finally:
            shutil.rmtree(folder)

    def track_merge_seconds(self, figures: dict[str, tuple[float, int]], names: str) -> float:
        """Seconds to merge 1.2 million records of a thousand folders."""
        return figures[names][0]

    def track_merge_memory(self, figures: dict[str, tuple[float, int]], names: str) -> float:
        """Peak bytes of all processes that merge."""
        return figures[names][1]


def track_share_of_asv() -> float:
    """Time to write the page ÷ time of ``asv publish``, with the same results."""
    with tempfile.TemporaryDirectory(prefix="detcost-asv-") as folder:
        return report_scale.share_of_asv(Path(folder))


Farm.track_report_seconds.unit = "seconds"
Farm.track_report_memory.unit = "bytes"
Farm.track_first_screen.unit = "seconds"
Farm.track_filter.unit = "seconds"
Merging.track_merge_seconds.unit = "seconds"
Merging.track_merge_memory.unit = "bytes"
track_share_of_asv.unit = "ratio"
track_share_of_asv.timeout = timeout
