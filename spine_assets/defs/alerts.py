"""The sensor that sends alerts: failed runs and checks, overdue tiers, files not used or waiting.

One plain sensor in place of Dagster's run status sensors: it reports each cause once, keeps what
a channel did not accept, and examines lake and landing folder as well, all with one cursor. It
always runs; the environment decides whether anything is sent.
"""

from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.alerts import ongoing, run_report
from spine_assets.alerts.alert import Alert
from spine_assets.alerts.channels import destinations
from spine_assets.alerts.heartbeat import Heartbeat
from spine_assets.alerts.outbox import MOST_WAITING, queue, send_waiting
from spine_assets.alerts.problem import Problem, alerts_of
from spine_assets.alerts.sensor_state import SensorState
from spine_assets.core.alert_settings import AlertSettings, load_alert_settings
from spine_assets.core.settings import load_settings
from spine_assets.defs.scan_limits import a_tick
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.finished_runs import finished_after, newest, report
from spine_assets.orchestration.site import our_name, ours
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.overdue import overdue
from spine_assets.otc.captures.pending import state
from spine_assets.otc.captures.waiting import Waiting, waiting
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.listing import glance
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.status import doubtful

NONE_SET = "no destination is set: SPINE_ALERT_WEBHOOK or SPINE_ALERT_SMTP"
_RUNS_PER_TICK = 50  # read in a few of the 60 seconds that Dagster gives a tick
_heartbeat = Heartbeat()  # of the code server, in whose process all ticks are evaluated


def alerts_sensor() -> dg.SensorDefinition:
    """The sensor of the current site."""
    return dg.sensor(
        name=our_name("alerts"),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports failed runs and checks, overdue tiers, unusable files and captures "
        "that wait, one message per cause, to the webhook and mail server that SPINE_ALERT_WEBHOOK "
        "and SPINE_ALERT_SMTP name.",
    )(ours(_tick))


def _tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Send alerts about new problems; starts no run."""
    run_locks.report_lost(context.instance)
    chosen = load_alert_settings()
    done = _send_news(context, chosen)
    _heartbeat.beat(chosen.heartbeat_url, context.log)  # not where the tick fails
    return done


def _send_news(context: dg.SensorEvaluationContext, chosen: AlertSettings) -> dg.SkipReason:
    to = destinations(chosen)
    if not to:
        # A destination that is set later receives no alerts about the past.
        context.update_cursor("")
        return dg.SkipReason(NONE_SET)
    last = newest(context.instance)
    sensor_state = SensorState.from_json(context.cursor) or SensorState(position=last)
    # Storage ids start again where runs were wiped or the newest was deleted.
    sensor_state.position = min(sensor_state.position, last)
    if len(sensor_state.waiting) < MOST_WAITING:
        queue(sensor_state, _of_runs(context, sensor_state, with_built=chosen.alert_on_success), to)
        queue(sensor_state, _of_folders(context, sensor_state), to)
    done = send_waiting(sensor_state, to, context.log)
    context.update_cursor(sensor_state.as_json())
    waiting = f", {done.waiting} waiting" if done.waiting else ""
    trouble = f" ({done.trouble})" if done.trouble else ""
    return dg.SkipReason(f"{done.sent} sent{waiting}{trouble}")


alerts = alerts_sensor()


def _of_runs(
    context: dg.SensorEvaluationContext, sensor_state: SensorState, *, with_built: bool
) -> list[Alert]:
    """Alerts about runs that finished since the last tick; updates the state."""
    ended, sensor_state.position = finished_after(context, sensor_state.position, _RUNS_PER_TICK)
    news: list[Problem] = []
    built: list[Alert] = []
    for item in ended:
        finished = report(context.instance, item.run, with_built=with_built)
        problems = [found for found in run_report.problems(finished) if not _is_of_folders(found)]
        sensor_state.runs.forget(run_report.recovered(finished, problems))
        new = sensor_state.runs.new(problems)
        sensor_state.runs.add(new)
        news += new
        if with_built and (alert := run_report.success(finished)):
            built.append(alert)
    return alerts_of(news) + built


def _is_of_folders(problem: Problem) -> bool:
    """Whether `_of_folders` reports it file by file, or tier by tier, as these checks find it."""
    return problem.table == ongoing.FILES and problem.check in {ongoing.ARRIVED, ongoing.USABLE}


def _of_folders(context: dg.SensorEvaluationContext, sensor_state: SensorState) -> list[Alert]:
    """New ongoing problems; examined when a file, a capture or the date has changed."""
    settings, today = load_settings(), _today()
    lake, files = open_lake(settings.lake_place), glance(settings.landing_path)
    seen = state(files, captures.names(lake), today)
    if seen == sensor_state.folders:
        return []
    limit = a_tick()
    landing = scan(settings.landing_path, settings.landing_index_path, limit)
    if limit.reached:  # a file that has not been read is neither unusable nor overdue
        return []
    problems = _ongoing(context, lake, landing, today)
    sensor_state.ongoing.keep(problems)
    news = sensor_state.ongoing.new(problems)
    sensor_state.ongoing.add(news)
    sensor_state.folders = "" if landing.waiting else seen
    return alerts_of(news)


def _ongoing(
    context: dg.SensorEvaluationContext, lake: Lake, landing: Landing, today: date
) -> list[Problem]:
    unusable = list(landing.unusable)
    try:
        unusable += doubtful(lake, landing, datetime.now(UTC))
    except LakeError as error:  # the run of that week fails with it, which is reported
        context.log.warning(f"doubtful files are not reported: {error}")
    parts: list[Waiting] = []
    try:
        parts = waiting(lake)
    except LakeError as error:
        context.log.warning(f"waiting captures are not reported: {error}")
    return [
        *ongoing.unusable_files(unusable),
        *ongoing.overdue_tiers(overdue(lake, landing, today), today),
        *ongoing.waiting_captures(parts),
    ]


def _today() -> date:
    return datetime.now(UTC).date()
