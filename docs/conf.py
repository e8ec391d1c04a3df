"""Sphinx's configuration: ``make docs``.

The site takes the documents where they lie in the repository, so a link between them is the
same in both places. A source file that a document links to is offered as a download.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "detcost"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/*.md", "docs/*.md"]
html_theme = "furo"
html_title = "detcost"
html_copy_source = False
smartquotes = False  # options begin with two hyphens
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4  # anchors have the names that GitHub gives them
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
maximum_signature_line_length = 88
numpydoc_show_class_members = False  # autodoc lists them

PAGES = (
    "docs/your-own-program",
    *("docs/results", "docs/measurement", "docs/choosing", "docs/comparing", "docs/agreement"),
    *("docs/locate", "docs/guard", "docs/farm", "docs/merging"),
    *("docs/folklore", "docs/gpu", "docs/evidence", "docs/reference", "examples/README"),
    *("CONTRIBUTING", "docs/scenarios", "CHANGELOG"),
)
LINES = "\n".join(PAGES)
CONTENTS = f"\n\n```{{toctree}}\n:hidden:\n\n{LINES}\n```\n"


def setup(app: Sphinx) -> None:
    """Change the documents as they are read, and the site once it is written."""
    app.connect("source-read", adapt)
    app.connect("build-finished", make_index)


def adapt(app: Sphinx, document: str, source: list[str]) -> None:
    """Mark pictures for a light or a dark page as the theme expects it, not as GitHub does."""
    source[0] = re.sub(r"#gh-(light|dark)-mode-only\)", r"){.only-\1}", source[0])
    if document == root_doc:
        source[0] += CONTENTS


def make_index(app: Sphinx, error: Exception | None) -> None:
    """Open the site with README."""
    if error is None:
        shutil.copy(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))
