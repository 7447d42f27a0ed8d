"""Sensor: files that arrive in the landing folder become runs, one per week.

A tick that finds nothing changed costs one `stat` per file. Otherwise new files are read up to a
limit and recorded in the landing index. Once all new files are known, each week with a content
that no capture holds gets a run, so that all files of a week make one run. When a week is
requested again is decided in `retry_policy`.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from logging import Logger

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.jobs import otc_weekly_job
from spine_assets.defs.otc.retry_policy import Verdict
from spine_assets.defs.scan_limits import a_tick
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration import run_locks
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CaptureNames
from spine_assets.otc.captures.pending import input_of, state, uncaptured
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.listing import glance
from spine_assets.otc.delivery.scan import scan

PIPELINE = "otc.weekly"
INTERVAL_SECONDS = 15  # a tick without news takes some hundredths of a second
MOST_REQUESTS = 20  # per tick; each takes the daemon some tenths of a second
MANY_WEEKS = 8  # more are history, which must not delay the files of this week
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
        """Log each warning that is new, of all that apply now (text to log, by problem)."""
        hashed = {_digest(problem): text for problem, text in warnings.items()}
        for key, text in hashed.items():
            if key not in self.told:
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


@dg.sensor(
    name="otc_landing",
    job=otc_weekly_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds the weeks of new, changed and late files in the landing folder.",
)
def otc_landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request runs of the weeks with something delivered that is not captured."""
    run_locks.report_lost(context.instance)
    settings = load_settings()
    cursor = LandingCursor.load(context.cursor)
    files = glance(settings.landing_path)
    held = captures.names(open_lake(settings.lake_place))
    now = datetime.now(UTC)
    seen = state(files, held, now.date())
    if cursor.seen == seen:
        return dg.SensorResult(skip_reason=f"nothing new among {files.files:,} files")
    limit = a_tick()
    landing = scan(settings.landing_path, settings.landing_index_path, limit)
    problems = [f"{item.name}: {item.reason}" for item in landing.unusable]
    warnings = {problem: f"cannot be used: {problem}" for problem in problems}
    if limit.reached:
        cursor.warn_once(context.log, warnings)
        known = files.files - len(landing.waiting)
        share = f"{known:,} of {files.files:,} files are known ({100 * known // files.files}%)"
        return cursor.result(None, [], f"{share}; runs are requested once all of them are")
    found = _requests(context.instance, cursor, landing, held, now)
    cursor.warn_once(context.log, warnings | {text: text for text in found.given_up})
    is_open = landing.waiting or found.later or found.running or cursor.asked
    return cursor.result(None if is_open else seen, found.requests, found.summary(landing))


@dataclass
class _Requests:
    """The runs that a tick requests, and the weeks that it leaves for later."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    running: int = 0
    later: int = 0

    def summary(self, landing: Landing) -> str:
        """Why no run is requested, where none is."""
        counted = {
            "still being written": len(landing.waiting),
            "cannot be used": len(landing.unusable),
            "weeks being built or waiting for their next attempt": self.running,
            "weeks given up": len(self.given_up),
        }
        parts = [f"{number:,} {what}" for what, number in counted.items() if number]
        return ", ".join([f"{len(landing.deliveries):,} usable files", *parts])


def _requests(
    instance: dg.DagsterInstance,
    cursor: LandingCursor,
    landing: Landing,
    held: CaptureNames,
    now: datetime,
) -> _Requests:
    """Runs of inputs that are not captured, and of those whose run had a transient error."""
    wanted = {item.week_ending: item for item in uncaptured(landing, held)}
    lane = Lane.BACKFILL if len(wanted) > MANY_WEEKS else Lane.NORMAL
    for key in cursor.asked:
        week = date.fromisoformat(key)
        wanted.setdefault(week, input_of(week, landing, held))
    found = _Requests()
    busy = retry_policy.under_way(instance) if wanted else set()
    for week, item in sorted(wanted.items()):
        if week in busy:
            found.running += 1
            continue
        if len(found.requests) == MOST_REQUESTS:
            found.later += 1
            continue
        judged = retry_policy.judge(instance, item, now)
        if judged.verdict is Verdict.ASK:
            found.requests.append(retry_policy.request(item, judged.attempt, PIPELINE, lane))
        if judged.verdict in {Verdict.ASK, Verdict.WAIT}:
            cursor.asked[str(week)] = item.content
            found.running += judged.verdict is Verdict.WAIT
        else:
            cursor.asked.pop(str(week), None)
        if judged.verdict is Verdict.GIVEN_UP:
            found.given_up.append(
                f"week {week} failed in all {retry_policy.MAX_ATTEMPTS} runs; look at run "
                f"{judged.run_id} and then run spine backfill {week}"
            )
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]
