"""Which captures are read again, and reading them again.

Rows and rejects of a capture are what the rules of one version of the program gave on one day. A
capture is read again when the rules have changed since, or when a date in it that was in the future
has come. It is read from its content in the lake; one that was stored before contents were kept is
read when the same content is in the landing folder. Does not belong here: how what was read is
written (`captures.storage`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from spine_assets.core.text import Shown
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import delivered, storage
from spine_assets.otc.captures.model import Capture, CapturedFrames
from spine_assets.otc.delivery.deliveries import Delivery, Unusable, read_parsed
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.parts import part_of
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.tables import raw


@dataclass(frozen=True)
class ReadAgain:
    """Captures that were read again, not yet written, and those whose content is refused now."""

    captured: list[CapturedFrames]
    refused: list[Unusable]


def is_outdated(capture: Capture, today: date) -> bool:
    """Whether the rules or the day would give something else than what is stored."""
    if capture.parser != raw.TABLE.code_version:
        return True
    return capture.judge_again_on is not None and capture.judge_again_on <= today


def outdated(
    lake: Lake, week: date, stored: Iterable[Capture], today: date, offered: Collection[str] = ()
) -> list[Capture]:
    """Captures of a week that a run would read again; no file is opened.

    Args:
        lake: Where they are stored; listed only where one is outdated.
        week: Week ending.
        stored: All captures of the week.
        today: The day in UTC.
        offered: Hashes of the contents that are in the landing folder.
    """
    found = [item for item in stored if is_outdated(item, today)]
    if not found:
        return []
    readable = delivered.held(lake, week) | {*offered}
    return [item for item in found if item.sha256 in readable]


def read_again(
    lake: Lake, week: date, stored: Iterable[Capture], deliveries: Iterable[Delivery], today: date
) -> ReadAgain:
    """Read the outdated captures of a week again; nothing is written.

    One whose content is not in the lake is read again in any case when it is delivered again, so
    that its content is kept from then on. A content that today's rules refuse keeps the rows that
    were read before.

    Raises:
        LakeError: a kept content is damaged.
    """
    held = delivered.held(lake, week)
    offered = {(*_key(item), item.sha256): item for item in deliveries}
    found = ReadAgain([], [])
    for item in stored:
        delivery = offered.get((*item.key, item.grain, item.sha256))
        try:
            if item.sha256 in held:
                if not is_outdated(item, today):
                    continue
                whole = parse(delivered.read(lake, week, item.sha256), today)
                parsed = part_of(whole, item.venue_class, item.grain)
            elif delivery is not None:
                parsed = read_parsed(delivery, today)
            else:
                continue
        except (FileRefused, OSError) as error:  # OSError: removed since the scan
            reason = Shown(f"what was read of it before stays ({item.capture_id}): {error}")
            found.refused.append(Unusable(item.source_file, reason, week))
        else:
            found.captured.append(storage.again(item, parsed))
    return found


def _key(item: Delivery) -> tuple[str, str, str]:
    return item.placement.tier, item.placement.venue_class, item.placement.grain
