"""A delivered file that another process replaces all the time: a capture is one whole version.

Each version has one number of shares in all of its lines, so a mixture of two shows, and a part of
one has fewer lines.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from spine_assets.otc.delivery import scan
from spine_assets_tests.conftest import WEEK, House, delivered, line

LINES = 20_000  # read in some milliseconds, and written in about as many
SECONDS = 6.0
MOST_SECONDS = 90.0
SETTLE_SECONDS = 0.7  # the writer pauses far less while it writes, also on a busy machine
REST_SECONDS = 3.0  # after some versions, so that one can be read


def version(shares: int) -> bytes:
    head, one, *_ = delivered(line("AAAA", shares="SHARES", updated="2026-01-15")).split(b"\n")
    each = one.replace(b"SHARES", b"%08d" % shares)
    return b"\n".join([head, *(each.replace(b"AAAA", b"A%05d" % n) for n in range(LINES)), b""])


def renamed(path: Path, content: bytes) -> None:
    staged = path.with_name(".staged")
    staged.write_bytes(content)
    staged.replace(path)


def truncated(path: Path, content: bytes) -> None:
    """Emptied, and written in pieces."""
    with path.open("wb", buffering=0) as file:
        for begin in range(0, len(content), 200_000):
            file.write(content[begin : begin + 200_000])
            time.sleep(0.002)


def overwritten(path: Path, content: bytes) -> None:
    """In place, so that its size never changes."""
    with path.open("r+b", buffering=0) as file:
        for begin in range(0, len(content), 200_000):
            file.write(content[begin : begin + 200_000])
            time.sleep(0.002)


@contextmanager
def replacing(path: Path, write: Callable[[Path, bytes], None]) -> Iterator[None]:
    """Another process that writes one version after the other."""
    path.write_bytes(version(0))
    writer = os.fork()
    if writer == 0:
        versions = [version(number) for number in range(8)]
        for number in count():
            write(path, versions[number % len(versions)])
            time.sleep(0.01 if number % 20 else REST_SECONDS)
    try:
        yield
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


@pytest.mark.long
@pytest.mark.parametrize("write", [renamed, truncated, overwritten])
def test_a_capture_is_one_whole_version_or_none(
    house: House, write: Callable[[Path, bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SETTLE_SECONDS", SETTLE_SECONDS)
    path = house.landing / f"week_ending={WEEK}" / "otc.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, write):
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < MOST_SECONDS:
            house.build({"otc_raw"})
            if spent > SECONDS and house.lake.files("otc_raw", WEEK):
                break
    path.unlink()
    path.write_bytes(version(9))
    house.built({"otc_raw"})
    shares = []
    for file in house.lake.files("otc_raw", WEEK):
        rows = house.lake.read(file, ["symbol", "share_volume"])
        assert rows.height == rows["symbol"].n_unique() == LINES, file
        assert rows["share_volume"].n_unique() == 1, file
        shares.append(int(rows["share_volume"][0]))
    assert 9 in shares
    assert len(shares) > 1
