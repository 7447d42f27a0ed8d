"""FINRA as runs see it: its clock, which a simulated FINRA sets otherwise."""

from datetime import UTC, datetime

import dagster as dg


class Finra(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What fetching takes from the world beside FINRA's answers."""

    def now(self) -> datetime:
        """The present, by which files are named and what is settled is told."""
        return datetime.now(UTC)


@dg.definitions
def resources() -> dg.Definitions:
    """The real clock."""
    return dg.Definitions(resources={"finra": Finra()})
