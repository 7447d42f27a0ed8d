"""What others wrote is shown bounded and escaped, in length and number, on every surface.

The archive of these tests has one header with a long name of control bytes, to which all entries of
its list of members point: 117 kB give the reasons of 1,000 members that each quote 20 kB.
"""

from __future__ import annotations

import json
import struct
import zipfile
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.text import MOST_CHARS, MOST_NAMED
from spine_assets.otc.delivery import scan as scanning
from spine_assets.otc.delivery.archives import MAX_NAME_CHARS
from spine_assets.otc.delivery.file_format import MAX_HEADER_BYTES, parse
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.defs.test_landing_sensor import Watch
from spine_assets_tests.support.projects import Project, Runner

WEEK = date(2025, 11, 21)
MEMBERS = 300
REASON = "is damaged (File name in directory"


def hostile_zip(path: Path, members: int = MEMBERS, name_bytes: int = 19_800) -> None:
    """An archive whose members all have one header, with a name of control bytes."""
    long = b"\x01" * name_bytes
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0x21, 0, 1, 1, len(long), 0)
    content, entries = header + long + b"x", b""
    for number in range(members):
        name = f"week_ending={WEEK}/otc-weekly-{number:04}.csv".encode()
        fields = (20, 20, 0, 0, 0, 0x21, 0, 1, 1, len(name), 0, 0, 0, 0, 0, 0)
        entries += struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name
    counts = (0, 0, members, members, len(entries), len(content), 0)
    path.write_bytes(content + entries + struct.pack("<4s4H2LH", b"PK\5\6", *counts))


@pytest.fixture
def attacked(project: Project) -> Project:
    hostile_zip(project.landing / "hostile.zip")
    return project


def printed(*command: str) -> str:
    """What a command prints; no character of it acts on a terminal."""
    done = CliRunner().invoke(main, list(command))
    assert done.exit_code in {0, 1}, done.exception
    assert not done.exception or isinstance(done.exception, SystemExit)
    assert done.output.replace("\n", "").isprintable()
    return done.output


def test_the_index_keeps_a_bounded_reason_of_each_member(attacked: Project) -> None:
    index = attacked.root / "index.json"
    found = scanning.scan(attacked.landing, index)
    assert len(found.unusable) == MEMBERS
    assert all(REASON in item.reason and len(item.reason) <= MOST_CHARS for item in found.unusable)
    assert index.stat().st_size < 1_000 * MEMBERS
    assert scanning.scan(attacked.landing, index) == found


def test_commands_name_the_first_members_and_count_the_others(attacked: Project) -> None:
    status = printed("status")
    assert status.count(REASON) == MOST_NAMED
    assert f"and {MEMBERS - MOST_NAMED} more unusable files; --all shows them." in status
    assert printed("status", "--all").count(REASON) == MEMBERS
    listed = printed("status", "--json")
    assert len(json.loads(listed)["unusable"]) == MEMBERS
    assert len(listed) < 1_000 * MEMBERS
    checked = printed("check-file", str(attacked.landing / "hostile.zip"))
    assert checked.count(REASON) == MOST_NAMED
    assert f"and {MEMBERS - MOST_NAMED} more refused contents" in checked
    everything = printed("check-file", str(attacked.landing / "hostile.zip"), "--json")
    assert len(json.loads(everything)[0]["contents"]) == MEMBERS
    assert len(everything) < 1_000 * MEMBERS


def test_a_tick_and_a_run_write_little_of_them_into_dagsters_history(
    attacked: Project, runner: Runner
) -> None:
    watch = Watch(runner)
    watch.tick()
    assert [REASON in text for text in watch.logged] == [True] * MOST_NAMED + [False]
    assert watch.logged[-1] == f"and {MEMBERS - MOST_NAMED} more"
    outcome = runner.week(WEEK)
    assert outcome.failed_weeks == [str(WEEK)]
    assert outcome.failure.count(REASON) == MOST_NAMED
    assert f"and {MEMBERS - MOST_NAMED} more" in outcome.failure
    assert outcome.failure.replace("\n", "").isprintable()
    logged = runner.instance.all_logs(outcome.result.run_id)
    events = [dg.serialize_value(entry) for entry in logged]
    assert sum(map(len, events)) < 500_000


def test_a_member_with_a_long_name_is_refused_and_its_name_is_cut(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    with zipfile.ZipFile(landing / "names.zip", "w") as archive:
        for mark in ("1", "2"):
            archive.writestr(mark + "\u202e" * MAX_NAME_CHARS, b"x")
    found = scanning.scan(landing, tmp_path / "index.json")
    assert len(found.unusable) == 2
    for item in found.unusable:
        assert "has a name of 501 characters, more than 500" in item.reason
        assert item.text.isprintable()
        assert len(item.name) < 2 * MAX_NAME_CHARS


@pytest.mark.parametrize(
    "header",
    [
        "|".join("\x7f" * 40 for _ in range(240)),
        "|".join("\U0010ffff" * 40 + str(number) for number in range(60)),
        "|" * (MAX_HEADER_BYTES - 1),
    ],
    ids=["control characters", "no characters", "ten thousand names"],
)
def test_the_reason_of_a_header_is_one_bounded_line(header: str) -> None:
    with pytest.raises(FileRefused) as refused:
        parse(f"{header}\n1|2\n".encode(), WEEK)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= MOST_CHARS
