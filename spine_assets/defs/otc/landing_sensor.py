"""Sensor: files that arrive in the landing folder become runs, one a week.

A tick that finds nothing changed costs one `stat` a file. Otherwise new files are read up to a
limit and remembered in the landing index, and each week with a content that no capture holds
is asked for, once all new files are known, so that a week's files make one run.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.jobs import otc_weekly_job
from spine_assets.defs.otc.retry_policy import Verdict
from spine_assets.defs.scan_limits import a_tick
from spine_assets.lake.opening import open_lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CaptureNames
from spine_assets.otc.captures.pending import WeekInput, input_of, state, uncaptured
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.listing import glance
from spine_assets.otc.delivery.scan import scan

INTERVAL_SECONDS = 15  # a tick without news costs some hundredths of a second
MOST_REQUESTS = 20  # a tick; each takes the daemon some tenths of a second
MANY_WEEKS = 8  # beyond them it is history that arrives, and this week's files go first
_TOLD_DIGITS = 8  # the cursor stands in every tick; a false match only keeps a warning silent


@dataclass
class Memory:
    """What one tick tells the next.

    `seen` is the state in which nothing was left to do; `asked` are inputs by week whose run
    has not ended yet; `told` are hashes of what was named in the log and still stands.
    """

    seen: str | None = None
    asked: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, cursor: str | None) -> "Memory":
        """Read a cursor; a damaged one only costs a full look."""
        try:
            return cls(**json.loads(cursor or "{}"))
        except (TypeError, ValueError):
            return cls()

    def text(self) -> str:
        """As the cursor holds it."""
        return json.dumps(vars(self))


@dg.sensor(
    name="otc_landing",
    job=otc_weekly_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds the weeks of new, changed and late files in the landing folder.",
)
def otc_landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for a run of each week with something delivered that is not captured."""
    settings = load_settings()
    memory = Memory.load(context.cursor)
    files = glance(settings.landing_path)
    held = captures.names(open_lake(settings.lake_place))
    now = datetime.now(UTC)
    seen = state(files, held, now.date())
    if memory.seen == seen:
        return dg.SensorResult(skip_reason=f"nothing new among {files.files:,} files")
    limit = a_tick()
    landing = scan(settings.landing_path, settings.landing_index_path, limit)
    told = [(f"{item.name}: {item.reason}", "cannot be used: ") for item in landing.unusable]
    if limit.reached:
        _tell(context, memory, told)
        known = files.files - len(landing.waiting)
        said = f"{known:,} of {files.files:,} files are known ({100 * known // files.files}%)"
        return _result(memory, None, [], f"{said}; weeks are asked for when all are")
    asked = _ask(context.instance, memory, landing, held, now)
    told += [(text, "") for text in asked.given_up]
    _tell(context, memory, told)
    open_still = landing.waiting or asked.later or asked.running or memory.asked
    return _result(memory, None if open_still else seen, asked.requests, asked.said(landing))


@dataclass
class _Asked:
    """What a tick asks for, and what it leaves."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    running: int = 0
    later: int = 0

    def said(self, landing: Landing) -> str:
        """Why no run is asked for, where none is."""
        parts = [f"{len(landing.deliveries):,} usable files"]
        for number, what in (
            (len(landing.waiting), "still being written"),
            (len(landing.unusable), "cannot be used"),
            (self.running, "weeks being built or waiting to be tried again"),
            (len(self.given_up), "weeks given up"),
        ):
            if number:
                parts.append(f"{number:,} {what}")
        return ", ".join(parts)


def _ask(
    instance: dg.DagsterInstance,
    memory: Memory,
    landing: Landing,
    held: CaptureNames,
    now: datetime,
) -> _Asked:
    """Requests for inputs that are not captured, and for those whose run met a passing fault."""
    wanted = {item.week_ending: item for item in uncaptured(landing, held)}
    lane = Lane.BACKFILL if len(wanted) > MANY_WEEKS else Lane.NORMAL
    for key in memory.asked:
        week = date.fromisoformat(key)
        wanted.setdefault(week, input_of(week, landing, held))
    found = _Asked()
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
            found.requests.append(_request(item, judged.attempt, lane))
        if judged.verdict in {Verdict.ASK, Verdict.WAIT}:
            memory.asked[str(week)] = item.content
            found.running += judged.verdict is Verdict.WAIT
        else:
            memory.asked.pop(str(week), None)
        if judged.verdict is Verdict.GIVEN_UP:
            found.given_up.append(
                f"week {week} was asked for {retry_policy.MAX_ATTEMPTS} times and failed each "
                f"time; look at run {judged.run_id} and then run spine backfill {week}"
            )
    return found


def _request(item: WeekInput, attempt: int, lane: Lane) -> dg.RunRequest:
    """A run of a week; of each input and attempt there is one at most."""
    key = item.key if attempt == 1 else f"{item.key}#{attempt}"
    return dg.RunRequest(
        run_key=key,
        partition_key=str(item.week_ending),
        tags={**run_tags("otc.weekly", lane, "sensor"), retry_policy.INPUT: item.key},
    )


def _tell(
    context: dg.SensorEvaluationContext, memory: Memory, found: list[tuple[str, str]]
) -> None:
    """Name what is wrong once, while it stands."""
    hashed = {_digest(text): f"{prefix}{text}" for text, prefix in found}
    for key, text in hashed.items():
        if key not in memory.told:
            context.log.warning(text)
    memory.told = sorted(hashed)


def _result(
    memory: Memory, seen: str | None, requests: list[dg.RunRequest], said: str
) -> dg.SensorResult:
    memory.seen = seen
    skip: dict[str, Any] = {} if requests else {"skip_reason": said}
    return dg.SensorResult(run_requests=requests, cursor=memory.text(), **skip)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_TOLD_DIGITS]
