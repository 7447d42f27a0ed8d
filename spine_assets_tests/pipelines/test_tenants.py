"""Tenants: each has a lake of its own, and can read no other's by any query."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from spine_assets.pipelines import EngineExecutionError
from spine_assets.pipelines.steps.workspace import Workspace, tenant_lake, tenants_in
from spine_assets.warehouse.views import declared_names
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.places import built, table_flow

TENANTS = "{acme: {symbol: AAAA}, globex: {symbol: BBBB}}"
QUERY = (
    "SELECT symbol, total_volume FROM otc_symbol_summary "
    "WHERE week_ending = {week_ending} AND symbol = {symbol}"
)
ACME, GLOBEX = 0, 1


@pytest.fixture
def loaded(house: House) -> House:
    """A week of two symbols, and a table of each of two tenants."""
    house.drop(f"week_ending={WEEK}/otc.csv", delivered(line("AAAA"), line("BBBB", mpid="OTCN")))
    house.built()
    for tenant in (ACME, GLOBEX):
        built(table_flow(QUERY, tenants=TENANTS), house, tenant=tenant)
    return house


def test_each_tenant_has_its_own_rows_of_one_table(loaded: House) -> None:
    assert tenants_in(loaded.lake) == ["acme", "globex"]
    for tenant, symbol in (("acme", "AAAA"), ("globex", "BBBB")):
        own = tenant_lake(loaded.lake, tenant)
        assert own.read(own.part("volumes", WEEK))["symbol"].to_list() == [symbol]
        with Workspace(loaded.lake.root, loaded.root, tenant).connect() as connection:
            assert connection.execute("SELECT symbol FROM volumes").fetchall() == [(symbol,)]
    assert "volumes" not in declared_names(loaded.lake)


def test_the_shared_place_knows_no_tenants_table(loaded: House) -> None:
    with (
        Workspace(loaded.lake.root, loaded.root).connect() as connection,
        pytest.raises(duckdb.CatalogException),
    ):
        connection.execute("FROM volumes")


def attempts(root: Path) -> list[str]:
    theirs = f"_tenants/globex/volumes/week_ending={WEEK}/data.parquet"
    other = f"{root}/{theirs}"
    return [
        f"FROM read_parquet('{other}')",
        f"FROM '{other}'",
        f"FROM read_parquet('{root}/_tenants/*/volumes/*/*.parquet')",
        f"FROM read_parquet('{root}/**/data.parquet')",
        f"FROM read_parquet('{root}/otc_raw/../{theirs}')",
        f"FROM read_parquet('{root}/_tenants/acme/../../{theirs}')",
        f"FROM read_blob('{other}')",
        f"FROM glob('{root}/_tenants/*')",
        f"SELECT * FROM parquet_metadata('{other}')",
        f"ATTACH '{root}/x.db'",
        f"COPY (SELECT 1) TO '{root}/_tenants/globex/x.csv'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "LOAD httpfs",
    ]


def test_no_statement_leads_to_another_tenant(loaded: House) -> None:
    workspace = Workspace(loaded.lake.root, loaded.root, "acme")
    answered = []
    for attempt in attempts(loaded.lake.root):
        with workspace.connect() as connection, suppress(duckdb.Error):
            connection.execute(attempt).fetchall()
            answered.append(attempt)
    assert answered == []
    assert not (loaded.lake.root / "_tenants" / "globex" / "x.csv").exists()


def test_a_step_says_which_table_its_tenant_cannot_read(loaded: House) -> None:
    flow = table_flow(
        "SELECT symbol, total_volume FROM secrets WHERE week_ending = {week_ending}",
        name="mine",
        tenants=TENANTS,
    )
    with pytest.raises(EngineExecutionError, match="reads secrets, which is not a table or view"):
        built(flow, loaded, tenant=ACME)


def test_a_tenants_value_cannot_become_sql(loaded: House) -> None:
    tenants = "{acme: {symbol: \"AAAA' OR '1' = '1\"}, globex: {symbol: BBBB}}"
    assert built(table_flow(QUERY, tenants=tenants), loaded, tenant=ACME).rows == 0


def test_a_file_beside_the_tenants_is_no_tenant(loaded: House) -> None:
    (loaded.lake.root / "_tenants" / ".DS_Store").write_bytes(b"")
    assert tenants_in(loaded.lake) == ["acme", "globex"]
