"""What stands in the landing folder, known without reading it again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery import deliveries, landing_index, scan
from spine_assets.otc.delivery.archives import read_contents
from spine_assets.otc.delivery.deliveries import Landing, read
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.conftest import PUBLISHED_TIER_1, WEEK, House, delivered, line

OTC_FILE = delivered(line())
TIER_1_FILE = delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1))
OTHER_FILE = delivered(line("ZZZZ"))  # as long as OTC_FILE


def names(found: Landing) -> list[str]:
    return [item.name for item in found.deliveries]


def reasons(found: Landing) -> dict[str, str]:
    return {item.name: item.reason for item in found.unusable}


def hashes(found: Landing) -> list[str]:
    return [item.sha256 for item in found.deliveries]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def overwrite(path: Path, content: bytes, *, same_time: bool) -> None:
    """Replace the bytes; with `same_time` size and mtime tell nothing of it."""
    before = path.stat()
    path.write_bytes(content)
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


# --- what is found


def test_files_of_any_depth_and_packing_are_placed(house: House) -> None:
    house.drop("otc.csv", OTC_FILE)
    house.drop("deep/er/tier1.TXT", TIER_1_FILE)
    house.drop("other.psv.gz", gzip.compress(OTHER_FILE))
    found = house.scan()
    assert names(found) == ["deep/er/tier1.TXT", "otc.csv", "other.psv.gz"]
    assert hashes(found) == [sha(TIER_1_FILE), sha(OTC_FILE), sha(OTHER_FILE)]
    assert [item.placement.tier for item in found.deliveries] == [
        Tier.NMS_TIER_1,
        Tier.OTC,
        Tier.OTC,
    ]
    assert {item.placement.venue_class for item in found.deliveries} == {VenueClass.ATS}
    assert found.weeks() == [WEEK]
    assert found.of_week(WEEK) == list(found.deliveries)
    assert found.unusable == ()


def test_each_member_of_an_archive_is_a_delivery(house: House) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("week_2025-11-21/otc.csv", OTC_FILE)
        archive.writestr("tier1.csv", TIER_1_FILE)
        archive.writestr("bad.csv", b"")
    house.drop("both.zip", buffer.getvalue())
    found = house.scan()
    assert names(found) == ["both.zip!week_2025-11-21/otc.csv", "both.zip!tier1.csv"]
    assert [item.placement.week_source.value for item in found.deliveries] == [
        "path",
        "publication",
    ]
    assert [read(item) for item in found.deliveries] == [OTC_FILE, TIER_1_FILE]
    assert reasons(found) == {"both.zip!bad.csv": "the file is empty; download it again"}


@pytest.mark.parametrize(
    "name",
    [".otc.csv", "~otc.csv", "_otc.csv", "otc.csv.part", "otc.csv.tmp", "otc.doc", ".d/otc.csv"],
)
def test_hidden_temporary_and_foreign_names_are_passed_over(house: House, name: str) -> None:
    house.drop(name, OTC_FILE)
    assert house.scan() == Landing((), ())


def test_a_landing_folder_that_is_not_there_holds_nothing(house: House) -> None:
    house.landing.rmdir()
    assert house.scan() == Landing((), ())


def test_a_link_out_of_the_landing_folder_is_refused(house: House) -> None:
    outside = house.root / "outside.csv"
    outside.write_bytes(OTC_FILE)
    (house.landing / "link.csv").symlink_to(outside)
    house.drop("real.csv", TIER_1_FILE)
    (house.landing / "inner.csv").symlink_to(house.landing / "real.csv")
    found = house.scan()
    assert names(found) == ["inner.csv", "real.csv"]
    assert "leads out" in reasons(found)["link.csv"]


@pytest.mark.parametrize("target", ["nowhere.csv", "broken.csv"])
def test_a_broken_link_is_unusable_and_disturbs_no_other_file(house: House, target: str) -> None:
    house.drop("otc.csv", OTC_FILE)
    (house.landing / "broken.csv").symlink_to(house.landing / target)
    found = house.scan()
    assert names(found) == ["otc.csv"]
    assert list(reasons(found)) == ["broken.csv"]


def test_a_pipe_is_no_delivery_and_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", OTC_FILE)
    os.mkfifo(house.landing / "pipe.csv")
    opened: list[str] = []

    def refuse_pipes(path: Path) -> object:
        opened.append(path.name)
        return iter(()) if path.is_fifo() else read_contents(path)

    monkeypatch.setattr(deliveries, "read_contents", refuse_pipes)  # else it would block for ever
    assert names(house.scan()) == ["otc.csv"]
    assert opened == ["otc.csv"]


def test_a_directory_with_a_files_name_is_refused_with_all_below_it(house: House) -> None:
    house.drop("x.csv/otc.csv", OTC_FILE)
    found = house.scan()
    assert names(found) == []
    assert "a folder" in reasons(found)["x.csv"]


def test_a_link_to_a_folder_is_told_and_not_followed(house: House) -> None:
    house.drop("real/otc.csv", OTC_FILE)
    (house.landing / "link").symlink_to(house.landing / "real")
    (house.landing / "out").symlink_to(house.root)
    found = house.scan()
    assert names(found) == ["real/otc.csv"]
    assert sorted(reasons(found)) == ["link", "out"]


def test_one_content_as_both_classes_of_a_week_counts_for_none(house: House) -> None:
    house.drop("week_ending=2025-11-21/otc.csv", OTC_FILE)
    house.drop("class=non_ats/otc.csv", OTC_FILE)
    house.drop("copy/class=non_ats/otc.csv", OTC_FILE)
    house.drop("tier1.csv", TIER_1_FILE)
    found = house.scan()
    assert names(found) == ["tier1.csv"]
    assert len(found.unusable) == 3
    for item in found.unusable:
        assert item.week_ending == WEEK
        assert "the same content is placed as ATS (week_ending=2025-11-21/otc.csv) and NON_ATS" in (
            item.reason
        )


@pytest.mark.parametrize(
    "name",
    [
        "it's.csv",
        'a"b;DROP TABLE otc_raw;--.csv',
        "new\nline.csv",
        "a../o..tc.csv",
        "Größe 株.csv",
        "$(touch x) `y` {z} [a-z]* ?.csv",
        "x" * 251 + ".csv",
    ],
)
def test_odd_file_names_are_only_names(house: House, name: str) -> None:
    path = house.drop(name, OTC_FILE)
    for _ in range(2):  # read, then from the index
        (found,) = house.scan().deliveries
        assert (found.name, found.path) == (name, path)
        assert read(found) == OTC_FILE


def test_a_file_name_that_is_not_utf8_is_only_a_name(house: House) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    house.drop(name, OTC_FILE)
    for _ in range(2):  # read, then from the index
        (found,) = house.scan().deliveries
        assert found.name == r"caf\xe9.csv"
        found.name.encode("utf-8")
        assert read(found) == OTC_FILE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (delivered(), "no rows"),
        (OTC_FILE.replace(b"|", b"\t"), "tab-delimited"),
        (delivered(line(tier="?")), "unknown tier"),
        (delivered(line(updated="2025-12-23")), "week is unknown"),
        (delivered(line(updated="0001-01-01")), "week is unknown"),
    ],
)
def test_an_unusable_file_tells_why_and_leaves_the_others(
    house: House, content: bytes, told: str
) -> None:
    house.drop("bad.csv", content)
    house.drop("otc.csv", OTC_FILE)
    found = house.scan()
    assert names(found) == ["otc.csv"]
    assert told in reasons(found)["bad.csv"]


def test_an_unusable_file_tells_the_week_that_its_path_claims(house: House) -> None:
    house.drop("week_ending=2025-11-21/bad.csv", b"")
    house.drop("week_ending=2025-11-22/worse.csv", OTC_FILE)
    assert [item.week_ending for item in house.scan().unusable] == [WEEK, None]


def test_an_unreadable_file_is_unusable(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("otc.csv", OTC_FILE)

    def denied(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(deliveries, "read_contents", denied)
    assert "Permission denied" in reasons(house.scan())["otc.csv"]


def test_a_file_that_changes_while_it_is_read_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = house.drop("otc.csv", OTC_FILE)

    def growing(path: Path) -> object:
        found = list(read_contents(path))
        path.write_bytes(OTC_FILE + b"more")
        return iter(found)

    monkeypatch.setattr(deliveries, "read_contents", growing)
    found = house.scan()
    assert names(found) == []
    assert "still being written" in reasons(found)["otc.csv"]
    monkeypatch.undo()
    path.write_bytes(OTC_FILE)
    assert names(house.scan()) == ["otc.csv"]


# --- reading a delivery


def test_read_returns_what_was_scanned_or_refuses(house: House) -> None:
    path = house.drop("otc.csv", OTC_FILE)
    (found,) = house.scan().deliveries
    assert read(found) == OTC_FILE
    path.write_bytes(OTHER_FILE)
    with pytest.raises(FileRefused, match="changed while it was read"):
        read(found)


# --- the index


def test_a_corrected_file_of_equal_size_and_modification_time_is_read(house: House) -> None:
    path = house.drop("otc.csv", OTC_FILE)
    house.scan()
    overwrite(path, OTHER_FILE, same_time=True)
    assert hashes(house.scan()) == [sha(OTHER_FILE)]


def test_a_touched_file_is_read_again(house: House) -> None:
    path = house.drop("otc.csv", OTC_FILE)
    house.scan()
    overwrite(path, OTHER_FILE, same_time=False)
    assert hashes(house.scan()) == [sha(OTHER_FILE)]


def test_only_new_and_changed_files_are_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, changed = house.drop("a.csv", OTC_FILE), house.drop("b.csv", OTC_FILE)
    house.scan()
    opened: list[Path] = []

    def counting(path: Path) -> object:
        opened.append(path)
        return read_contents(path)

    monkeypatch.setattr(deliveries, "read_contents", counting)
    overwrite(changed, OTHER_FILE, same_time=False)
    new = house.drop("c.csv", TIER_1_FILE)
    assert len(house.scan().deliveries) == 3
    assert sorted(opened) == [changed, new]
    assert kept not in opened


def test_a_file_that_is_gone_leaves_the_index(house: House) -> None:
    house.drop("a.csv", OTC_FILE)
    gone = house.drop("b.csv", TIER_1_FILE)
    house.scan()
    gone.unlink()
    assert names(house.scan()) == ["a.csv"]
    assert "b.csv" not in house.index.read_text()


def test_a_refusal_is_looked_at_again_on_another_day(house: House) -> None:
    house.drop("a.csv", b" ")
    house.scan()
    stored = landing_index.load(house.index)
    stored["a.csv"]["contents"][0]["refused"] = "found before"
    assert landing_index.save(house.index, stored)  # with its checksum, so that it is believed
    assert reasons(house.scan())["a.csv"] == "found before"
    stored["a.csv"]["examined_on"] = "2025-12-24"
    assert landing_index.save(house.index, stored)
    assert "empty" in reasons(house.scan())["a.csv"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"17",
        b'{"version": 0, "files": {}}',
        b'{"version": 1}',
        b'{"version": 1, "files": []}',
        b'{"version": 1, "files": {"otc.csv": {}}}',
        b'{"version": 1, "files": {"otc.csv": 3}}',
    ],
)
def test_a_damaged_index_is_thrown_away(house: House, garbage: bytes) -> None:
    house.drop("otc.csv", OTC_FILE)
    house.index.write_bytes(garbage)
    assert names(house.scan()) == ["otc.csv"]
    assert json.loads(house.index.read_text())["files"]["otc.csv"]["size"] == len(OTC_FILE)


@pytest.mark.parametrize(
    "damage",
    [{"contents": [{"member": None, "sha256": "0", "placement": {}}]}, {"contents": "x"}],
)
def test_a_damaged_entry_is_read_anew(house: House, damage: dict[str, object]) -> None:
    house.drop("otc.csv", OTC_FILE)
    house.scan()
    stored = json.loads(house.index.read_text())
    stored["files"]["otc.csv"] |= damage
    house.index.write_text(json.dumps(stored))
    assert hashes(house.scan()) == [sha(OTC_FILE)]


def test_an_index_that_cannot_be_written_is_no_error(house: House) -> None:
    house.drop("otc.csv", OTC_FILE)
    house.index.mkdir()
    assert names(house.scan()) == ["otc.csv"]
    assert [path.name for path in house.root.iterdir() if path.name.endswith(".tmp")] == []


# --- files still being written


def grows(path: Path, stop: threading.Event) -> None:
    """Write on and on, as a slow copy does."""
    with path.open("ab") as stream:
        while not stop.wait(0.05):
            stream.write(f"{line()}\n".encode())
            stream.flush()


def test_a_file_that_still_grows_is_left_alone_until_it_settles(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SETTLE_SECONDS", 0.5)
    path, stop = house.drop("otc.csv", OTC_FILE), threading.Event()
    writer = threading.Thread(target=grows, args=(path, stop))
    writer.start()
    try:
        found = house.scan()
    finally:
        stop.set()
        writer.join()
    assert found.deliveries == ()
    assert [item.reason for item in found.unusable] == [
        "still being written; left alone until it settles"
    ]
    settled = house.scan()
    assert names(settled) == ["otc.csv"]
    assert settled.deliveries[0].sha256 == sha(path.read_bytes())


def test_a_file_that_came_a_moment_ago_and_rests_is_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SETTLE_SECONDS", 0.2)
    house.drop("otc.csv", OTC_FILE)
    assert names(house.scan()) == ["otc.csv"]
