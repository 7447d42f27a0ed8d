"""Synthetic data is taken out of landing folder and lake, wherever the lake is."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.base import Lake
from spine_assets.maintenance.remove_sample import SyntheticData, find, remove_files, remove_weeks
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.provenance import is_synthetic
from spine_assets.otc.delivery.provenance import MARK
from spine_assets.pipelines.steps.workspace import tenant_lake
from spine_assets_tests.conftest import ALL, RAW, WEEK, House, delivered, line

EARLIER = WEEK - timedelta(weeks=1)


def drop(house: House, week: date, *, real: bool = False) -> Path:
    issue = "Alpha Corp" if real else f"Alpha Corp{MARK}"
    day = str(publication_day(week, Tier.OTC))
    content = delivered(line(issue=issue, updated=day))
    return house.drop(f"week_ending={week}/{'real' if real else 'synthetic'}.csv", content)


def found(house: House) -> SyntheticData:
    return find(house.lake, house.scan(), house.landing)


def removed(house: House) -> list[date]:
    """Take it out; the weeks that had some."""
    here, weeks = found(house), []
    remove_files(here, house.landing)
    remove_weeks(here, house.lake, lambda: weeks.append(1))
    assert len(weeks) == len(here.weeks)
    return here.weeks


def files(lake: Lake, week: date) -> list[str]:
    """All files of a week, in all folders."""
    names = [name for name in lake.entries() if not name.startswith("_")]
    return [f"{name}/{file.name}" for name in names for file in lake.files(name, week, "")]


def test_nothing_of_a_synthetic_week_is_left(house: House) -> None:
    for week in (EARLIER, WEEK):
        drop(house, week)
        house.built(week=week)
    assert {name.partition("/")[0] for name in files(house.lake, WEEK)} > {*ALL} - {
        "otc_control_totals",
        "otc_firm_totals",
        "otc_rejects",
    }
    tenant = tenant_lake(house.lake, "acme")
    copied = tenant.part("watch_list", WEEK)
    tenant.publish(tenant.stage(house.table(RAW), copied, {}), copied)
    assert removed(house) == [EARLIER, WEEK]
    assert files(house.lake, WEEK) == files(house.lake, EARLIER) == []
    assert not copied.exists()
    assert not is_synthetic(house.lake)
    assert [*house.landing.iterdir()] == []
    drop(house, WEEK, real=True)
    house.built()


def test_finras_data_is_left_as_it_is(house: House) -> None:
    real = drop(house, WEEK, real=True)
    house.built()
    before = files(house.lake, WEEK)
    assert not found(house)
    synthetic = drop(house, WEEK)
    assert found(house).files == [synthetic]
    assert removed(house) == []
    assert files(house.lake, WEEK) == before
    assert [path for path in house.landing.rglob("*") if path.is_file()] == [real]


def test_a_killed_removal_is_finished_by_the_next(house: House) -> None:
    """Captures go last, so a week is found as long as anything else of it is left."""
    drop(house, WEEK)
    house.built()
    for name in house.lake.entries():
        if not name.startswith("_") and name != RAW:
            for file in house.lake.files(name, WEEK, ""):
                file.unlink()
                assert found(house).weeks == [WEEK]
    assert removed(house) == [WEEK]
    assert captures.names(house.lake) == {}
