"""The plan of the code: no import circle, few late imports, names that Dagster keeps private.

Who may import whom is checked by `lint-imports`, whose contracts are in pyproject.toml; the picture
of the wings is drawn from them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import operator
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import grimp
import pytest
from dagster._annotations import is_public

from spine_assets.dev import wings_picture
from spine_assets.orchestration import dagster_private
from spine_assets.orchestration.launching.celery_launcher import WatchingCeleryLauncher
from spine_assets.orchestration.storage.batched_events import WaitingEvents
from spine_assets.orchestration.storage.postgres import (
    BatchingPostgresEventLog,
    BatchingPostgresStorage,
)
from spine_assets.orchestration.storage.sqlite import (
    BatchingSqliteEventLog,
    BatchingSqliteStorage,
    LockedSqliteStorage,
)

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "spine_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LATE_IMPORTS = 45
# What we call of `dg.DagsterInstance` and Dagster (1.13.27) does not mark public.
UNMARKED_MEMBERS = {
    "add_run_tags",
    "all_asset_keys",
    "all_instigator_state",
    "compute_log_manager",
    "create_run_for_job",
    "event_log_storage",
    "get_backfills",
    "get_concurrency_config",
    "get_daemon_statuses",
    "get_execution_plan_snapshot",
    "get_latest_asset_check_evaluation_record",
    "get_records_for_run",
    "get_ref",
    "get_required_daemon_types",
    "get_run_ids",
    "get_run_tags",
    "get_runs",
    "get_runs_count",
    "get_ticks",
    "has_run",
    "is_ephemeral",
    "launch_run",
    "report_dagster_event",
    "report_run_canceled",
    "report_run_canceling",
    "report_run_failed",
    "root_directory",
    "run_coordinator",
    "run_launcher",
    "run_monitoring_enabled",
    "run_monitoring_max_runtime_seconds",
    "run_retries_enabled",
    "run_storage",
    "schedule_storage",
    "submit_run",
}


def test_no_module_imports_itself_on_any_way_round() -> None:
    """Imports inside functions and for type checkers count too."""
    graph = grimp.build_graph("spine_assets", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_only_definitions_stand_beside_the_wings() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "definitions.py"}


def test_pytest_passes_over_no_folder_of_tests(pytestconfig: pytest.Config) -> None:
    """By default it does over those that are called `build`."""
    patterns = pytestconfig.getini("norecursedirs")
    tests = {path.relative_to(ROOT) for path in (ROOT / "spine_assets_tests").rglob("test_*.py")}
    assert len(tests) > 100
    passed_over = [
        path
        for path in tests
        if any(fnmatch(part, pattern) for part in path.parts[:-1] for pattern in patterns)
    ]
    assert passed_over == []


def test_imports_inside_functions_are_few_and_say_why() -> None:
    late = [
        (path, node)
        for path in MODULES
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(late) < MOST_LATE_IMPORTS
    without_reason = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in late
        if not _has_comment(path, node)
    ]
    assert without_reason == []


def test_private_names_of_dagster_are_imported_in_one_module() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        if path != Path(dagster_private.__file__)
        for name in _imported(path)
        if _is_private(name)
    ]
    assert found == []


def test_the_installed_dagster_has_each_private_name() -> None:
    tree = ast.parse(Path(dagster_private.__file__).read_text("utf-8"))
    imported = [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and _is_private(node.module)
        for alias in node.names
    ]
    assert len(imported) > 20
    for module, name in imported:
        assert getattr(dagster_private, name) is getattr(importlib.import_module(module), name)
    assert sorted(imported) == sorted(
        (module, name) for module, names in dagster_private._NAMES.items() for name in names
    )
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = dagster_private.no_such_name  # type: ignore[attr-defined]


def test_the_installed_dagster_has_each_private_member_and_text() -> None:
    for name, members in dagster_private.MEMBERS.items():
        lost = [member for member in members if not hasattr(getattr(dagster_private, name), member)]
        assert lost == [], name
    for name, members in dagster_private.SET_IN_INIT.items():
        source = inspect.getsource(getattr(dagster_private, name).__init__)
        assert [member for member in members if f"self.{member} =" not in source] == [], name
    for text, place in dagster_private.TEXTS.items():
        module, _, name = place.partition(":")
        found: Any = operator.attrgetter(name)(importlib.import_module(module))
        assert (found() if callable(found) else found) == text, place


@pytest.mark.parametrize(
    "ours",
    [
        BatchingPostgresEventLog,
        BatchingPostgresStorage,
        BatchingSqliteEventLog,
        BatchingSqliteStorage,
        LockedSqliteStorage,
        WaitingEvents,
        WatchingCeleryLauncher,
    ],
)
def test_private_members_of_classes_that_we_extend_are_listed(ours: type) -> None:
    """What ours replaces, and what its code asks of `self` and `super()`."""
    listed = {
        member
        for members in (dagster_private.MEMBERS, dagster_private.SET_IN_INIT)
        for names in members.values()
        for member in names
    }
    text = inspect.getsource(ours)
    used = {*re.findall(r"(?:self|super\([^)]*\))\.(\w+)", text), *vars(ours)}
    mro = inspect.getmro(ours)
    dagsters = [base for base in mro if base.__module__.startswith("dagster")]
    made_here = {
        name
        for base in mro
        if base.__module__.startswith("spine_assets")
        for name in (*vars(base), *re.findall(r"self\.(\w+)\b.* = ", inspect.getsource(base)))
    }
    assert len(dagsters) > 2
    of_dagster = {
        name
        for name in used
        if name not in made_here or any(name in vars(base) for base in dagsters)
    }
    of_python = {name for name in of_dagster if name.startswith("__")} | {"_abc_impl"}
    assert of_dagster - of_python - listed == set()


def test_texts_that_only_dagster_knows_are_listed() -> None:
    """Keys of metadata are documented: what Dagster's own pages name is no secret."""
    documented = {
        "dagster/code_references",
        "dagster/column_lineage",
        "dagster/column_schema",
        "dagster/partition_row_count",
        "dagster/table_name",
        "dagster/from_ui",  # only in the script of Dagster's pages
    }
    own = re.compile(r"\.dagster/spine_")  # Dagster hides tags with its prefix
    found = {
        text
        for path in MODULES
        for text in re.findall(r'"(\.?dagster/[a-z_/]+)"', path.read_text("utf-8"))
        if not own.match(text)
    }
    assert found - documented == {text for text in dagster_private.TEXTS if "dagster/" in text}


def test_unmarked_members_of_the_instance_are_listed() -> None:
    """An upgrade of Dagster may change them without notice, so each use is deliberate."""
    called = {
        name
        for path in MODULES
        for name in re.findall(r"instance\.(\w+)", path.read_text("utf-8"))
        if hasattr(dg.DagsterInstance, name)
    }
    unmarked = {name for name in called if not _is_marked_public(name)}
    assert unmarked == UNMARKED_MEMBERS


def _is_marked_public(name: str) -> bool:
    member = inspect.getattr_static(dg.DagsterInstance, name)
    return is_public(getattr(member, "fget", None) or getattr(member, "__func__", member))


def test_the_picture_of_the_wings_is_drawn_from_the_contracts() -> None:
    """When this fails: `uv run python -m spine_assets.dev.docs_pages` draws it again."""
    committed = (ROOT / wings_picture.PATH).read_text("utf-8")
    assert committed == wings_picture.svg() + "\n"
    texts = ElementTree.fromstring(committed).findall("{http://www.w3.org/2000/svg}text")
    names = [text.text for text in texts if text.get("font-weight")]
    packages = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    layers_of_otc = [path.parent for path in PACKAGE.glob("otc/*/__init__.py")]
    files = ["definitions", "status"]
    assert sorted(map(str, names)) == sorted(
        [*files, *(package.name for package in [*packages, *layers_of_otc])]
    )
    assert names.index("cli") < names.index("otc") < names.index("delivery") < names.index("core")


def _has_comment(path: Path, node: ast.stmt) -> bool:
    """Whether a comment stands on one of its lines or on the line above."""
    lines = path.read_text("utf-8").splitlines()
    return any("#" in line for line in lines[node.lineno - 2 : node.end_lineno])


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_private(module: str) -> bool:
    first, *rest = module.split(".")
    return first in {"dagster_celery", "dagster_postgres", "dagster_shared"} or (
        first.startswith("dagster") and any(part.startswith("_") for part in rest)
    )


def test_classes_of_one_name_are_one_class() -> None:
    names = [
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("call", ["fetchone()", "fetchmany(2)", "to_arrow_reader()"])
def test_lint_refuses_a_result_that_stays_open(tmp_path: Path, call: str) -> None:
    """A DuckDB connection with one refuses the next query through a relation."""
    module = tmp_path / "module.py"
    lines = {f"rows = cursor.{call}\n": 2, f"while cursor.{call}:  # to the end\n": 0}
    for text, code in lines.items():
        module.write_text(text, "utf-8")
        done = subprocess.run(
            ["make", "--no-print-directory", "_unread", f"CODE={tmp_path}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert ("fetchall()" in done.stdout) == bool(code)


CONNECTS = ("aiohttp", "ftplib", "http.client", "requests", "smtplib", "urllib.request", "urllib3")
CONNECTS_BY_CALL = ("asyncio.open_connection", "socket.create_connection", "socket.socket")
SENDS_NOTHING = {"httpx.BasicAuth", "httpx.Request", "httpx.URL"}  # the only calls that others make
MAY_CONNECT = {
    "alerts/sending.py": {"smtplib"},
    "cli/ui.py": {"socket.socket"},  # whether its port is free
    "outbound/client.py": {
        *("httpx.Client", "httpx.ConnectError", "httpx.DecodingError", "httpx.HTTPTransport"),
        *("httpx.Response", "httpx.codes.is_success", "httpx.create_ssl_context"),
        "urllib.request",  # which proxy is set
    },
}


def test_only_one_module_sends_http_requests() -> None:
    """Servers that `dev` starts on this machine are waited for by it."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        called = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        connects = {name for name in _imported(path) if name in CONNECTS}
        connects |= {name for name in called if name in CONNECTS_BY_CALL}
        connects |= {name for name in called if name.startswith("httpx.")} - SENDS_NOTHING
        place = path.relative_to(PACKAGE).as_posix()
        if connects and not place.startswith("dev/"):
            found[place] = connects
    assert found == MAY_CONNECT
    assert not [path for path in MODULES if "from httpx import" in path.read_text("utf-8")]
