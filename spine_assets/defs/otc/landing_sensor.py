"""Sensor: files that arrive in the landing folder become runs of their weeks.

A tick that finds nothing changed costs one `stat` per file. Otherwise new files are read up to a
limit and recorded in the landing index. What they are is reported as events of `finra_otc_files`
(`orchestration.landing_events`). Once all new files are known, each week with a content
that no capture holds gets a run, so that all files of a week make one run. A few weeks get a run
each. More are history: adjacent weeks share a run, because most of a small week's time is the start
of its run. When a week is requested again is decided in `retry_policy`.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from logging import Logger

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane
from spine_assets.core.text import named
from spine_assets.core.weeks import stretches
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.jobs import our_job
from spine_assets.defs.otc.retry_policy import Judgement, Verdict
from spine_assets.defs.scan_limits import a_tick
from spine_assets.lake.base import Lake
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.history.lake_identity import require_same_lake
from spine_assets.orchestration.landing_events import report_delivered, report_usable
from spine_assets.orchestration.site import our_name, ours
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CaptureNames
from spine_assets.otc.captures.pending import WeekInput, input_of, state, uncaptured
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.listing import glance
from spine_assets.otc.delivery.scan import scan
from spine_assets.pipelines import weeks_to_build

PIPELINE = "otc.weekly"
INTERVAL_SECONDS = 15  # a tick without news takes some hundredths of a second
MOST_REQUESTS = 20  # per tick; each takes the daemon some tenths of a second
MOST_REPORTED = 250  # weeks per tick; each event takes some milliseconds
MANY_WEEKS = 8  # more are history, which must not delay the files of this week
# Of history, unless SPINE_WEEKS_PER_RUN is set: a run starts in seconds, and 60 full weeks take it
# some minutes, after which another run of the lane has its turn.
WEEKS_PER_RUN = 60
_DIGITS = 8  # every cursor holds them; a false match only suppresses a warning


@dataclass
class LandingCursor:
    """What one tick passes to the next, as the JSON text of the sensor's cursor.

    Attributes:
        seen: The state of files and captures in which nothing was left to do.
        asked: By week, the input of its last run, as long as the week may need another one.
        told: Hashes of the warnings that are logged and still apply.
    """

    seen: str | None = None
    asked: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, cursor: str | None) -> "LandingCursor":
        """Read a cursor; a damaged one only costs a complete scan."""
        try:
            return cls(**json.loads(cursor or "{}"))
        except (TypeError, ValueError):
            return cls()

    def text(self) -> str:
        """The text that Dagster stores."""
        return json.dumps(vars(self))

    def warn_once(self, log: Logger, warnings: dict[str, str]) -> None:
        """Log the warnings that are new, of all that apply now (text to log, by problem).

        Of many, the first are named and the others counted.
        """
        hashed = {_digest(problem): text for problem, text in warnings.items()}
        told = {*self.told}
        new = [text for key, text in hashed.items() if key not in told]
        for text in named(new, between="\n").splitlines():
            log.warning(text)
        self.told = sorted(hashed)

    def result(
        self, seen: str | None, requests: list[dg.RunRequest], reason: str
    ) -> dg.SensorResult:
        """The end of a tick; its reason is shown where no run is requested."""
        self.seen = seen
        return dg.SensorResult(
            run_requests=requests, skip_reason=None if requests else reason, cursor=self.text()
        )


def landing_sensor() -> dg.SensorDefinition:
    """The sensor of the current site."""
    return dg.sensor(
        name=our_name("otc_landing"),
        job=our_job("otc_weekly"),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds the weeks of new, changed and late files in the landing folder.",
    )(ours(_tick))


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request runs of the weeks with something delivered that is not captured."""
    run_locks.report_lost(context.instance)
    settings = load_settings()
    cursor = LandingCursor.load(context.cursor)
    files, lake = glance(settings.landing_path), open_lake(settings.lake_place)
    held = captures.names(lake)
    now = datetime.now(UTC)
    seen = state(files, held, now.date())
    if cursor.seen == seen:
        return dg.SensorResult(skip_reason=f"nothing new among {files.files:,} files")
    limit = a_tick()
    landing = scan(settings.landing_path, settings.landing_index_path, limit)
    problems: list[str] = [item.text for item in landing.unusable]
    warnings = {problem: f"cannot be used: {problem}" for problem in problems}
    if limit.reached:
        cursor.warn_once(context.log, warnings)
        known = files.files - len(landing.waiting)
        share = f"{known:,} of {files.files:,} files are known ({100 * known // files.files}%)"
        return cursor.result(None, [], f"{share}; runs are requested once all of them are")
    require_same_lake(context.instance, lake)
    report_usable(context.instance, landing)
    unreported = report_delivered(context.instance, landing, most=MOST_REPORTED)
    every = _wanted(cursor, landing, held)
    wanted = {week: item for week, item in every.items() if week >= settings.first_week}
    for week in {*every} - {*wanted}:
        cursor.asked.pop(str(week), None)
    found = _requests(context.instance, cursor, wanted, lake, landing, now)
    found.early = len(every) - len(wanted)
    cursor.warn_once(context.log, warnings | {text: text for text in found.given_up})
    is_open = unreported or landing.waiting or found.later or found.running or cursor.asked
    return cursor.result(None if is_open else seen, found.requests, found.summary(landing))


otc_landing = landing_sensor()


@dataclass
class _Requests:
    """The runs that a tick requests, and the weeks that it leaves for later."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    running: int = 0
    later: int = 0
    early: int = 0

    def summary(self, landing: Landing) -> str:
        """Why no run is requested, where none is."""
        counted = {
            "still being written": len(landing.waiting),
            "cannot be used": len(landing.unusable),
            "weeks being built or waiting for their next attempt": self.running,
            "weeks given up": len(self.given_up),
            "weeks before SPINE_FIRST_WEEK": self.early,
        }
        parts = [f"{number:,} {what}" for what, number in counted.items() if number]
        return ", ".join([f"{len(landing.deliveries):,} usable files", *parts])


def _wanted(cursor: LandingCursor, landing: Landing, held: CaptureNames) -> dict[date, WeekInput]:
    """Inputs that are not captured, and those whose run may have had a transient error."""
    wanted = {item.week_ending: item for item in uncaptured(landing, held)}
    for key in cursor.asked:
        week = date.fromisoformat(key)
        wanted.setdefault(week, input_of(week, landing, held))
    return wanted


def _requests(
    instance: dg.DagsterInstance,
    cursor: LandingCursor,
    wanted: dict[date, WeekInput],
    lake: Lake,
    landing: Landing,
    now: datetime,
) -> _Requests:
    """Runs of inputs, as far as a tick may request them; updates the cursor."""
    busy = retry_policy.under_way(instance) if wanted else set()
    free = [item for week, item in sorted(wanted.items()) if week not in busy]
    judged = retry_policy.judge_all(instance, free, now)
    found = _Requests(running=len(wanted) - len(free))
    asked: dict[date, tuple[WeekInput, int]] = {}
    complete = _complete(lake, landing, free, judged)
    for item in free:
        week, verdict = item.week_ending, judged[item.week_ending].verdict
        if verdict is Verdict.ASK and week not in complete:
            asked[week] = item, judged[week].attempt
        elif verdict is Verdict.WAIT:
            found.running += 1
            cursor.asked[str(week)] = item.content
        else:
            cursor.asked.pop(str(week), None)
        if verdict is Verdict.GIVEN_UP:
            found.given_up.append(
                f"week {week} failed in all {retry_policy.MAX_ATTEMPTS} runs; look at run "
                f"{judged[week].run_id} and then run spine backfill {week}"
            )
    for part in _parts(asked):
        if len(found.requests) == MOST_REQUESTS:
            found.later += len(part)
            continue
        lane = Lane.BACKFILL if len(asked) > MANY_WEEKS else Lane.NORMAL
        found.requests.append(retry_policy.request(part, PIPELINE, lane))
        cursor.asked |= {str(item.week_ending): item.content for item, _ in part}
    return found


def _complete(
    lake: Lake, landing: Landing, items: list[WeekInput], judged: dict[date, Judgement]
) -> set[date]:
    """Weeks that were built before their run was killed, which needs no repetition."""
    again = [
        item.week_ending
        for item in items
        if judged[item.week_ending].verdict is Verdict.ASK
        and judged[item.week_ending].attempt > 1
        and not item.left
    ]
    return {*again} - {*weeks_to_build.missing(landing, lake, again)} if again else set()


def _parts(asked: dict[date, tuple[WeekInput, int]]) -> list[list[tuple[WeekInput, int]]]:
    """The weeks of each run: one, or of many adjacent ones."""
    if len(asked) <= MANY_WEEKS:
        return [[item] for item in asked.values()]
    most = load_settings().weeks_per_run or WEEKS_PER_RUN
    return [
        [item for week, item in asked.items() if first <= week <= last]
        for first, last in stretches(asked, most)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]
