"""Laws of damaged storage: archives, the landing index and Parquet files of the lake.

Damage may cost time or end in a named error; it may never change a figure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

import duckdb
import polars as pl

from spine_assets.otc.delivery import deliveries
from spine_assets_tests.abuse.damage import COMPRESSIONS, CONTENTS, Damage, Drop, zipped
from spine_assets_tests.abuse.file_laws import NOW, Tally
from spine_assets_tests.abuse.week_oracle import WEEK
from spine_assets_tests.conftest import (
    ALL,
    PUBLISHED_TIER_1,
    REVISED,
    House,
    built_tables,
    delivered,
    line,
)

_DATA = (".csv", ".psv", ".txt", ".csv.gz", ".psv.gz", ".txt.gz", ".zip")
_OF_A_BUILD = (
    *("captured_at", "capture_id", "build_id"),
    *("input_min_capture_id", "input_max_capture_id"),
)


def check_landing(root: Path, drops: list[Drop], tally: Tally) -> None:
    """Every data file is delivered as it was packed, or told as unusable; nothing else is."""
    house = House(root)
    house.landing.mkdir(parents=True)
    for item in drops:
        try:
            house.drop(item.name, item.stored)
        except OSError:  # the file system takes no such name, so nobody can deliver it
            tally["names that cannot be"] += 1
    found = house.scan()
    again = house.scan()
    assert again == found
    for delivery in found.deliveries:
        assert deliveries.read(delivery) in CONTENTS, delivery.name
    told = [item.name for item in found.deliveries] + [item.name for item in found.unusable]
    for item in drops:
        path = house.landing / item.name
        shown = os.fsencode(item.name).decode("utf-8", "backslashreplace")
        named = [name for name in told if name == shown or name.startswith(f"{shown}!")]
        # Of a folder that is named like a file nothing is read; the folder is told.
        named += [str(folder) for folder in PurePosixPath(shown).parents if str(folder) in told]
        if path.is_file() and _is_data(item.name):
            assert named, f"{shown!r} vanished"
            tally["containers"] += 1
    tally["deliveries"] += len(found.deliveries)
    tally["unusable"] += len(found.unusable)


def _is_data(name: str) -> bool:
    *folders, last = name.split("/")
    hidden = any(folder.startswith(".") for folder in folders) or last[:1] in {".", "~", "_"}
    return last.lower().endswith(_DATA) and not hidden


def known_landing(root: Path) -> House:
    """A landing folder of five files with its index."""
    house = House(root)
    for number, content in enumerate(CONTENTS):
        house.drop(f"file{number}.csv", content)
    members = [("one.csv", CONTENTS[0]), ("two.csv", CONTENTS[3])]
    house.drop("both.zip", zipped(members, COMPRESSIONS[1]))
    house.scan()
    return house


def check_index(house: House, damage: Damage, tally: Tally) -> None:
    """A scan with a damaged index finds what a scan without one finds."""
    sound = house.index.read_bytes()
    house.index.write_bytes(damage.of(sound))
    tally["indexes damaged"] += 1
    try:
        found = house.scan()
        house.index.unlink()
        assert found == house.scan()
    finally:
        house.index.write_bytes(sound)


def known_lake(root: Path) -> House:
    """A built week of three captures with rejects of both stages."""
    house = House(root)
    house.drop("otc.csv", delivered(*(line(f"S{n}", shares=str(n)) for n in range(1, 40))))
    house.drop("tier1.csv", delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1)))
    house.built()
    lines = [line(f"S{n}", shares=str(n + 1), updated=REVISED) for n in range(1, 40)]
    house.drop("otc2.csv", delivered(*lines, line("", shares="7"), line("T", shares="abc")))
    house.built()
    return house


def figures(house: House) -> dict[str, pl.DataFrame]:
    """All tables of the week as an analyst gets them, without what names a build."""
    found = {}
    with duckdb.connect(":memory:") as connection:
        for name in ALL:
            files = [str(path) for path in house.lake.files(name, WEEK)]
            query = "SELECT * FROM read_parquet($files, hive_partitioning = false) ORDER BY ALL"
            cursor = connection.execute(query, {"files": files})
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            dropped = set(_OF_A_BUILD) if name not in {"otc_raw", "otc_rejects"} else set()
            kept = [name for name in names if name not in dropped]
            texts = sorted(repr([row[name] for name in kept]) for row in rows)
            found[name] = pl.DataFrame({"row": texts})
    return found


def lake_files(house: House) -> list[Path]:
    """Every data file of the lake, in one order."""
    return sorted(house.lake.root.glob(f"*/week_ending={WEEK}/*.parquet"))


def check_lake(
    sound: House, root: Path, which: int, damage: Damage, force: bool, tally: Tally
) -> None:
    """A build upon a damaged file ends in a named error or in the same figures as before."""
    shutil.copytree(sound.root, root)
    house = House(root)
    files = lake_files(house)
    path = files[which % len(files)]
    stored = path.read_bytes()
    path.write_bytes(damage.of(stored))
    tally["lakes damaged"] += 1
    if path.read_bytes() == stored:
        return
    result = house.build(now=NOW, force=force)
    if result.error is not None:
        tally[f"lake: {type(result.error).__name__}"] += 1
        return
    before, after = figures(sound), figures(house)
    for name in ALL:
        assert after[name].equals(before[name]), f"{path.parent.parent.name}/{path.name}: {name}"
    rebuilt = any(not event.unchanged for event in built_tables(result).values())
    tally["lake: built again" if rebuilt else "lake: harmless"] += 1
