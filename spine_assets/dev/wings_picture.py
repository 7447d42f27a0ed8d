"""Draws the layers of the code as an SVG: `docs/images/wings.svg`.

What is drawn comes from the contracts of import-linter in pyproject.toml, which `make lint`
checks, and from the first lines of the packages' docstrings, so the picture cannot differ from
either. Boxes carry their own background; everything outside of them is a grey that is legible on
white and on black.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATH = Path("docs/images/wings.svg")

_WIDTH = 980
_LEFT = 44  # room for the arrow that points down
_GAP = 10  # between boxes
_PADDING = 14  # between a box's border and its text
_LINE = 16  # height of a line of text
_NAME_COLUMN = 120  # width of the names in layers of a single box
_CHARACTER = 6.1  # the mean width of a character at 12 pixels, with some room to spare
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_GREY = "#7d8896"

_NO_DAGSTER, _DAGSTER, _DEV = ("#e6f4ea", "#2f8a4c"), ("#f0eafc", "#6b4fb3"), ("#eef1f4", _GREY)
"""Fill and border of a box: by whether it may import Dagster, and for development code."""


def svg() -> str:
    """The picture: a row per layer, top first, with the layers of `otc` inside its box."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wings = _Wings(settings["tool"]["importlinter"]["contracts"])
    rows, bottom = wings.boxes("spine_assets", _LEFT, 34, _WIDTH - _LEFT - 2)
    height = bottom + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="t" font-family="{_FONT}">',
        '<title id="t">The wings of the code, and who may import whom</title>',
        _text(_LEFT, 18, wings.layers["spine_assets"]["name"] + ".", 13, _GREY),
        f'<path d="M20 34V{bottom - 8}M14 {bottom - 18}L20 {bottom - 8}'
        f'L26 {bottom - 18}" fill="none" stroke="{_GREY}" stroke-width="1.6"/>',
        *rows,
        *_legend(bottom + 12),
        "</svg>",
    ]
    return "\n".join(lines)


class _Wings:
    def __init__(self, contracts: list[dict[str, Any]]) -> None:
        self.layers = {c["containers"][0]: c for c in contracts if c["type"] == "layers"}
        by_id = {contract["id"]: contract for contract in contracts}
        self.colors = dict.fromkeys(by_id["no-dagster"]["source_modules"], _NO_DAGSTER)
        self.colors |= dict.fromkeys(by_id["dev"]["protected_modules"], _DEV)

    def boxes(self, package: str, x: int, y: int, width: int) -> tuple[list[str], int]:
        """The boxes of a package's layers, and the height at which the lowest one ends."""
        drawn: list[str] = []
        outer = self.colors.get(package, _DAGSTER)
        inner = ("#ffffff", outer[1]) if package in self.colors else outer
        for layer in self.layers[package]["layers"]:
            modules = [f"{package}.{name}" for name in layer.split(" | ")]
            each = (width - _GAP * (len(modules) - 1)) // len(modules)
            indent = _NAME_COLUMN if len(modules) == 1 else 0
            lefts = [x + at * (each + _GAP) for at in range(len(modules))]
            filled = [
                self._content(module, left + _PADDING, y + 23, each - 2 * _PADDING, indent)
                for module, left in zip(modules, lefts, strict=True)
            ]
            end = max(bottom for _, bottom in filled)
            for module, left, (content, _) in zip(modules, lefts, filled, strict=True):
                fill, border = self.colors.get(module, inner)
                drawn += [_rectangle(left, y, each, end - y, fill, border), *content]
            y = end + _GAP
        return drawn, y - _GAP

    def _content(
        self, module: str, x: int, y: int, width: int, indent: int
    ) -> tuple[list[str], int]:
        """What is in a box, whose first line of text is at `y`, and where the box ends."""
        words = textwrap.wrap(_first_line(module), int((width - indent) / _CHARACTER))
        first = y if indent else y + _LINE + 2
        content = [_text(x, y, module.rpartition(".")[2], 14, "#1b2733", ' font-weight="600"')]
        for at, line in enumerate(words):
            content.append(_text(x + indent, first + at * _LINE, line, 12, "#3c4a58"))
        bottom = first + (len(words) - 1) * _LINE + 13
        if module not in self.layers:
            return content, bottom
        inner, end = self.boxes(module, x, bottom, width)
        return content + inner, end + _PADDING


def _first_line(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0].replace("`", "")


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for (fill, border), words in (
        (_NO_DAGSTER, "imports no Dagster"),
        (_DAGSTER, "may import Dagster"),
        (_DEV, "for development and tests; of the product, only cli imports it"),
    ):
        yield _rectangle(x, y, 14, 14, fill, border, 3)
        yield _text(x + 21, y + 11, words, 12, _GREY)
        x += 21 + 26 + int(len(words) * _CHARACTER)


def _rectangle(x: int, y: int, width: int, height: int, fill: str, border: str, r: int = 8) -> str:
    place = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="{r}"'
    return f'<rect {place} fill="{fill}" stroke="{border}" stroke-width="1.5"/>'


def _text(x: int, y: int, words: str, size: int, color: str, weight: str = "") -> str:
    place = f'x="{x}" y="{y}" font-size="{size}"{weight}'
    return f'<text {place} fill="{color}">{escape(words, quote=False)}</text>'
