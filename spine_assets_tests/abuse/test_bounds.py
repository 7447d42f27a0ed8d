"""Oversized input is refused with its reason, in bounded memory.

Each scan runs in a process of its own, whose peak memory the kernel tells at its end. The
bound on address space makes a runaway fail there and not take the machine with it.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spine_assets.otc.delivery import archives, file_format
from spine_assets.otc.delivery.archives import read_contents
from spine_assets_tests.conftest import HEADER, PUBLISHED, House, delivered, line

# A process that has loaded the package and scanned one small file has about 130 MB; the
# largest allowed content costs up to 22 bytes of memory a byte.
PEAK_BYTES = 2_000_000_000
# What is refused by a size that is told, or after unpacking one content: far less.
SMALL_PEAK_BYTES = 500_000_000
_SPACE_BYTES = 12_000_000_000  # threads reserve address space that they never touch
_SECONDS = 240  # refusing takes a second or two; a busy machine many times that
TEN_GB = 10_000_000_000
# `ru_maxrss` would be no less than what the process that started this one held.
PEAK = 'int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024'
SCAN = f"""
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from spine_assets.otc.delivery import scan as scanning
scanning.SETTLE_SECONDS = 0.0
root = Path(sys.argv[1])
found = scanning.scan(root / "landing", root / "landing-index.json")
usable = [item.name for item in found.deliveries]
refused = dict((item.name, item.reason) for item in found.unusable)
print(json.dumps(dict(usable=usable, refused=refused, peak={PEAK})))
"""


@dataclass(frozen=True)
class Scanned:
    """What a scan in a process of its own found, and the most memory it held."""

    usable: list[str]
    refused: dict[str, str]
    peak: int


def scanned(house: House) -> Scanned:
    done = subprocess.run(
        [sys.executable, "-c", SCAN, str(house.root), str(_SPACE_BYTES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Scanned(**json.loads(done.stdout))


def refused(house: House, most: int = SMALL_PEAK_BYTES) -> str:
    """The one refusal of a scan that stays within `most` bytes of memory."""
    found = scanned(house)
    assert found.usable == []
    assert found.peak < most, f"{found.peak:,}"
    (reason,) = found.refused.values()
    return reason


def sparse(path: Path, size: int) -> None:
    """A file that claims a size and takes no room."""
    with path.open("wb") as file:
        file.truncate(size)


def gzip_of_zeros(path: Path, size: int) -> None:
    """A gzip file of `size` zeros: blocks that end on a byte are repeated, not packed anew."""
    piece = bytes(10_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    with path.open("wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
        for _ in range(size // len(piece)):
            file.write(first)
        file.write(packer.flush())
        file.write(struct.pack("<LL", 0, size % 2**32))


def zip_of(
    path: Path,
    members: dict[str, bytes],
    method: int = zipfile.ZIP_DEFLATED,
    level: int | None = None,
) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=level) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


class TestOneFile:
    def test_ten_gigabytes_are_refused_by_their_size(self, house: House) -> None:
        sparse(house.landing / "one-line.csv", TEN_GB)
        assert "more than 64,000,000 bytes (10,000,000,000)" in refused(house)

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
    def test_ten_gigabytes_that_claim_to_be_packed_are_refused_by_their_size(
        self, house: House, name: str
    ) -> None:
        sparse(house.landing / name, TEN_GB)
        assert "(10,000,000,000)" in refused(house)

    def test_a_gzip_bomb_is_unpacked_no_further_than_one_content(self, house: House) -> None:
        gzip_of_zeros(house.landing / "bomb.csv.gz", TEN_GB)
        assert (house.landing / "bomb.csv.gz").stat().st_size < 12_000_000
        assert "more than 64,000,000 bytes" in refused(house)

    def test_a_long_line_is_told_by_number_and_length(self, house: House) -> None:
        content = delivered(line(), line("BBBB"), line(issue="x" * 3_000_000), line("CCCC"))
        house.drop("long.csv", content)
        length = len(line(issue="x" * 3_000_000))
        assert refused(house).startswith(f"line 4 has {length:,} bytes, more than 1,000,000;")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"|" * 999_999 + b"\n", "the first line has 999,999 bytes"),
            (delivered(line(), "|" * 1_000_001), "line 3 has 1,000,001 bytes"),
        ],
        ids=["header", "body"],
    )
    def test_a_million_columns_are_refused(self, house: House, content: bytes, reason: str) -> None:
        house.drop("wide.csv", content)
        assert reason.replace(",", "") in refused(house).replace(",", "")

    def test_columns_up_to_the_longest_line_are_one_reject(self, house: House) -> None:
        house.drop("wide.csv", delivered(line(), "|" * 999_999))
        found = scanned(house)
        assert (found.usable, found.refused) == (["wide.csv"], {})
        assert found.peak < SMALL_PEAK_BYTES

    def test_more_than_a_million_lines_are_refused(self, house: House) -> None:
        house.drop("many.csv", delivered(line()) + b"x\n" * 1_000_000)
        assert "it has 1,000,002 lines, more than 1,000,000" in refused(house)

    @pytest.mark.long
    def test_the_most_lines_allowed_are_taken_in_bounded_memory(self, house: House) -> None:
        house.drop("many.csv", delivered(line()) + b"x\n" * (file_format.MAX_LINES - 2))
        found = scanned(house)
        assert found.usable == ["many.csv"]
        assert found.peak < PEAK_BYTES, f"{found.peak:,}"


class TestArchives:
    def test_members_that_unpack_to_too_much_together_are_refused_unread(
        self, house: House
    ) -> None:
        zeros = bytes(60_000_000)
        zip_of(house.landing / "a.zip", {f"{n}.csv": zeros for n in range(17)}, level=1)
        assert "unpacks to 1,020,000,000 bytes, more than 1,000,000,000" in refused(house)

    def test_a_member_that_is_too_large_is_refused_and_the_others_load(self, house: House) -> None:
        members = {"big.csv": bytes(64_000_001), "good.csv": delivered(line())}
        zip_of(house.landing / "a.zip", members)
        found = scanned(house)
        assert found.usable == ["a.zip!good.csv"]
        assert list(found.refused) == ["a.zip!big.csv"]
        assert found.peak < SMALL_PEAK_BYTES

    def test_a_nested_archive_is_not_unpacked(self, house: House, tmp_path: Path) -> None:
        zip_of(tmp_path / "inner.zip", {"x.csv": bytes(64_000_000)})
        zip_of(house.landing / "a.zip", {"inner.zip": (tmp_path / "inner.zip").read_bytes()})
        assert "this is an archive within an archive; unpack it once" in refused(house)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_packings_that_cannot_be_unpacked_in_bounds_are_refused(
        self, house: House, method: int
    ) -> None:
        zip_of(house.landing / "a.zip", {"x.csv": bytes(1_000_000)}, method)
        assert f"is packed by method {method}" in refused(house)

    def test_a_list_of_a_million_members_is_refused_before_it_is_read(self, house: House) -> None:
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *(0,) * 14)[:46]
        directory = entry * 1_000_000
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 16_960, 16_960, len(directory), 0, 0)
        house.drop("a.zip", directory + end)
        assert "list of members has 46,000,000 bytes, more than 1,000,000" in refused(house)

    def test_overlapping_members_count_as_often_as_they_are_listed(self, house: House) -> None:
        path = house.landing / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("0.csv", bytes(10_000_000))
            (first,) = archive.filelist
            for number in range(1, 120):
                copy = zipfile.ZipInfo(f"{number}.csv")
                for name in ("CRC", "file_size", "compress_size", "header_offset"):
                    setattr(copy, name, getattr(first, name))
                copy.compress_type = zipfile.ZIP_DEFLATED
                archive.filelist.append(copy)
        assert path.stat().st_size < 50_000
        assert "unpacks to 1,200,000,000 bytes" in refused(house)

    def test_a_wanted_member_is_read_without_the_others(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        zip_of(path, {"1.csv": b"one", "2.csv": b"two", "3.csv": b"three"})
        assert list(read_contents(path, "2.csv")) == [("2.csv", b"two")]


class TestFolders:
    @pytest.fixture
    def deep(self, house: House) -> Iterator[House]:
        """2,500 folders within each other, a file at the bottom; no path can name it."""
        folder = os.open(house.landing, os.O_RDONLY)
        for _ in range(2_500):
            os.mkdir("ab", dir_fd=folder)
            below = os.open("ab", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        file = os.open("deep.csv", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(file, delivered(line("DEEP")))
        os.close(file)
        os.close(folder)
        yield house
        subprocess.run(["rm", "-rf", str(house.landing)], check=True)  # shutil would recurse

    def test_folders_deeper_than_any_path_do_not_stop_the_scan(self, deep: House) -> None:
        deep.drop("good.csv", delivered(line()))
        found = scanned(deep)
        assert found.usable == ["good.csv"]
        ((name, reason),) = found.refused.items()
        assert name == "/".join(["ab"] * 33)
        assert "deeper than 32 folders" in reason
        assert found.peak < SMALL_PEAK_BYTES

    def test_thousands_of_files_are_scanned_in_bounded_memory(self, house: House) -> None:
        for number in range(3_000):
            house.drop(f"{number % 50}/{number}.csv", b"x\n")
        found = scanned(house)
        assert len(found.refused) == 3_000
        assert found.peak < SMALL_PEAK_BYTES


@pytest.mark.long
def test_a_file_of_half_the_bounds_is_built_in_half_of_the_memory(house: House) -> None:
    """Half of the allowed lines with half of the allowed bytes: 63 bytes a line."""
    rows = file_format.MAX_LINES // 2
    with (house.landing / "large.csv").open("w") as file:
        file.write(f"{HEADER}\n")
        for number in range(rows):
            file.write(
                f"OTC|S{number:06}|ABCDEFGH|OTCX LINKSSS|OTCX|{number:06}|1234|{PUBLISHED}\n"
            )
    assert (house.landing / "large.csv").stat().st_size > 0.48 * archives.MAX_CONTENT_BYTES
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(house.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])  # DuckDB draws a bar before
    assert told["rows"] == rows
    assert told["peak"] < PEAK_BYTES / 2, f"{told['peak']:,}"


BUILD = f"""
import json, sys
from pathlib import Path
from spine_assets.otc.delivery import scan as scanning
from spine_assets_tests.conftest import House
scanning.SETTLE_SECONDS = 0.0
house = House(Path(sys.argv[1]))
house.built()
rows = house.table("otc_venue_volume").height
print(json.dumps(dict(rows=rows, peak={PEAK})))
"""


def test_a_gzip_file_at_the_bound_still_loads(house: House) -> None:
    rows = "".join(f"{line(f'S{number}')}\n" for number in range(10))
    padding = "\n" * 100_000
    house.drop("good.csv.gz", gzip.compress(f"{HEADER}\n{rows}{padding}".encode()))
    house.built()
    assert house.table("otc_venue_volume").height == 10
