"""A lake of the first format is read as it is, and brought up to today's; a newer one is refused.

`data/format_1.tar.xz` holds a data folder that the version before the format number made: see
`data/README.md`.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import tarfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.core.weeks import Tier
from spine_assets.lake.base import LakeError
from spine_assets.lake.format import FORMAT, NewerFormat, stored_format
from spine_assets.lake.local import LocalLake
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.maintenance.migrate_lake import migrate
from spine_assets.otc.captures import delivered, storage
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.tables import raw
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
from spine_assets_tests.project.test_docs import commands
from spine_assets_tests.support.projects import SOURCE, Project, Runner

CORRECTED, BEHIND = date(2025, 11, 14), date(2025, 11, 21)
CAPTURES = {CORRECTED: 2, BEHIND: 3}
BUILT = ("otc_venue_volume", "otc_symbol_summary", "otc_venue_share", "otc_restatements")
FILES = sum(CAPTURES.values()) + len(BUILT) * len(CAPTURES)  # of which each lacks columns of today
ROWS = {"2025-11-14": 6, "2025-11-21": 5}
NEED_LAKE = (
    *("anomalies", "backfill", "backfill --missing", "backup copied", "captures"),
    *("captures use ID", "captures retract ID", "check-file some.csv", "db init", "db refresh"),
    *("db optimize", "db check", "db reset --yes", "db build made.duckdb", f"diff {BEHIND}"),
    *("doctor", "doctor --repair --yes", f"export --table otc_raw --week {BEHIND}"),
    *(f"fetch --week {BEHIND}", "lake migrate", "lake copy data/lake copied"),
    *("lake copy elsewhere data/lake", "query 'SELECT 1'", "query 'FROM core_manifest'"),
    *(f"report {BEHIND}", f"run otc.weekly -p week_ending={BEHIND}", "run compute_otc_metrics"),
    *("symbol ABCD", "venue OTCX", "market", "movers"),
    "sample remove --yes",
    *("shell -c 'print(lake.names())'", "status", f"trace ABCD {BEHIND}", f"week {BEHIND}"),
)
NEED_NO_LAKE = {
    *("completion", "init", "list", "pipelines check", "pipelines schema", "pipelines example"),
    *("runs", "runs show", "runs cancel", "runs prune", "ui"),  # Dagster's history
    *(
        "compare",
        "demo",
        "finra-sim",
        "sample write",
    ),  # a place of their own, or the landing folder
}


@dataclass(frozen=True)
class Old:
    """The unpacked data folder, in a project that is the working folder."""

    project: Project

    @property
    def lake(self) -> LocalLake:
        return LocalLake(self.project.lake)

    def spine(self, *words: str) -> Result:
        """A command that succeeds."""
        done = CliRunner().invoke(main, [*words])
        assert done.exit_code == 0, done.output
        return done

    def query(self, sql: str) -> list[dict[str, str]]:
        """Rows of `spine query`."""
        text = self.spine("query", sql, "--csv").stdout
        return list(csv.DictReader(io.StringIO(text)))

    def volumes(self) -> dict[tuple[str, str], int]:
        """Total shares by week and symbol."""
        found = self.query("SELECT week_ending, symbol, total_volume FROM otc_symbol_summary")
        return {(r["week_ending"], r["symbol"]): int(float(r["total_volume"])) for r in found}

    def migrated(self, *options: str) -> dict[str, Any]:
        """What `spine lake migrate` reports."""
        found: dict[str, Any] = json.loads(self.spine("lake", "migrate", "--json", *options).stdout)
        return found

    def files(self) -> dict[str, bytes]:
        """All files of the lake but locks."""
        root = self.project.lake
        found = (path for path in sorted(root.rglob("*")) if path.is_file())
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in found
            if path.parent.name != "_locks"
        }

    def empty_landing(self) -> None:
        for path in self.project.landing.iterdir():
            path.unlink()


@pytest.fixture
def old(project: Project) -> Old:
    with tarfile.open(SOURCE / "spine_assets_tests/data/format_1.tar.xz") as archive:
        archive.extractall(project.root, filter="data")
    return Old(project)


BEFORE = {
    ("2025-11-14", "ABCD"): 450,  # the corrected 150, and 300
    ("2025-11-14", "WXYZ"): 50,
    ("2025-11-21", "MNOP"): 770,
    ("2025-11-21", "WXYZ"): 60,
}  # ABCD of 2025-11-21 was corrected to 120, in a line that was dated the day after
AFTER = BEFORE | {("2025-11-21", "ABCD"): 120}


class TestReading:
    def test_tables_as_of_and_captures_are_those_of_the_earlier_version(self, old: Old) -> None:
        assert old.volumes() == BEFORE
        counted = "SELECT week_ending, count(*) AS n, count(last_reported_date) AS dated FROM "
        found = old.query(f"{counted} otc_raw GROUP BY ALL ORDER BY ALL")
        assert {row["week_ending"]: int(row["n"]) for row in found} == ROWS
        assert {row["dated"] for row in found} == {"0"}
        as_of = ("--as-of", "2025-12-20T00:00Z", "--format", "json")
        then = json.loads(
            old.spine(
                *("export", "--table", "otc_symbol_summary", "--week", str(CORRECTED), *as_of)
            ).stdout
        )
        assert [(row["symbol"], int(row["total_volume"])) for row in then] == [
            ("ABCD", 400),
            ("WXYZ", 50),
        ]
        listed = json.loads(old.spine("captures", "--json").stdout)
        assert [item["rows"] for item in listed] == [3, 3, 2, 2, 1]
        status = json.loads(old.spine("status", "--json").stdout)
        assert {week["tables"][raw.TABLE.name]["lake"] for week in status["weeks"]} == {"fresh"}
        assert stored_format(old.lake) == 1

    def test_a_run_keeps_working_and_takes_up_the_contents(self, old: Old) -> None:
        old.spine("backfill", str(BEHIND))
        assert stored_format(old.lake) == 1
        assert len(delivered.held(old.lake, BEHIND)) == 3
        assert old.volumes() == AFTER
        assert old.query("SELECT count(*) AS n FROM otc_raw") == [{"n": "12"}]

    def test_doctor_names_the_command_and_the_weeks(self, old: Old) -> None:
        done = CliRunner().invoke(main, ["doctor", "--json"])
        found = {item["name"]: item for item in json.loads(done.stdout)}
        assert found["lake_format"]["outcome"] == "warn"
        assert "spine lake migrate" in found["lake_format"]["mend"]
        assert "2 weeks lack" in found["contents"]["found"]
        assert f"{CORRECTED}, {BEHIND}" in found["contents"]["found"]


class TestMigrating:
    def test_a_dry_run_lists_what_there_is_to_do_and_changes_nothing(self, old: Old) -> None:
        before = old.files()
        found = old.migrated("--dry-run")
        del found["seconds"]
        assert found == {
            "dry_run": True,
            "before": 1,
            "after": FORMAT,
            "weeks": 2,
            "kept": 0,
            "contents": 5,
            "rewritten": FILES,
            "without_content": {},
        }
        assert old.files() == before

    def test_captures_get_their_contents_and_are_then_read_by_the_rules_of_today(
        self, old: Old
    ) -> None:
        found = old.migrated()
        assert (found["contents"], found["rewritten"]) == (5, FILES)
        assert {week: len(delivered.held(old.lake, week)) for week in CAPTURES} == CAPTURES
        assert stored_format(old.lake) == FORMAT
        assert [item.parser for item in storage.stored(old.lake, BEHIND)] == ["1"] * 3
        assert old.volumes() == BEFORE
        old.empty_landing()
        old.spine("backfill", "--missing")
        assert old.volumes() == AFTER
        assert {item.parser for week in CAPTURES for item in storage.stored(old.lake, week)} == {
            raw.TABLE.code_version
        }
        again = old.migrated()
        assert (again["before"], again["kept"], again["contents"], again["rewritten"]) == (
            *(FORMAT, 5),
            *(0, 0),
        )

    def test_without_the_files_captures_stay_as_they_were_read_and_are_listed(
        self, old: Old
    ) -> None:
        old.empty_landing()
        found = old.migrated()
        ids = {str(w): [i.capture_id for i in storage.stored(old.lake, w)] for w in CAPTURES}
        assert found["without_content"] == ids
        assert (found["contents"], found["rewritten"]) == (0, FILES)
        assert stored_format(old.lake) == FORMAT
        assert old.volumes() == BEFORE
        assert old.query("SELECT count(*) AS n FROM otc_raw") == [{"n": "11"}]
        old.spine("backfill", "--missing")
        # The correction of which only one of two lines was read is no longer current.
        assert old.volumes() == BEFORE | {("2025-11-21", "ABCD"): 110}

    def test_one_that_was_killed_is_completed_by_the_next(self, old: Old) -> None:

        def die() -> None:
            raise KeyboardInterrupt

        landing = scan(old.project.landing, old.project.root / "data" / "landing-index.json")
        with pytest.raises(KeyboardInterrupt):
            migrate(old.lake, landing, advance=die)
        assert stored_format(old.lake) == 1
        found = old.migrated()
        assert (found["before"], found["kept"], found["contents"], found["rewritten"]) == (
            *(1, 2),
            *(3, 3 + len(BUILT)),
        )
        assert old.volumes() == BEFORE

    def test_a_damaged_file_is_not_written_again_under_a_new_checksum(self, old: Old) -> None:
        path = old.lake.files(raw.TABLE.name, CORRECTED)[0]
        content = bytearray(path.read_bytes())
        content[30] ^= 1
        path.write_bytes(content)
        done = CliRunner().invoke(main, ["lake", "migrate"])
        assert done.exit_code == 1
        assert path.name in done.output
        assert stored_format(old.lake) == 1

    def test_the_printed_report_names_weeks_without_content(self, old: Old) -> None:
        (old.project.landing / "a-otc.csv").unlink()
        text = old.spine("lake", "migrate", "--dry-run").stdout
        assert "1 captures of 1 weeks have no content" in text
        assert f"  {CORRECTED}\n" in text
        assert "the lake would be brought from format 1 to 3" in text


@pytest.fixture
def second(project: Project) -> Old:
    """A lake of format 2, in which the first capture of one week is pinned."""
    with tarfile.open(SOURCE / "spine_assets_tests/data/format_2.tar.xz") as archive:
        archive.extractall(project.root, filter="data")
    return Old(project)


PINNED = AFTER | {("2025-11-14", "ABCD"): 400}


class TestSecondFormat:
    def test_tables_pins_and_captures_are_those_of_the_earlier_version(self, second: Old) -> None:
        assert second.volumes() == PINNED
        asked = "SELECT count(*) AS n, count(reported_total_volume) AS known FROM otc_venue_share"
        assert second.query(asked) == [{"n": "4", "known": "0"}]
        current = "SELECT week_ending, sum(share_volume)::INT AS n FROM otc_raw_current GROUP BY 1"
        found = {row["week_ending"]: int(row["n"]) for row in second.query(current)}
        assert found == {"2025-11-14": 450, "2025-11-21": 950}
        states = {
            (item["week_ending"], item["state"])
            for item in json.loads(second.spine("captures", "--json").stdout)
        }
        assert ("2025-11-14", "pinned") in states
        assert stored_format(second.lake) == 2

    def test_a_run_keeps_working_and_a_capture_can_be_retracted(self, second: Old) -> None:
        (pinned,) = [
            item["capture_id"]
            for item in json.loads(second.spine("captures", "--json").stdout)
            if item["state"] == "pinned"
        ]
        second.spine("captures", "retract", pinned)
        second.spine("backfill", str(CORRECTED))
        assert second.volumes() == AFTER
        assert stored_format(second.lake) == 2

    def test_it_is_brought_up_to_today_without_its_pins_being_written_again(
        self, second: Old
    ) -> None:
        def pins() -> dict[str, bytes]:
            return {
                name: text
                for name, text in second.files().items()
                if "otc_pins/week_ending=2025" in name
            }

        before = pins()
        found = second.migrated()
        assert (found["before"], found["kept"], found["contents"]) == (2, 5, 0)
        assert found["rewritten"] == len(CAPTURES)  # otc_venue_share, which has new columns
        assert stored_format(second.lake) == FORMAT
        assert (len(before), pins()) == (1, before)
        assert second.volumes() == PINNED
        second.spine("backfill", "--missing")
        assert second.volumes() == PINNED


class TestFormat:
    def test_a_new_lake_begins_with_the_format_of_today(self, project: Project) -> None:
        assert CliRunner().invoke(main, ["db", "init"]).exit_code == 0
        written = json.loads((project.lake / "_format.json").read_text("utf-8"))
        assert written["format"] == FORMAT == 3

    @pytest.mark.parametrize("words", NEED_LAKE)
    def test_a_newer_one_is_refused_in_one_line(
        self, old: Old, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_FINRA_URL", "http://127.0.0.1:9")  # nobody listens
        (old.project.lake / "_format.json").write_text('{"format": 4, "program": "1.4.0"}', "utf-8")
        database = old.project.root / "data/spine.duckdb"
        database.write_bytes(b"what was made of it")
        before = old.files()
        done = CliRunner().invoke(main, shlex.split(words))
        assert done.exit_code == 1, done.output
        lines = {line.strip() for line in done.output.splitlines() if "format 4" in line}
        assert len(lines) == 1 or words.startswith("doctor"), done.output
        for line in lines:
            assert "written by spine-assets 1.4.0; this is spine-assets" in line
            assert "reads formats up to 3: install spine-assets 1.4.0 or later" in line
        assert old.files() == before
        assert database.read_bytes() == b"what was made of it"

    def test_every_command_is_tried_on_a_newer_one_or_needs_none(self) -> None:
        tree = {command.removeprefix("spine ") for command in commands(main)}
        tried = {name for name in tree if any(f"{w} ".startswith(f"{name} ") for w in NEED_LAKE)}
        assert tried | NEED_NO_LAKE == tree
        assert not tried & NEED_NO_LAKE

    def test_a_refresh_of_a_lake_that_was_opened_before_is_refused(self, old: Old) -> None:
        lake, path = old.lake, old.project.root / "data/spine.duckdb"
        (old.project.lake / "_format.json").write_text('{"format": 4, "program": "1.4.0"}', "utf-8")
        before = old.files()
        with pytest.raises(NewerFormat, match=r"install spine-assets 1\.4\.0 or later"):
            refresh(path, contents_of(lake), memory_bytes=10**9, sort=True)
        assert old.files() == before
        assert not path.exists()

    def test_a_run_of_dagster_is_refused(self, old: Old, runner: Runner) -> None:
        (old.project.lake / "_format.json").write_text('{"format": 4, "program": "1.4.0"}', "utf-8")
        old.project.deliver(BEHIND, *Tier)
        before = old.files()
        outcome = runner.week(BEHIND)
        assert not outcome.success
        failed = outcome.result.failure_data_for_node("otc_week")
        assert failed is not None
        assert failed.error is not None
        assert "install spine-assets 1.4.0 or later" in failed.error.to_string()
        assert old.files() == before

    @pytest.mark.parametrize("text", ["", "{}", '{"format": "two"}', "[]", "nothing"])
    def test_a_damaged_one_is_an_error_that_names_the_file(
        self, project: Project, text: str
    ) -> None:
        project.lake.mkdir(parents=True)
        (project.lake / "_format.json").write_text(text, "utf-8")
        with pytest.raises(LakeError, match=r"_format\.json cannot be read"):
            open_lake(project.lake)

    def test_a_copy_has_the_format_of_its_source(self, old: Old, tmp_path: Path) -> None:
        first = LocalLake(tmp_path / "first")
        LakeCopy(old.lake, first).copy()
        assert stored_format(first) == 1
        old.migrated()
        with pytest.raises(LakeError, match=f"name {first.place} and run spine lake migrate"):
            LakeCopy(old.lake, first)
        second = LocalLake(tmp_path / "second")
        LakeCopy(old.lake, second).copy()
        assert stored_format(second) == FORMAT
        assert LakeCopy(old.lake, second).compare().is_complete

    def test_a_lake_that_was_removed_begins_anew(self, old: Old) -> None:
        old.migrated()
        old.lake.remove()
        assert not (old.project.lake / "_format.json").exists()
        old.spine("db", "init")
        assert stored_format(old.lake) == FORMAT
