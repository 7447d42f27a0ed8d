"""Symbols and venues side by side, week by week: `make notebook`.

A marimo notebook over the questions of `spine_assets.open()`, so its figures are those of the
commands. Belongs here: choosing and drawing. What a figure means stands in `docs/questions.md`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="FINRA OTC weekly: explore")


@app.cell
def _():
    import altair as alt
    import duckdb
    import marimo as mo
    import polars as pl

    import spine_assets
    from spine_assets.core.settings import load_settings
    from spine_assets.lake.base import LakeError
    from spine_assets.lake.opening import open_lake
    from spine_assets.otc.captures.provenance import NOTICE, is_synthetic
    from spine_assets.questions.declared import NothingFound, WeekState
    from spine_assets.questions.lines import line_number

    return (
        LakeError,
        NOTICE,
        NothingFound,
        WeekState,
        alt,
        duckdb,
        is_synthetic,
        line_number,
        load_settings,
        mo,
        open_lake,
        pl,
        spine_assets,
    )


@app.cell
def _(mo):
    mo.md("""
    # Off-exchange volume, week by week

    Shares here are shares of **volume reported off-exchange**; the feed has no exchange volume,
    so nothing here is a share of all trading. A row that is absent is not zero.
    """)
    return


@app.cell
def _(NOTICE, is_synthetic, load_settings, mo, open_lake):
    _lake = open_lake(load_settings().lake_place)
    mo.callout(mo.md(NOTICE), kind="warn") if is_synthetic(_lake) else None
    return


@app.cell
def _(LakeError, NothingFound, duckdb, mo, spine_assets):
    otc = spine_assets.open()

    def first_look():
        """The loaded weeks, the one to begin with, and why there is none."""
        try:
            return otc.weeks(), otc.usual_week(), ""
        except NothingFound as error:
            return [], None, f"{error}"
        except (LakeError, duckdb.Error) as error:
            return [], None, f"the data cannot be read: {error}"

    weeks, newest, problem = first_look()
    mo.stop(
        newest is None,
        mo.callout(
            mo.md(
                f"Nothing to show yet: {problem}. To look at twelve weeks of synthetic data first, "
                "run `make demo`. Then load this page again."
            ),
            kind="info",
        ),
    )

    def ask(question, *names, **options):
        """An answer; where there is none, the cell shows the reason instead."""
        try:
            return question(*names, **options)
        except NothingFound as error:
            return mo.stop(True, mo.plain_text(f"{error}."))

    return ask, newest, otc, weeks


@app.cell
def _(mo, newest, otc, weeks):
    SYMBOL_MEASURES = {
        "shares": "total_volume",
        "trades": "total_trades",
        "shares per trade": "avg_trade_size",
        "shares on ATSs": "ats_volume",
        "shares outside ATSs": "non_ats_volume",
        "part of ATSs, %": "ats_share_pct",
        "part of the largest venue, %": "top_share_pct",
        "venues": "venue_count",
    }
    VENUE_MEASURES = {
        "part of the volume of its class, %": "class_share_pct",
        "part of all reported volume, %": "market_share_pct",
        "shares": "total_volume",
    }
    _symbols = otc.movers(newest).sort("total_volume", descending=True, nulls_last=True)
    _venues = otc.venues(newest)
    venue_names = {
        venue: f"{name or venue} · {venue}"
        for venue, name in _venues.select("venue_id", "venue_name").rows()
    }
    _named = {name: venue for venue, name in venue_names.items()}
    symbol_choice = mo.ui.multiselect(
        _symbols["symbol"].to_list(), value=_symbols["symbol"].to_list()[:2], label="Symbols"
    )
    venue_choice = mo.ui.multiselect(_named, value=list(_named)[:3], label="Venues")
    week_choice = mo.ui.dropdown(
        {f"{week}": week for week in reversed(weeks)},
        value=f"{newest}",
        label="Week ending",
        searchable=True,
        allow_select_none=False,
    )
    _span = (weeks[-1] - weeks[0]).days // 7 + 1
    range_choice = mo.ui.number(1, _span, value=min(26, _span), label="Weeks in charts")
    symbol_measure = mo.ui.dropdown(
        SYMBOL_MEASURES, value="shares", label="Figure", allow_select_none=False
    )
    venue_measure = mo.ui.dropdown(
        VENUE_MEASURES, value=next(iter(VENUE_MEASURES)), label="Figure", allow_select_none=False
    )
    mo.hstack(
        [symbol_choice, venue_choice, week_choice, range_choice],
        justify="start",
        gap=1.5,
        wrap=True,
    )
    return (
        range_choice,
        symbol_choice,
        symbol_measure,
        venue_choice,
        venue_measure,
        venue_names,
        week_choice,
    )


@app.cell
def _(WeekState, mo, otc, pl, range_choice):
    market = otc.market(weeks=range_choice.value)

    def notes():
        """Which tiers and classes the figures are of."""
        loaded = market.filter(pl.col("state") != WeekState.NOT_LOADED)
        if market.height > 1:
            found = [
                f"{market.height} weeks are shown, and {loaded.height} of them are loaded.",
                "A line begins again where other tiers or classes are loaded.",
            ]
        else:
            found = ["One week is shown."]
        partial = loaded.filter(state=WeekState.INCOMPLETE)["week_ending"].to_list()
        if partial:
            named = ", ".join(map(str, partial[-4:])) + (" and earlier" if partial[4:] else "")
            found.append(
                f"Tiers are missing in {named}: figures are of the tiers that are loaded, and "
                "`spine status` shows which."
            )
        for name, other in (("ATS", "NON_ATS"), ("NON_ATS", "ATS")):
            without = loaded.filter(~pl.col("classes").list.contains(name))["week_ending"]
            if without.len() == loaded.height:
                found.append(f"Only {other} files are loaded: all shares are of {other} volume.")
            elif without.len():
                found.append(
                    f"{name} files are not loaded in {without.len()} weeks, up to {without.max()}."
                )
        return " ".join(found)

    mo.md(f"<small>{notes()}</small>")
    return (market,)


@app.cell
def _(WeekState, alt, line_number, pl):
    COLORS = ["#4a90d9", "#e08a3c", "#3fa777", "#a57bd8", "#d9626f", "#8d97a5"]
    GREY = "#8b8f98"  # can be read on white and on black
    BANDS = {"not loaded": GREY, "a tier is missing": "#e5a50a"}

    def plain(chart, title, subtitle):
        """A chart whose colours fit a light and a dark page."""
        return (
            chart.properties(
                width="container", title=alt.Title(title, subtitle=subtitle, anchor="start")
            )
            .configure(background="transparent")
            .configure_view(stroke=None)
            .configure_axis(gridColor=GREY, gridOpacity=0.25, labelLimit=0)
            .configure_legend(labelLimit=0)
        )

    def bands_of(answer):
        """Weeks of which nothing is loaded, and those that lack a tier where others do not."""
        is_partial = pl.col("state").is_in([WeekState.INCOMPLETE, WeekState.NOT_KNOWN])
        is_absent = (pl.col("state") == WeekState.NOT_LOADED).all().over("friday")
        any_complete = answer["state"].is_in([WeekState.COMPLETE, WeekState.NO_ROW]).any()
        return (
            answer.filter(is_absent | (is_partial & pl.lit(any_complete)))
            .select(
                "label",
                "friday",
                why=pl.when(is_partial)
                .then(pl.lit("a tier is missing"))
                .otherwise(pl.lit("not loaded")),
            )
            .unique(maintain_order=True)
        )

    def by_week(answer, series, figure, note, names=None):
        """A chart of one figure: lines over the weeks, or bars where there is one week."""
        measure, title = figure.value, figure.selected_key
        heading = title[0].upper() + title[1:]
        days = pl.when(pl.col("trading_days") < 5).then(pl.lit("*")).otherwise(pl.lit(""))
        drawn = answer.with_columns(
            line=line_number(series),
            friday=pl.col("week_ending").cast(pl.String),
            label=pl.concat_str(pl.col("week_ending").dt.strftime("%d %b %y"), days),
            name=pl.col(series).replace(names or {}),
            figure=pl.col(measure).cast(pl.Float64),
        ).select("label", "friday", "state", "name", "line", "figure")
        order = drawn["name"].unique(maintain_order=True).to_list()
        figure_format = ".1f" if measure.endswith("_pct") else ",.6~f"
        axis = alt.Axis(format=",.6~f" if measure.endswith("_pct") else "~s", tickCount=6)
        tooltip = [
            alt.Tooltip("name", title="Of"),
            alt.Tooltip("friday", title="Week ending"),
            alt.Tooltip("figure", title=title, format=figure_format),
            alt.Tooltip("state", title="Week"),
        ]
        color = alt.Color(
            "name:N",
            scale=alt.Scale(domain=order, range=COLORS),
            legend=alt.Legend(title=None, orient="top", columns=2 if names else len(COLORS)),
        )
        labels = drawn["label"].unique(maintain_order=True).to_list()
        if len(labels) == 1:
            bars = alt.Chart(drawn.drop_nulls("figure")).encode(
                y=alt.Y("name:N", sort=order, title=None),
                x=alt.X("figure:Q", title=title, axis=axis),
                tooltip=tooltip,
            )
            text = bars.mark_text(align="left", dx=4, color=GREY)
            both = alt.layer(
                bars.mark_bar(color=COLORS[0]),
                text.encode(text=alt.Text("figure:Q", format=figure_format)),
            )
            heading += f", week ending {answer['week_ending'][0]}"
            return plain(both.properties(height=alt.Step(26)), heading, note)
        x = alt.X(
            "label:O",
            title="week ending (* fewer than five trading days)",
            scale=alt.Scale(type="band", domain=labels),
            axis=alt.Axis(labelAngle=0, labelOverlap=True, grid=False),
        )
        ground = (
            alt.Chart(bands_of(drawn))
            .mark_rect(opacity=0.25)
            .encode(
                x=x,
                color=alt.Color(
                    "why:N",
                    scale=alt.Scale(domain=list(BANDS), range=list(BANDS.values())),
                    legend=alt.Legend(title="Week", orient="bottom"),
                ),
                tooltip=[alt.Tooltip("friday", title="Week ending"), alt.Tooltip("why", title="")],
            )
        )
        lines = (
            alt.Chart(drawn)
            .mark_line(point=alt.OverlayMarkDef(size=45), invalid="break-paths-show-domains")
            .encode(
                x=x,
                y=alt.Y("figure:Q", title=title, axis=axis),
                color=color,
                detail="line:N",
                tooltip=tooltip,
            )
        )
        layers = [ground, lines] if bands_of(drawn).height else [lines]
        chart = alt.layer(*layers).resolve_scale(color="independent").properties(height=260)
        return plain(chart, f"{heading}, by week", note)

    return GREY, by_week, plain


@app.cell
def _(ask, by_week, mo, otc, range_choice, symbol_choice, symbol_measure):
    mo.stop(not symbol_choice.value, mo.md("Choose a symbol."))
    symbol_weeks = ask(otc.symbol, *symbol_choice.value, weeks=range_choice.value)
    _note = "Over all tiers and classes that are loaded"
    if symbol_weeks[symbol_measure.value].is_null().all():
        symbol_chart = mo.md("*Not known in any of these weeks, as its files are not loaded.*")
    else:
        symbol_chart = by_week(symbol_weeks, "symbol", symbol_measure, _note)
    mo.vstack([symbol_measure, symbol_chart])
    return symbol_chart, symbol_weeks


@app.cell
def _(ask, by_week, mo, otc, range_choice, venue_choice, venue_measure, venue_names):
    mo.stop(not venue_choice.value, mo.md("Choose a venue."))
    venue_weeks = ask(otc.venue, *venue_choice.value, weeks=range_choice.value)
    _note = "Parts are of reported off-exchange volume, not of all trading"
    venue_chart = by_week(venue_weeks, "venue_id", venue_measure, _note, venue_names)
    mo.vstack([venue_measure, venue_chart])
    return venue_chart, venue_weeks


@app.cell
def _(GREY, alt, ask, otc, pl, plain, week_choice):
    MOST_BARS = 20  # as many as are read without scrolling
    CLASSES = {"ATS": "#4a90d9", "NON_ATS": "#e08a3c"}
    week = week_choice.value
    week_venues = ask(otc.venues, week)
    _drawn = (
        week_venues.drop_nulls("market_share_pct")
        .with_columns(
            name=pl.format(
                "{} · {}",
                pl.when(pl.col("venue_name") == "").then("venue_id").otherwise("venue_name"),
                "venue_id",
            )
        )
        .head(MOST_BARS)
    )
    _classes = _drawn["venue_class"].unique().sort().to_list()
    _bars = alt.Chart(
        _drawn.select("name", "venue_class", "total_volume", "market_share_pct", "rank")
    ).encode(
        y=alt.Y("name:N", sort=_drawn["name"].to_list(), title=None),
        x=alt.X(
            "market_share_pct:Q",
            title="part of all reported volume, %",
            axis=alt.Axis(tickCount=8),
        ),
        tooltip=[
            alt.Tooltip("name", title="Venue"),
            alt.Tooltip("rank", title="Rank"),
            alt.Tooltip("total_volume", title="Shares", format=",.6~f"),
            alt.Tooltip("market_share_pct", title="Part of all reported volume, %", format=".2f"),
        ],
    )
    _colored = _bars.mark_bar().encode(
        color=alt.Color(
            "venue_class:N",
            scale=alt.Scale(domain=_classes, range=[CLASSES[name] for name in _classes]),
            legend=alt.Legend(title="Class", orient="top"),
        )
    )
    _text = _bars.mark_text(align="left", dx=4, color=GREY).encode(
        text=alt.Text("market_share_pct:Q", format=".1f")
    )
    week_chart = plain(
        alt.layer(_colored, _text).properties(height=alt.Step(20)),
        f"Venues of the week ending {week}",
        f"The largest {_drawn.height} of {week_venues.height}: parts of the reported off-exchange "
        "volume that is loaded",
    )
    week_chart  # noqa: B018 - what the cell shows
    return week, week_chart, week_venues


@app.cell
def _(NothingFound, mo, otc, pl, symbol_choice, week):
    def traded():
        """Who traded the chosen symbols, and why there is nothing of others."""
        frames, reasons = [], []
        for symbol in symbol_choice.value:
            try:
                frames.append(otc.symbol_venues(symbol, week=week))
            except NothingFound as error:
                reasons.append(f"{error}.")
        return pl.concat(frames) if frames else None, reasons

    def exact(value):
        """All digits of a number of shares."""
        return f"{value:,.6f}".rstrip("0").rstrip(".")

    symbol_venues, _reasons = traded()
    _parts = [
        mo.md(
            f"**Who traded them in the week ending {week}.** `spine trace SYMBOL {week}` leads "
            "from here to the delivered lines."
        )
    ]
    if symbol_venues is not None:
        _shown = symbol_venues.select(
            *("symbol", "rank"),
            pl.col("venue_name").alias("venue"),
            pl.col("venue_id").alias("id"),
            pl.col("venue_class").alias("class"),
            pl.col("share_volume").alias("shares"),
            pl.col("share_pct").alias("%"),
            pl.col("share_change_points").alias("points"),
            pl.col("trade_count").alias("trades"),
        )
        if _shown["points"].is_null().all():
            _shown = _shown.drop("points")  # no prior week to compare with
        _formats = {
            "shares": exact,
            "%": "{:.2f}".format,
            "points": "{:+.2f}".format,
            "trades": "{:,}".format,
        }
        _parts.append(
            mo.ui.table(
                _shown,
                format_mapping=_formats,
                selection=None,
                page_size=12,
                show_column_summaries=False,
                show_data_types=False,
                wrapped_columns=["venue"],
            )
        )
    mo.vstack([*_parts, *map(mo.plain_text, _reasons)])
    return (symbol_venues,)


if __name__ == "__main__":
    app.run()
