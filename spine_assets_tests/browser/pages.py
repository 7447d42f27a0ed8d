"""Dagster's pages as a person uses them: what is clicked, and where the answer stands.

Belongs here: names and places of the pages' parts, which change with Dagster's releases. Does not
belong here: what a test expects to see there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from playwright.sync_api import Locator, Page, expect

from spine_assets_tests.support.projects import Project

# A run takes 3 s and a backfill, which the daemon looks at every 30 s, a minute; each some times
# that on a busy machine.
PATIENCE_MS = 240_000


@dataclass(frozen=True)
class DagsterUI:
    """A tab with Dagster's pages, and the project that they are about."""

    page: Page
    project: Project

    def materialize(self, partitions: str) -> None:
        """Launch all assets of the group for a partition, or a range `[first...last]` of them.

        Ends on the page of what was launched: a run, or a backfill.
        """
        self.page.goto("/locations/spine_assets/asset-groups/otc")
        self.page.get_by_role("button", name="Materialize all").click()
        # Dagster does not ask whether the week's upstream data is missing: none of ours is made by
        # another run.
        self.page.get_by_text("Show all partitions").click()  # it offers the last 90 days
        chosen = self._dialog.get_by_role("textbox")
        chosen.fill(partitions)
        chosen.press("Enter")
        self._dialog.get_by_role("button", name=re.compile(r"^Launch")).click()
        self.page.get_by_text("View", exact=True).click()  # on the notice, for some seconds

    def status(self, name: str) -> Locator:
        """A run's or backfill's state, at the top of its page."""
        return self.page.get_by_text(name, exact=True).first

    def open_asset(self, name: str, tab: str) -> None:
        """From the catalog to a tab of an asset."""
        self.page.goto("/")
        self.page.get_by_role("link", name="Catalog").click()
        self.page.locator(f"a[href='/assets/{name}']").click()
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def choose_partition(self, week: date) -> None:
        """On an asset's Partitions: leave out those without a file, choose one."""
        self.page.locator("label", has_text=re.compile(r"^Missing \([1-9]")).click()
        self.choose_other_partition(week)

    def choose_other_partition(self, week: date) -> None:
        """On an asset's Partitions: choose one of those that are listed."""
        self.page.get_by_text(str(week), exact=True).first.click()
        expect(self.page).to_have_url(re.compile(rf"partition={week}"))

    def counted(self, state: str) -> Locator:
        """On an asset's Partitions: `Failed (1)` and the like."""
        return self.page.locator("label", has_text=re.compile(rf"^{state} \("))

    def value(self, name: str) -> Locator:
        """A row of metadata."""
        named = self.page.get_by_text(name, exact=True)
        return self.page.get_by_role("row").filter(has=named).last

    def open_check_history(self, name: str) -> None:
        """On an asset's Checks: what a check found, evaluation by evaluation."""
        self.page.get_by_text(name, exact=True).first.click()
        self.page.get_by_role("tab", name="Execution history").click()

    def open_check_partitions(self) -> None:
        """From a check's history to the states of its partitions."""
        self.page.get_by_role("tab", name="Partitions", exact=True).last.click()

    def row(self, *texts: str) -> Locator:
        """The row of a table that has all of the texts."""
        found = self.page.get_by_role("row")
        for text in texts:
            found = found.filter(has_text=text)
        return found

    def asset_row(self, name: str) -> Locator:
        """An asset of a backfill's page: its partitions that are targeted, succeeded, failed."""
        link = self.page.locator(f"a[href='/assets/{name}']")
        return self.page.locator("[class*='rowGrid']").filter(has=link)

    def run_row(self, text: str) -> Locator:
        """A run in a list of runs."""
        return self.page.locator("[class*='rowGrid']").filter(has_text=text)

    def switch_landing_sensor(self, *, on: bool) -> None:
        """On Automation, turn the sensor of the landing folder on, where it is off, or off."""
        self.page.goto("/automation")
        switch = self._landing_sensor.locator("label[class*='formatSwitch']")
        state = switch.get_by_role("checkbox")
        expect(state).to_be_checked(checked=not on)
        switch.click()
        expect(state).to_be_checked(checked=on)

    def open_landing_sensor(self) -> None:
        """From Automation to the sensor's own page."""
        self._landing_sensor.get_by_text("otc_landing", exact=True).click()

    @property
    def _landing_sensor(self) -> Locator:
        named = self.page.get_by_text("otc_landing", exact=True)
        return self.page.locator("[data-index]").filter(has=named)

    @property
    def _dialog(self) -> Locator:
        return self.page.locator("[class*='-dialog']").filter(has_text="Launch").last
