"""The licences of the packages that the project runs with, as their authors state them."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Each package has one of these, in whatever spelling: use and change are allowed.
PERMISSIVE = re.compile(
    r"\bMIT\b|\bBSD\b|Apache|Python Software Foundation|\bPSF|\bISC\b|\b0BSD\b|Zlib|Unlicense"
)
# These ask for more of who changes or ships them; nothing of ours changes or contains them.
CONDITIONS = re.compile(r"MPL|Mozilla|GPL")
WITH_CONDITIONS = {
    "certifi": "MPL 2.0",
    "docutils": "GPL in a part",
    "pebble": "LGPL",
    "psycopg2-binary": "LGPL",
    "tqdm": "MPL 2.0 in a part",
}
STATED_ELSEWHERE = {"polars-hash": "MIT, in its repository"}
DOCS = (ROOT / "docs" / "security.md").read_text("utf-8")


def needed() -> set[str]:
    """Every package that runs: what the project names, with its extras, and all that these need."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    by_name = {item["name"]: item for item in locked}
    found: set[str] = set()
    begin = by_name["spine-assets"]
    extras = [one for listed in begin.get("optional-dependencies", {}).values() for one in listed]
    left = [*begin["dependencies"], *extras]
    while left:
        name = left.pop()["name"]
        if name not in found:
            found.add(name)
            left += by_name[name].get("dependencies", [])
    return found


def stated(name: str) -> str | None:
    """What a package says of its licence; None where it is not for this machine."""
    try:
        about = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return None
    kinds = [kind for kind in about.get("classifier", []) if kind.startswith("License ::")]
    named = about.get("license_expression") or " ".join(kinds) or about.get("license") or ""
    return str(named)


def test_every_package_may_be_used_and_the_others_are_named() -> None:
    texts = {name: text for name in needed() if (text := stated(name)) is not None}
    assert len(texts) > 80
    with_conditions = {name for name, text in texts.items() if CONDITIONS.search(text)}
    assert with_conditions == WITH_CONDITIONS.keys() & texts.keys()
    others = {name for name, text in texts.items() if not PERMISSIVE.search(text)}
    assert others - with_conditions == STATED_ELSEWHERE.keys() & texts.keys()


def test_the_page_names_those_with_conditions() -> None:
    for name, licence in WITH_CONDITIONS.items():
        assert f"`{name}` ({licence}" in DOCS
