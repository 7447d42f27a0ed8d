"""Small hand-written deliveries, and a place on disk where weeks are built from them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import dagster as dg
import duckdb
import polars as pl
import pytest

from spine_assets.definitions import defs
from spine_assets.defs import scan_limits
from spine_assets.defs.otc import weekly
from spine_assets.dev.local_cluster import postgres
from spine_assets.lake.local import LocalLake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.build.week import build_week
from spine_assets.otc.delivery import scan as scanning
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.file_format import ParsedFile, parse
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import CheckResult, TableBuilt, WeekResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.support import examples, s3, storages
from spine_assets_tests.support.s3_front import Front, fronting

pytest_plugins = ("spine_assets_tests.support.projects", "spine_assets_tests.support.stop_at")
examples.register()

HEADER = (
    "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID"
    "|totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate"
)
WEEK = date(2025, 11, 21)
PUBLISHED = "2025-12-22"  # tier 2 and OTC of WEEK
PUBLISHED_TIER_1 = "2025-12-08"  # tier 1 of WEEK
REVISED = "2025-12-30"
CAPTURE_DAY = date(2026, 1, 20)
NOW = datetime(2026, 1, 20, 12, 0, 0, tzinfo=UTC)
ALL = tuple(table.name for table in TABLES)
RAW, VENUES, SYMBOLS, SHARES = (
    "otc_raw",
    "otc_venue_volume",
    "otc_symbol_summary",
    "otc_venue_share",
)


OF_TOTALS = ("otc_control_totals", "otc_firm_totals")
"""Made from FINRA's control totals alone; the other tables are made from rows by venue."""


def line(
    symbol: str = "AAAA",
    mpid: str = "OTCX",
    shares: str = "100",
    trades: str = "2",
    *,
    tier: str = "OTC",
    issue: str = "Alpha Corp",
    name: str = "OTCX OTC LINK ECN ATS",
    updated: str = PUBLISHED,
) -> str:
    """One line of FINRA's download file."""
    return "|".join((tier, symbol, issue, name, mpid, shares, trades, updated))


def delivered(*lines: str, header: str = HEADER) -> bytes:
    """A whole file: header, lines, final newline."""
    return "".join(f"{text}\n" for text in (header, *lines)).encode()


def with_columns(**more: str) -> tuple[str, str]:
    """A header and one good line with further API columns at their ends."""
    return "|".join((HEADER, *more)), "|".join((line(), *more.values()))


def parsed(*lines: str, header: str = HEADER) -> ParsedFile:
    """A whole file, parsed."""
    return parse(delivered(*lines, header=header), CAPTURE_DAY)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the same tests run on."""
    parser.addoption(
        "--lake",
        choices=("folder", "s3"),
        default="folder",
        help="where houses have their lake: a folder, or a bucket of a local S3 server",
    )
    parser.addoption(
        "--storage",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="where Dagster keeps its history in the tests of operations",
    )


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a disk, a lock or a process."""
    return (os.cpu_count() or 1) + 1


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes fails as on a full disk (EFBIG instead of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, tests of SQLite's own files have nothing to look at."""
    if config.getoption("--storage") == "postgres":
        reason = postgres.missing() or "is about SQLite's files"
        for item in items:
            if postgres.missing() or item.get_closest_marker("sqlite"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def code_location() -> dg.Definitions:
    """What Dagster loads."""
    return defs()


@pytest.fixture(scope="session", autouse=True)
def dagster_storage(pytestconfig: pytest.Config) -> Iterator[None]:
    """A PostgreSQL server for the session where one is asked for and can be had."""
    wanted = pytestconfig.getoption("--storage") == "postgres" and not postgres.missing()
    with storages.on_postgres() if wanted else nullcontext():
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_waits() -> Iterator[None]:
    """Tests deliver whole files, and faults that pass; the waits for both have their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "SETTLE_SECONDS", 0.0)
        patch.setattr(scan_limits, "SETTLE_SECONDS", 0.0)
        patch.setattr(weekly, "FIRST_WAIT_SECONDS", 0)
        yield


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A private DuckDB."""
    connection = duckdb.connect(":memory:")
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def running(code: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Python code in another process, with pipes to and from it; killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class House:
    """A data folder: files are dropped in, weeks are built, tables are read.

    `place` is that of the lake; None is the folder `lake`. Tests that speak of folders are typed
    as if it always were one.
    """

    root: Path
    place: str | None = None

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def index(self) -> Path:
        return self.root / "landing-index.json"

    @property
    def lake(self) -> LocalLake:
        return cast("LocalLake", open_lake(self.place or self.root / "lake"))

    def drop(self, name: str, content: bytes) -> Path:
        """Deliver a file."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def scan(self) -> Landing:
        return scan(self.landing, self.index)

    def workplace(self, now: datetime = NOW) -> RunContext:
        """The place of a run that starts at `now`."""
        return RunContext(self.lake, self.scan(), in_memory, lambda: now)

    def build(
        self,
        wanted: Collection[str] = ALL,
        *,
        week: date = WEEK,
        now: datetime = NOW,
        force: bool = False,
    ) -> WeekResult:
        """Scan and build, as a run does."""
        place = self.workplace(now)
        return build_week(week, wanted, place, force=force).finish()

    def built(
        self,
        wanted: Collection[str] = ALL,
        *,
        week: date = WEEK,
        now: datetime = NOW,
        force: bool = False,
    ) -> WeekResult:
        """Build, and fail where the week failed."""
        result = self.build(wanted, week=week, now=now, force=force)
        assert result.error is None, result.error
        return result

    def table(self, name: str, week: date = WEEK) -> pl.DataFrame:
        """All stored rows of a table's week."""
        return pl.concat(self.lake.read(path) for path in self.lake.files(name, week))


def check_of(result: WeekResult, table: str, check: str) -> CheckResult:
    """The one evaluation of a check."""
    (found,) = (
        event
        for event in result.events
        if isinstance(event, CheckResult) and (event.table, event.check) == (table, check)
    )
    return found


def built_tables(result: WeekResult) -> dict[str, TableBuilt]:
    """Tables that a build told of."""
    return {event.table: event for event in result.events if isinstance(event, TableBuilt)}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.S3Server]:
    """An S3 server on loopback, a process of its own."""
    with s3.running() as server:
        yield server


@pytest.fixture(scope="session")
def s3_front(s3_server: s3.S3Server) -> Iterator[Front]:
    """What stands before it: conditions that hold, and faults on demand."""
    with fronting(s3_server) as front:
        yield front


@pytest.fixture
def bucket(s3_front: Front, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket, which the environment leads to."""
    for name, value in s3_front.environment().items():
        monkeypatch.setenv(name, value)
    return s3_front.new_bucket()


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> House:
    """An empty data folder with a landing folder."""
    (tmp_path / "landing").mkdir()
    if request.config.getoption("--lake") == "s3":
        place = f"{request.getfixturevalue('bucket')}/lake"
        request.getfixturevalue("monkeypatch").setenv("SPINE_LAKE", place)
        return House(tmp_path, place)
    return House(tmp_path)
