"""`npm run prose` on texts that break each rule once, and on texts that keep it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict

import pytest

from paths import ROOT

TEXTLINT = ROOT / "node_modules" / ".bin" / "textlint"
WORDS = " ".join(["Words", *(f"word{number}" for number in range(1, 25))])

BROKEN = {
    f"{WORDS} more.": ("sentence-words", "error"),
    f"* **Bold.** {WORDS} `code`.": ("sentence-words", "error"),
    "The file is written by a worker.": ("write-good", "warning"),
    "This costs very little.": ("write-good", "warning"),
    "The layers are rooms.": ("terminology", "error"),
    "It belongs to a stranger.": ("terminology", "error"),
    "A telling of the facts.": ("terminology", "error"),
    "This is a tell.": ("terminology", "error"),
    "Workers obey the loop.": ("terminology", "error"),
    "A servant answers.": ("terminology", "error"),
    "The nursery forks.": ("terminology", "error"),
    "A seat for a worker.": ("terminology", "error"),
    "A glance at [evidence](evidence.md).": ("terminology", "error"),
    "| a |\n| --- |\n| the rooms |": ("terminology", "error"),
}
KEPT = [
    f"{WORDS}. {WORDS}.",
    f"`{WORDS}` and [{WORDS[18:]}](https://example.org/a-link-of-a-stranger).",
    f"| a |\n| --- |\n| {WORDS} word |",
    f"```sh\n{WORDS} word was written by a stranger\n```",
    f"<!-- detcost show --write: begin -->\n\n{WORDS} rooms.\n\n<!-- detcost show --write: end -->",
    "A worker writes `rooms` to a file.",
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    """Rules and their severities by text: all texts are paragraphs of one file, for speed."""
    # In CI its absence is a failure.
    if not os.environ.get("CI") and not (TEXTLINT.exists() and shutil.which("node")):
        pytest.skip("npm has not installed textlint: make lint")
    texts = [*BROKEN, *KEPT]
    lines: list[str] = []
    begins = {text: (len(lines) + 1, lines.extend([*text.split("\n"), ""]))[0] for text in texts}
    document = tmp_path_factory.mktemp("prose") / "document.md"
    document.write_text("\n".join(lines))
    words = [TEXTLINT, "--rulesdir", "tools/prose", "--format", "json", document]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    said = defaultdict(set)
    for message in json.loads(done.stdout)[0]["messages"]:
        text = max((t for t in texts if begins[t] <= message["line"]), key=lambda t: begins[t])
        said[text].add((message["ruleId"], {1: "warning", 2: "error"}[message["severity"]]))
    return said


@pytest.mark.parametrize(("text", "rule"), BROKEN.items())
def test_a_text_that_breaks_a_rule_is_named(text, rule, found):
    assert found[text] == {rule}


@pytest.mark.parametrize("text", KEPT)
def test_a_text_that_breaks_none_is_left_alone(text, found):
    assert found[text] == set()
