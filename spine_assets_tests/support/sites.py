"""A site for tests of bad input: files of any bytes go in, and all that came of them is read.

Runs are real ones of the job; tables are read with DuckDB through the views that people use,
and lines are counted from the delivered bytes, so that the program does not vouch for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import HEADER
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import Outcome, Project, Runner

Figures = dict[tuple[str, str], tuple[Decimal, int]]
"""(symbol, mpid) -> shares, trades."""


class Reject(NamedTuple):
    """What `otc_rejects` must say of a line."""

    stage: str
    reason: str
    source_line: int
    share_volume: Decimal | None
    raw_line: str


def content(*lines: str | bytes, header: str = HEADER, end: bytes = b"\n") -> bytes:
    """A file of whole lines."""
    texts = (text.encode() if isinstance(text, str) else text for text in (header, *lines))
    return b"".join(text + end for text in texts)


@dataclass(frozen=True)
class Site:
    """A project folder with Dagster's memory, as the `spine` command finds it."""

    project: Project
    runner: Runner
    views: duckdb.DuckDBPyConnection

    def drop(self, name: str, delivered: bytes) -> Path:
        """Deliver a file."""
        path = self.project.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(delivered)
        return path

    def scan(self) -> Landing:
        """What the program sees in the landing folder, with its own index."""
        return scan(self.project.landing, self.project.root / "data" / "test-index.json")

    def refusals(self) -> dict[str, str]:
        """Name and reason of every file that cannot be used."""
        return {item.name: item.reason for item in self.scan().unusable}

    def spine(self, *arguments: str) -> Result:
        """Run the command in this process, in the site's folder."""
        return CliRunner().invoke(main, arguments)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Answer of the views."""
        return self.views.execute(sql, values or None).fetchall()

    def week(self, week: date, outcome: Outcome) -> Week:
        """What a run made of a week."""
        return Week(self, week, outcome)


@dataclass(frozen=True)
class Week:
    """A week after a run: its tables, and what the run said of it."""

    site: Site
    week: date
    outcome: Outcome

    def rows(self, select: str, table: str, where: str = "true") -> list[tuple[Any, ...]]:
        """Rows of one table's week."""
        sql = f"SELECT {select} FROM {table} WHERE week_ending = $week AND {where} ORDER BY ALL"
        return self.site.rows(sql, week=self.week)

    @property
    def venues(self) -> Figures:
        """Shares and trades by symbol and venue."""
        found = self.rows("symbol, mpid, share_volume, trade_count", "otc_venue_volume")
        figures = {(symbol, mpid): (shares, trades) for symbol, mpid, shares, trades in found}
        assert len(figures) == len(found)
        return figures

    @property
    def rejects(self) -> list[Reject]:
        """All rejects, by line."""
        columns = "stage, reason, source_line, share_volume, raw_line"
        found = [Reject(*row) for row in self.rows(columns, "otc_rejects")]
        return sorted(found, key=lambda item: item.source_line)

    @property
    def is_built(self) -> bool:
        """Whether the run materialized each of the five tables once."""
        told = [table for table, week in self.outcome.materialized() if week == str(self.week)]
        return sorted(told) == sorted(table.name for table in TABLES)

    def check(self, table: str, name: str) -> dg.AssetCheckEvaluation:
        """The evaluation of a check."""
        return self.outcome.evaluations()[table, name, str(self.week)]

    def said(self, table: str, name: str) -> str:
        """What a check says in words."""
        return self.check(table, name).description or ""

    def sample(self, table: str, name: str) -> list[dict[str, Any]]:
        """The rows that a check shows."""
        held = self.check(table, name).metadata.get("sample")
        if held is None:
            return []
        assert isinstance(held, dg.TableMetadataValue)
        return [dict(record.data) for record in held.records]

    def findings(self) -> dict[str, str]:
        """Findings of the check `delivery` by the file or tier that they name."""
        found = self.sample("otc_raw", "delivery")
        return {row["what"]: f"{row['finding']}: {row['detail']}" for row in found}

    def facts(self) -> str:
        """All that the run recorded of the week, as one text to search in."""
        told = [
            str(value)
            for found in self.outcome.result.get_asset_materialization_events()
            if found.partition == str(self.week)
            for value in found.step_materialization_data.materialization.metadata.items()
        ]
        told += [
            f"{found.description} {found.metadata}"
            for (_, _, week), found in self.outcome.evaluations().items()
            if week == str(self.week)
        ]
        return "\n".join(told)

    def assert_totals_are(self, figures: Figures) -> None:
        """The tables of venues, symbols and shares hold exactly these figures."""
        assert self.venues == figures, self.findings()
        by_symbol: dict[str, Decimal] = {}
        by_venue: dict[str, Decimal] = {}
        for (symbol, mpid), (shares, _) in figures.items():
            by_symbol[symbol] = by_symbol.get(symbol, Decimal(0)) + shares
            by_venue[mpid] = by_venue.get(mpid, Decimal(0)) + shares
        assert dict(self.rows("symbol, total_volume", "otc_symbol_summary")) == by_symbol
        assert dict(self.rows("mpid, total_volume", "otc_venue_share")) == by_venue

    def assert_nothing_is_lost(self, *files: bytes) -> None:
        """Both laws of conservation, over the files that are captured for the week."""
        physical = [line for delivered in files for line in _physical_lines(delivered)]
        blank = sum(not line.strip() for line in physical)
        raw = self._sum("otc_raw")
        parse = self._sum("otc_rejects", "stage = 'parse'")
        assert len(physical) == len(files) + blank + raw[0] + parse[0]
        current = self._sum("otc_raw_current")
        venues = self._sum("otc_venue_volume", lines="coalesce(sum(issue_count), 0)")
        rule = self._sum("otc_rejects", "stage = 'rule'")
        assert current == (venues[0] + rule[0], venues[1] + rule[1])
        for table, check in (("otc_raw", "conservation"), ("otc_venue_volume", "reconciles")):
            assert self.check(table, check).passed, self.said(table, check)

    def _sum(
        self, table: str, where: str = "true", *, lines: str = "count(*)"
    ) -> tuple[int, Decimal]:
        """Lines and shares of a table's week."""
        ((rows, shares),) = self.rows(f"{lines}, coalesce(sum(share_volume), 0)", table, where)
        return int(rows), Decimal(shares)


def _physical_lines(delivered: bytes) -> list[bytes]:
    lines = delivered.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@contextmanager
def opened(root: Path, code_location: dg.Definitions, *, forgets: bool = False) -> Iterator[Site]:
    """An empty site; it is the working folder as long as it is open.

    Args:
        root: An empty folder.
        code_location: What Dagster loads.
        forgets: Dagster's storage is in memory, which is three times faster over many weeks,
            but the `spine` command cannot see it.
    """
    storages.lay_out(root)
    made = Project(root)
    made.landing.mkdir(parents=True)
    if not forgets:
        storages.copy_history(root / "data" / "dagster")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("DAGSTER_HOME", "SPINE_DATA_DIR", "SPINE_LAKE", "SPINE_DATABASE_PATH"):
            patch.delenv(name, raising=False)
        instances = dg.DagsterInstance.ephemeral() if forgets else open_instance(root)
        with instances as instance, connect(LocalLake(made.lake), TABLES) as views:
            yield Site(made, Runner(code_location, instance), views)
