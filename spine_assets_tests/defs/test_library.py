"""Our definitions in a host: its own executor, its own names, and two lakes of ours."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets import build_definitions, trading_weeks
from spine_assets.alerts.ongoing import FILES, USABLE
from spine_assets.core.settings import WrongSetting, load_settings
from spine_assets.core.weeks import Tier
from spine_assets.defs.otc.landing_sensor import MANY_WEEKS
from spine_assets.defs.otc.retry_policy import INPUT
from spine_assets.dev.finra_sim import serving
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.site import Site, current, ours, within
from spine_assets.otc.views.registry import VIEWS
from spine_assets_tests.finra.conftest import SMALL
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import ROWS, TABLES, Project, Row

WEEK = date(2025, 11, 21)
US, EU = "us", "eu"
PRUNE = "spine_prune_runs"
EU_ROWS: tuple[Row, ...] = (("ABCD", "OTCX", 7, 1),)


@dg.asset(group_name="otc")
def prices() -> None:
    """An asset of the host, in a group that has the name of one of ours."""


@dg.job
def alerts() -> None:
    """A job of the host with the name of a sensor of ours."""


@pytest.fixture
def host(project: Project) -> dg.Definitions:
    """A host with an executor, a logger and a resource of its own, and two lakes."""
    own = dg.Definitions(
        assets=[prices],
        jobs=[alerts],
        executor=dg.multiprocess_executor,
        loggers={"console": dg.colored_console_logger},
        resources={"finra": "the host's", "spine": "the host's"},
    )
    lakes = [
        build_definitions(key_prefix=name, data_dir=project.root / name, settings=given)
        for name, given in ((US, {}), (EU, {"first_week": "2025-01-03"}))
    ]
    return dg.Definitions.merge(own, *lakes)


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with storages.instance_in(project.root / "instance") as found:
        yield found


def deliver(
    project: Project, lake: str, *tiers: Tier, rows: tuple[Row, ...] = ROWS, week: date = WEEK
) -> None:
    """Drop files into the landing folder of one lake."""
    elsewhere = Project(project.root / lake)
    there = project.root / lake / "landing"
    there.mkdir(parents=True, exist_ok=True)
    (elsewhere.root / "data").mkdir(exist_ok=True)
    if not elsewhere.landing.exists():
        elsewhere.landing.symlink_to(there)
    elsewhere.deliver(week, *tiers, rows=rows)


def weeks(project: Project, lake: str, table: str = "otc_venue_share") -> list[date]:
    return LocalLake(project.root / lake / "lake").weeks(table)


def recorded(instance: dg.DagsterInstance, *path: str) -> set[str]:
    """The weeks that Dagster has of an asset."""
    return instance.get_materialized_partitions(dg.AssetKey(path))


def tick(host: dg.Definitions, instance: dg.DagsterInstance, sensor: str) -> list[dg.RunRequest]:
    """One evaluation of a sensor of the host."""
    found = host.resolve_sensor_def(sensor)
    resources = {key: (host.resources or {})[key] for key in found.required_resource_keys}
    with dg.build_sensor_context(
        instance=instance, definitions=host, resources=resources
    ) as context:
        return list(found.evaluate_tick(context).run_requests or [])


def test_a_host_keeps_its_executor_and_its_names_and_all_of_ours_are_prefixed(
    host: dg.Definitions, code_location: dg.Definitions
) -> None:
    dg.Definitions.validate_loadable(host)
    theirs, single = host.get_repository_def(), code_location.get_repository_def()
    assert host.executor is dg.multiprocess_executor
    assert (host.loggers or {})["console"] is dg.colored_console_logger
    graph, alone = host.resolve_asset_graph(), code_location.resolve_asset_graph()
    plain = [key for key in alone.get_all_asset_keys() if "yaml" not in alone.get(key).kinds]
    expected = {dg.AssetKey([lake, *key.path]) for lake in (US, EU) for key in plain}
    assert graph.get_all_asset_keys() == expected | {prices.key}
    for key in plain:
        parents = {dg.AssetKey([US, *parent.path]) for parent in alone.get(key).parent_keys}
        assert graph.get(dg.AssetKey([US, *key.path])).parent_keys == parents
    checks = {
        dg.AssetCheckKey(dg.AssetKey([US, *key.asset_key.path]), key.name)
        for key in alone.asset_check_keys
        if key.asset_key in plain
    }
    assert checks == {key for key in graph.asset_check_keys if key.asset_key.path[0] == US}
    for kind in ("sensor_defs", "schedule_defs"):
        names = {item.name for item in getattr(single, kind)}
        names = {name for name in names if not name.endswith("_start_after")} - {PRUNE}
        found = {item.name for item in getattr(theirs, kind)}
        assert found == {f"{lake}_{name}" for lake in (US, EU) for name in names}, kind
    jobs = {job.name for job in theirs.get_all_jobs() if not job.name.startswith("__")}
    assert "us_otc_weekly" in jobs
    assert {name for name in jobs if not name.startswith((US, EU))} == {"alerts"}
    assert not any(name.endswith(PRUNE) for name in jobs)  # it would delete the host's runs too
    groups = {graph.get(key).group_name for key in expected}
    assert {name.split("_")[0] for name in groups} == {US, EU}


def test_each_lake_is_built_from_its_own_files_by_its_own_sensor(
    project: Project, host: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """The same week in both, also with equal files: neither takes the other's run for its own."""
    for lake in (US, EU):
        deliver(project, lake, Tier.NMS_TIER_1)
    for lake, other in ((US, EU), (EU, US)):
        (request,) = tick(host, instance, f"{lake}_otc_landing")
        assert request.partition_key == str(WEEK)
        before = weeks(project, other)
        result = host.resolve_job_def(f"{lake}_otc_weekly").execute_in_process(
            instance=instance, partition_key=request.partition_key, tags=request.tags
        )
        assert result.success
        made = {event.asset_key for event in result.get_asset_materialization_events()}
        assert made >= {dg.AssetKey([lake, table]) for table in TABLES}
        evaluated = {found.asset_key.path[0] for found in result.get_asset_check_evaluations()}
        assert evaluated == {lake}
        assert weeks(project, lake) == [WEEK]
        assert weeks(project, other) == before
        assert recorded(instance, lake, FILES) == {str(WEEK)}
        usable = dg.AssetCheckKey(dg.AssetKey([lake, FILES]), USABLE)
        assert instance.get_latest_asset_check_evaluation_record(usable) is not None
        assert tick(host, instance, f"{lake}_otc_landing") == []
    assert not (project.root / "data" / "lake").exists()
    assert {key.path[0] for key in instance.all_asset_keys()} == {US, EU}


def test_history_is_requested_in_stretches_of_the_lakes_own_runs(
    project: Project, host: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    every = [WEEK - timedelta(weeks=back) for back in range(MANY_WEEKS, -1, -1)]
    for lake in (US, EU):
        for week in every:
            deliver(project, lake, Tier.NMS_TIER_1, week=week)
    for lake in (US, EU):
        (request,) = tick(host, instance, f"{lake}_otc_landing")
        assert request.partition_key is None
        assert {key.split(":")[0] for key in request.tags[INPUT].split()} == {lake}
        result = host.resolve_job_def(f"{lake}_otc_weekly").execute_in_process(
            instance=instance, tags=request.tags
        )
        assert result.success
        assert weeks(project, lake) == every
        assert recorded(instance, lake, FILES) == {str(week) for week in every}
        assert tick(host, instance, f"{lake}_otc_landing") == []


def test_record_and_lake_are_brought_to_agree_for_the_lake_of_the_run_alone(
    project: Project, host: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    for lake in (US, EU):
        deliver(project, lake, *Tier)
        host.resolve_job_def(f"{lake}_otc_weekly").execute_in_process(
            instance=instance, partition_key=str(WEEK)
        )
        for file in LocalLake(project.root / lake / "lake").files("otc_venue_share", WEEK):
            Path(str(file)).unlink()
        instance.wipe_assets([dg.AssetKey([lake, "otc_symbol_summary"])])
    again = host.resolve_job_def("us_otc_ingest").execute_in_process(
        instance=instance, partition_key=str(WEEK)
    )
    assert again.success
    assert recorded(instance, US, "otc_venue_share") == set()
    assert recorded(instance, US, "otc_symbol_summary") == {str(WEEK)}
    assert recorded(instance, EU, "otc_venue_share") == {str(WEEK)}
    assert recorded(instance, EU, "otc_symbol_summary") == set()
    assert {key.path[0] for key in instance.all_asset_keys()} == {US, EU}


def test_files_and_views_are_looked_at_in_their_own_lake(
    project: Project, host: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    deliver(project, US, *Tier)
    files, view = (dg.AssetKey([US, name]) for name in (FILES, VIEWS[0].name))
    looks = {
        "look_at_files": dg.AssetSelection.groups("us_otc") | dg.AssetSelection.assets(files),
        "look_at_views": dg.AssetSelection.assets(view),
    }
    jobs = [dg.define_asset_job(name, selection) for name, selection in looks.items()]
    with_jobs = dg.Definitions.merge(host, dg.Definitions(jobs=jobs))
    for name, week, key in (("look_at_files", str(WEEK), files), ("look_at_views", None, view)):
        done = with_jobs.resolve_job_def(name).execute_in_process(
            instance=instance, partition_key=week
        )
        assert done.success
        observed = [event for event in done.all_events if event.is_asset_observation]
        seen = {event.asset_observation_data.asset_observation.asset_key for event in observed}
        assert seen == {key}


@pytest.mark.long
def test_a_lake_is_fetched_into_its_own_folder(
    project: Project,
    host: dg.Definitions,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(SMALL) as server:
        monkeypatch.setenv("SPINE_FINRA_URL", server.url)
        monkeypatch.setenv("SPINE_FINRA_REQUESTS_PER_SECOND", "20")
        asked = tick(host, instance, "us_finra_offered")
        assert str(WEEK) in {request.partition_key for request in asked}
        done = host.resolve_job_def("us_finra_fetch").execute_in_process(
            instance=instance, partition_key=str(WEEK)
        )
    assert done.success
    assert recorded(instance, US, FILES) == {str(WEEK)}
    assert [*(project.root / US / "landing" / "finra").rglob("*.csv.gz")]
    assert not (project.root / EU / "landing").exists()
    assert not [*project.landing.rglob("*.csv.gz")]


def test_schedules_checks_and_first_week_are_those_of_the_lake(
    project: Project, host: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    deliver(project, EU, *Tier, rows=EU_ROWS)
    with dg.build_schedule_context(
        instance,
        scheduled_execution_time=datetime.now(UTC),
        repository_def=host.get_repository_def(),
    ) as context:
        asked = host.resolve_schedule_def("eu_otc_ingest_check").evaluate_tick(context)
        nothing = host.resolve_schedule_def("us_otc_ingest_check").evaluate_tick(context)
    assert [request.partition_key for request in asked.run_requests or []] == [str(WEEK)]
    assert not nothing.run_requests
    done = host.resolve_job_def("eu_otc_freshness").execute_in_process(instance=instance)
    (found,) = done.get_asset_check_evaluations()
    assert found.asset_key == dg.AssetKey([EU, "finra_otc_files"])
    assert found.metadata["overdue"].value != 0  # later weeks; the other lake has none at all
    graph = host.resolve_asset_graph()
    for lake, first in ((US, date(2014, 5, 16)), (EU, date(2025, 1, 3))):
        found_weeks = graph.get(dg.AssetKey([lake, "otc_raw"])).partitions_def
        assert found_weeks == trading_weeks(first)


def test_nothing_of_a_site_remains_between_two_values_of_a_step(tmp_path: Path) -> None:
    with within(Site("us", None)):

        def values() -> Iterator[str]:
            yield current().prefix
            yield current().prefix

        made = ours(values)
    found = made()
    assert next(found) == "us"
    assert current().prefix == ""
    assert [*found] == ["us"]


@pytest.mark.parametrize("prefix", ["", "US", "us/otc", "2nd", "us-otc"])
def test_a_prefix_that_no_job_could_bear_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot stand before names"):
        build_definitions(key_prefix=prefix, data_dir=tmp_path)


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="SPINE_FIRST_WEEK: 2025-01-01 is a Wednesday"):
        build_definitions(key_prefix="us", data_dir=tmp_path, settings={"first_week": "2025-01-01"})
    assert load_settings().data_dir != tmp_path


HOST = """
import dagster as dg
from spine_assets import build_definitions, trading_weeks

@dg.asset
def prices():
    ...

defs = dg.Definitions.merge(
    dg.Definitions(assets=[prices], executor=dg.multiprocess_executor),
    build_definitions(key_prefix="us", data_dir="us"),
    build_definitions(key_prefix="eu", data_dir="eu"),
)
"""


@pytest.mark.long
def test_dagsters_command_builds_a_lake_of_a_host_with_the_hosts_executor(
    project: Project,
) -> None:
    (project.root / "host.py").write_text(textwrap.dedent(HOST))
    deliver(project, US, *Tier)
    deliver(project, EU, *Tier, rows=EU_ROWS)
    for lake, key in ((US, "us/otc_raw*"), (EU, "group:eu_otc")):
        done = project.run(
            *("dagster", "asset", "materialize", "-f", "host.py"),
            *("--select", key, "--partition", str(WEEK)),
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "multiprocess" in done.stderr.lower()
        assert weeks(project, lake) == [WEEK]
        lines = LocalLake(project.root / lake / "lake")
        rows = lines.read(lines.files("otc_venue_share", WEEK)[0])
        assert rows["total_volume"].sum() == {US: 1350, EU: 21}[lake]
