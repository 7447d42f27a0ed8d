"""Looks for restatements: when, what they named, and whether FINRA refused the question.

It is a cache, without which the next look goes back to the first fetch and names more. Does not
belong here: requests, and which answers are asked about (`restatements`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Key

_ASKED_AGAIN = timedelta(days=7)  # after a refusal, which may have been a bad day of FINRA
_CONTINUED = timedelta(hours=1)  # an interrupted look that is older begins again
_LOCK_SECONDS = 10.0  # another process's look takes seconds; what it finds is found


class Refusal(BaseModel):
    """FINRA refused the question, or did not answer it."""

    at: datetime
    why: str


class _State(BaseModel):
    """The file: times by tier and class, and by week, tier and class."""

    looked: dict[str, datetime] = {}
    changed: dict[str, datetime] = {}
    begun: datetime | None = None
    refusal: Refusal | None = None


class Looks:
    """Earlier looks, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _read(path)

    def changed(self, now: datetime) -> Mapping[Key, datetime]:
        """The answers that looks named by now, each with the time of the last one that did."""
        found = {}
        for text, at in self._state.changed.items():
            week, tier, venue_class = text.split("/")
            if at <= now:
                found[date.fromisoformat(week), Tier(tier), VenueClass(venue_class)] = at
        return found

    def refusal(self, now: datetime) -> Refusal | None:
        """FINRA's last refusal, unless it is time to ask again."""
        found = self._state.refusal
        return found if found and timedelta(0) <= now - found.at < _ASKED_AGAIN else None

    def last(self, tier: Tier, venue_class: VenueClass, now: datetime) -> datetime | None:
        """When the last look at a tier and class began; None before the first.

        A look later than now comes from a wrong clock: what it asked for is asked again.
        """
        found = self._state.looked.get(_name(tier, venue_class))
        return found if found is not None and found <= now else None

    def latest(self) -> datetime | None:
        """When the last complete look began."""
        state = self._state
        return max(state.looked.values(), default=None) if state.begun is None else None

    def is_done(self, tier: Tier, venue_class: VenueClass) -> bool:
        """Whether the look that is under way has asked for a tier and class already."""
        begun = self._state.begun
        return begun is not None and begun == self._state.looked.get(_name(tier, venue_class))

    @contextmanager
    def one_at_a_time(self, now: datetime) -> Iterator[None]:
        """A look, or the rest of one that was interrupted, without other processes.

        Raises:
            filelock.Timeout: another process is still looking.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
            state = self._state = _read(self._path)
            if state.begun is None or not timedelta(0) <= now - state.begun < _CONTINUED:
                state.begun = now
            yield
            state.begun = None
            self._write()

    def add(self, tier: Tier, venue_class: VenueClass, changed: Iterable[Key]) -> None:
        """Record what the look named of a tier and class."""
        state = self._state
        at = state.begun
        assert at is not None  # noqa: S101 - only within a look
        state.looked[_name(tier, venue_class)] = at
        state.changed |= {_name(*key): at for key in changed}
        self._write()

    def refuse(self, now: datetime, why: str) -> Refusal:
        """Record that FINRA refused."""
        self._state.refusal = Refusal(at=now, why=why)
        self._write()
        return self._state.refusal

    def _write(self) -> None:
        atomic_write.remove_leftovers(self._path)  # of a look that was killed
        atomic_write.write(self._path, self._state.model_dump_json(indent=0).encode())


def _name(*parts: object) -> str:
    return "/".join(map(str, parts))


def _read(path: Path) -> _State:
    try:
        state = _State.model_validate_json(path.read_bytes())
        for text in state.changed:
            week, tier, venue_class = text.split("/")
            _name(date.fromisoformat(week), Tier(tier), VenueClass(venue_class))
    except (OSError, ValueError):  # of which pydantic's error is one
        return _State()
    return state
