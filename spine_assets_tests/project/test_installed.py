"""The wheel in an empty environment and an empty folder, as somebody uses it who has no clone.

`make wheel` runs these and leaves the wheel in `build/wheel`. They are run with the oldest Python
and with the newest that this machine has. The packages are those of `uv.lock`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spine_assets_tests.support.projects import SOURCE, Project
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

pytestmark = pytest.mark.long

SECONDS = 600  # a command takes up to 60; a machine under load some times that
WHEEL = SOURCE / "build" / "wheel"
SHARES = 395_951_735
"""Of the week 2025-11-21, as the lines of the delivered files add up."""
OPTIONAL = {
    "spine_assets.dev.local_cluster",  # the extra `cluster`, and programs of the machine
    "spine_assets.orchestration.launching.celery_launcher",
    "spine_assets.orchestration.storage.postgres",
}
"""Modules that need an extra, with those below them."""
TYPED = """\
from datetime import date
from spine_assets import SpineTables, trading_weeks
reveal_type(trading_weeks(date(2024, 1, 5)))
reveal_type(SpineTables(lake="x").lake)
trading_weeks("2024-01-05")
"""
LOADED = """{
  repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } }
  assetNodeOrError(assetKey: {path: ["otc_venue_share"]}) {
    ... on AssetNode { partitionStats { numMaterialized numFailed } }
  }
}"""


def pythons() -> dict[str, Path]:
    """Interpreters of this machine that can run the package, by version."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    named = [Path(p) for minor in range(11, 30) if (p := shutil.which(f"python3.{minor}"))]
    found: dict[str, Path] = {}
    for path in [Path(sys.executable), *versions.glob("3.*/bin/python3"), *named]:
        asked = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:  # a shim of pyenv knows versions that it does not run
            major, minor = map(int, asked.stdout.split())
            if (major, minor) >= (3, 11):
                found.setdefault(f"{major}.{minor}", path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


FOUND = pythons()
OLDEST, NEWEST = next(iter(FOUND)), [*FOUND][-1]


@dataclass(frozen=True)
class Installed:
    """An environment in which the wheel is installed, and a folder in which it is used."""

    programs: Path
    root: Path

    @property
    def project(self) -> Path:
        return self.root / "otc"

    def run(self, *words: str, folder: Path | None = None, code: int = 0) -> str:
        """Run a command of the environment, by default in the project; return what it prints."""
        done = subprocess.run(
            [str(self.programs / words[0]), *words[1:]],
            cwd=folder or self.project,
            env={"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == code, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def ask(self, sql: str) -> Any:
        """The only value of a query."""
        ((value,),) = (
            row.values() for row in json.loads(self.run("spine", "query", sql, "--json"))
        )
        return value


def uv(*words: str) -> str:
    """Run uv, which the Makefile installs into `.uv` where the machine has none."""
    program = shutil.which("uv") or str(SOURCE / ".uv" / "bin" / "uv")
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [program, "--quiet", *words],
        cwd=SOURCE,
        env=environment | {"UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{words}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel, built now, beside the versions of the locked packages."""
    shutil.rmtree(WHEEL, ignore_errors=True)
    uv("build", "--wheel", "--out-dir", str(WHEEL))
    exported = ("--locked", "--no-default-groups", "--no-emit-project", "--no-hashes")
    uv("export", *exported, "-o", str(WHEEL / "locked.txt"))
    (path,) = WHEEL.glob("spine_assets-*.whl")
    return path


@pytest.fixture(scope="module", params=sorted({OLDEST, NEWEST}))
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """The wheel in an environment of its own, and a project with the demo."""
    root = tmp_path_factory.mktemp("installed")
    uv("venv", "--python", str(FOUND[request.param]), str(root / "env"))
    limits = ("--constraint", str(WHEEL / "locked.txt"))
    uv("pip", "install", "--python", str(root / "env"), *limits, str(wheel))
    made = Installed(root / "env" / "bin", root)
    where = (
        "import sys, spine_assets; print(spine_assets.__file__, *sys.version_info[:2], sep='\\n')"
    )
    path, *version = made.run("python", "-c", where, folder=root).split()
    assert Path(path).is_relative_to(root)
    assert ".".join(version) == request.param
    assert "spine init makes a project" in _failure(made, "spine", "status")
    made.run("spine", "init", "otc", folder=root)
    assert "  spine ui " in made.run("spine", "demo")
    yield made
    shutil.rmtree(root / "env")


def _failure(made: Installed, *words: str) -> str:
    """What a command prints on standard error that ends with 1 in the folder of the project."""
    done = subprocess.run(
        [str(made.programs / words[0]), *words[1:]],
        cwd=made.root,
        env={"PATH": "/usr/bin:/bin", "HOME": str(made.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_commands_show_the_demo_without_any_setting(installed: Installed) -> None:
    assert "all fresh" in installed.run("spine", "status")
    asked = "SELECT sum(total_volume)::BIGINT FROM otc_venue_share WHERE week_ending = '2025-11-21'"
    assert installed.ask(asked) == SHARES
    assert installed.ask("SELECT count(*) FROM (SELECT DISTINCT week_ending FROM otc_raw)") == 12
    assert not [*(installed.project / "data" / "landing").rglob("*")]
    made = {path.name for path in (installed.project / "data").glob("[!.]*")}
    assert made == {"demo", "landing"}
    found = json.loads(installed.run("spine", "doctor", "--json"))
    assert {item["name"] for item in found if item["outcome"] != "ok"} == {"daemon"}


def test_dagster_materializes_a_week(installed: Installed) -> None:
    week = ("--select", "otc_venue_share", "--partition", "2025-11-21")
    installed.run("dagster", "asset", "materialize", "-m", "spine_assets.definitions", *week)
    installed.run("dagster", "definitions", "validate")
    (newest,) = json.loads(installed.run("spine", "runs", "--limit", "1", "--json"))
    assert newest["status"] == "success"


def test_dagster_dev_shows_the_demo(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*filter(re.compile("SPINE_|PYTHONPATH|DAGSTER_HOME").match, os.environ)]:
        monkeypatch.delenv(name)
    port = free_port()
    words = ("-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port))
    project, python = Project(installed.project), str(installed.programs / "python")
    with started(project, "dev", *words, home=False, program=python):
        server = Server(port)
        wait_until(server.answers, START_SECONDS, project, "the start of dagster dev")
        told = server.ask(LOADED)
    (node,) = told["repositoriesOrError"]["nodes"]
    assert node["location"]["name"] == "spine_assets"
    stats = told["assetNodeOrError"]["partitionStats"]
    assert stats == {"numMaterialized": 12, "numFailed": 0}


def test_examples_and_reports_come_with_it(installed: Installed) -> None:
    for name in ("hello", "venue_share_export"):
        installed.run("spine", "pipelines", "example", name)
    installed.run("spine", "pipelines", "check")
    installed.run("spine", "run", "example.hello", "-p", "name=Ada")
    installed.run("spine", "run", "venue_share_export", "-p", "week_ending=2025-11-21")
    assert "report" in installed.run("spine", "report")


def test_every_module_can_be_imported_without_extras(installed: Installed) -> None:
    code = (
        "import importlib, pkgutil, spine_assets\n"
        "for found in pkgutil.walk_packages(spine_assets.__path__, 'spine_assets.', print):\n"
        "    try: importlib.import_module(found.name)\n"
        "    except ImportError: print(found.name)\n"
    )
    failed = set(installed.run("python", "-W", "ignore", "-c", code).split())
    assert {name for name in failed if not name.startswith(tuple(OPTIONAL))} == set()


def test_a_type_checker_sees_its_types(installed: Installed) -> None:
    (installed.root / "typed.py").write_text(TYPED)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull),
            *("--python-executable", str(installed.programs / "python"), "typed.py"),
        ],
        cwd=installed.root,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'note: Revealed type is "([^"]+)"', done.stdout)
    assert len(revealed) == 2, done.stdout + done.stderr
    assert "PartitionsDefinition" in revealed[0]
    assert "Any" not in revealed[1]
    assert 'Argument 1 to "trading_weeks" has incompatible type "str"' in done.stdout
    assert "Found 1 error" in done.stdout, done.stdout


def test_dagster_finds_its_components(installed: Installed) -> None:
    code = (
        "from dagster.components.core.package_entry import discover_entry_point_package_objects\n"
        "print(*(key.to_typename() for key in discover_entry_point_package_objects()))"
    )
    named = installed.run("python", "-W", "ignore", "-c", code).split()
    assert "spine_assets.orchestration.components.DeclarativePipeline" in named


def test_one_command_installs_and_runs_it(wheel: Path, tmp_path: Path) -> None:
    limits = ("--constraints", str(WHEEL / "locked.txt"), "--python", str(FOUND[NEWEST]))
    uv("tool", "run", *limits, "--from", str(wheel), "spine", "init", str(tmp_path / "otc"))
    assert (tmp_path / "otc" / "workspace.yaml").is_file()


def test_the_page_of_installation_names_every_extra() -> None:
    declared = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]
    page = (SOURCE / "docs" / "start.md").read_text("utf-8")
    assert set(declared["optional-dependencies"]) == set(re.findall(r"spine-assets\[(\w+)\]", page))
