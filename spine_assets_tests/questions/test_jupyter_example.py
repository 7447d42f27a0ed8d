"""`examples/questions.ipynb` runs on the sample.

Jupyter is not among the packages, so the code of the cells runs in one Python process, in order,
and what a cell ends with is shown as Jupyter would show it.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from spine_assets.questions.declared import QUESTIONS
from spine_assets_tests.support.databases import rows_of
from spine_assets_tests.support.projects import SOURCE, Project

pytestmark = pytest.mark.long

EXAMPLE = SOURCE / "examples" / "questions.ipynb"
_RUN = """
import ast, json, sys

names, shown = {}, {}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        *before, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(before, []), cell["id"], "exec"), names)
        value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
        html = value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)
        rows = len(value)
        volume = value["total_volume"][0] if "total_volume" in getattr(value, "columns", ()) else 0
        shown[cell["id"]] = {"type": type(value).__module__, "rows": rows, "html": html,
                             "volume": volume}
print(json.dumps(shown))
"""


def cells() -> list[dict[str, Any]]:
    """The cells with code."""
    found = json.loads(EXAMPLE.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_it_asks_every_question_and_has_no_outputs() -> None:
    source = "\n".join("".join(cell["source"]) for cell in cells())
    # The example has no place for all of them, and the sample has no consolidated volume.
    others = {"venue_symbols", "off_exchange_share"}
    asked = {question.name for question in QUESTIONS} | {"compare", "to_pandas"}
    assert [name for name in asked - others if f".{name}(" not in source] == []
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in cells())


def test_each_cell_shows_rows_of_the_sample(sample: Project) -> None:
    done = sample.run("python", "-c", _RUN, str(EXAMPLE))
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert list(shown) == [cell["id"] for cell in cells()]
    assert all(cell["rows"] > 0 and cell["html"] for cell in shown.values())
    assert shown["compare"]["type"].startswith("pandas")
    assert shown["open"]["rows"] == 12
    week, database = date(2025, 10, 17), sample.root / "data" / "spine.duckdb"
    ((before, after),) = rows_of(
        database,
        "SELECT sum(shares_before), sum(shares_after) FROM otc_restatements "
        f"WHERE week_ending = '{week}'",
    )
    ((now,),) = rows_of(
        database, f"SELECT sum(total_volume) FROM otc_venue_share WHERE week_ending = '{week}'"
    )
    assert before != after
    assert shown["as-of"]["volume"] == float(now - after + before)
    assert shown["published"]["volume"] == float(before)  # the other tiers came out later
