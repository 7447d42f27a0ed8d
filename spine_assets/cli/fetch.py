"""The command that fetches weeks from FINRA."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.render import fetch as render_fetch
from spine_assets.cli.shared import NameChoice, WeekType, print_json
from spine_assets.core.settings import load_finra_settings, load_settings
from spine_assets.core.weeks import Tier, VenueClass, tier_of
from spine_assets.finra.batch import fetch_all, not_offered, open_holdings, open_looks
from spine_assets.finra.client import FinraClient
from spine_assets.finra.fetching import Wanted, offered, plan
from spine_assets.finra.restatements import Restatements

_TIERS = ("T1", "T2", "OTCE", *(tier.value for tier in Tier))  # FINRA's ids, and ours
_CLASSES = {
    "ats": [VenueClass.ATS],
    "non-ats": [VenueClass.NON_ATS],
    "both": list(VenueClass),
}


@click.command()
@click.option("--week", "weeks", type=WeekType(), multiple=True, help="This week; repeatable.")
@click.option("--since", type=WeekType(), help="This week and all later ones.")
@click.option(
    "--all", "everything", is_flag=True, help="All weeks that FINRA offers, about five years."
)
@click.option(
    "--restated", is_flag=True, help="Weeks that are here and that FINRA has changed since."
)
@click.option("--tier", "tiers", type=NameChoice(_TIERS), multiple=True, help="Repeatable.")
@click.option(
    "--class", "classes", type=NameChoice(list(_CLASSES)), default="both", show_default=True
)
@click.option(
    "--recheck",
    is_flag=True,
    help="Also ask about each answer that is here, of the historic dataset too.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be requested.")
@with_json
def fetch(
    weeks: tuple[date, ...],
    since: date | None,
    everything: bool,
    restated: bool,
    tiers: tuple[str, ...],
    classes: str,
    recheck: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    r"""Fetch missing and changed weeks into the landing folder.

    FINRA is always asked about a week that --week names.

    \b
    spine fetch --week 2025-11-21
    spine fetch --since 2025-10-03 --tier T1 --class ats
    spine fetch --restated
    """
    if bool(weeks) + bool(since) + everything + restated != 1:
        raise click.UsageError("give the weeks: --week WEEK, --since WEEK, --all or --restated")
    settings, finra = load_settings(), load_finra_settings()
    holdings, now = open_holdings(settings), datetime.now(UTC)
    with FinraClient(finra) as client:
        offers = offered(client)
        known = {week for week, _ in offers}
        wanted = Wanted(
            weeks=set(weeks) or {week for week in known if since is None or week >= since},
            tiers={tier for name in tiers if (tier := tier_of(name))} or set(Tier),
            classes=_CLASSES[classes],
            recheck=recheck or bool(weeks),
            missing=not restated,
        )
        missing = [not_offered(week, wanted.tiers, offers) for week in weeks if week not in known]
        if missing:
            raise click.ClickException("; ".join(missing))
        if since and known and since < min(known):
            click.echo(f"FINRA offers no week before {min(known)}", err=True)
        changes = Restatements(offers, holdings, open_looks(settings), now)
        look = None if weeks else changes.ask(client)
        tasks = plan(offers, holdings, wanted, look.changed if look else ())
        if dry_run:
            render_fetch.planned(tasks, holdings, look, as_json=as_json)
            return
        with render_fetch.bar(tasks) as moved:
            report = fetch_all(client, holdings, settings, tasks, moved)
        requests = client.requests
    if as_json:
        print_json(render_fetch.as_json(report, look, requests))
    else:
        render_fetch.report(report, look, requests, settings.landing_path)
    if report.failures:
        raise click.exceptions.Exit(1)
