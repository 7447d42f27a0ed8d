"""Time of a tick of the landing sensor over 3,000 files in which nothing changed.

    .venv/bin/python benchmarks/landing_sensor.py

Side by side in one process: a bare walk that only stats the files, the listing, the glance,
and the whole tick with the names in a lake of 653 weeks. Nothing is asserted.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import FIRST_WEEK, Tier
from spine_assets.defs.otc.landing_sensor import LandingCursor, otc_landing
from spine_assets.lake.local import LocalLake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import state
from spine_assets.otc.delivery.listing import glance, listing

FILES, WEEKS, ROUNDS = 3_000, 653, 15


def main() -> None:
    """Print a table, and JSON after it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPINE_DATA_DIR"] = folder
        settings = load_settings()
        _make(settings.landing_path, LocalLake(Path(settings.lake_place)))
        instance = dg.DagsterInstance.ephemeral()
        cursor = _cursor()
        found = {
            "bare walk": _median(lambda: _walk(settings.landing_path)),
            "listing": _median(lambda: listing(settings.landing_path)),
            "glance": _median(lambda: glance(settings.landing_path)),
            "names in the lake": _median(lambda: captures.names(open_lake(settings.lake_place))),
            "idle tick": _median(lambda: _tick(instance, cursor)),
        }
    for name, seconds in found.items():
        sys.stdout.write(f"{name:20} {1000 * seconds:8.1f} ms\n")
    told = {"files": FILES, "weeks": WEEKS, "load": os.getloadavg()[0], "seconds": found}
    sys.stdout.write(json.dumps(told) + "\n")


def _make(landing: Path, lake: LocalLake) -> None:
    """Files and captures by name alone: an idle tick opens none of them."""
    for number in range(FILES // len(Tier)):
        folder = landing / f"week_ending={FIRST_WEEK + timedelta(weeks=number)}"
        folder.mkdir(parents=True)
        for tier in Tier:
            (folder / f"{tier.value.lower()}.csv").write_text("x")
    for number in range(WEEKS):
        folder = lake.folder("otc_raw", FIRST_WEEK + timedelta(weeks=number))
        folder.mkdir(parents=True)
        for tier in Tier:
            (folder / f"{tier}.ATS.20260101T000000Z-{number:012x}.parquet").touch()


def _cursor() -> str:
    """What a tick leaves when there is nothing left to do."""
    from datetime import UTC, datetime

    settings = load_settings()
    held = captures.names(open_lake(settings.lake_place))
    seen = state(glance(settings.landing_path), held, datetime.now(UTC).date())
    return LandingCursor(seen=seen).text()


def _tick(instance: dg.DagsterInstance, cursor: str) -> None:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = otc_landing(context)
    if not isinstance(result, dg.SensorResult) or result.skip_reason is None:
        raise SystemExit(f"the tick was not idle: {result}")
    if "nothing new" not in (result.skip_reason.skip_message or ""):
        raise SystemExit(f"the tick was not idle: {result.skip_reason}")


def _walk(root: Path) -> int:
    names = (f"{at}/{name}" for at, _, names in os.walk(root) for name in names)
    return sum(os.lstat(name).st_size for name in names)


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
