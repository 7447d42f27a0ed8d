"""What the database of tables costs: made from nothing, and refreshed after one week.

    uv run python benchmarks/database.py --place PLACE --weeks 653

Makes a synthetic history of full weeks with `otc_raw` in PLACE (`synthetic_lake.py`; an hour and
12 GB, once). Then, each in a process of its own: the database from nothing, with all tables and
without `otc_raw`; a refresh after one week of the current year was built again, and one without a
change. Prints seconds, CPU seconds, peak memory and the size of the file as a table and as JSON;
asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measuring import Cost, run
from rich.console import Console
from rich.table import Table as Grid
from synthetic_lake import HISTORY_WEEKS, make

from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables.registry import TABLES

_REFRESH = """
import sys
from pathlib import Path
from spine_assets.lake.opening import open_lake
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
lake, file, stored, limit = sys.argv[1:]
refresh(Path(file), contents_of(open_lake(lake), stored), memory_bytes=int(limit))
"""
_WITHOUT_RAW = ",".join(table.name for table in TABLES if table.name != "otc_raw")
_MB, _GB = 1e6, 1e9


@dataclass(frozen=True)
class Measured:
    """One refresh: what it cost, and the size of the file afterwards."""

    name: str
    cost: Cost
    size: int


def measure(lake: Path, place: Path, memory_bytes: int) -> list[Measured]:
    """All refreshes, one after another."""
    found = []
    for tables, stored in (("all tables", "all"), ("without otc_raw", _WITHOUT_RAW)):
        file = place / f"{tables.replace(' ', '-')}.duckdb"
        file.unlink(missing_ok=True)
        for what in ("from nothing", "one week", "no change"):
            if what == "one week":
                _rebuild_newest(lake)
            command = (sys.executable, "-c", _REFRESH, str(lake), str(file), stored)
            cost = run((*command, str(memory_bytes)), place / "refresh.log", folder=place)
            found.append(Measured(f"{tables}: {what}", cost, file.stat().st_size))
    return found


def _rebuild_newest(root: Path) -> None:
    """Replace the files of the newest week by equal ones, as a forced build does."""
    lake = open_lake(root)
    week = lake.weeks("otc_venue_volume")[-1]
    for table in TABLES:
        for file in lake.files(table.name, week):
            path = Path(str(file))
            copy = path.with_name(f".{path.name}.copy")
            shutil.copyfile(path, copy)
            copy.replace(path)


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=HISTORY_WEEKS)
    chosen = parser.parse_args()
    settings = make(chosen.place, chosen.weeks, with_raw=True)
    place = chosen.place.absolute()
    found = measure(Path(settings.lake_place), place, settings.memory_limit)
    grid = Grid("refresh", "seconds", "CPU s", "peak MB", "file GB", box=None)
    for column in grid.columns[1:]:
        column.justify = "right"
    measured = []
    for item in found:
        cost = item.cost
        grid.add_row(
            item.name,
            f"{cost.wall_seconds:.1f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.peak_bytes / _MB:,.0f}",
            f"{item.size / _GB:.2f}",
        )
        measured.append(
            {
                "refresh": item.name,
                "seconds": round(cost.wall_seconds, 2),
                "cpu_seconds": round(cost.cpu_seconds, 2),
                "peak_bytes": cost.peak_bytes,
                "file_bytes": item.size,
            }
        )
    Console().print(grid)
    sys.stdout.write(json.dumps({"weeks": chosen.weeks, "refreshes": measured}) + "\n")


if __name__ == "__main__":
    main()
