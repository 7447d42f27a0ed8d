"""A capture as the lake records it, for tests of what is decided from captures alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures.model import Capture
from spine_assets_tests.conftest import NOW, PUBLISHED, WEEK

_ONE = Capture(
    capture_id="one",
    week_ending=WEEK,
    tier=Tier.OTC,
    venue_class=VenueClass.ATS,
    sha256="f" * 64,
    captured_at=NOW.replace(tzinfo=None),  # as captures have it
    last_update_date=date.fromisoformat(PUBLISHED),
    source_file="a.csv",
    week_source="path",
    rows=1,
    keys=10,
    row_shares=Decimal(100),
    reject_shares=Decimal(0),
    file_shares=Decimal(100),
    lines_counted=2,
    blank_lines=0,
    ends_mid_line=False,
)


def capture(capture_id: str, **changes: Any) -> Capture:
    """A capture of OTC's ATS rows of WEEK: one row of 100 shares, captured at NOW."""
    return replace(_ONE, capture_id=capture_id, **changes)
