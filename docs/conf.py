"""How the documentation becomes a site: `make docs`, into `build/site`.

The source folder is the project's, so that every link of README and `docs/` leads to the same
page on the site as on GitHub, and README is the first page. Pages are plain Markdown: the order
of the navigation is defined here; a page that is not named appears under *More*.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent

project = "spine_assets"
html_title = "spine_assets"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md"]
include_patterns += ["benchmarks/README.md", "data/sample/README.md"]
# Not even looked into: what programs make.
exclude_patterns = [".*", "build", "data/landing", "data/lake", "data/dagster", "**/__pycache__"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False  # it is in LICENSE
html_show_sphinx = False
myst_heading_anchors = 4  # by GitHub's rule; as deep as our pages go
suppress_warnings = ["misc.highlighting_failure"]  # DuckDB's SQL is not all known to Pygments

SECTIONS = {
    "Analyst": (
        "docs/start",
        "docs/questions",
        "docs/cookbook",
        "docs/data-dictionary",
        "docs/caveats",
        "docs/glossary",
        "docs/queries",
        "docs/reading",
        "docs/trace",
        "docs/report",
        "docs/notebook",
        "docs/finra-facts",
        "data/sample/README",
    ),
    "Operator": (
        "docs/operations",
        "docs/commands",
        "docs/settings",
        "docs/alerts",
        "docs/checks",
        "docs/nothing-lost",
        "docs/runs",
        "docs/runs-log",
        "docs/finra",
        "docs/from-outside",
        "docs/security",
        "docs/scale",
        "docs/cluster",
        "docs/performance",
    ),
    "Developer": (
        "docs/architecture",
        "CONTRIBUTING",
        "docs/library",
        "docs/pipelines",
        "docs/pipelines-reference",
        "docs/decisions/README",
        "docs/from-market-spine",
        "benchmarks/README",
        "CHANGELOG",
    ),
}
"""The navigation. Pages that are not there yet are left out."""
TITLES = {"data/sample/README": "Sample data"}
"""Pages whose own title is too long for the navigation."""
DECISIONS = "docs/decisions/README"
_FORWARD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>spine_assets</title>
<meta http-equiv="refresh" content="0; url=README.html">
<a href="README.html">spine_assets</a>
</html>
"""


def navigation() -> dict[str, list[str]]:
    """Captions and their pages, every page of `docs/` once."""
    found = {
        caption: [name for name in names if (ROOT / f"{name}.md").exists()]
        for caption, names in SECTIONS.items()
    }
    named = {name for names in found.values() for name in names}
    pages = sorted(f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md"))
    found["More"] = [name for name in pages if name not in named]
    return {caption: names for caption, names in found.items() if names}


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Append to the first page, and to that of the decisions, what no Markdown page shows."""
    if name == root_doc:
        for caption, names in navigation().items():
            source[0] += _tree(names, f":caption: {caption}\n:hidden:\n")
    if name == DECISIONS:
        pages = sorted(path.stem for path in (ROOT / "docs/decisions").glob("0*.md"))
        source[0] += _tree([f"docs/decisions/{page}" for page in pages], ":hidden:\n")


def _tree(names: list[str], options: str) -> str:
    entries = [f"{TITLES[name]} </{name}>" if name in TITLES else f"/{name}" for name in names]
    listed = "".join(f"{entry}\n" for entry in entries)
    return f"\n\n```{{toctree}}\n{options}\n{listed}```\n"


def _forward(app: Sphinx, failure: Exception | None) -> None:
    """The site begins at `index.html`, as people and servers expect."""
    if failure is None:
        (Path(app.outdir) / "index.html").write_text(_FORWARD, "utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _forward)
