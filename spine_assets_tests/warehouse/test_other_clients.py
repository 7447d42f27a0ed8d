"""Other clients open the database: the oldest DuckDB that can, the newest, one with a known bug.

Each is installed from the package index into an environment of its own, without this project. The
questions are put to the DuckDB of this project too, and the answers must be equal.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from spine_assets.core.weeks import Tier
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets_tests.support.databases import opened
from spine_assets_tests.support.projects import Project, laid_out

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
WEEKS = (date(2025, 11, 14), date(2025, 11, 21))
OLDEST, LAST_OF_1 = "duckdb==1.1.3", "duckdb==1.5.5"
BUGGY = "duckdb==1.4.1"  # as 1.4.0: views with nested CTEs, mended in 1.4.2
_SECONDS = 300
_ASK = """
import json, sys
import duckdb

path, questions = sys.argv[1], json.load(sys.stdin)
answers = {}
with duckdb.connect(path, read_only=True) as connection:
    for name, sql in questions.items():
        try:
            answers[name] = connection.execute(sql).fetchall()
        except duckdb.Error as error:
            answers[name] = str(error).splitlines()[0]
print(json.dumps(answers, default=str))
"""
_ARGUMENTS = {
    "first_week": "'2025-11-14'",
    "last_week": "'2025-11-21'",
    "of_week": "'2025-11-21'",
    "of_symbol": "'ABCD'",
    "ts": "'2026-06-01'",
}
Answers = dict[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two weeks that the real command built, and the database that its run refreshed."""
    with laid_out(tmp_path_factory.mktemp("clients") / "project") as made:
        made.deliver(WEEKS[0], *Tier)
        made.deliver(WEEKS[1], *Tier, rows=(("ABCD", "OTCX", 10**12, 7), ("WXYZ", "OTCN", 50, 1)))
        done = made.run("spine", "backfill", "--missing")
        assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture(scope="module")
def path(project: Project) -> Path:
    return project.root / "data" / "spine.duckdb"


@pytest.fixture(scope="module")
def questions(path: Path) -> dict[str, str]:
    """A question to each table, view, macro and comment, by what is asked."""
    with opened(path) as connection:
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"
        ).fetchall()
        views = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
        ).fetchall()
        macros = connection.execute(
            "SELECT function_name, parameters FROM duckdb_functions() "
            "WHERE function_type = 'table_macro' AND NOT internal ORDER BY 1"
        ).fetchall()
    asked = {f"table {name}": f"FROM {name} ORDER BY ALL" for (name,) in tables}
    asked |= {f"view {name}": f"FROM {name} ORDER BY ALL" for (name,) in views}
    for name, parameters in macros:
        values = ", ".join(_ARGUMENTS[parameter] for parameter in parameters)
        asked[f"macro {name}"] = f"FROM {name}({values}) ORDER BY ALL"
    asked["scalar macros"] = "SELECT otc_is_bucket('DE_MINIMIS'), otc_name_key('Acme, L.L.C')"
    for kind in ("table", "view"):
        asked[f"comments of {kind}s"] = (
            f"SELECT {kind}_name, comment FROM duckdb_{kind}s() WHERE NOT internal ORDER BY ALL"
        )
    asked["comments of columns"] = (
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY ALL"
    )
    return asked


@pytest.fixture(scope="module")
def expected(path: Path, questions: dict[str, str]) -> Answers:
    """What the DuckDB of this project answers."""
    answers: Answers = json.loads(python_of(Path(sys.executable), _ASK, path, questions))
    weekly = {table.name for table in TABLES} - {"otc_control_totals", "otc_firm_totals"}
    with_rows = weekly - {"otc_rejects", "otc_restatements"} | {t.name for t in CORE_TABLES[:1]}
    assert all(answers[f"table {name}"] for name in with_rows)
    assert all(answers[name] for name in answers if name.startswith(("view ", "macro otc_trace")))
    assert all(comment for *_, comment in answers["comments of columns"])
    return answers


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes environments with packages; gives their Python."""

    @cache
    def made(*packages: str) -> Path:
        place = tmp_path_factory.mktemp("env")
        subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=_SECONDS)
        python = place / "bin" / "python"
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "--only-binary", ":all:", *packages], check=True, timeout=600)
        return python

    return made


def python_of(python: Path, code: str, path: Path, typed: object = None) -> str:
    """What code prints in an environment that does not have this project."""
    done = subprocess.run(
        [str(python), "-I", "-c", code, str(path)],
        input=json.dumps(typed),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("package", [OLDEST, LAST_OF_1, "duckdb"])
def test_the_oldest_and_the_newest_client_answer_everything(
    environment: Any, path: Path, questions: dict[str, str], expected: Answers, package: str
) -> None:
    if package == OLDEST and sys.version_info >= (3, 14):
        pytest.skip(f"{OLDEST} has no wheels for this Python")
    answers = json.loads(python_of(environment(package), _ASK, path, questions))
    assert {name for name in expected if answers[name] != expected[name]} == set()


def test_a_client_that_cannot_read_our_views_reads_tables_and_comments(
    environment: Any, path: Path, questions: dict[str, str], expected: Answers
) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip(f"{BUGGY} has no wheels for this Python")
    answers = json.loads(python_of(environment(BUGGY), _ASK, path, questions))
    wrong = {name for name in expected if answers[name] != expected[name]}
    assert {name.split()[0] for name in wrong} == {"view", "macro"}
    assert all("Catalog Error: Table with name" in answers[name] for name in wrong)
    page = " ".join((ROOT / "docs/queries.md").read_text("utf-8").split())
    assert "1.4.0 and 1.4.1" in page


@pytest.mark.parametrize("mark", ["import pandas", "adbc_driver_manager", "db.sql", "spine.sql"])
def test_the_python_of_the_page_runs_where_this_project_is_not(
    environment: Any, project: Project, mark: str
) -> None:
    pages = "".join(
        (ROOT / "docs" / name).read_text("utf-8") for name in ("reading.md", "queries.md")
    )
    blocks = re.findall(r"^```python\n(.*?)^```", pages, re.M | re.S)
    (code,) = [text for text in blocks if mark in text]
    python = environment("duckdb", "pandas", "pyarrow", "adbc-driver-manager")
    done = subprocess.run(
        [python, "-I", "-c", code], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "3000000000000.000000" in done.stdout or "3000000000150.000000" in done.stdout


def test_pandas_has_to_be_told_that_the_week_is_in_the_files(
    environment: Any, project: Project
) -> None:
    """As docs/reading.md warns: pyarrow takes the names of folders for texts."""
    python = environment("duckdb", "pandas", "pyarrow", "adbc-driver-manager")
    code = "import sys, pandas; pandas.read_parquet(sys.argv[1])"
    done = subprocess.run(
        [python, "-I", "-c", code, project.lake / "otc_venue_share"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Unable to merge: Field week_ending has incompatible types" in done.stderr
