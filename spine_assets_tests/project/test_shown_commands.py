"""Whatever README, CONTRIBUTING and docs show to be typed is typed here, and does what it says.

Each block is run from its first command to its last in a copy of one project that holds the
committed sample. `spine` is run in this process, everything else, and what needs a shell, by
bash. What cannot be run is listed with a reason in `shown`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.settings import load_settings
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support.project_copy import copy_code
from spine_assets_tests.support.projects import SOURCE, TABLES
from spine_assets_tests.support.shown import (
    NEED_DAEMON,
    NOT_RUN,
    RUN_ELSEWHERE,
    Block,
    blocks,
    shell_blocks,
)

SAMPLE = SOURCE / "data" / "sample"
A_FILE = SAMPLE / "first" / "finra_otc_weekly_otc_20251222.csv"  # of the week 2025-11-21
LAST_WEEK = date(2025, 11, 21)
EXIT_CODES = {"spine runs cancel 0348750": 1}  # nothing reaches such a run: docs/runs.md
"""All others end with 0."""
FIRST = ("README.md", "CONTRIBUTING.md", "docs/start.md", "docs/pipelines.md", "docs/cookbook.md")
BEFORE = {
    "cp -R backups/today/dagster backups/today/lake data/": "spine backup backups/today",
    "dagster asset materialize -m spine_assets.definitions --select group:acme_watch_list "
    "--partition-range 2025-10-31...2025-11-21": "spine pipelines example watch_list",
}
"""A command of another block that makes what a command needs."""
COPIES = "spine pipelines example "  # changes the code, which must be a copy
ANSWER = "y\n"  # to the question of `spine runs prune`
_SHELL = re.compile(r"[$`|<>&;*~]")  # outside of quotes only a shell understands these
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`]*\"")
_VARIABLE = re.compile(r"([A-Z_]+)=(.*)")
_SECONDS = 300  # a process of Dagster takes 3 to 10; a machine under load some times that


@dataclass
class Place:
    """A copy of the project, where the commands of one block are typed."""

    root: Path
    own_code: bool
    ids: dict[str, str]
    exported: list[str] = field(default_factory=list)

    def type(self, command: str) -> None:
        """Run a command as it is shown; it must end as the documents say."""
        if command.startswith("export "):
            self.exported.append(command)
            return
        if command in BEFORE:
            self.type(BEFORE[command])
        expected = EXIT_CODES.get(command, 0)
        for placeholder, real in self.ids.items():
            command = command.replace(placeholder, real)
        words = shlex.split(command)
        env = {}
        while found := _VARIABLE.fullmatch(words[0]):
            env[found[1]] = found[2]
            words.pop(0)
        plain = not _SHELL.search(_QUOTED.sub("", command)) and not self.exported
        if plain and not self.own_code and words[0] in {"spine", ".venv/bin/spine"}:
            done = CliRunner().invoke(main, words[1:], input=ANSWER, env=env)
            code, said = done.exit_code, done.output + str(done.exception or "")
        else:
            code, said = self._shell(command)
        assert code == expected, f"{command}\nended with {code}\n{said[-3000:]}"

    def _shell(self, command: str) -> tuple[int, str]:
        """By bash, with the environment's commands on `PATH` and a home of its own."""
        programs = Path(sys.executable).parent
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(self.root)}
        if self.own_code:
            env["PYTHONPATH"] = str(self.root)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([*self.exported, command])],
            cwd=self.root,
            env=env,
            input=ANSWER,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the sample was built as `make demo` builds it."""
    root = tmp_path_factory.mktemp("loaded") / "project"
    (root / "data").mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(SOURCE / name, root)
    shutil.copy(A_FILE, root / "otc.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in os.environ:
            if name.startswith("SPINE_") or name == "DAGSTER_HOME":
                patch.delenv(name)
        for part in ("first", "later"):
            shutil.copytree(SAMPLE / part, root / "data" / "landing", dirs_exist_ok=True)
            done = CliRunner().invoke(main, ["backfill", "--missing"])
            assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    loaded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code_location: dg.Definitions,
) -> Place:
    """The project again, for one block; placeholders stand for what is in it."""
    root = tmp_path / "project"
    shutil.copytree(loaded, root)
    (root / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(root)
    (root / "data" / "spine.duckdb").unlink()  # its views name the first project's lake
    assert CliRunner().invoke(main, ["db", "init"]).exit_code == 0
    block: Block = request.param
    typed = [*block.commands, *(BEFORE.get(command, "") for command in block.commands)]
    own_code = block.page.name == "CONTRIBUTING.md" or any(COPIES in text for text in typed)
    if own_code:
        copy_code(root)
    return Place(root, own_code, _ids(code_location, cancel="runs cancel" in block.text))


def _ids(code_location: dg.Definitions, *, cancel: bool) -> dict[str, str]:
    """What the placeholders of the pages stand for here; where one is canceled, a run goes on."""
    asked = ["query", "SELECT min(capture_id) AS id FROM otc_raw", "--json"]
    ((capture,),) = (row.values() for row in json.loads(CliRunner().invoke(main, asked).stdout))
    with open_instance() as instance:
        if cancel:
            instance.create_run_for_job(
                code_location.resolve_job_def("otc_weekly"),
                status=dg.DagsterRunStatus.STARTED,
            )
        newest = instance.get_runs(limit=1)[0].run_id
    return {
        "CAPTURE_ID": capture,
        "20260120T120000Z-0123456789ab": capture,
        "0348750": newest[:7],
        "RUN_ID": newest,
    }


def _is_run(block: Block) -> bool:
    return block.page.name not in RUN_ELSEWHERE and any(
        command not in {**NOT_RUN, **NEED_DAEMON} for command in block.commands
    )


def _marks(block: Block) -> list[pytest.MarkDecorator]:
    """What the pages that people begin with show is run by `make test`.

    Blocks that start Dagster's own commands, or that need their own copy of the code, take half a
    minute and more.
    """
    is_first = block.place.partition(":")[0] in FIRST
    is_quick = "dagster " not in block.text and COPIES not in block.text
    return [] if is_first and is_quick else [pytest.mark.long]


SHOWN = [command for block in shell_blocks() for command in block.commands]
RUN = [block for block in shell_blocks() if _is_run(block)]


@pytest.mark.parametrize(
    ("place", "block"),
    [pytest.param(block, block, marks=_marks(block)) for block in RUN],
    indirect=["place"],
    ids=[block.place for block in RUN],
)
def test_every_command_of_a_block_works(place: Place, block: Block) -> None:
    for command in block.commands:
        if command not in NOT_RUN and command not in NEED_DAEMON:
            place.type(command)


@pytest.mark.parametrize("command", [*NOT_RUN, *NEED_DAEMON])
def test_what_is_not_run_here_is_shown_and_has_a_reason(command: str) -> None:
    assert command in SHOWN
    assert {**NOT_RUN, **NEED_DAEMON}[command].strip()


@pytest.mark.parametrize("command", [*EXIT_CODES, *BEFORE.values()])
def test_what_ends_otherwise_or_goes_before_is_shown(command: str) -> None:
    assert command in SHOWN


@pytest.mark.parametrize(
    "block", [item for item in blocks("bash") if item.is_settings], ids=lambda item: item.place
)
def test_settings_that_are_shown_can_be_read(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(block.text)
    monkeypatch.chdir(tmp_path)
    names = re.findall(r"^SPINE_(\w+)=", block.text, re.M)
    known = {**load_settings().model_dump(), **load_alert_settings().model_dump()}
    assert names
    assert {name.lower() for name in names} <= set(known)


PYTHON = [
    block
    for block in blocks("python")
    if "docs" in block.page.parts and block.page.name not in RUN_ELSEWHERE
]
SQL = blocks("sql")


@pytest.mark.parametrize(
    ("place", "block"),
    [(block, block) for block in [*PYTHON, *SQL]],
    indirect=["place"],
    ids=[block.place for block in [*PYTHON, *SQL]],
)
def test_python_and_sql_that_are_shown_work(place: Place, block: Block) -> None:
    if block.language == "python":
        exec(compile(block.text, block.place, "exec"), {})
    else:
        done = CliRunner().invoke(main, ["query", block.text.rstrip().rstrip(";")])
        assert done.exit_code == 0, done.output


def test_the_sample_is_loaded_as_the_pages_take_for_granted(loaded: Path) -> None:
    for table in TABLES:
        assert (loaded / "data" / "lake" / table / f"week_ending={LAST_WEEK}").is_dir()
