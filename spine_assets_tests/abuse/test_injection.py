"""Names, values and settings never act as code, and nothing outside of landing is read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from dagster_duckdb import DuckDBResource

from spine_assets.cli import main
from spine_assets.defs.resources import Spine
from spine_assets.otc.build.week import build_week
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import ALL, WEEK, House, delivered, line
from spine_assets_tests.support.projects import SOURCE

HOSTILE = (
    "'; DROP TABLE canary; --",
    "' UNION SELECT content FROM read_text('{secret}') --",
    "\"; ATTACH 'x' AS y; --",
    "$(touch canary)",
    "`touch canary`",
    "{0.__class__}{week}{}",
    "%s%n%(name)s",
    "*?[a-z]",
    "[bold red]x[/bold red] [/] [link=file:///x]y[/link]",
    "$1 $week :name ?",
    "a b\tc",
    "\u202egnp.\u00e9\u4e2d\U0001f980\ufeff",
    "\x1b]0;title\x07\x1b[31m",
    "=cmd|' /C calc'!A0",
    "-- comment /* */",
    "\x00",
)
"""Texts that are code somewhere: SQL, shells, format strings, globs, markup, terminals."""
FILE_NAMES = tuple(
    text.replace("/", "\u2215").replace("\x00", "")
    for text in (*HOSTILE[:-1], "a\nb", "..", "...", " ", "-rf", "~", "%2e%2e%2f")
)
FIELDS = tuple(text.replace("|", "!") for text in HOSTILE)
INVISIBLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")
IDENTIFIERS = tuple(text for text in FIELDS if not INVISIBLE.search(text))
"""Texts that a symbol or an MPID may be; one with an invisible character inside is a reject."""
SECRET = "canary-7f3a9c"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a canary file, from which commands are run."""
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    (tmp_path / "dagster.yaml").write_text((SOURCE / "dagster.yaml").read_text())
    (tmp_path / "secret.csv").write_text(SECRET)
    (tmp_path / "secret.csv").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*command: str) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(main, list(command))
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def every_command(week: str = str(WEEK)) -> str:
    """What all commands that read say."""
    return "".join(
        said(*command)
        for command in (
            ("db", "init"),
            ("status", "--all"),
            ("status", "--json"),
            ("week", week),
            ("week", week, "--json"),
            ("captures",),
            ("captures", "--json"),
            ("query", "SELECT * FROM otc_raw ORDER BY source_line"),
            ("query", "SELECT * FROM otc_raw ORDER BY source_line", "--csv"),
            ("query", "SELECT * FROM otc_rejects", "--json"),
            ("db", "build", "copy.duckdb"),
        )
    )


class TestValues:
    def test_hostile_fields_are_stored_and_shown_as_text(self, here: Path) -> None:
        house = House(here / "data")
        lines = [
            line(
                symbol=text if text in IDENTIFIERS else "S",
                issue=text,
                name=text,
                mpid=text if text in IDENTIFIERS else f"M{number}",
                shares=str(100 + number),
            )
            for number, text in enumerate(FIELDS)
        ]
        house.drop("week_ending=2025-11-21/a.csv", delivered(*lines))
        house.built()
        stored = house.table("otc_raw").sort("source_line")
        assert stored["issue_name"].to_list() == [text.strip(" \t\r") for text in FIELDS]
        assert stored["share_volume"].to_list() == [100 + number for number in range(len(FIELDS))]
        every_command()
        shown = said("query", "SELECT issue_name FROM otc_raw ORDER BY source_line", "--csv")
        read_back = [row[0] for row in csv.reader(io.StringIO(shown, newline=""))][1:]
        assert read_back == stored["issue_name"].to_list()

    def test_hostile_symbols_keep_their_own_totals(self, here: Path) -> None:
        house = House(here / "data")
        texts = enumerate(IDENTIFIERS)
        lines = [line(symbol=text, shares=str(2**number)) for number, text in texts]
        house.drop("week_ending=2025-11-21/a.csv", delivered(*lines))
        house.built()
        totals = dict(house.table("otc_symbol_summary")["symbol", "total_volume"].iter_rows())
        expected = {text.strip(" \t\r"): 2**number for number, text in enumerate(IDENTIFIERS)}
        assert totals == expected
        with connect(house.lake, TABLES) as warehouse:
            for symbol, shares in expected.items():
                found = warehouse.execute(
                    "SELECT total_volume FROM otc_symbol_summary WHERE symbol = ?", [symbol]
                ).fetchall()
                assert found == [(shares,)], symbol

    def test_hostile_fields_of_rejected_lines_are_kept_as_text(self, here: Path) -> None:
        house = House(here / "data")
        bad = [line(symbol=text, shares=f"x{text}") for text in FIELDS]
        house.drop("week_ending=2025-11-21/a.csv", delivered(line(), *bad))
        house.built()
        assert house.table("otc_rejects").sort("source_line")["raw_line"].to_list() == bad
        every_command()

    @pytest.mark.parametrize("text", ["x'; DROP VIEW otc_raw; --", "../../x", "*", "2025-11-21'"])
    def test_hostile_arguments_are_refused(self, here: Path, text: str) -> None:
        House(here / "data").landing.mkdir(parents=True)
        said("db", "init")
        for command in (("week", text), ("captures", "--week", text), ("captures", "use", text)):
            done = CliRunner().invoke(main, list(command))
            assert done.exit_code in (1, 2), command
            assert isinstance(done.exception, SystemExit), command
        assert "0" in said("query", "SELECT count(*) FROM otc_raw")


class TestFileNames:
    def test_files_of_hostile_names_load_under_exactly_those_names(self, here: Path) -> None:
        house = House(here / "data")
        visible = [text for text in FILE_NAMES if not text.startswith(".")]
        names = [f"week_ending=2025-11-21/{text}/x{text}.csv" for text in visible]
        for number, name in enumerate(names):
            lines = [line(), line(symbol="BBBB", shares=str(number + 1))]
            house.drop(name, delivered(*lines))
        before = sorted(path for path in here.rglob("*") if "data" not in path.parts)
        house.built()
        stored = house.table("otc_raw")
        assert set(stored["source_file"]) == set(names)
        for number, name in enumerate(names):
            volumes = stored.filter(stored["source_file"] == name)["share_volume"].to_list()
            assert sorted(volumes) == sorted([100, number + 1]), name
        every_command()
        listed = json.loads(said("captures", "--json"))
        assert {row["source_file"] for row in listed} == set(names)
        after = {path for path in here.rglob("*") if "data" not in path.parts}
        made = {path.name for path in after - set(before)}
        assert not any("canary" in name or name in {"x", "y"} for name in made), made

    def test_unusable_files_of_hostile_names_are_named(self, here: Path) -> None:
        house = House(here / "data")
        for text in FILE_NAMES:
            house.drop(f"x{text}.csv", b"<html>")
        house.drop("week_ending=2025-11-21/good.csv", delivered(line()))
        house.built()
        every_command()
        listed = json.loads(said("status", "--json"))["unusable"]
        assert {row["file"] for row in listed} == {f"x{text}.csv" for text in FILE_NAMES}

    def test_a_terminal_is_sent_no_control_characters(self, here: Path) -> None:
        house = House(here / "data")
        house.drop("x\x1b]0;title\x07\x1b[31m\x9b.csv", b"<html>")
        evil = line(issue="A\x1b[2J\x9b", name="\x1b]0;title\x07")
        house.drop("week_ending=2025-11-21/\x1b[31m.csv", delivered(evil))
        house.built()
        for command in (
            ("status",),
            ("week",),
            ("captures",),
            ("query", "SELECT * FROM otc_raw"),
        ):
            shown = said(*command)
            assert not {"\x1b", "\x07", "\x9b"} & set(shown), command

    def test_archive_members_of_hostile_names_make_no_file(self, here: Path) -> None:
        house = House(here / "data")
        house.landing.mkdir(parents=True)
        names = ["../../../out.csv", "/out.csv", "C:\\out.csv", "a/../../out.csv", *FILE_NAMES]
        path = house.landing / "week_ending=2025-11-21.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number, name in enumerate(names):
                rows = (line(), line(symbol="BBBB", shares=str(number + 1)))
                archive.writestr(name, delivered(*rows))
        house.built()
        refused = {item.name.partition("!")[2] for item in house.scan().unusable}
        assert refused == {"../../../out.csv", "/out.csv", "a/../../out.csv", ".."}
        every_command()
        assert not list(here.parent.rglob("out.csv"))
        assert not Path("/out.csv").exists()


@pytest.mark.long
class TestSettings:
    @pytest.mark.parametrize(
        "text",
        [
            "o'brien'; DROP TABLE canary; --",
            'double"quote',
            "semi;colon",
            "{braces}",
            "*star*",
            "[a-z]x",
            "$HOME $(touch canary)",
            "two  spaces",
            "\u00e9\u4e2d\U0001f980",
            "new\nline",
            "a=b/week_ending=2020-01-03",
            "-dash",
            "~",
            "..dots..",
            "#hash&query",
        ],
    )
    def test_hostile_folders_hold_exact_figures(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        for name in ("ax", "a star b"):  # what a pattern that acts would take in too
            decoy = House(here / name)
            decoy.drop("week_ending=2025-11-21/a.csv", delivered(line(shares="999")))
            decoy.built()
        root = here / text
        monkeypatch.setenv("SPINE_DATA_DIR", str(root / "data"))
        monkeypatch.setenv("SPINE_LAKE", str(root / "lake"))
        monkeypatch.setenv("SPINE_DATABASE_PATH", str(root / "views.duckdb"))
        house = House(root)
        path = root / "data" / "landing" / "week_ending=2025-11-21" / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_bytes(delivered(line(shares="7"), line("BBBB", shares="5")))
        place = Spine(duckdb=DuckDBResource(database=":memory:")).workplace()
        result = build_week(WEEK, ALL, place).finish()
        assert result.error is None, result.error
        again = build_week(WEEK, ("otc_symbol_summary",), place, force=True).finish()
        assert again.error is None, again.error
        (part,) = house.lake.files("otc_symbol_summary", WEEK)
        assert house.lake.read(part)["total_volume"].sum() == 12
        every_command()
        told = json.loads(said("query", "SELECT sum(share_volume) AS s FROM otc_raw", "--json"))
        assert told == [{"s": 12}]
        for file in (root / "views.duckdb", here / "copy.duckdb"):
            with duckdb.connect(str(file), read_only=True) as database:
                total = database.execute("SELECT sum(share_volume) FROM otc_venue_volume")
                assert total.fetchall() == [(12,)]
        ours = {"a star b", "ax", "copy.duckdb", "dagster.yaml", "data", "secret.csv"}
        ours.add(".copy.duckdb.lock")  # stays, as a lock's file must
        assert {item.name for item in here.iterdir()} <= ours | {Path(text).parts[0]}


class TestLanding:
    @pytest.fixture
    def outside(self, here: Path) -> Path:
        """A folder beside the landing folder with a sound file that must not be read."""
        House(here / "outside").drop("a.csv", delivered(line(SECRET, issue=SECRET, name=SECRET)))
        return here / "outside" / "landing"

    @pytest.mark.parametrize("kind", ["file", "folder", "chain", "relative", "loop", "landing"])
    def test_nothing_behind_a_link_out_is_read(self, here: Path, outside: Path, kind: str) -> None:
        house = House(here / "data")
        house.drop("week_ending=2025-11-21/good.csv", delivered(line()))
        week = house.landing / "week_ending=2025-11-21"
        if kind == "file":
            (week / "out.csv").symlink_to(outside / "a.csv")
        elif kind == "folder":
            (week / "out").symlink_to(outside)
        elif kind == "chain":
            (week / "one.csv").symlink_to("two.csv")
            (week / "two.csv").symlink_to("deep/three.csv")
            (week / "deep").symlink_to(outside)
            (outside / "three.csv").symlink_to("a.csv")
        elif kind == "relative":
            (week / "out.csv").symlink_to("../../../outside/landing/a.csv")
        elif kind == "loop":
            (week / "one.csv").symlink_to("two.csv")
            (week / "two.csv").symlink_to("one.csv")
            (week / "self").symlink_to(".")
        else:
            (week / "all").symlink_to(here)
        house.built()
        assert house.table("otc_raw")["source_file"].to_list() == [
            "week_ending=2025-11-21/good.csv"
        ]
        assert SECRET not in every_command()
        assert files_with(SECRET, here / "data") == []

    def test_a_link_swapped_in_after_the_scan_is_not_read(self, here: Path, outside: Path) -> None:
        house = House(here / "data")
        path = house.drop("week_ending=2025-11-21/a.csv", delivered(line()))
        house.drop("week_ending=2025-11-21/b.csv", delivered(line(tier="NMS Tier 2")))
        place = house.workplace()
        path.unlink()
        path.symlink_to(outside / "a.csv")
        result = build_week(WEEK, ALL, place).finish()
        assert result.error is None, result.error
        assert house.table("otc_raw")["tier"].to_list() == ["NMS Tier 2"]
        assert SECRET not in every_command()
        assert files_with(SECRET, here / "data") == []

    def test_a_link_within_the_landing_folder_and_a_hard_link_are_files(self, here: Path) -> None:
        house = House(here / "data")
        path = house.drop("store/a.csv", delivered(line()))
        (house.landing / "link.csv").symlink_to("store/a.csv")
        (house.landing / "hard.csv").hardlink_to(path)
        names = {item.name for item in house.scan().deliveries}
        assert names == {"hard.csv", "link.csv", "store/a.csv"}

    def test_what_is_no_plain_file_is_not_opened(self, here: Path) -> None:
        house = House(here / "data")
        house.drop("week_ending=2025-11-21/good.csv", delivered(line()))
        os.mkfifo(house.landing / "pipe.csv")
        (house.landing / "folder.csv").mkdir()
        (house.landing / "device.csv").symlink_to("/dev/zero")
        house.built()
        assert house.table("otc_raw").height == 1


def files_with(text: str, folder: Path) -> list[Path]:
    """Files below a folder that hold a text anywhere, except behind links."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    ]
