"""Plain, gzip and zip files are read in bounds, and damaged ones are refused."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.otc.delivery import archives
from spine_assets.otc.delivery.archives import read_contents
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.conftest import delivered, line
from spine_assets_tests.support.examples import examples

ONE, TWO = delivered(line("AAAA")), delivered(line("BBBB"))


def zipped(
    *members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED, tail: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue() + tail


def read(path: Path) -> list[tuple[str | None, bytes]]:
    """All contents; none of them may be refused."""
    found = []
    for member, content in read_contents(path):
        assert isinstance(content, bytes), content
        found.append((member, content))
    return found


def told(path: Path) -> list[str]:
    """Messages of refused contents, or of the refused file."""
    try:
        found = [content for _, content in read_contents(path)]
    except FileRefused as refused:
        return [str(refused)]
    return [str(content) for content in found if isinstance(content, FileRefused)]


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("a.csv", ONE, [(None, ONE)]),
        ("a.csv.gz", gzip.compress(ONE, mtime=0), [(None, ONE)]),
        ("a.psv.GZ", gzip.compress(ONE, mtime=0), [(None, ONE)]),
        ("a.csv.gz", gzip.compress(ONE, mtime=0) + gzip.compress(b"more"), [(None, ONE + b"more")]),
        ("a.zip", zipped(("x.csv", ONE)), [(None, ONE)]),
        ("a.csv.zip", zipped(("x.csv", ONE), compression=zipfile.ZIP_STORED), [(None, ONE)]),
        (
            "a.zip",
            zipped(("x.csv", ONE), ("deep/y.csv", TWO)),
            [("x.csv", ONE), ("deep/y.csv", TWO)],
        ),
        ("a.zip", zipped(("folder/", b""), ("folder/x.csv", ONE)), [(None, ONE)]),
        ("a.csv", b"", [(None, b"")]),
        ("a.csv", gzip.compress(ONE, mtime=0), [(None, ONE)]),
        ("a.csv", zipped(("x.csv", ONE)), [(None, ONE)]),
        ("a.csv.gz", ONE, [(None, ONE)]),
        ("a.zip", ONE, [(None, ONE)]),
        ("a.zip", gzip.compress(ONE, mtime=0), [(None, ONE)]),
        ("a.zip", zipped(("x.csv.gz", gzip.compress(ONE, mtime=0))), [(None, ONE)]),
        (
            "a.zip",
            zipped(
                ("x.csv", ONE),
                ("__MACOSX/._x.csv", b"\x00\x05\x16\x07"),
                ("__MACOSX/x.csv", b"\x00\x05\x16\x07"),
                ("._x.csv", b"\x00\x05"),
                ("deep/.DS_Store", b"\x00\x00\x00\x01Bud1"),
            ),
            [(None, ONE)],
        ),
    ],
)
def test_contents_of_sound_files(
    tmp_path: Path, name: str, stored: bytes, expected: list[tuple[str | None, bytes]]
) -> None:
    path = tmp_path / name
    path.write_bytes(stored)
    assert read(path) == expected


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("a.csv.gz", gzip.compress(ONE, mtime=0)[:-9], "gzip data is damaged"),
        ("a.csv.gz", gzip.compress(ONE, mtime=0) + b"garbage", "gzip data is damaged"),
        ("a.csv.gz", gzip.compress(ONE, mtime=0)[:15] + b"\xff" * 40, "gzip data is damaged"),
        ("a.zip", bytes(50), "zip archive is damaged"),
        ("a.gz", bytes(50), "gzip data is damaged"),
        ("a.zip", zipped((".x.csv", ONE)), "hidden files alone"),
        ("a.xlsx", zipped(("[Content_Types].xml", b""), ("xl/a.xml", b"")), "an Excel workbook"),
        ("a.csv", zipped(("xl/a.xml", b""), ("[Content_Types].xml", b"")), "an Excel workbook"),
        ("a.csv", zipped(("z/a.xml", b""), ("[Content_Types].xml", b"")), "an Excel workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an old Excel workbook"),
        ("a.pdf", b"%PDF-1.4 ", "a PDF document"),
        ("a.zip", zipped(("x.csv", ONE))[:-30], "zip archive is damaged"),
        ("a.zip", zipped(), "zip archive is empty"),
        ("a.zip", zipped(("folder/", b"")), "zip archive is empty"),
        ("a.zip", zipped(("../x.csv", ONE)), "points outside"),
        ("a.zip", zipped(("a/../../x.csv", ONE)), "points outside"),
        ("a.zip", zipped(("/etc/x.csv", ONE)), "points outside"),
        ("a.zip", zipped(("..\\x.csv", ONE)), "points outside"),
    ],
)
def test_damaged_and_tricky_files_are_refused(
    tmp_path: Path, name: str, stored: bytes, expected: str
) -> None:
    path = tmp_path / name
    path.write_bytes(stored)
    (message,) = told(path)
    assert expected in message


def test_a_bad_member_leaves_the_others_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(("../x.csv", ONE), ("y.csv", TWO)))
    (bad, refused), (good, content) = read_contents(path)
    assert bad == "../x.csv"
    assert isinstance(refused, FileRefused)
    assert (good, content) == ("y.csv", TWO)


def test_an_encrypted_member_is_refused_by_name(tmp_path: Path) -> None:
    stored = bytearray(zipped(("x.csv", ONE)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        stored[stored.find(mark) + offset] |= 1  # bit 0 of the flags: encrypted
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(stored))
    assert told(path) == ["the zip member 'x.csv' is encrypted; pack it without a password"]


def with_byte(mark: bytes, offset: int, value: int) -> bytes:
    """A sound archive with one byte of a header changed."""
    stored = bytearray(zipped(("x.csv", ONE), ("y.csv", TWO)))
    stored[stored.find(mark) + offset] = value
    return bytes(stored)


@pytest.mark.parametrize(
    "stored",
    [
        with_byte(b"PK\x01\x02", 6, 84),  # needs version 8.4 of the format
        with_byte(b"PK\x01\x02", 9, 0x08).replace(b"x.csv", b"\xff.csv"),  # name is no UTF-8
        with_byte(b"PK\x01\x02", 10, 97),  # an unknown compression method
        with_byte(b"x.csv", 15, 0xFF),  # damaged data
    ],
    ids=["version", "name", "method", "data"],
)
def test_damage_within_an_archive_is_refused(tmp_path: Path, stored: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(stored)
    assert len(told(path)) == 1


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
def test_a_content_over_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archives, "MAX_CONTENT_BYTES", 1_000)
    path = tmp_path / name
    for size, refused in ((1_000, 0), (1_001, 1)):
        bomb = b"0" * size
        packed = {
            "a.csv": bomb,
            "a.csv.gz": gzip.compress(bomb, mtime=0),
            "a.zip": zipped(("x.csv", bomb)),
        }
        path.write_bytes(packed[name])
        messages = told(path)
        assert len(messages) == refused
        assert all("more than 1,000 bytes" in message for message in messages)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(*((f"{n}.csv", ONE) for n in range(3))))
    (message,) = told(path)
    assert message.startswith("the zip archive has 3 members, more than 2;")


SOUND = {
    "gz": gzip.compress(ONE, mtime=0),
    "deflated": zipped(("x.csv", ONE), ("y.csv", TWO)),
    "stored": zipped(("x.csv", ONE), ("y.csv", TWO), compression=zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("kind", list(SOUND))
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{'gz' if kind == 'gz' else 'zip'}"
    for length in range(1, len(SOUND[kind])):
        path.write_bytes(SOUND[kind][:length])
        (message,) = told(path)
        assert "damaged" in message


@pytest.mark.parametrize("kind", list(SOUND))
@given(at=st.floats(0, 0.999), bits=st.integers(1, 255), cut=st.booleans())
@settings(max_examples=examples(60), deadline=None)
def test_any_damage_gives_the_content_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: float, bits: int, cut: bool
) -> None:
    stored = bytearray(SOUND[kind])
    place = int(at * len(stored))
    stored[place] ^= bits
    path = tmp_path_factory.getbasetemp() / f"damaged.{'gz' if kind == 'gz' else 'zip'}"
    path.write_bytes(bytes(stored[:place] if cut else stored))
    try:
        found = [content for _, content in read_contents(path)]
    except FileRefused as refused:
        found = [refused]
    for content in found:
        assert isinstance(content, FileRefused) or content in {ONE, TWO, b""}
