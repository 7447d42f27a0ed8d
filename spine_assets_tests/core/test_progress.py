"""Progress as a text for people."""

from __future__ import annotations

from spine_assets.core.progress import Progress


def test_it_says_percent_pace_and_time_left() -> None:
    said = Progress(3, 12, 36_000, 1, 2.0).text()
    assert said == "(3/12 weeks, 25%, 36,000 rows, 18,000 rows/s, 1 failed, about 6 s left)"
