"""Commands that write into a folder which a person names: two of them at once do not meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.cli import main
from spine_assets.core.weeks import Tier
from spine_assets.lake import atomic_write, lock_wait
from spine_assets_tests.support import sites
from spine_assets_tests.support.sites import Site

WEEK = date(2025, 11, 21)
LONG = 60.0  # seconds until a test that waits in vain fails


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """A week, built."""
    (tmp_path / "site").mkdir()
    with sites.opened(tmp_path / "site", code_location) as made:
        made.project.deliver(WEEK, Tier.OTC)
        assert made.runner.range(WEEK, WEEK).success
        yield made


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "words",
    [("init",), ("sample", "write", "--weeks", "1", "--rows", "60", "--out"), ("backup",)],
    ids=lambda words: words[0],
)
def test_the_second_waits_for_the_first_and_deletes_nothing_of_it(
    site: Site,
    tmp_path: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target, written, go_on = tmp_path / "target", threading.Event(), threading.Event()
    rename, last = atomic_write._rename, 0.2

    def held_once(staged: Path, place: Path) -> None:
        """The first file of all lies there under its hidden name until the test goes on."""
        if not written.is_set():
            written.set()
            assert go_on.wait(LONG)
        rename(staged, place)

    def run() -> None:
        main([*words, str(target)], standalone_mode=False)

    monkeypatch.setattr(atomic_write, "_rename", held_once)
    monkeypatch.setattr(lock_wait, "REPORT_SECONDS", last)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run)
        assert written.wait(LONG)
        (staged,) = target.rglob(f".*{atomic_write.TEMPORARY}")
        second = pool.submit(run)
        assert not wait([second], 3).done
        assert staged.exists()
        go_on.set()
        first.result()
        second.result()
    assert "which another process holds" in caplog.text
    assert not [*target.rglob(f".*{atomic_write.TEMPORARY}")]
