"""A project folder of an earlier version is read and continued by the current code.

`data/old_project.tar.xz` holds a lake, a landing folder and a Dagster history; what the earlier
code reported of them is in `data/old_project.json`, how both were made in `data/README.md`. Each
test unpacks it elsewhere, as somebody does who moves a project, and puts the current `dagster.yaml`
beside it, as `git pull` does. Nothing else is changed.
"""

from __future__ import annotations

import json
import logging
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.definitions import defs
from spine_assets.defs.otc.landing_sensor import otc_landing
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import OF_TOTALS
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import Project, Runner

pytestmark = pytest.mark.sqlite

DATA = Path(__file__).parents[1] / "data"
OLD: dict[str, Any] = json.loads((DATA / "old_project.json").read_text("utf-8"))
RUN_IDS = [run["run_id"] for run in OLD["runs"]]  # the newest first
CORRECTED, PINNED, REJECTS, FAILED, BY_DAGSTER, BY_SENSOR = (
    date(2025, 10, 17),
    date(2025, 10, 24),
    date(2025, 10, 31),
    date(2025, 11, 7),
    date(2025, 11, 14),
    date(2025, 11, 21),
)
BUILT = (CORRECTED, PINNED, REJECTS, BY_DAGSTER, BY_SENSOR)
LATER = "2025-12-01"  # an update after those of all captures of CORRECTED and PINNED


@dataclass(frozen=True)
class OldProject:
    """The unpacked folder, and Dagster's instance on its history."""

    project: Project
    runner: Runner

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.runner.instance

    def spine(self, *words: str) -> Any:
        """What a command prints with --json."""
        done = CliRunner().invoke(main, [*words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    def figures(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Rows and total shares by table and week, read by DuckDB."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        with connect(LocalLake(self.project.lake), TABLES) as views:
            for table, column in OLD["shares_column"].items():
                sql = (
                    f"SELECT week_ending, count(*), sum({column}) FROM {table} "
                    "GROUP BY ALL ORDER BY ALL"
                )
                found[table] = {
                    str(week): {"rows": rows, "shares": str(shares)}
                    for week, rows, shares in views.execute(sql).fetchall()
                }
        return found

    def correct(self, name: str, shares: int) -> None:
        """Deliver a tier 1 file again with other shares in its first row and a later update."""
        header, first, *rest = (self.project.landing / name).read_text("utf-8").splitlines()
        cells = first.split("|")
        cells[5], cells[7] = str(shares), LATER
        lines = (header, "|".join(cells), *rest)
        self.project.drop(f"again_{name}", "".join(f"{text}\n" for text in lines))

    def sensor_state(self) -> Any:
        """What the history holds of the landing sensor."""
        states = self.instance.all_instigator_state()
        (state,) = [item for item in states if item.name == "otc_landing"]
        return state

    def tick(self, cursor: str | None) -> Tick:
        """One evaluation of the landing sensor that continues from a cursor."""
        made = Tick()
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, sensor_name="otc_landing"
        ) as context:
            context.log.addHandler(made)
            result = otc_landing(context)
        assert isinstance(result, dg.SensorResult)
        made.requests = list(result.run_requests or [])
        made.cursor = result.cursor or cursor
        return made


@dataclass(eq=False)
class Tick(logging.Handler):
    """What an evaluation of the sensor asked for, and the warnings that it logged."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    cursor: str | None = None
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.append(record.getMessage())


@pytest.fixture(scope="module")
def code_location() -> dg.Definitions:
    """What Dagster loads."""
    return defs()


@pytest.fixture
def old(
    tmp_path: Path, code_location: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OldProject]:
    """The old project, unpacked into the working folder."""
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    with tarfile.open(DATA / "old_project.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    storages.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    with open_instance(tmp_path) as instance:
        yield OldProject(Project(tmp_path), Runner(code_location, instance))


def current_captures(found: list[dict[str, Any]], week: date) -> dict[str, str]:
    """Id of the current capture by tier and class."""
    return {
        f"{item['tier']} {item['venue_class']}": item["capture_id"]
        for item in found
        if item["week_ending"] == str(week) and _is_current(item)
    }


def _is_current(item: dict[str, Any]) -> bool:
    """Of a capture as today's code tells of it, or as the old code did."""
    is_current: bool = (
        item["state"] in ("current", "pinned") if "state" in item else item["current"]
    )
    return is_current


def stored_events(instance: dg.DagsterInstance, table: str, week: date) -> list[str]:
    """Runs that materialized a table's week, the newest first."""
    filtered = dg.AssetRecordsFilter(asset_key=dg.AssetKey(table), asset_partitions=[str(week)])
    return [item.run_id for item in instance.fetch_materializations(filtered, limit=100).records]


class TestReading:
    def test_every_stored_table_has_the_figures_of_the_old_code(self, old: OldProject) -> None:
        assert old.figures() == OLD["tables"]

    def test_the_file_of_views_becomes_a_database_with_all_rows(self, old: OldProject) -> None:
        done = CliRunner().invoke(main, ["db", "init"])
        assert done.exit_code == 0, done.output
        path = old.project.root / "data" / "spine.duckdb"
        with duckdb.connect(str(path), read_only=True) as views:
            answer = views.execute("SELECT count(*) FROM otc_raw").fetchone()
        assert answer == (sum(item["rows"] for item in OLD["tables"]["otc_raw"].values()),)

    def test_captures_and_the_pin_are_the_old_ones(self, old: OldProject) -> None:
        found = old.spine("captures")
        kept = [
            {name: item[name] for name in ("week_ending", "capture_id", "rows", "rejects")}
            for item in found
        ]
        assert kept == [{name: item[name] for name in kept[0]} for item in OLD["captures"]]
        for week in BUILT:
            assert current_captures(found, week) == current_captures(OLD["captures"], week)
        assert [item["week_ending"] for item in found if item["state"] == "pinned"] == [str(PINNED)]

    def test_runs_and_anomalies_are_those_of_the_old_history(self, old: OldProject) -> None:
        runs = old.spine("runs")
        assert [{name: run[name] for name in OLD["runs"][0]} for run in runs] == OLD["runs"]
        found = old.spine("anomalies")["anomalies"]
        kept = [{name: item[name] for name in OLD["anomalies"][0]} for item in found]
        assert kept == OLD["anomalies"]

    def test_the_status_of_each_week_is_the_old_one_and_what_is_derived_is_stale(
        self, old: OldProject
    ) -> None:
        told = old.spine("status")
        states = {
            week["week_ending"]: {tier: item["state"] for tier, item in week["tiers"].items()}
            for week in told["weeks"]
        }
        assert states == {week: found["tiers"] for week, found in OLD["status"].items()}
        for week in told["weeks"]:
            stored = {name: item["lake"] for name, item in week["tables"].items()}
            of_raw = stored.pop("otc_raw")
            assert {stored.pop(name) for name in OF_TOTALS} == {"missing"}  # tables of this version
            is_built = week["week_ending"] != str(FAILED)
            assert (of_raw, {*stored.values()}) == (
                ("fresh", {"stale"}) if is_built else ("missing", {"missing"})
            )  # the parser has another version by now
        assert [item["file"] for item in told["unusable"]] == ["notes.csv"]

    def test_a_trace_leads_to_the_delivered_line_and_to_the_old_run(self, old: OldProject) -> None:
        told = old.spine("trace", "A", str(CORRECTED), "--mpid", "UBSA")
        lines = {item["source_file"]: item for item in told["lines"]}
        current = lines["finra_otc_weekly_tier1_20251110_corrected.csv"]
        assert (current["counts"], current["source_line"], current["share_volume"]) == (
            True,
            8,
            555_700,
        )
        text = "NMS Tier 1|A|Mistral Vale Metals Inc. Common Stock|UBSA UBS ATS|UBSA|555700|5499"
        assert current["raw_text"] == f"{text}|2025-11-03"
        assert current["run_id"] == "34dd8946-422e-46d3-be84-5279e9c1dd45"
        assert not lines["finra_otc_weekly_tier1_20251103.csv"]["counts"]
        # A restatement has no total of which a line is a part.
        assert [(item["table"], item["agrees"]) for item in told["feeds"]] == [
            ("otc_symbol_summary", True),
            ("otc_venue_volume", True),
            ("otc_venue_share", True),
            ("otc_restatements", None),
            ("otc_restatements", None),
        ]


class TestContinuing:
    def test_captures_are_read_again_once_and_keep_their_contents_from_then_on(
        self, old: OldProject
    ) -> None:
        done = old.runner.range(CORRECTED, BY_SENSOR)
        assert done.failed_weeks == [str(FAILED)]
        places = [(table, week) for table in OLD["tables"] for week in BUILT]
        assert not any(done.fact(table, week, "unchanged") for table, week in places)
        assert old.figures() == OLD["tables"]
        kept = [*(old.project.lake / "otc_delivered").rglob("*.zst")]
        assert len(kept) == len(old.spine("captures")) == len(OLD["captures"])
        files = {place: old.project.files(*place) for place in places}
        versions = {place: done.version(*place) for place in places}
        again = old.runner.range(CORRECTED, BY_SENSOR)
        for place in places:
            assert again.fact(*place, "unchanged") is True, place
            assert again.version(*place) == versions[place]
            assert old.project.files(*place) == files[place]

    def test_a_correction_of_an_old_week_is_built_on_its_old_captures(
        self, old: OldProject
    ) -> None:
        earlier = stored_events(old.instance, "otc_venue_volume", CORRECTED)
        old.correct("finra_otc_weekly_tier1_20251110_corrected.csv", shares=1_047_721)
        done = old.runner.week(CORRECTED)
        assert done.success, done.failure
        was, now = OLD["tables"], old.figures()
        week = str(CORRECTED)
        grown = float(now["otc_venue_volume"][week]["shares"]) - float(
            was["otc_venue_volume"][week]["shares"]
        )
        assert grown == 1_000_000
        assert now["otc_restatements"][week]["rows"] == was["otc_restatements"][week]["rows"] + 1
        assert now["otc_raw"][week]["rows"] == was["otc_raw"][week]["rows"] + 28
        ids = {item["capture_id"] for item in old.spine("captures", "--week", week)}
        assert ids > {item["capture_id"] for item in OLD["captures"] if item["week_ending"] == week}
        others = (PINNED, REJECTS, BY_DAGSTER, BY_SENSOR)
        assert all(now[t].get(str(w)) == was[t].get(str(w)) for t in was for w in others)
        run_id = done.result.run_id
        assert earlier
        assert set(earlier) < set(RUN_IDS)
        assert stored_events(old.instance, "otc_venue_volume", CORRECTED) == [run_id, *earlier]
        assert [run["run_id"] for run in old.spine("runs")] == [run_id, *RUN_IDS]

    def test_the_pinned_capture_holds_against_a_new_correction(self, old: OldProject) -> None:
        old.correct("finra_otc_weekly_tier1_20251110.csv", shares=9_999_999)
        done = old.runner.week(PINNED)
        assert done.success, done.failure
        found = old.spine("captures", "--week", str(PINNED))
        assert len(found) == 4
        assert current_captures(found, PINNED) == current_captures(OLD["captures"], PINNED)
        now = old.figures()
        for table in ("otc_venue_volume", "otc_symbol_summary", "otc_venue_share"):
            assert now[table] == OLD["tables"][table]

    def test_a_released_pin_lets_the_later_old_capture_count(self, old: OldProject) -> None:
        pinned = current_captures(OLD["captures"], PINNED)["NMS_TIER_1 ATS"]
        old.spine("captures", "use", pinned, "--release")
        assert old.runner.week(PINNED).success
        now = current_captures(old.spine("captures"), PINNED)["NMS_TIER_1 ATS"]
        assert now != pinned
        assert now in {item["capture_id"] for item in OLD["captures"]}
        new_shares, old_shares = (
            float(tables["otc_venue_volume"][str(PINNED)]["shares"])
            for tables in (old.figures(), OLD["tables"])
        )
        assert new_shares - old_shares == 1_000

    def test_checks_of_old_and_new_runs_stand_in_one_history(self, old: OldProject) -> None:
        before = old.runner.check_states(REJECTS)
        done = old.runner.week(REJECTS, force=True)
        assert done.success, done.failure
        after = old.runner.check_states(REJECTS)
        new = {("otc_raw", "not_mixed"), ("otc_raw", "notes")}  # checks of this version
        new |= {("otc_venue_volume", "issues")}
        new |= {("otc_symbol_summary", "control"), ("otc_venue_share", "control")}
        new |= {(table, "schema") for table in OF_TOTALS}
        assert {check for check, states in before.items() if not states} == new
        for check, states in before.items():
            assert after[check] == ([*states, states[-1]] if states else ["SUCCEEDED"]), check
        runs = defaultdict(set)
        for item in old.spine("anomalies")["anomalies"]:
            runs[item["week_ending"]].add(item["run_id"])
        assert runs.pop(str(REJECTS)) == {done.result.run_id}
        assert set().union(*runs.values()) < set(RUN_IDS)


class TestSensor:
    def test_it_continues_from_its_stored_cursor_and_asks_once_more_for_what_was_refused(
        self, old: OldProject
    ) -> None:
        """The old version recorded under other tags why a run had failed."""
        state = old.sensor_state()
        cursor = state.instigator_data.cursor
        assert json.loads(cursor)["told"], "the old daemon named the unusable file"
        tick = old.tick(cursor)
        assert [request.partition_key for request in tick.requests] == [str(FAILED)]
        assert tick.warnings == []
        assert old.tick(None).warnings != []  # without the cursor it would be named again
        assert len(old.instance.get_ticks(state.instigator_origin_id, state.selector_id)) > 1

    def test_a_new_correction_makes_one_run_and_the_refused_input_another(
        self, old: OldProject
    ) -> None:
        old.correct("finra_otc_weekly_tier1_20251110_corrected.csv", shares=1_047_721)
        tick = old.tick(old.sensor_state().instigator_data.cursor)
        requests = {request.partition_key: request for request in tick.requests}
        assert set(requests) == {str(CORRECTED), str(FAILED)}
        for week, succeeds in ((CORRECTED, True), (FAILED, False)):
            done = old.runner.code_location.resolve_job_def("otc_weekly").execute_in_process(
                instance=old.instance,
                partition_key=str(week),
                tags=requests[str(week)].tags,
                raise_on_error=False,
            )
            assert done.success is succeeds
        assert old.tick(tick.cursor).requests == []
