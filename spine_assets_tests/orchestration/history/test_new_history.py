"""A lake whose Dagster moves from SQLite to PostgreSQL: what is told to the new history."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.dev.local_cluster import postgres
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import TABLES, Project

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.sqlite,
    pytest.mark.skipif(postgres.missing() is not None, reason=str(postgres.missing())),
]
WEEKS = (date(2025, 9, 5), date(2025, 9, 12))


def remembered(project: Project) -> dict[str, str]:
    """The newest data version of each table's week in it."""
    found = {}
    with dg.DagsterInstance.from_config(str(project.root)) as instance:
        for table in TABLES:
            for week in map(str, WEEKS):
                asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(table), asset_partitions=[week])
                for record in instance.fetch_materializations(asked, limit=1).records:
                    told = record.asset_materialization
                    assert told is not None
                    found[f"{table} {week}"] = (told.tags or {})["dagster/data_version"]
    return found


def test_an_old_lake_is_told_to_a_new_history_and_nothing_is_built_anew(project: Project) -> None:
    for week in WEEKS:
        project.deliver(week, *Tier)
    built = project.run("spine", "backfill")
    assert built.returncode == 0, built.stderr
    files = [project.files(table, week) for table in TABLES for week in WEEKS]
    versions = remembered(project)
    assert len(versions) == len(TABLES) * len(WEEKS)
    with storages.on_postgres():
        storages.lay_out(project.root)
        assert remembered(project) == {}
        told = project.run("spine", "backfill")
        assert told.returncode == 0, told.stderr
        told_versions = remembered(project)
    assert told_versions == versions
    assert [project.files(table, week) for table in TABLES for week in WEEKS] == files
