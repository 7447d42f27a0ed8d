"""The command that asks FINRA for files."""

from __future__ import annotations

import json
from datetime import date

import click

from spine_assets.cli.shared import NameChoice, WeekType, as_json_option, told

_TIERS = ("T1", "T2", "OTCE", "NMS_TIER_1", "NMS_TIER_2", "OTC")
_CLASSES = {"ats": ("ATS",), "non-ats": ("NON_ATS",), "both": ("ATS", "NON_ATS")}


@click.command()
@click.option("--week", "weeks", type=WeekType(), multiple=True, help="This week; repeatable.")
@click.option("--since", type=WeekType(), help="All weeks from this one on.")
@click.option("--all", "everything", is_flag=True, help="All that FINRA offers, about five years.")
@click.option("--tier", "tiers", type=NameChoice(_TIERS), multiple=True, help="Repeatable.")
@click.option(
    "--class", "classes", type=NameChoice(list(_CLASSES)), default="both", show_default=True
)
@click.option(
    "--recheck",
    is_flag=True,
    help="Also ask again for what came long after its publication.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be asked for.")
@as_json_option
@told
def fetch(
    weeks: tuple[date, ...],
    since: date | None,
    everything: bool,
    tiers: tuple[str, ...],
    classes: str,
    recheck: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    r"""Fetch weeks from FINRA into the landing folder: what is missing, and what has changed.

    \b
    spine fetch --week 2025-11-21
    spine fetch --since 2025-10-03 --tier T1 --class ats
    """
    from spine_assets.cli import render_fetch
    from spine_assets.finra.client import FinraClient
    from spine_assets.finra.fetching import Wanted, offered, plan
    from spine_assets.finra.place import fetch_all, not_offered, open_holdings
    from spine_assets.settings import load_finra_settings, load_settings
    from spine_assets.weeks import Tier, VenueClass, tier_of

    if bool(weeks) + bool(since) + everything != 1:
        raise click.UsageError("say which weeks: --week WEEK, --since WEEK or --all")
    settings, asked = load_settings(), load_finra_settings()
    holdings = open_holdings(settings)
    with FinraClient(asked) as client:
        offers = offered(client)
        known = {week for week, _ in offers}
        wanted = Wanted(
            weeks=set(weeks) or {week for week in known if since is None or week >= since},
            tiers={tier for name in tiers if (tier := tier_of(name))} or set(Tier),
            classes=[VenueClass(name) for name in _CLASSES[classes]],
            recheck=recheck,
        )
        gone = [not_offered(week, wanted.tiers, offers) for week in weeks if week not in known]
        if gone:
            raise click.ClickException("; ".join(gone))
        if since and known and since < min(known):
            click.echo(f"FINRA serves no week before {min(known)}", err=True)
        tasks = plan(offers, holdings, wanted)
        if dry_run:
            render_fetch.planned(tasks, holdings, as_json=as_json)
            return
        with render_fetch.bar(tasks) as moved:
            report = fetch_all(client, holdings, settings, tasks, moved)
        requests = client.requests
    if as_json:
        click.echo(json.dumps(render_fetch.as_json(report, requests), indent=1))
    else:
        render_fetch.report(report, requests, settings.landing_path)
    if report.failures:
        raise click.exceptions.Exit(1)
