"""Following several runs of other processes until each has ended."""

from collections.abc import Iterator

import dagster as dg
import pytest

from spine_assets.core.progress import Progress
from spine_assets.orchestration.launching import progress_follower
from spine_assets.orchestration.launching.progress_follower import Follower, all_until_the_end
from spine_assets.orchestration.progress_events import log_progress

STARTED, SUCCESS = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS


@dg.job
def some_job() -> None:
    """Nothing."""


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(progress_follower, "_POLL_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def started(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run: dg.DagsterRun = instance.create_run_for_job(some_job, status=STARTED)
    return run


def finish(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, some_job.name)
    instance.report_dagster_event(event, run.run_id)


def test_each_run_is_followed_to_its_own_end(instance: dg.DagsterInstance) -> None:
    """The first has ended; the second ends when it has been shown three times."""
    first, second = started(instance), started(instance)
    finish(instance, first)
    shown: list[str] = []

    def show_second(_: Progress | None) -> None:
        shown.append("second")
        if shown.count("second") == 3:
            finish(instance, second)

    followers = [Follower(instance, run.run_id) for run in (first, second)]
    shows = [lambda _: shown.append("first"), show_second]
    all_until_the_end(followers, shows, lambda _: False)
    assert shown == ["first", *["second"] * 4]


def test_a_lost_run_is_not_followed_any_longer(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_follower, "_HEALTH_SECONDS", -1.0)
    run, checks = started(instance), iter([False, False, True])  # a fourth would be an error
    all_until_the_end([Follower(instance, run.run_id)], [lambda _: None], lambda _: next(checks))
    assert list(checks) == []


def test_all_events_are_read_at_once_however_many_they_are(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_follower, "_EVENTS_PER_QUERY", 3)

    @dg.asset
    def weeks(context: dg.AssetExecutionContext) -> None:
        for done in range(1, 6):
            log_progress(context, "built", Progress(done, 5, 10 * done, 0, 1.0), {})

    follower = Follower(instance, dg.materialize([weeks], instance=instance).run_id)
    follower.poll()
    assert follower.latest == Progress(5, 5, 50, 0, 1.0)
