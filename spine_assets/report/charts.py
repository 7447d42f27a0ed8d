"""The charts of a report: Vega-Lite specifications, drawn to SVG without browser or network.

Colours are placeholders that the page replaces by its own, so that one drawing serves the light and
the dark theme and paper. Does not belong here: the figures (`market`, `trend`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import vl_convert

from spine_assets.core.text import Shown
from spine_assets.core.weeks import VenueClass
from spine_assets.report.trend import WeekPoint

Spec = dict[str, Any]
Row = Mapping[str, Any]

# Placeholders: colours that no theme uses.
MARKS = {
    "ink": "#0a0b01",
    "muted": "#0a0b02",
    "grid": "#0a0b03",
    "ats": "#0a0b04",
    "non-ats": "#0a0b05",
}
LIGHT = {
    "ink": "#1c2330",
    "muted": "#5b6675",
    "grid": "#e3e7ec",
    "ats": "#2f6db5",
    "non-ats": "#d08322",
}
"""The colours on paper and in the chart's own file."""

_CLASS_MARKS = {VenueClass.ATS.value: MARKS["ats"], VenueClass.NON_ATS.value: MARKS["non-ats"]}
_BARS = 12  # venues that fit on the page; the table below has more
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_NAME_CHARS = 22  # beside its bar
_BILLION = 1e9
_OPACITY = {"condition": {"test": "datum.complete", "value": 1}, "value": 0.45}  # pale if not
_NO_LEGEND = {"legend": None}  # the page has one legend for all charts
_CONFIG: Spec = {
    "background": "transparent",
    "font": "sans-serif",  # the page sets its own
    "aria": False,  # otherwise each mark has a label; the page has the figures as a table
    "view": {"stroke": None},
    "axis": {
        "labelColor": MARKS["muted"],
        "titleColor": MARKS["muted"],
        "gridColor": MARKS["grid"],
        "domainColor": MARKS["grid"],
        "tickColor": MARKS["grid"],
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
        # Measuring texts takes most of the time of drawing; these need not be moved or cut.
        "labelOverlap": False,
        "labelBound": False,
        "labelLimit": 0,
        "titleLimit": 0,
    },
    "legend": {
        "labelColor": MARKS["muted"],
        "titleColor": MARKS["muted"],
        "orient": "top",
        "title": None,
        "labelFontSize": 11,
    },
    "text": {"color": MARKS["ink"], "fontSize": 11},
}


def venues(rows: Sequence[Row], *, marked: bool) -> Spec:
    """Shares of the largest venues as bars, and their shares in the earlier week as ticks.

    Args:
        rows: Venues, largest first.
        marked: Whether both weeks have the same tiers and classes; otherwise bar and tick would be
            shares of different totals, and there are no ticks.
    """
    shown = [row for row in rows if row["market_share_pct"] is not None][:_BARS]
    names = [_name(row) for row in shown]
    values = [
        {
            "venue": name if names.count(name) == 1 else f"{name} {Shown(row['mpid'])}",
            "class": row["venue_class"],
            "share": row["market_share_pct"],
            "before": row["share_before_pct"] if marked else None,
        }
        for name, row in zip(names, shown, strict=True)
    ]
    order = [row["venue"] for row in values]
    y = {"field": "venue", "type": "nominal", "sort": order, "axis": {"title": None, "grid": False}}
    title = "share of reported off-exchange volume, %"
    x = {"type": "quantitative", "axis": {"title": title, "tickCount": 6, "labelFlush": False}}
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "height": {"band": 0.72}},
            "encoding": {"x": {**x, "field": "share"}, "color": _class_colour(values)},
        }
    ]
    if any(row["before"] is not None for row in values):
        layers.append(
            {
                "transform": [{"filter": "datum.before != null"}],
                "mark": {"type": "tick", "thickness": 2, "color": MARKS["ink"], "size": 14},
                "encoding": {"x": {**x, "field": "before"}},
            }
        )
    size = {"width": 380, "height": {"step": 26}}
    body = {"encoding": {"y": y}, "layer": layers}
    return {"config": _CONFIG, "data": {"values": values}, **size, **body}


def quarter(points: Sequence[WeekPoint]) -> Spec:
    """Volume by week and class, and below it the HHI of each class, over the same weeks.

    Weeks that are not loaded stay empty and break the lines; incomplete weeks are pale.
    """
    parts = [_volumes(points), _concentration(points)]
    return {"config": _CONFIG, "spacing": 14, "vconcat": parts}


def _volumes(points: Sequence[WeekPoint]) -> Spec:
    values = [
        {
            "week": _label(point),
            "class": name,
            "volume": float(shares) / _BILLION,
            "complete": point.is_complete,
        }
        for point in points
        for name, shares in point.shares.items()
    ]
    highest = above(float(sum(point.shares.values())) / _BILLION for point in points)
    scale = {"scale": {"domainMax": highest}}
    y = {"axis": {"title": "shares, billion", "tickCount": 4}} | scale
    bars = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": _weeks(points, labelled=False),
            "y": {"field": "volume", "type": "quantitative", **y},
            "color": _class_colour(values) | _NO_LEGEND,
            "opacity": _OPACITY,
        },
    }
    return {"data": {"values": values}, "width": 430, "height": 170, **bars}


def _concentration(points: Sequence[WeekPoint]) -> Spec:
    """By class, because the HHI of all volume would jump when a class is loaded first."""
    scopes = [name for name in _CLASS_MARKS if any(name in point.hhi for point in points)]
    values = [
        {
            "week": _label(point),
            "class": name,
            "hhi": point.hhi.get(name),
            # A week with fewer tiers is a separate point, which no line joins.
            "joined": point.hhi.get(name) if point.is_complete else None,
            "complete": point.is_complete,
        }
        for point in points
        for name in scopes
    ]
    y = {
        "type": "quantitative",
        "scale": {
            "domainMin": 0,
            "domainMax": above(point.hhi.get(name) for point in points for name in scopes),
        },
        "axis": {"title": "HHI of the class", "tickCount": 4},
    }
    line = {"type": "line", "invalid": "break-paths-show-domains", "strokeWidth": 2}
    layers = [
        {"mark": line, "encoding": {"y": y | {"field": "joined"}}},
        {
            "transform": [{"filter": "datum.hhi != null"}],
            "mark": {"type": "point", "size": 28, "filled": True},
            "encoding": {"y": y | {"field": "hhi"}, "opacity": _OPACITY},
        },
    ]
    x = _weeks(points, labelled=True)
    encoding = {"x": x, "color": _class_colour(values) | _NO_LEGEND}
    body = {"encoding": encoding, "layer": layers}
    return {"data": {"values": values}, "width": 430, "height": 150, **body}


def above(values: Iterable[float | None]) -> float:
    """The next round number above some values, so that the last gridline is above them."""
    highest = max((value for value in values if value is not None), default=0.0)
    if not highest:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest))
    return next(step * size for step in _ROUND if step * size >= highest)


def svg(spec: Spec) -> str:
    """Draw a specification."""
    drawn: str = vl_convert.vegalite_to_svg(spec)
    return drawn


def coloured(drawn: str, colours: Mapping[str, str]) -> str:
    """Replace the placeholders by colours."""
    for name, mark in MARKS.items():
        drawn = drawn.replace(mark, colours[name])
    return drawn


PAGE_COLOURS = {name: f"var(--{name})" for name in MARKS}
"""The page's own colours, which follow its theme."""


def _name(row: Row) -> str:
    """The beginning of a venue's name; its identity where it has none."""
    name = Shown(row["venue_name"] or row["mpid"])
    return name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS].rstrip()}…"


def _weeks(points: Sequence[WeekPoint], *, labelled: bool) -> Spec:
    """The axis of all weeks in order, loaded or not."""
    labels: Spec = {"labelAngle": -45} if labelled else {"labels": False, "ticks": False}
    return {
        "field": "week",
        "type": "ordinal",
        "scale": {"domain": [_label(point) for point in points]},
        "axis": {"title": None, "grid": False} | labels,
    }


def _label(point: WeekPoint) -> str:
    """`21 Nov`, with a star if the week is short and a dash if it is not loaded."""
    mark = "*" if point.is_short else ""
    return f"{point.week:%d %b}{mark}{'' if point.is_loaded else ' -'}"


def _class_colour(values: Sequence[Row]) -> Spec:
    names = [name for name in _CLASS_MARKS if any(row["class"] == name for row in values)]
    return {
        "field": "class",
        "type": "nominal",
        "scale": {"domain": names, "range": [_CLASS_MARKS[name] for name in names]},
    }
