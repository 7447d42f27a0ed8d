"""A simulated FINRA on a real socket, and clients that do not wait long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from spine_assets.core.settings import FinraSettings, Settings
from spine_assets.dev.finra_sim import SimOptions, SimServer, serving
from spine_assets.finra.batch import FetchReport, fetch_all, open_holdings, open_looks
from spine_assets.finra.client import FinraClient, Patience
from spine_assets.finra.fetching import OnPage, Wanted, offered, plan
from spine_assets.finra.restatements import Changes, Restatements
from spine_assets_tests.outbound import conftest as outbound

addresses = outbound.addresses  # a fixture
IMPATIENT = Patience(attempts=4, first_seconds=0.01, most_seconds=2.0)
AFTERNOON = time(20)  # UTC
TODAY = date(2025, 12, 29)
SMALL = SimOptions(today=TODAY, rows=90, weeks=4, historic_weeks=3, restated_share=0.0)


def client_of(url: str, **settings: object) -> FinraClient:
    """A client of a simulated FINRA, as fast as it lets one be."""
    told = {"url": url, "token_url": f"{url}/fip/rest/ews/oauth2/access_token"}
    return FinraClient(
        FinraSettings.model_validate({"requests_per_second": 20, **told, **settings}), IMPATIENT
    )


@pytest.fixture
def server() -> Iterator[SimServer]:
    """Seven small weeks, nothing wrong."""
    with serving(SMALL) as running:
        yield running


@dataclass
class Desk:
    """A project's folders, from which a simulated FINRA is asked."""

    server: SimServer
    settings: Settings
    ahead: timedelta = timedelta(0)
    """Of this machine's clock, before FINRA's."""

    def fetch(
        self, wanted: Wanted | None = None, told: OnPage = lambda rows, total: None
    ) -> FetchReport:
        """What `spine fetch --week` does, or `--all` where nothing is named."""
        with client_of(self.server.url) as client:
            holdings = open_holdings(self.settings)
            offers = offered(client)
            wanted = replace(wanted, recheck=True) if wanted else Wanted()
            named = {} if wanted.weeks else self.look(client).changed
            tasks = plan(offers, holdings, wanted, named)
            return fetch_all(client, holdings, self.settings, tasks, lambda task: told, self.now)

    def look(self, client: FinraClient) -> Changes:
        """Which answers FINRA may have changed."""
        looks = open_looks(self.settings)
        restated = Restatements(offered(client), open_holdings(self.settings), looks, self.now())
        return restated.ask(client)

    def now(self) -> datetime:
        """The afternoon of FINRA's day: what a file fetched then is named by."""
        return datetime.combine(self.server.sim.today, AFTERNOON, UTC) + self.ahead

    def files(self) -> list[Path]:
        """Fetched files, in the order of their names."""
        return sorted(self.settings.landing_path.glob("finra/*/*.csv.gz"))


@pytest.fixture
def desk(server: SimServer, tmp_path: Path) -> Desk:
    """An empty project."""
    return Desk(server, Settings(data_dir=tmp_path / "data"))
