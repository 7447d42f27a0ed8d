"""Where fetching works: its folders, and carrying out many tasks with one report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from spine_assets.core.settings import Settings
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.finra.api import Offer
from spine_assets.finra.errors import FinraContradicts, FinraError
from spine_assets.finra.fetching import Fetched, Fetcher, Task, Told
from spine_assets.finra.holdings import Holdings
from spine_assets.finra.last_checked import Looks
from spine_assets.lake.opening import open_lake

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_LOOKS, _SPOOL = "looks.json", "spool"


def folder(settings: Settings) -> Path:
    """What fetching remembers; may be deleted, and costs requests then."""
    return settings.data_dir.absolute() / "finra"


def open_holdings(settings: Settings) -> Holdings:
    """What is here of FINRA's answers."""
    looks = Looks(folder(settings) / _LOOKS)
    return Holdings(settings.landing_path, open_lake(settings.lake_place), looks)


@dataclass
class Report:
    """What became of many tasks.

    Attributes:
        fetched: Answers that were had.
        failures: What went wrong, by the task's week and tier.
        not_asked: Tasks that were not begun, since FINRA could not be reached.
        is_passing: All that went wrong may be right when asked again.
    """

    fetched: list[Fetched] = field(default_factory=list)
    failures: dict[tuple[date, Tier], str] = field(default_factory=dict)
    not_asked: int = 0
    is_passing: bool = True


def fetch_all(
    client: FinraClient,
    holdings: Holdings,
    settings: Settings,
    tasks: Iterable[Task],
    moved: Callable[[Task], Told],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Carry out tasks; an answer that makes no sense stops none of the others.

    Where FINRA cannot be reached or refuses, it would do so again: the rest is left.

    Args:
        client: An open client.
        holdings: What is here.
        settings: Where files go.
        tasks: From `plan`.
        moved: For each task, what is called after each of its pages.
        clock: The time that files are named by.
    """
    spool = folder(settings) / _SPOOL
    fetcher = Fetcher(client, holdings, settings.landing_path, spool, clock)
    report = Report()
    remaining = list(tasks)
    while remaining:
        task = remaining.pop(0)
        place = (task.offer.week_ending, task.offer.tier)
        try:
            report.fetched += fetcher.run(task, moved(task))
        except FinraContradicts as error:
            report.failures[place] = str(error)
            report.is_passing = report.is_passing and error.is_passing
        except Timeout:
            report.failures[place] = "another process has been fetching the same for long"
        except FinraError as error:
            report.failures[place] = str(error)
            report.is_passing = report.is_passing and error.is_passing
            report.not_asked = len(remaining)
            break
    return report


def not_offered(
    week: date, tiers: Iterable[Tier], offers: Mapping[tuple[date, Tier], Offer]
) -> str:
    """Why nothing of a week can be fetched."""
    weeks = sorted({offered for offered, _ in offers})
    if not weeks:
        return f"FINRA does not offer week {week}, nor any other now"
    said = f"FINRA does not offer week {week}; it offers {weeks[0]} to {weeks[-1]}"
    if week < weeks[0]:
        return f"{said} and serves no older ones: drop a file of it into the landing folder"
    days = ", ".join(f"{tier} on {publication_day(week, tier)}" for tier in tiers)
    return f"{said}; it is due {days}"
