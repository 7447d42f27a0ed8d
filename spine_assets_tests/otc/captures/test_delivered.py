"""Delivered contents in the lake: kept as delivered, checked at each read, never replaced."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.lake.base import LakeError, LakeMissing
from spine_assets.otc.captures import delivered, storage
from spine_assets_tests.conftest import RAW, WEEK, House, line
from spine_assets_tests.conftest import delivered as file_of

CONTENT = file_of(line(shares="100"), line("BBBB", shares="abc"))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_capture_keeps_what_was_delivered_and_another_reader_of_zstd_reads_it(
    house: House,
) -> None:
    house.drop("otc.csv", CONTENT)
    house.built()
    (file,) = house.lake.files(delivered.FOLDER, WEEK, delivered.SUFFIX)
    assert file.name == f"{SHA256}.zst"
    with pa.CompressedInputStream(pa.BufferReader(file.read_bytes()), "zstd") as opened:
        assert opened.read() == CONTENT
    assert delivered.read(house.lake, WEEK, SHA256) == CONTENT
    assert delivered.held(house.lake, WEEK) == {SHA256}


def test_a_content_is_not_written_again_where_it_is_kept(house: House) -> None:
    delivered.store(house.lake, WEEK, SHA256, CONTENT)
    file = delivered.path(house.lake, WEEK, SHA256)
    before = house.lake.stamp(file)
    delivered.store(house.lake, WEEK, SHA256, CONTENT)
    assert house.lake.stamp(file) == before is not None


@given(content=st.binary(max_size=400))
def test_every_content_is_read_back_as_it_was(content: bytes) -> None:
    packed = delivered.pack(content)
    assert delivered.unpack(packed, hashlib.sha256(content).hexdigest()) == content


@given(content=st.binary(max_size=100), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_changed_bit_is_read_as_the_content(content: bytes, at: int, bit: int) -> None:
    packed = bytearray(delivered.pack(content))
    packed[at % len(packed)] ^= 1 << bit
    found = None
    with suppress(ValueError):  # what else it raises is an error
        found = delivered.unpack(bytes(packed), hashlib.sha256(content).hexdigest())
    assert found in {None, content}  # zstd leaves a few bits unused


@pytest.mark.parametrize(
    "stored", [b"", delivered.pack(b"other"), delivered.pack(CONTENT)[:-1], b"plain text"]
)
def test_a_damaged_content_is_an_error_that_names_its_file(house: House, stored: bytes) -> None:
    file = delivered.path(house.lake, WEEK, SHA256)
    house.lake.append(house.lake.stage_bytes(stored, file), file)
    with pytest.raises(LakeError, match=f"{SHA256}.zst cannot be read"):
        delivered.read(house.lake, WEEK, SHA256)


def test_a_missing_content_is_missing(house: House) -> None:
    with pytest.raises(LakeMissing):
        delivered.read(house.lake, WEEK, SHA256)


def test_a_content_without_its_capture_is_removed_by_the_next_run(house: House) -> None:
    house.drop("otc.csv", CONTENT)
    house.built()
    delivered.store(house.lake, WEEK, "0" * 64, b"left by a killed run")
    assert storage.remove_uncommitted(house.lake, WEEK) == 1
    assert delivered.held(house.lake, WEEK) == {SHA256}
    assert house.table(RAW).height == 1
