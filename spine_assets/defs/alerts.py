"""The sensor that tells people: failed runs and checks, overdue tiers, unusable files.

One plain sensor and not Dagster's run status sensors: it has to tell one cause once, to
keep what a dead channel did not take, and to look at the folders as well, with one memory.
It runs in any case; whether anybody is told is a matter of the environment.
"""

from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.alerts import run_report, standing
from spine_assets.alerts.alert import Alert
from spine_assets.alerts.channels import destinations
from spine_assets.alerts.finding import Finding, alerts_of
from spine_assets.alerts.memory import Memory
from spine_assets.alerts.outbox import MOST_WAITING, queue, send_waiting
from spine_assets.defs.finished_runs import finished_after, newest, report
from spine_assets.defs.reading import a_tick
from spine_assets.lake import Lake, LakeError
from spine_assets.lakes import open_lake
from spine_assets.otc import captures
from spine_assets.otc.arrivals import state
from spine_assets.otc.landing import Landing
from spine_assets.otc.listing import glance
from spine_assets.otc.overdue import overdue
from spine_assets.otc.scanning import scan
from spine_assets.settings import load_alert_settings, load_settings
from spine_assets.status import doubtful

NONE_SET = "no destination is set: SPINE_ALERT_WEBHOOK or SPINE_ALERT_SMTP"
_RUNS_A_TICK = 50  # a few seconds' reading, of the 60 that a tick has


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells failed runs and checks, overdue tiers and unusable files, one message a "
    "cause, to the webhook and mail server that SPINE_ALERT_WEBHOOK and SPINE_ALERT_SMTP name.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell what is new; starts no run."""
    chosen = load_alert_settings()
    to = destinations(chosen)
    if not to:
        # Who sets a destination later wants to hear from then on, not the time between.
        context.update_cursor("")
        return dg.SkipReason(NONE_SET)
    last = newest(context.instance)
    memory = Memory.from_json(context.cursor) or Memory(position=last)
    # Storage ids begin again where runs were wiped or the newest was deleted.
    memory.position = min(memory.position, last)
    if len(memory.waiting) < MOST_WAITING:
        queue(memory, _of_runs(context, memory, with_built=chosen.alert_on_success), to)
        queue(memory, _of_folders(context, memory), to)
    done = send_waiting(memory, to, context.log)
    context.update_cursor(memory.as_json())
    waiting = f", {done.waiting} waiting" if done.waiting else ""
    trouble = f" ({done.trouble})" if done.trouble else ""
    return dg.SkipReason(f"{done.sent} sent{waiting}{trouble}")


def _of_runs(
    context: dg.SensorEvaluationContext, memory: Memory, *, with_built: bool
) -> list[Alert]:
    """What finished runs have to tell since the last tick; the memory moves on."""
    ended, memory.position = finished_after(context, memory.position, _RUNS_A_TICK)
    news: list[Finding] = []
    built: list[Alert] = []
    for item in ended:
        said = report(context.instance, item.run, with_built=with_built)
        faults = [fault for fault in run_report.findings(said) if not _told_below(fault)]
        memory.runs.forget(run_report.well(said, faults))
        new = memory.runs.news(faults)
        memory.runs.add(new)
        news += new
        if with_built and (alert := run_report.success(said)):
            built.append(alert)
    return alerts_of(news) + built


def _told_below(fault: Finding) -> bool:
    """The check `tiers_arrived` finds what `_of_folders` tells tier by tier."""
    return (fault.table, fault.check) == (standing.FILES, standing.ARRIVED)


def _of_folders(context: dg.SensorEvaluationContext, memory: Memory) -> list[Alert]:
    """Standing causes that are new; looked for when a file, a capture or the date has changed."""
    settings, today = load_settings(), _today()
    lake, files = open_lake(settings.lake_place), glance(settings.landing_path)
    seen = state(files, captures.names(lake), today)
    if seen == memory.looked_at:
        return []
    limit = a_tick()
    landing = scan(settings.landing_path, settings.landing_index_path, limit)
    if limit.reached:  # what is not read yet is neither unusable nor overdue
        return []
    faults = _standing(context, lake, landing, today)
    memory.standing.keep(faults)
    news = memory.standing.news(faults)
    memory.standing.add(news)
    memory.looked_at = "" if landing.waiting else seen
    return alerts_of(news)


def _standing(
    context: dg.SensorEvaluationContext, lake: Lake, landing: Landing, today: date
) -> list[Finding]:
    unusable = list(landing.unusable)
    try:
        unusable += doubtful(lake, landing, datetime.now(UTC))
    except LakeError as error:  # the week's own run fails on it, which is told
        context.log.warning(f"files in doubt are not told: {error}")
    missing = overdue(lake, landing, today)
    return standing.unusable_files(unusable) + standing.overdue_tiers(missing, today)


def _today() -> date:
    return datetime.now(UTC).date()
