"""Names of files that would be code elsewhere: in SQL, a path, a terminal or markup.

Each name stands for a sound file and, in another folder, for one that is refused. A name
is never more than a name: files load under it exactly, and every command prints it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.text import Shown
from spine_assets.core.weeks import Tier, publication_day
from spine_assets_tests.conftest import line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Site, Week, content, opened

WEEK = date(2025, 11, 14)
EMPTY_WEEK = date(2025, 11, 21)
PUBLISHED = str(publication_day(WEEK, Tier.OTC))
NAMES = {
    "single quotes": "o'clock'.csv",
    "double quotes": 'a "quoted" name.csv',
    "SQL": "x'; DROP TABLE otc_raw; --.csv",
    "newline": "two\nlines.csv",
    "carriage return and tab": "a\rb\tc.csv",
    "backslashes and dots": "a\\..\\..\\etc\\passwd.csv",
    "glob": "*[a-z]?{b,c}.csv",
    "shell": "$(reboot) `id` | cat > x & ;.csv",
    "format": "{week}%s%(name)s$week.csv",
    "closing markup": "a[/red]b.csv",
    "markup": "[bold red]loud[blink].csv",
    "link markup": "[link=x]y[/link].csv",
    "escape sequences": "\x1b]0;title\x07\x1b[2J\x1b[31mred.csv",
    "control characters": "a\x01\x08\x7fb.csv",
    "not ASCII": "Übersicht-数据-🦀-\u202egnp.csv",
    "bytes that are no text": os.fsdecode(b"caf\xe9-\xff.csv"),
    "255 bytes": "x" * 251 + ".csv",
    "leading dash": "-rf.csv",
    "option": "--help.csv",
    "archive mark": "a.zip!b.csv",
    "hive": "tier=NMS_TIER_1.csv",
}
"""By what they hold."""
REFUSED_FOLDER = "refused"
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
"""Control characters but tab and newline: what a terminal may obey."""


SHARES = {kind: 100 + at for at, kind in enumerate(NAMES)}
"""Every file has one row of its own figure, so that each is a capture of the one week."""


def delivered(kind: str) -> bytes:
    """A sound file; its dates alone tell the week."""
    return content(line(shares=str(SHARES[kind]), updated=PUBLISHED))


def shown(name: str) -> str:
    """A name as it can be stored; bytes that are no text are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class Batch(NamedTuple):
    """The site after a run of the week and one of a week that has only refused files."""

    site: Site
    week: Week
    empty: Outcome
    before: set[Path]
    told_programs: set[str]


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """Every name twice, loaded and refused."""
    root = tmp_path_factory.mktemp("names") / "site"
    root.mkdir()
    with opened(root, code_location) as site:
        before = set(root.parent.iterdir())
        for kind, name in NAMES.items():
            site.drop(name, delivered(kind))
            site.drop(f"{REFUSED_FOLDER}/{name}", b"")
        week = site.week(WEEK, site.runner.week(WEEK))
        empty = site.runner.week(EMPTY_WEEK)
        yield Batch(site, week, empty, before, told_programs(site))


def told_programs(site: Site) -> set[str]:
    """Names of refused files in `spine status --json`, of loaded ones in `spine captures`."""
    status = json.loads(site.spine("status", "--json").stdout)
    captures = json.loads(site.spine("captures", "--week", str(WEEK), "--json").stdout)
    refused = {item["file"] for item in status["unusable"]}
    return refused | {row["source_file"] for row in captures}


def test_the_week_of_all_names_is_built(batch: Batch) -> None:
    assert batch.week.outcome.success
    assert batch.week.is_built
    batch.week.assert_nothing_is_lost(*(delivered(kind) for kind in NAMES))
    (current,) = batch.week.venues.values()
    assert current[0] in SHARES.values()


@pytest.mark.parametrize("kind", NAMES)
def test_a_file_of_any_name_loads_under_exactly_that_name(batch: Batch, kind: str) -> None:
    loaded = dict(batch.week.rows("share_volume, source_file", "otc_raw"))
    assert loaded[SHARES[kind]] == shown(NAMES[kind])


@pytest.mark.parametrize("kind", NAMES)
def test_a_refused_file_of_any_name_is_told_by_that_name(batch: Batch, kind: str) -> None:
    name = f"{REFUSED_FOLDER}/{shown(NAMES[kind])}"
    assert "empty" in batch.site.refusals()[name]


def test_a_failure_names_twenty_files_of_any_name_and_counts_the_others(batch: Batch) -> None:
    names = [Shown(f"{REFUSED_FOLDER}/{shown(name)}")[:150] for name in NAMES.values()]
    assert sum(name in batch.empty.failure for name in names) == 20
    assert f"and {len(NAMES) - 20} more" in batch.empty.failure
    assert not UNPRINTABLE.search(batch.empty.failure)


def test_names_reach_no_path(batch: Batch) -> None:
    root, lake = batch.site.project.root, batch.site.project.lake
    assert set(root.parent.iterdir()) == batch.before
    for path in lake.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9_.=-]+", path.name)


COMMANDS = {
    "status": ("status",),
    "captures": ("captures",),
    "week": ("week",),
    "query": ("query", "SELECT share_volume, source_file FROM otc_raw"),
}
"""Every command that prints names of files."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_any_name_and_no_terminal_obeys_it(batch: Batch, command: str) -> None:
    told = batch.site.spine(*COMMANDS[command])
    assert told.exit_code == 0, (told.output, told.exception)
    assert UNPRINTABLE.findall(told.output) == []


@pytest.mark.parametrize("command", ["status", "query"])
@pytest.mark.parametrize("kind", ["closing markup", "markup", "link markup"])
def test_markup_in_a_name_is_printed_and_not_obeyed(batch: Batch, command: str, kind: str) -> None:
    assert NAMES[kind] in batch.site.spine(*COMMANDS[command]).output


@pytest.mark.parametrize("kind", NAMES)
def test_programs_are_told_names_exactly(batch: Batch, kind: str) -> None:
    name = shown(NAMES[kind])
    assert {name, f"{REFUSED_FOLDER}/{name}"} <= batch.told_programs


def test_texts_of_rows_and_findings_are_printed_and_not_obeyed(
    tmp_path: Path, code_location: dg.Definitions
) -> None:
    odd = ("[/red]", "[bold]loud", "\x1b[2J")
    with opened(tmp_path, code_location) as site:
        for tier in Tier:
            day = str(publication_day(WEEK, tier))
            lines = [
                line(text, text, name=text, updated=day, tier=tier.description) for text in odd
            ]
            site.drop(f"{tier}.csv", content(*lines))
        for text in odd:
            site.drop(f"{text}.csv", b"")
        assert site.runner.week(WEEK).success
        for command in (("week",), ("query", 'SELECT symbol AS "[/red]" FROM otc_raw')):
            told = site.spine(*command)
            assert told.exit_code == 0, (command, told.output, told.exception)
            assert UNPRINTABLE.findall(told.output) == []
            for text in odd[:2]:
                assert text in told.output
