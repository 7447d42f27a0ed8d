"""The example pipelines that come with the project, run as they are."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from spine_assets.pipelines.steps.workspace import tenant_lake
from spine_assets_tests.alerts import conftest as alerts
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.conftest import SOURCE
from spine_assets_tests.pipelines.flows import Flows

webhook = alerts.webhook  # a fixture
BEFORE = WEEK - timedelta(days=7)


def example(name: str) -> str:
    """The attributes of an example."""
    document = yaml.safe_load((SOURCE / "examples" / "pipelines" / f"{name}.yaml").read_text())
    text: str = yaml.safe_dump(document["attributes"])
    return text


def deliver(house: House, week: date, **shares: str) -> None:
    """A week in which symbols were traded so much, all in one tier, on one venue."""
    rows = [line(symbol, shares=volume, updated="2025-12-22") for symbol, volume in shares.items()]
    house.drop(f"week_ending={week}/otc.csv", delivered(*rows))
    house.built(week=week)


@pytest.mark.long
def test_a_watched_symbol_that_moves_is_told(
    house: House, flows: Flows, webhook: alerts.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
    deliver(house, BEFORE, PMCY="1000", SJH="1000")
    deliver(house, WEEK, PMCY="1500", SJH="1001", OTHR="9")
    ran = flows.run(example("watch_list"), WEEK)
    assert ran.success, ran.told
    assert ran.statuses == {
        "watch_list": "SUCCESS",
        "moves": "SUCCESS",
        "tell": "SUCCESS",
        "tell_failure": "SKIPPED",
    }
    own = tenant_lake(house.lake, "acme")
    watched = {
        row["symbol"]: row["change_pct"]
        for row in own.read(own.part("watch_list", WEEK)).iter_rows(named=True)
    }
    assert watched == {"PMCY": 50.0, "SJH": pytest.approx(0.1), "MOFB": None, "ZZZZ": None}
    (payload,) = webhook.payloads
    assert "PMCY" in str(payload)
    assert "50.0" in str(payload)
    assert "SJH" not in str(payload)


@pytest.mark.long
def test_where_nobody_moves_nothing_is_told(
    house: House, flows: Flows, webhook: alerts.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
    deliver(house, WEEK, PMCY="1500")
    ran = flows.run(example("watch_list"), WEEK)
    assert ran.statuses["tell"] == "SKIPPED"
    assert ran.told["tell"]["reason"] == "moves has 0 rows, not > 0"
    assert webhook.payloads == []


def test_a_failed_watch_list_is_told_with_its_reason(
    flows: Flows, webhook: alerts.Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
    ran = flows.run(example("watch_list"), WEEK)
    assert ran.failed_steps == {"watch_list"}
    (payload,) = webhook.payloads
    assert "acme_watch_list of the week ending 2025-11-21 failed in watch_list" in str(payload)
    assert "spine backfill 2025-11-21" in str(payload)


def test_venue_shares_are_exported_as_the_lake_has_them(house: House, flows: Flows) -> None:
    deliver(house, WEEK, PMCY="1500", SJH="12.5")
    flows.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("otc_venue_share"),
            check_name="reconciles",
            passed=True,
            partition=str(WEEK),
            metadata={},
        )
    )
    ran = flows.run(example("venue_share_export"), WEEK)
    assert ran.success, ran.told
    folder = house.root / "exports" / "_shared" / "otc_venue_share" / str(WEEK)
    stored = house.table("otc_venue_share")
    assert pl.read_parquet(folder / f"otc_venue_share_{WEEK}.parquet").equals(
        stored.select(pl.all()).sort(pl.all())
    )
    with Path(folder / f"otc_venue_share_{WEEK}.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["mpid"], row["total_volume"], row["rank"]) == ("OTCX", "1512.5", "1")
