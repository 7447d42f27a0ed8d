"""The asset `otc_consolidated_volume`: one's own files in Dagster and `spine query`."""

from __future__ import annotations

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets_tests.support.projects import Project, Runner

TABLE = "otc_consolidated_volume"
HEADER = "week_ending,symbol,share_volume"


def run(runner: Runner) -> dg.ExecuteInProcessResult:
    job = runner.code_location.resolve_job_def("otc_consolidated")
    return job.execute_in_process(instance=runner.instance, raise_on_error=False)


def given(project: Project, *lines: str) -> None:
    folder = project.root / "data" / "consolidated"
    folder.mkdir(exist_ok=True)
    (folder / "volume.csv").write_text("\n".join([HEADER, *lines, ""]), "utf-8")


def asked(sql: str) -> tuple[str, str]:
    found = CliRunner().invoke(main, ["query", sql, "--csv"])
    assert found.exit_code == 0, found.output
    return found.stdout, found.stderr


def test_a_bad_row_fails_check_and_run_and_what_was_loaded_stays(
    project: Project, runner: Runner
) -> None:
    given(project, "2025-11-14,A,100")
    good = run(runner)
    assert good.success
    (made,) = good.get_asset_materialization_events()
    metadata = made.step_materialization_data.materialization.metadata
    assert (metadata["dagster/partition_row_count"].value, metadata["weeks"].value) == (1, 1)
    assert [found.passed for found in good.get_asset_check_evaluations()] == [True]

    given(project, "2025-11-14,A,100", "2025-11-14,A,90")
    bad = run(runner)
    assert not bad.success
    assert not bad.get_asset_materialization_events()
    (check,) = bad.get_asset_check_evaluations()
    assert (check.passed, check.blocking) == (False, True)
    assert "volume.csv, row 2: week_ending '2025-11-14' stands twice" in str(check.description)
    sample = check.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert [record.data["row"] for record in sample.records] == [1, 2]
    rows, said = asked(f"SELECT symbol, share_volume, source_files FROM {TABLE}")
    assert rows.splitlines()[1:] == ['A,100,"[""volume.csv""]"']
    assert "changed since they were loaded: spine run otc.consolidated" in said


@pytest.mark.usefixtures("runner")
def test_without_files_the_table_is_empty(project: Project) -> None:
    dry = CliRunner().invoke(main, ["run", "otc.consolidated", "--dry-run"])
    assert f"there is no {project.root / 'data' / 'consolidated'}" in dry.stderr
    found = CliRunner().invoke(main, ["run", "otc.consolidated"])
    assert found.exit_code == 0, found.output
    rows, said = asked("SELECT count(*) AS n FROM otc_off_exchange_share_all")
    assert rows.splitlines() == ["n", "0"]
    assert "consolidated" not in said
