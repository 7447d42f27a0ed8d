"""Fetching many answers with one report, and the folders that fetching uses."""

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
from spine_assets.finra.errors import FinraError, FinraRefused, FinraUnavailable
from spine_assets.finra.fetching import Fetched, Fetcher, FetchTask, OnPage
from spine_assets.finra.holdings import Holdings
from spine_assets.finra.last_checked import LastChecked
from spine_assets.finra.looks import Looks
from spine_assets.lake.opening import open_lake

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_LAST_CHECKED, _LOOKS, _SPOOL = "looks.json", "restatements.json", "spool"
_MOST_IN_A_ROW = 3  # tasks that fail for a reason that is not theirs; then the rest would too


def folder(settings: Settings) -> Path:
    """The cache of fetching; without it the next fetch needs more requests."""
    return settings.data_dir / "finra"


def open_holdings(settings: Settings) -> Holdings:
    """The answers of FINRA that the project has."""
    last_checked = LastChecked(folder(settings) / _LAST_CHECKED)
    return Holdings(settings.landing_path, open_lake(settings.lake_place), last_checked)


def open_looks(settings: Settings) -> Looks:
    """The looks for restatements so far."""
    return Looks(folder(settings) / _LOOKS)


@dataclass
class FetchReport:
    """The result of many tasks.

    Attributes:
        fetched: Answers that were checked or fetched.
        failures: Errors, by the task's week and tier.
        not_asked: Number of tasks that were not started, because FINRA could not be reached or
            refuses this client, several times in a row.
        is_transient: All errors are transient, so that a retry may succeed.
    """

    fetched: list[Fetched] = field(default_factory=list)
    failures: dict[tuple[date, Tier], str] = field(default_factory=dict)
    not_asked: int = 0
    is_transient: bool = True


def fetch_all(
    client: FinraClient,
    holdings: Holdings,
    settings: Settings,
    tasks: Iterable[FetchTask],
    moved: Callable[[FetchTask], OnPage],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FetchReport:
    """Carry out tasks; one that fails does not stop the others.

    If FINRA cannot be reached, or refuses the client, for some tasks in a row, the remaining ones
    are not started.

    Args:
        client: An open client.
        holdings: The answers that the project has.
        settings: With the folders.
        tasks: From `plan`.
        moved: Returns, for each task, the function to call after each of its pages.
        clock: The time for the names of files.
    """
    spool = folder(settings) / _SPOOL
    fetcher = Fetcher(client, holdings, settings.landing_path, spool, clock)
    report = FetchReport()
    remaining = list(tasks)
    in_a_row = 0
    while remaining and in_a_row < _MOST_IN_A_ROW:
        task = remaining.pop(0)
        place = (task.offer.week_ending, task.offer.tier)
        try:
            for found in fetcher.run(task, moved(task)):
                report.fetched.append(found)
                in_a_row = 0
        except Timeout:
            report.failures[place] = "another process is still fetching the same answer"
        except FinraError as error:
            report.failures[place] = str(error)
            report.is_transient = report.is_transient and error.is_transient
            in_a_row = in_a_row + 1 if _is_of_all(error) else 0
    report.not_asked = len(remaining)
    return report


def _is_of_all(error: FinraError) -> bool:
    """Whether other tasks are likely to fail for the same reason."""
    if isinstance(error, FinraRefused):
        return error.is_of_client
    return isinstance(error, FinraUnavailable)


def not_offered(
    week: date, tiers: Iterable[Tier], offers: Mapping[tuple[date, Tier], Offer]
) -> str:
    """The reason why nothing of a week can be fetched."""
    weeks = sorted({offered for offered, _ in offers})
    if not weeks:
        return f"FINRA offers neither week {week} nor any other week now"
    reason = f"FINRA does not offer week {week}; it offers {weeks[0]} to {weeks[-1]}"
    if week < weeks[0]:
        return f"{reason} and no older ones: put a file of the week into the landing folder"
    days = ", ".join(f"{tier} on {publication_day(week, tier)}" for tier in tiers)
    return f"{reason}; it is due {days}"
