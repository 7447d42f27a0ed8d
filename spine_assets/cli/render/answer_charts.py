"""The chart of an answer in a file: Vega-Lite, drawn without browser or network.

Weeks without a figure are gaps in a line. Belongs here: one chart for each kind of answer. Does not
belong here: the charts of the weekly report (`report.charts`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import polars as pl
import vl_convert

from spine_assets.core.text import Shown
from spine_assets.lake.atomic_write import replacing
from spine_assets.questions.declared import AnalystQuestion, WeekState
from spine_assets.questions.lines import line_number

_SUFFIXES = (".svg", ".png", ".html")
_BARS = 25  # that can be read in one picture
_WIDTH, _HEIGHT, _BAR = 720, 320, 18
_LABELS = 12  # that fit below the axis
_SCALE = 2  # of a PNG, for screens of high density
_COLORS = ("#2f6db5", "#d08322", "#3a8f5c", "#8a5bb0", "#b5423d", "#5b6675")
_SHORT = {"labelExpr": "replace(format(datum.value, '~s'), 'G', ' bn')"}
_SERIES = {"symbol": "symbol", "venue": "venue_id"}
_BARRED = {
    "symbol_venues": ("venue_id", "share_volume"),
    "venue_symbols": ("symbol", "share_volume"),
    "venues": ("venue_id", "total_volume"),
    "movers": ("symbol", "volume_change"),
}
_TITLES = {
    "total_volume": "reported off-exchange shares per week",
    "volume_change": "change of shares",
}


def write(
    question: AnalystQuestion,
    frame: pl.DataFrame,
    path: Path,
    *,
    synthetic: bool,
    figure: str = "total_volume",
) -> None:
    """Draw an answer into a file, in one step.

    Args:
        question: What was asked.
        frame: The answer.
        path: Its suffix says the format.
        synthetic: The data is not FINRA's, which the picture says.
        figure: What a line over weeks shows.

    Raises:
        UsageError: the file's suffix is not of a format.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"{path}: a chart is {', '.join(_SUFFIXES)}")
    if question.name in _BARRED and not frame[_BARRED[question.name][1]].count():
        raise click.ClickException("nothing to draw: no two weeks can be compared")
    spec = _bars(question, frame) if question.name in _BARRED else _lines(question, frame, figure)
    spec |= {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": {
            "text": Shown(_title(question, frame, _TITLES.get(figure, figure))),
            "subtitle": [
                *_notes(question, frame),
                *(["Synthetic data, not FINRA's."] if synthetic else []),
            ],
            "anchor": "start",
            "offset": 12,
        },
        "config": {"range": {"category": list(_COLORS)}, "view": {"stroke": None}},
    }
    with replacing(path) as staged:
        if path.suffix.lower() == ".png":
            staged.write_bytes(vl_convert.vegalite_to_png(spec, scale=_SCALE))
        elif path.suffix.lower() == ".svg":
            staged.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
        else:
            staged.write_text(vl_convert.vegalite_to_html(spec, bundle=True), "utf-8")


def _title(question: AnalystQuestion, frame: pl.DataFrame, figure: str) -> str:
    """What the picture is of."""
    series = _SERIES.get(question.name)
    if series:
        of = ", ".join(frame[series].unique(maintain_order=True))
        return f"{of}: {figure}"
    if question.name not in _BARRED or frame.is_empty():
        return "All symbols: reported off-exchange shares per week"
    row = frame.row(0, named=True)
    if question.name == "movers":
        return f"Largest changes of shares, week {row['week_ending']}"
    if question.name == "venues":
        return f"Venues: reported off-exchange shares, week {row['week_ending']}"
    of = row["symbol"] if question.name == "symbol_venues" else row["venue_id"]
    return f"{of}: reported off-exchange shares, week {row['week_ending']}"


def _notes(question: AnalystQuestion, frame: pl.DataFrame) -> list[str]:
    if question.name in _BARRED:
        row = frame.row(0, named=True)
        return [
            *(
                ["Since the prior week with the same tiers and classes."]
                * (question.name == "movers")
            ),
            *(["Incomplete week: a tier is not loaded."] * (row["state"] != WeekState.COMPLETE)),
            *([f"{row['classes'][0]} only."] * (len(row["classes"] or ()) == 1)),
        ]
    return ["A line begins again where other tiers or classes are loaded than the week before."]


def _lines(question: AnalystQuestion, frame: pl.DataFrame, figure: str) -> dict[str, Any]:
    """A line over the weeks for each symbol or venue."""
    series = _SERIES.get(question.name)
    by = [series] if series else []
    weeks = frame["week_ending"].unique().sort().to_list()
    fridays = [{"year": w.year, "month": w.month, "date": w.day} for w in weeks]
    encoding: dict[str, Any] = {
        "x": {
            "field": "week_ending",
            "type": "temporal",
            "title": "week ending",
            "axis": {"values": fridays, "format": "%d %b %y"} if len(fridays) <= _LABELS else {},
        },
        "detail": {"field": "part", "type": "nominal"},
        "y": {
            "field": figure,
            "type": "quantitative",
            "title": _TITLES.get(figure, figure),
            "axis": _SHORT,
        },
    }
    if series and frame[series].n_unique() > 1:
        encoding["color"] = {"field": series, "type": "nominal", "title": None}
    drawn = frame.select("week_ending", figure, *by, part=line_number(series))
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": _values(drawn)},
        "mark": {"type": "line", "point": True, "invalid": "break-paths-show-domains"},
        "encoding": encoding,
    }


def _bars(question: AnalystQuestion, frame: pl.DataFrame) -> dict[str, Any]:
    """The largest as bars."""
    of, figure = _BARRED[question.name]
    largest = frame.drop_nulls(figure).head(_BARS)
    if of == "venue_id":
        names = pl.col("venue_name").fill_null("") + " · " + pl.col(of)
        largest = largest.with_columns(names.str.strip_prefix(" · ").alias(of))
    largest = largest.select(of, figure)
    return {
        "width": _WIDTH,
        "height": {"step": _BAR},
        "data": {"values": _values(largest)},
        "mark": "bar",
        "encoding": {
            "y": {
                "field": of,
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"labelLimit": 360},
            },
            "x": {
                "field": figure,
                "type": "quantitative",
                "title": _TITLES.get(figure, "shares"),
                "axis": _SHORT,
            },
        },
    }


def _values(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a picture shows them; a day of a week is a local one, not midnight in UTC."""
    days = pl.col(pl.Date).dt.strftime("%Y-%m-%dT00:00:00")
    return [
        {name: Shown(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in frame.with_columns(days).iter_rows(named=True)
    ]
