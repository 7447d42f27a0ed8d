"""Publishes one table's week: its rows are made, staged and checked, then they replace the file.

A blocking check that fails leaves the old file in place. Belongs here: raw captures, derived
tables, and the facts of both. Does not belong here: how rows are made (`builders`), and what
happens to a staged file (`lake.replace`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.tables import Table, exact_sum
from spine_assets.core.values import number
from spine_assets.lake.base import LakeError
from spine_assets.lake.replace import metadata_of_version, replace_file
from spine_assets.otc.build.builders import build, build_id
from spine_assets.otc.build.run_checks import run_checks
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.delivery.reasons import Stage
from spine_assets.otc.state import control
from spine_assets.otc.state.build_context import RunContext, WeekInputs
from spine_assets.otc.state.freshness import build_hash, data_version, part_of
from spine_assets.otc.state.results import TableBuilt, TableResult
from spine_assets.otc.state.stored_tables import input_facts, raw_facts
from spine_assets.otc.tables import control_totals, raw, rejects, venue_share, venue_volume


def publish_raw(inputs: WeekInputs, run: RunContext) -> TableResult:
    """Check the captures of this run, and store them."""
    started = time.perf_counter()
    with run.provenance.one_at_a_time(run.lake, inputs.week, run.given_up):
        checked = run_checks(raw.TABLE.checks, CheckContext(run, inputs, raw.TABLE))
        if checked.error is not None:
            return checked
        try:
            for captured in (*inputs.captured_totals, *inputs.captured):
                captures.commit(run.lake, captured)
            run.known_files.forget(inputs.week)
            run.order.captured(inputs.week)
            facts = _raw_facts(inputs)
        except LakeError as error:
            return replace(checked, error=error)
    return _built(raw.TABLE, inputs, checked, facts, started, unchanged=not inputs.captured)


def publish_table(
    declared: Table, inputs: WeekInputs, run: RunContext, *, force: bool
) -> TableResult:
    """Build a derived table, unless its file is of this version and intact already.

    Raises:
        LakeError: what it is made from cannot be read.
    """
    started = time.perf_counter()
    context = CheckContext(run, inputs, declared)
    target = part_of(run.lake, declared.name, inputs.week)
    version = build_hash(declared, inputs.known)
    stored = {} if force else metadata_of_version(run.lake, target, "build", version)
    if stored:
        checked = run_checks(declared.checks, context)
        return _built(declared, inputs, checked, stored["facts"], started, unchanged=True)
    name = build_id(declared, inputs.known, run.now())
    frame = inputs.frames[declared.name] = build(declared, inputs.frames, name, run.lake)
    facts = _facts(declared, frame, name) | input_facts(declared, inputs.known)
    facts |= _proofs(declared, inputs)
    checked = TableResult()

    def passes(staged: Path) -> bool:
        nonlocal checked
        checked = run_checks(declared.checks, replace(context, staged=staged))
        return checked.error is None

    metadata = {"build": version, "facts": facts}
    try:
        replace_file(run.lake, target, _own_rows(declared, frame), metadata, check=passes)
        if declared.name == venue_volume.TABLE.name and checked.error is None:
            run.venue_totals.keep(run.lake, inputs.week, inputs.frames.venue_totals)
    except LakeError as error:
        return replace(checked, error=error)
    return _built(declared, inputs, checked, facts, started, unchanged=False)


def _built(
    declared: Table,
    inputs: WeekInputs,
    checked: TableResult,
    facts: dict[str, Any],
    started: float,
    *,
    unchanged: bool,
) -> TableResult:
    """The checks of a table, followed by its publication if no error came between."""
    if checked.error is not None:
        return checked
    facts = facts | {"seconds": round(time.perf_counter() - started, 3)}
    version = data_version(declared, inputs.known)
    event = TableBuilt(declared.name, version, unchanged, facts)
    return replace(checked, events=(*checked.events, event))


def _proofs(declared: Table, inputs: WeekInputs) -> dict[str, Any]:
    """Of `otc_venue_share`, for which both are in: whether FINRA's totals prove each tier."""
    if declared.name != venue_share.TABLE.name:
        return {}
    frames = inputs.frames
    totals = frames[control_totals.TABLE.name]
    return {control.PROOFS: control.proofs(frames.our_sums, totals, frames.compared)}


def _own_rows(declared: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """What the table's own file has: parse rejects are stored with their captures."""
    if declared.name == rejects.TABLE.name:
        return frame.filter(pl.col("stage") == Stage.RULE.value)
    return frame


def _raw_facts(inputs: WeekInputs) -> dict[str, Any]:
    return {
        **raw_facts(inputs.known),
        "trades": int(inputs.frames[raw.TABLE.name]["trade_count"].sum()),
        "same_content": inputs.same_content,
    }


def _facts(declared: Table, frame: pl.DataFrame, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"rows": frame.height, "build_id": name}
    volumes = [name for name in ("share_volume", "total_volume") if name in frame.columns]
    if volumes:
        facts["shares"] = number(exact_sum(frame[volumes[0]]))
    if declared.figures is not None:
        facts |= declared.figures(frame)
    return facts
