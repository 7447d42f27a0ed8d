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
    return _Picture(settings["tool"]["importlinter"]["contracts"]).draw()


class _Picture:
    def __init__(self, contracts: list[dict[str, Any]]) -> None:
        self.layers = {c["containers"][0]: c for c in contracts if c["type"] == "layers"}
        by_id = {contract["id"]: contract for contract in contracts}
        self.free_of_dagster = set(by_id["no-dagster"]["source_modules"])
        self.protected = set(by_id["dev"]["protected_modules"])

    def draw(self) -> str:
        rows, bottom = self._layers("spine_assets", _LEFT, 34, _WIDTH - _LEFT - 2)
        height = bottom + 30
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="t" '
            f'font-family="{_FONT}">',
            '<title id="t">The wings of the code, and who may import whom</title>',
            _text(_LEFT, 18, self.layers["spine_assets"]["name"] + ".", 13, _GREY),
            f'<path d="M20 34V{bottom - 8}M14 {bottom - 18}L20 {bottom - 8}'
            f'L26 {bottom - 18}" fill="none" stroke="{_GREY}" stroke-width="1.6"/>',
            *rows,
            *_legend(bottom + 12),
            "</svg>",
        ]
        return "\n".join(lines)

    def _layers(self, container: str, x: int, y: int, width: int) -> tuple[list[str], int]:
        """The boxes of a package's layers, and the height at which the lowest one ends."""
        drawn: list[str] = []
        for layer in self.layers[container]["layers"]:
            names = layer.split(" | ")
            each = (width - _GAP * (len(names) - 1)) // len(names)
            boxes = [
                self._box(f"{container}.{name}", x + at * (each + _GAP), y, each, len(names))
                for at, name in enumerate(names)
            ]
            end = max(bottom for _, _, bottom in boxes)
            for (left, content, _), name in zip(boxes, names, strict=True):
                drawn += [self._frame(f"{container}.{name}", left, y, each, end - y), *content]
            y = end + _GAP
        return drawn, y - _GAP

    def _box(
        self, module: str, x: int, y: int, width: int, beside: int
    ) -> tuple[int, list[str], int]:
        """A box's left edge, what is in it, and where it ends at the least."""
        name = module.rpartition(".")[2]
        indent = _NAME_COLUMN if beside == 1 else 0
        room = int((width - 2 * _PADDING - indent) / _CHARACTER)
        words = textwrap.wrap(_first_line(module).replace("`", ""), room)
        first = y + 23 if indent else y + 23 + _LINE + 2
        content = [
            _text(x + _PADDING, y + 23, name, 14, "#1b2733", bold=True),
            *(
                _text(x + _PADDING + indent, first + at * _LINE, line, 12, "#3c4a58")
                for at, line in enumerate(words)
            ),
        ]
        bottom = first + (len(words) - 1) * _LINE + 13
        if module in self.layers:
            inner, end = self._layers(module, x + _PADDING, bottom, width - 2 * _PADDING)
            return x, [*content, *inner], end + _PADDING
        return x, content, bottom

    def _frame(self, module: str, x: int, y: int, width: int, height: int) -> str:
        fill, border = _DAGSTER
        if module in self.protected:
            fill, border = _DEV
        elif module in self.free_of_dagster:
            fill, border = _NO_DAGSTER
        elif module.rpartition(".")[0] in self.free_of_dagster:
            fill, border = "#ffffff", _NO_DAGSTER[1]
        return _rectangle(x, y, width, height, fill, border)


def _first_line(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for (fill, border), words in (
        (_NO_DAGSTER, "imports no Dagster"),
        (_DAGSTER, "may import Dagster"),
        (_DEV, "for development and tests; of the product, only cli imports it"),
    ):
        yield _rectangle(x, y, 14, 14, fill, border, radius=3)
        yield _text(x + 21, y + 11, words, 12, _GREY)
        x += 21 + 26 + int(len(words) * _CHARACTER)


def _rectangle(
    x: int, y: int, width: int, height: int, fill: str, border: str, *, radius: int = 8
) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}" '
        f'stroke="{border}" stroke-width="1.5"/>'
    )


def _text(x: int, y: int, words: str, size: int, color: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}"{weight} fill="{color}">'
        f"{escape(words, quote=False)}</text>"
    )
