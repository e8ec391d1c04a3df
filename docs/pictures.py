"""Take README's pictures of the page, made from results/: ``make readme``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from detcost.report import site

ROOT = Path(__file__).parents[1]
MACHINE = "epyc-avx512-2core-vm"
QUESTION = f"#machine={MACHINE}&scenario=conv2d_backward&survive=repeat,process,threads"
#: Colours by file.
PICTURES = {"answer": "light", "answer-dark": "dark"}


def main() -> None:
    """Write the pictures into ``docs/pictures``."""
    out = ROOT / "docs" / "pictures"
    out.mkdir(exist_ok=True)
    words = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page, _ = site.write(ROOT / "results", Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=words)
        for name, scheme in PICTURES.items():
            tab = browser.new_page(color_scheme=scheme, viewport={"width": 1180, "height": 860})
            tab.goto(page.as_uri() + QUESTION)
            tab.wait_for_selector("#answer[data-best]")
            tab.screenshot(path=out / f"{name}.png")
        browser.close()


main()
