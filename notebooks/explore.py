"""Symbols, venues and weeks to look at: `make notebook`.

A marimo notebook over the database, which is opened read-only; runs are never disturbed.
Belongs here: choosing and drawing. What a figure means stands in `docs/data-dictionary.md`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="FINRA OTC weekly: explore")


@app.cell
def _():
    from contextlib import closing
    from datetime import timedelta

    import altair as alt
    import duckdb
    import marimo as mo
    import polars as pl

    from spine_assets.core.settings import load_settings
    from spine_assets.lake.opening import open_lake
    from spine_assets.otc.captures.provenance import NOTICE, is_synthetic
    from spine_assets.warehouse.connection import answer

    return (
        NOTICE,
        alt,
        answer,
        closing,
        duckdb,
        is_synthetic,
        load_settings,
        mo,
        open_lake,
        pl,
        timedelta,
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
def _(answer, closing, duckdb, load_settings, mo, pl):
    place = load_settings().warehouse_path

    def asked(sql, schema, **values):
        """Rows of a query as a frame of these columns; the connection is closed at once."""
        with closing(duckdb.connect(str(place), read_only=True)) as views:
            _, rows = answer(views, sql, values)
        return pl.DataFrame(rows, schema=schema, orient="row")

    def weeks_held():
        """Weeks of `otc_venue_share`, or why they cannot be had."""
        if not place.exists():
            return None, f"There is no database at `{place}` yet."
        try:
            found = asked(
                """
                SELECT
                    week_ending,
                    bool_and(is_complete) AS is_complete,
                    bool_or(venue_class = 'NON_ATS') AS has_non_ats,
                    any_value(tiers) AS tiers,
                    sum(total_volume)::DOUBLE AS shares
                FROM otc_venue_share
                GROUP BY week_ending
                ORDER BY week_ending
                """,
                {
                    "week_ending": pl.Date,
                    "is_complete": pl.Boolean,
                    "has_non_ats": pl.Boolean,
                    "tiers": pl.List(pl.String),
                    "shares": pl.Float64,
                },
            )
        except duckdb.Error as error:
            return None, f"The database at `{place}` cannot be read: {str(error).splitlines()[0]}"
        if found.is_empty():
            return None, f"The database at `{place}` holds no week yet."
        return found, ""

    weeks, trouble = weeks_held()
    mo.stop(
        weeks is None,
        mo.callout(
            mo.md(
                f"{trouble} Run `make demo` to load twelve weeks of synthetic data, or build your "
                "own files with `spine backfill --missing`; then load this page again."
            ),
            kind="warn",
        ),
    )
    return asked, weeks


@app.cell
def _(asked, pl, timedelta, weeks):
    # A quarter: enough to offer what trades now, and few files of a long history are opened.
    _since = weeks["week_ending"].max() - timedelta(weeks=12)
    symbols = asked(
        """
        SELECT symbol, sum(total_volume)::DOUBLE AS shares
        FROM otc_symbol_summary
        WHERE week_ending > $since
        GROUP BY symbol
        ORDER BY shares DESC, symbol
        """,
        {"symbol": pl.String, "shares": pl.Float64},
        since=_since,
    )
    venues = asked(
        """
        SELECT mpid, venue_class, max_by(venue_name, week_ending) AS venue_name,
            sum(total_volume)::DOUBLE AS shares
        FROM otc_venue_trend_in($since::DATE + 7, $last)
        GROUP BY mpid, venue_class
        ORDER BY otc_is_bucket(mpid), shares DESC, mpid
        """,
        {
            "mpid": pl.String,
            "venue_class": pl.String,
            "venue_name": pl.String,
            "shares": pl.Float64,
        },
        since=_since,
        last=weeks["week_ending"].max(),
    )
    return symbols, venues


@app.cell
def _(asked, mo, pl, symbols, venues, weeks):
    complete = weeks.filter("is_complete")["week_ending"]
    newest = complete.max() if complete.len() else weeks["week_ending"].max()
    week_names = {
        f"{week}" if is_complete else f"{week} (incomplete)": week
        for week, is_complete in weeks.select("week_ending", "is_complete").rows()[::-1]
    }
    _largest = asked(
        """
        SELECT symbol FROM otc_symbol_summary WHERE week_ending = $week
        GROUP BY symbol ORDER BY sum(total_volume) DESC, symbol LIMIT 1
        """,
        {"symbol": pl.String},
        week=newest,
    )["symbol"][0]
    _venue_names = {
        f"{name or mpid} · {mpid}": (mpid, venue_class, name or mpid)
        for mpid, venue_class, name in venues.select("mpid", "venue_class", "venue_name").rows()
    }
    week_choice = mo.ui.dropdown(
        week_names,
        value=next(name for name, week in week_names.items() if week == newest),
        label="Week ending",
        searchable=True,
        allow_select_none=False,
    )
    symbol_choice = mo.ui.dropdown(
        symbols["symbol"].to_list(),
        value=_largest,
        label="Symbol",
        searchable=True,
        allow_select_none=False,
    )
    venue_choice = mo.ui.dropdown(
        _venue_names,
        value=next(iter(_venue_names)),
        label="Venue",
        searchable=True,
        allow_select_none=False,
    )
    complete_only = mo.ui.switch(value=True, label="Complete weeks only")
    mo.hstack(
        [symbol_choice, venue_choice, week_choice, complete_only],
        justify="start",
        gap=1.5,
        wrap=True,
    )
    return complete_only, symbol_choice, venue_choice, week_choice


@app.cell
def _(complete_only, mo, pl, weeks):
    _incomplete = weeks.filter(~pl.col("is_complete"))["week_ending"].to_list()
    _named = ", ".join(map(str, _incomplete[-4:])) + (" and earlier" if _incomplete[4:] else "")
    if not _incomplete:
        _said = f"All {weeks.height} loaded weeks are complete: all three tiers are in."
    elif complete_only.value:
        _said = f"Not drawn, as a tier is missing: {_named}."
    else:
        _said = f"Drawn pale, as a tier is missing: {_named}. Such weeks compare with no other."
    if weeks["has_non_ats"].any() and not weeks["has_non_ats"].all():
        _since = weeks.filter("has_non_ats")["week_ending"].min()
        _said += (
            f" Non-ATS files are in from {_since} on, not in every week: across those, compare "
            "shares within a class."
        )
    mo.md(f"<small>{_said}</small>")
    return


@app.cell
def _(alt, asked, complete_only, pl, timedelta, weeks):
    COLORS = alt.Scale(domain=["ATS", "NON_ATS"], range=["#2f6f9f", "#e08a3c"])
    BANDS = {"not loaded": "#d4d4d8", "incomplete: a tier is missing": "#fde68a"}

    _first, _last = weeks["week_ending"].min(), weeks["week_ending"].max()
    _short = set(
        asked(
            """
            SELECT week_ending FROM otc_weeks_calendar
            WHERE trading_days < 5 AND week_ending BETWEEN $first AND $last
            """,
            {"week_ending": pl.Date},
            first=_first,
            last=_last,
        )["week_ending"]
    )
    # Fridays from the first loaded week to the last, also of weeks that are not loaded.
    _fridays = [_first + timedelta(weeks=n) for n in range((_last - _first).days // 7 + 1)]
    labels = {week: f"{week:%d %b %y}{'*' * (week in _short)}" for week in _fridays}

    def drawn(frame):
        """Rows of the weeks that are drawn, each with the label of its week."""
        wanted = weeks.filter("is_complete") if complete_only.value else weeks
        joined = frame.join(wanted.select("week_ending", "is_complete"), on="week_ending")
        return joined.with_columns(
            label=pl.col("week_ending").replace_strict(labels, return_dtype=pl.String),
            friday=pl.col("week_ending").cast(pl.String),
            state=pl.when("is_complete").then(pl.lit("complete")).otherwise(pl.lit("incomplete")),
        )

    def bands():
        """Weeks between the first and the last that are not loaded, or not complete."""
        held = dict(weeks.select("week_ending", "is_complete").rows())
        names = list(BANDS)
        rows = [
            (label, str(week), names[week in held])
            for week, label in labels.items()
            if not held.get(week, False)
        ]
        schema = {"label": pl.String, "friday": pl.String, "why": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def by_week():
        """The axis of weeks, a band each; it has all loaded weeks, so that charts compare."""
        return alt.X(
            "label:O",
            title="Week ending (* fewer than five trading days)",
            scale=alt.Scale(type="band", domain=list(labels.values())),
            axis=alt.Axis(labelAngle=0, labelOverlap=True, grid=False),
        )

    def over_time(chart, title, subtitle):
        """A chart over the weeks, upon bands where there is nothing to draw."""
        found = bands()
        ground = (
            alt.Chart(found)
            .mark_rect(opacity=0.6)
            .encode(
                x=by_week(),
                color=alt.Color(
                    "why:N",
                    scale=alt.Scale(domain=list(BANDS), range=list(BANDS.values())),
                    legend=alt.Legend(title="Week is"),
                ),
                tooltip=[alt.Tooltip("friday", title="Week ending"), alt.Tooltip("why", title="")],
            )
        )
        layers = [ground, chart] if found.height else [chart]
        return (
            alt.layer(*layers)
            .resolve_scale(color="independent")
            .properties(
                width="container",
                height=260,
                title=alt.Title(title, subtitle=subtitle, anchor="start"),
            )
        )

    return COLORS, bands, by_week, drawn, labels, over_time


@app.cell
def _(asked, pl, symbol_choice):
    symbol = symbol_choice.value
    symbol_rows = asked(
        """
        SELECT week_ending, tier, venue_class, venue_name, mpid,
            share_volume::DOUBLE AS shares, trade_count AS trades
        FROM otc_venue_volume
        WHERE symbol = $symbol
        ORDER BY week_ending DESC, share_volume DESC, mpid
        """,
        {
            "week_ending": pl.Date,
            "tier": pl.String,
            "venue_class": pl.String,
            "venue_name": pl.String,
            "mpid": pl.String,
            "shares": pl.Float64,
            "trades": pl.Int64,
        },
        symbol=symbol,
    )
    symbol_volume = (
        symbol_rows.group_by("week_ending", "venue_class")
        .agg(pl.col("shares").sum(), pl.col("trades").sum(), venues=pl.len())
        .sort("week_ending", "venue_class")
        .with_columns(top=pl.col("shares").cum_sum().over("week_ending"))
        .with_columns(bottom=pl.col("top") - pl.col("shares"))
    )
    return symbol, symbol_rows, symbol_volume


@app.cell
def _(COLORS, alt, by_week, drawn, over_time, symbol, symbol_volume):
    _NOTE = "By class of venue; a class without a bar was not reported, or its files are not loaded"
    _bars = (
        alt.Chart(drawn(symbol_volume))
        .mark_bar(width=alt.RelativeBandSize(band=0.8))
        .encode(
            x=by_week(),
            y=alt.Y("bottom:Q", title="Shares", axis=alt.Axis(format="~s")),
            y2="top:Q",
            color=alt.Color("venue_class:N", scale=COLORS, legend=alt.Legend(title="Class")),
            opacity=alt.condition("datum.is_complete", alt.value(1), alt.value(0.45)),
            tooltip=[
                alt.Tooltip("friday", title="Week ending"),
                alt.Tooltip("venue_class", title="Class"),
                alt.Tooltip("shares", title="Shares", format=","),
                alt.Tooltip("trades", title="Trades", format=","),
                alt.Tooltip("venues", title="Venues"),
                alt.Tooltip("state", title="Week"),
            ],
        )
    )
    over_time(_bars, f"{symbol}: shares reported off-exchange, by week", _NOTE)
    return


@app.cell
def _(asked, pl, week_choice):
    MOST_BARS = 15  # as many as are read without scrolling; the others are one bar
    week = week_choice.value
    week_shares = asked(
        """
        SELECT rank, mpid, venue_name, venue_class, total_volume::DOUBLE AS shares,
            market_share_pct, class_share_pct
        FROM otc_venue_trend_in($week, $week)
        ORDER BY rank NULLS LAST, mpid
        """,
        {
            "rank": pl.Int64,
            "mpid": pl.String,
            "venue_name": pl.String,
            "venue_class": pl.String,
            "shares": pl.Float64,
            "market_share_pct": pl.Float64,
            "class_share_pct": pl.Float64,
        },
        week=week,
    )
    _named = week_shares.filter(pl.col("rank").is_not_null())
    _rest = (
        _named[MOST_BARS:]
        .group_by("venue_class")
        .agg(
            pl.len().alias("n"),
            pl.col("shares", "market_share_pct", "class_share_pct").sum(),
        )
        .sort("venue_class")
        .with_columns(label=pl.format("{} other {} venues", "n", "venue_class"))
    )
    _name = pl.when(pl.col("venue_name") == "").then("mpid").otherwise("venue_name")
    _columns = ["label", "venue_class", "shares", "market_share_pct", "class_share_pct"]
    share_bars = pl.concat(
        [
            _named[:MOST_BARS]
            .with_columns(label=pl.format("{}  {}", _name, "mpid"))
            .select(_columns),
            _rest.select(_columns),
            week_shares.filter(pl.col("rank").is_null())
            .with_columns(label=pl.format("{} (a bucket, no venue)", _name))
            .select(_columns),
        ]
    )
    return share_bars, week, week_shares


@app.cell
def _(COLORS, alt, share_bars, week, weeks):
    _is_complete = weeks.filter(week_ending=week)["is_complete"].all()
    _state = "" if _is_complete else " · INCOMPLETE: a tier is missing, compare it with no other"
    _order = share_bars["label"].to_list()
    _bars = (
        alt.Chart(share_bars)
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=_order, title=None, axis=alt.Axis(labelLimit=320)),
            x=alt.X(
                "market_share_pct:Q",
                title="Share of reported off-exchange volume, %",
                axis=alt.Axis(tickCount=8),
            ),
            color=alt.Color("venue_class:N", scale=COLORS, legend=alt.Legend(title="Class")),
            tooltip=[
                alt.Tooltip("label", title="Venue"),
                alt.Tooltip("shares", title="Shares", format=","),
                alt.Tooltip(
                    "market_share_pct",
                    title="Share of reported off-exchange volume, %",
                    format=".2f",
                ),
                alt.Tooltip("class_share_pct", title="Share of its class, %", format=".2f"),
            ],
        )
    )
    _labels = _bars.mark_text(align="left", dx=4).encode(
        text=alt.Text("market_share_pct:Q", format=".1f"), color=alt.value("#555")
    )
    (_bars + _labels).properties(
        width="container",
        height=alt.Step(20),
        title=alt.Title(
            f"Venues of the week ending {week}",
            subtitle=f"Share of reported off-exchange volume, not of all trading{_state}",
            anchor="start",
        ),
    )
    return


@app.cell
def _(asked, pl, timedelta, venue_choice):
    mpid, venue_class, _name = venue_choice.value
    venue_title = f"{_name} ({mpid})"
    venue_rows = asked(
        """
        SELECT week_ending, market_share_pct, class_share_pct, rank, total_volume::DOUBLE AS shares
        FROM otc_venue_trend_all
        WHERE mpid = $mpid AND venue_class = $venue_class
        ORDER BY week_ending
        """,
        {
            "week_ending": pl.Date,
            "market_share_pct": pl.Float64,
            "class_share_pct": pl.Float64,
            "rank": pl.Int64,
            "shares": pl.Float64,
        },
        mpid=mpid,
        venue_class=venue_class,
    )
    MEASURES = {
        "class_share_pct": f"of {venue_class} volume",
        "market_share_pct": "of reported off-exchange volume",
    }

    def by_measure(frame):
        """A row a week and measure; `stretch` numbers weeks that follow one another."""
        gap = pl.col("week_ending").diff() > timedelta(weeks=1)
        return (
            frame.with_columns(stretch=gap.fill_null(False).cum_sum())
            .unpivot(list(MEASURES), index=pl.exclude(*MEASURES), variable_name="measure")
            .with_columns(measure=pl.col("measure").replace_strict(MEASURES))
        )

    return MEASURES, by_measure, mpid, venue_rows, venue_title


@app.cell
def _(MEASURES, alt, by_measure, by_week, drawn, over_time, venue_rows, venue_title):
    _shades = alt.Scale(domain=list(MEASURES.values()), range=["#2f6f9f", "#9ca3af"])
    _line = (
        alt.Chart(by_measure(drawn(venue_rows)))
        .mark_line(point=True)
        .encode(
            x=by_week(),
            y=alt.Y("value:Q", title="Percent"),
            color=alt.Color("measure:N", scale=_shades, legend=alt.Legend(title="Share")),
            detail="stretch:N",
            tooltip=[
                alt.Tooltip("friday", title="Week ending"),
                alt.Tooltip("measure", title="Share"),
                alt.Tooltip("value", title="%", format=".2f"),
                alt.Tooltip("rank", title="Rank"),
                alt.Tooltip("shares", title="Shares", format=","),
                alt.Tooltip("state", title="Week"),
            ],
        )
    )
    over_time(
        _line,
        f"{venue_title}: its share over time",
        "Where classes came or went between weeks, only the share of its class compares",
    )
    return


@app.cell
def _(mo, pl, symbol, symbol_rows, week):
    week_rows = symbol_rows.filter(week_ending=week).drop("week_ending")
    mo.vstack(
        [
            mo.md(
                f"**{symbol} in the week ending {week}**, row by row of `otc_venue_volume`. "
                f"`spine trace {symbol} {week}` leads from here to the delivered lines."
            ),
            mo.ui.table(
                week_rows.with_columns(pl.col("shares").cast(pl.Int64, strict=False))
                if (week_rows["shares"] % 1 == 0).all()
                else week_rows,
                selection=None,
                page_size=10,
                show_column_summaries=False,
            )
            if week_rows.height
            else mo.callout(mo.md("No row: nothing was reported, which is not zero."), "info"),
        ]
    )
    return (week_rows,)


if __name__ == "__main__":
    app.run()
