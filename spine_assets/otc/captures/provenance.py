"""Whether a lake holds FINRA's data or synthetic data.

Views and rankings cover all weeks, so a lake holds one of the two. A week that would bring the
other is not published (check `not_mixed`), and one capture answers for all: a build need not open
the files of every other week. Belongs here: finding that capture, and the order of builds in a
lake that has none yet. Does not belong here: the mark in the rows (`delivery.provenance`), and
taking synthetic data out (`maintenance.remove_sample`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date

from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.names import LockName, week_of
from spine_assets.otc.captures import storage
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.tables import raw

NOTICE = "Synthetic data from the project's own generator, not FINRA's."
"""What every surface shows where data is synthetic."""
KEEP_APART = (
    "`spine sample remove` takes the synthetic data out of this data folder; or set SPINE_DATA_DIR "
    "to another folder, and drop FINRA's files there"
)
"""What to do where rows of both kinds meet."""


def telling_capture(lake: Lake, besides: date | None = None) -> Capture | None:
    """A capture whose rows say who made them; None if the lake has none.

    Args:
        lake: Where captures are stored. A damaged one is passed over: its own week reports it.
        besides: A week that is not looked at.
    """
    folders = lake.entries(raw.TABLE.name)  # names alone: no folder is listed but the first
    for week in map(week_of, folders):
        if week is not None and week != besides:
            with suppress(LakeError):
                for item in storage.each_stored(lake, week):
                    if item.provenance:
                        return item
    return None


def is_synthetic(lake: Lake) -> bool:
    """Whether the lake holds synthetic data."""
    found = telling_capture(lake)
    return found is not None and Provenance.SYNTHETIC in found.provenance


def clash(provenance: Sequence[Provenance], stored: Capture | None) -> str | None:
    """Why rows cannot be loaded into a lake; None if they can.

    Args:
        provenance: Who made them.
        stored: The lake's `telling_capture`.
    """
    there = stored.provenance if stored is not None else ()
    if len({*provenance, *there}) < len(Provenance):
        return None
    if len(provenance) > 1 or stored is None:
        return f"holds FINRA's rows and synthetic ones: {KEEP_APART}"
    mine, theirs = (
        "FINRA's" if kind is Provenance.FINRA else "synthetic" for kind in (*provenance, *there)
    )
    return (
        f"its rows are {mine}, and those of this lake {theirs} ({stored.source_file} of week "
        f"{stored.week_ending}): {KEEP_APART}"
    )


class LakeProvenance:
    """What the lake holds, looked up once per run."""

    def __init__(self) -> None:
        self._found: Capture | None = None

    def beside(self, lake: Lake, week: date) -> Capture | None:
        """A capture of another week that says what the lake holds; None if there is none."""
        found = self._found
        if found is None or found.week_ending == week:
            found = telling_capture(lake, week)
            self._found = found or self._found
        return found

    @contextmanager
    def one_at_a_time(
        self, lake: Lake, week: date, given_up: Callable[[], bool] | None
    ) -> Iterator[None]:
        """While no other week is captured, let one build at a time check and store its captures.

        Two that begin a lake at once, one with each kind, would both find it empty.
        """
        with ExitStack() as held:
            if self.beside(lake, week) is None:
                held.enter_context(lake.lock_of(LockName.PROVENANCE, given_up))
                if self.beside(lake, week) is not None:
                    held.close()
            yield
