"""What `dg` and `spine` make of declarations: listed, scaffolded, checked with file and line.

In a copy of the whole project, whose package takes the place of the installed one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from spine_assets.pipelines.examples import examples
from spine_assets.pipelines.yaml.loader import declared, read
from spine_assets_tests.pipelines.conftest import SOURCE
from spine_assets_tests.support.project_copy import copy_code

_SECONDS = 120  # dg takes about 4; a machine under load some times that
COMPONENT = "spine_assets.orchestration.components.DeclarativePipeline"


@dataclass(frozen=True)
class Copy:
    """A copy of the project."""

    root: Path

    @property
    def pipelines(self) -> Path:
        return self.root / "spine_assets" / "defs" / "pipelines"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment on the copy."""
        program = Path(sys.executable).with_name(command[0])
        own = {"PYTHONPATH": str(self.root), "COLUMNS": "200"}
        return subprocess.run(
            [str(program), *command[1:]],
            cwd=self.root,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def change(self, name: str, old: str, new: str) -> int:
        """Change a declaration; the line on which it is changed."""
        path = self.pipelines / name / "defs.yaml"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copy(SOURCE / name, tmp_path / name)
    copy_code(tmp_path, "watch_list", "venue_share_export")
    return Copy(tmp_path)


def test_what_comes_with_the_project_is_sound(copy: Copy) -> None:
    names = [item.pipeline.pipeline_id for item in declared(copy.pipelines)]
    assert {"acme_watch_list", "globex_watch_list", "venue_share_export"} <= {*names}


@pytest.mark.long
def test_an_example_is_copied_once_and_is_then_a_pipeline(copy: Copy) -> None:
    listed = json.loads(copy.run("spine", "pipelines", "example", "--json").stdout)
    assert [item["name"] for item in listed] == [*examples()]
    for name in ("hello", "symbol_swings"):
        told = json.loads(copy.run("spine", "pipelines", "example", name, "--json").stdout)
        assert told["next"] == ["spine pipelines check", examples()[name].command]
        written = {Path(path).relative_to(copy.pipelines.parent) for path in told["written"]}
        assert written == {*examples()[name].files.values()}
    mine = copy.change("symbol_swings", "weeks_back: 4", "weeks_back: 5")
    again = copy.run("spine", "pipelines", "example", "symbol_swings")
    assert again.returncode == 1
    assert "nothing was written" in again.stderr
    text = (copy.pipelines / "symbol_swings" / "defs.yaml").read_text()
    assert "weeks_back: 5" in text.splitlines()[mine - 1]
    assert copy.run("spine", "pipelines", "check").returncode == 0
    known = {item["pipeline"] for item in json.loads(copy.run("spine", "list", "--json").stdout)}
    assert {item.command.split()[2] for item in examples().values()} <= known


def test_an_example_that_does_not_exist_is_refused_with_what_was_meant(copy: Copy) -> None:
    told = copy.run("spine", "pipelines", "example", "watchlist")
    assert told.returncode == 2
    assert "did you mean watch_list?" in told.stderr


@pytest.mark.long
def test_the_component_is_listed_and_makes_a_pipeline_that_is_sound(copy: Copy) -> None:
    assert COMPONENT in copy.run("dg", "list", "components", "--json").stdout
    made = copy.run("dg", "scaffold", "defs", COMPONENT, "pipelines/large_venues")
    assert made.returncode == 0, made.stderr
    (found,) = read([copy.pipelines / "large_venues" / "defs.yaml"]).pipelines
    assert found.pipeline.pipeline_id == "large_venues"
    assert copy.run("dg", "check", "yaml").returncode == 0


@pytest.mark.long
def test_the_schema_for_editors_knows_the_component_and_its_engines(copy: Copy) -> None:
    target = copy.root / "schema.json"
    made = copy.run("dg", "utils", "generate-component-schema", "--output-path", str(target))
    assert made.returncode == 0, made.stderr
    editor = Draft202012Validator(json.loads(target.read_text()))
    example = yaml.safe_load((copy.pipelines / "watch_list" / "defs.yaml").read_text())
    assert list(editor.iter_errors(example)) == []
    example["attributes"]["steps"][2]["config"]["txt"] = "slip"
    (error,) = editor.iter_errors(example)
    places = [list(found.absolute_path) for found in error.context or ()]
    assert ["attributes", "steps", 2, "config"] in places


@pytest.mark.long
def test_the_schema_tells_file_and_line(copy: Copy) -> None:
    line = copy.change("venue_share_export", "formats: [parquet, csv]", "formats: [parquet, xls]")
    told = copy.run("dg", "check", "yaml", "spine_assets/defs/pipelines/venue_share_export")
    assert told.returncode == 1
    assert f"venue_share_export/defs.yaml:{line}" in told.stdout
    assert "'xls' is not one of ['parquet', 'csv']" in told.stdout


def test_every_file_is_checked_and_every_fault_told(copy: Copy) -> None:
    first = copy.change(
        "venue_share_export",
        "folder: otc_venue_share/{week",
        "folder: otc_venue_share/{nope} {week",
    )
    second = copy.change("watch_list", "when: {step_id: moves", "when: {step_id: tell_failure")
    told = copy.run("spine", "pipelines", "check", str(copy.pipelines), "--json")
    assert told.returncode == 1
    faults = {
        (Path(item["file"]).parent.name, item["line"]): item["said"]
        for item in json.loads(told.stdout)["faults"]
    }
    assert [*faults] == [("venue_share_export", first), ("watch_list", second)]
    assert "there is no {nope}" in faults["venue_share_export", first]
    assert "tell does not wait for tell_failure" in faults["watch_list", second]


@pytest.mark.long
def test_what_the_schema_cannot_see_stops_the_code_location_with_file_and_line(copy: Copy) -> None:
    line = copy.change(
        "venue_share_export",
        "folder: otc_venue_share/{week",
        "folder: otc_venue_share/{nope} {week",
    )
    told = copy.run("dg", "check", "defs")
    assert told.returncode == 1
    said = told.stdout + told.stderr
    assert re.search(rf"venue_share_export/defs.yaml:{line} steps.0.destination.folder", said)
    assert "there is no {nope}; known: date, domain," in said


def test_two_pipelines_of_one_name_are_a_problem(copy: Copy) -> None:
    shutil.copytree(copy.pipelines / "venue_share_export", copy.pipelines / "again")
    told = copy.run("spine", "pipelines", "check", str(copy.pipelines))
    assert told.returncode == 1
    assert "venue_share_export is already declared in" in told.stdout


def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(f"type: {COMPONENT}\nattributes:\n  a: [1\n")
    (problem,) = read([path]).problems
    assert "not valid YAML" in problem.message
    assert problem.line >= 3


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file is empty"),
        (f"type: {COMPONENT}\n", 1, "there are no `attributes`"),
        (f"type: {COMPONENT}s\nattributes: {{}}\n", 1, "does not exist"),
        (
            "type: spine_assets.components.DeclarativePipeline\nattributes: {}\n",
            1,
            f"has moved; write type: {COMPONENT}",
        ),
        (f"type: {COMPONENT}\nattributes:\n  a: 1\n  a: 2\n", 4, "given twice"),
    ],
)
def test_what_would_be_passed_over_in_silence_is_told(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(text)
    (problem,) = read([path]).problems
    assert problem.line == line
    assert said in problem.message


def test_other_components_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text("type: dagster.DefsFolderComponent\n---\ntype: other.Thing\nattributes: {}\n")
    assert read([path]) == read([])


def test_the_page_shows_a_whole_pipeline_that_is_sound(tmp_path: Path) -> None:
    page = (SOURCE / "docs" / "pipelines.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert yaml.safe_load(text)["type"] == COMPONENT
    path = tmp_path / "defs.yaml"
    path.write_text(text)
    found = read([path])
    assert found.problems == []
    (pipeline,) = found.pipelines
    assert pipeline.pipeline.depends["tell"] == ("as_csv", "as_parquet")
