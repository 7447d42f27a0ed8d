"""No link of a page is dead, and every picture can be shown."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spine_assets_tests.support.pages import Link, anchors, documents, links
from spine_assets_tests.support.projects import SOURCE

IMAGES = sorted((SOURCE / "docs" / "images").iterdir())
_MOST_IMAGE_BYTES = 200_000  # a page with some of them still opens at once


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(SOURCE)))
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    assert [str(link) for link in links(page) if link.is_dead] == []


@pytest.mark.parametrize(
    ("target", "is_dead"),
    [
        ("there.md", False),
        ("there.md#a-heading", False),
        ("#here", False),
        ("missing.md", True),
        ("there.md#missing", True),
        ("#missing", True),
        ("there.md#in-code", True),
    ],
)
def test_dead_links_are_recognised(tmp_path: Path, target: str, is_dead: bool) -> None:
    (tmp_path / "there.md").write_text("# A *heading*\n\n```\n# In code\n```\n")
    page = tmp_path / "page.md"
    page.write_text(f"## Here\n\nSee\n[there]({target}), not `[this](missing.md)`.\n")
    assert [(link.line, link.is_dead) for link in links(page)] == [(4, is_dead)]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## What it does", "what-it-does"),
        ("## `otc_raw`: `schema`", "otc_raw-schema"),
        ("# 9. Fast queries: a copy", "9-fast-queries-a-copy"),
        ("### [Linked](x.md) & more", "linked--more"),
        ("## What the check `delivery` reports ##", "what-the-check-delivery-reports"),
    ],
)
def test_anchors_follow_the_rule_of_github(heading: str, anchor: str) -> None:
    assert anchors(f"{heading}\n") == {anchor}


def test_the_second_heading_of_a_name_gets_a_number() -> None:
    assert anchors("# A\n## B\n## B\n") == {"a", "b", "b-1"}


def test_every_picture_is_shown_by_a_page() -> None:
    shown = {
        (link.page.parent / link.target).resolve() for page in documents() for link in links(page)
    }
    assert [image.name for image in IMAGES if image.resolve() not in shown] == []


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_pictures_are_small_and_complete(image: Path) -> None:
    content = image.read_bytes()
    assert len(content) < _MOST_IMAGE_BYTES
    if image.suffix == ".svg":
        assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        assert re.findall(rb"(?:href|src)=\"[^#]|url\([^#)]|@import", content) == []
    else:
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB`\x82")


def test_every_page_is_in_the_navigation_of_the_site_once() -> None:
    sections = runpy.run_path(str(SOURCE / "docs" / "conf.py"))["navigation"]()
    named = [f"{name}.md" for names in sections.values() for name in names]
    pages = {str(page.relative_to(SOURCE)) for page in documents()}
    decisions = {name for name in pages if re.fullmatch(r"docs/decisions/\d.*", name)}
    assert len(named) == len(set(named))
    assert set(named) == pages - decisions - {"README.md"}


def test_the_index_of_decisions_leads_to_each() -> None:
    folder = SOURCE / "docs" / "decisions"
    led = {link.target for link in links(folder / "README.md")}
    assert {page.name for page in folder.glob("0*.md")} <= led


def test_a_link_is_shown_with_its_page_and_line() -> None:
    assert str(Link(SOURCE / "README.md", 3, "missing.md")) == "README.md:3: missing.md"
