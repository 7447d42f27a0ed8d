"""Resources: the lake, the landing folder and the DuckDB of a run."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import dagster as dg
from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection

from spine_assets.core.settings import load_settings
from spine_assets.orchestration.database import declared_lake
from spine_assets.otc.build.week_range import Limits
from spine_assets.otc.delivery.scan import Scan, scan
from spine_assets.otc.state.build_context import RunContext


class Spine(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The lake and the landing folder of the `SPINE_*` settings, which are read at run time."""

    duckdb: DuckDBResource

    def workplace(self) -> RunContext:
        """Scan the landing folder, and make the lake if it is missing."""
        settings = load_settings()
        landing = scan(settings.landing_path, settings.landing_index_path)
        return RunContext(declared_lake(), landing, self._connect)

    @contextmanager
    def opened(self) -> Iterator[tuple[RunContext, Scan]]:
        """The same before new files are read, with one DuckDB for all weeks of a run."""
        settings = load_settings()
        opened = Scan(settings.landing_path, settings.landing_index_path)
        # Opening a database takes longer than most of the queries.
        with self._connect() as database:
            place = RunContext(
                declared_lake(), opened.landing(), lambda: closing(database.cursor())
            )
            yield place, opened

    def limits(self) -> Limits:
        """How much of the machine a run may use."""
        settings = load_settings()
        threads = settings.threads or os.cpu_count() or 1
        return Limits(memory_bytes=settings.memory_limit, threads=threads)

    @contextmanager
    def _connect(self) -> Iterator[DuckDBPyConnection]:
        # The resource leaves its connection open when the body raises.
        with self.duckdb.get_connection() as connection:
            try:
                yield connection
            finally:
                connection.close()


@dg.definitions
def resources() -> dg.Definitions:
    """Runs use private in-memory databases, and refresh `spine.duckdb` for people at their end."""
    return dg.Definitions(resources={"spine": Spine(duckdb=DuckDBResource(database=":memory:"))})
