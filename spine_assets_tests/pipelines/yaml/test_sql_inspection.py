"""Which tables a SELECT reads."""

from __future__ import annotations

import pytest

from spine_assets.pipelines.yaml.sql_inspection import sql_problems, tables_read


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("FROM a", {"a"}),
        ("SELECT * FROM a JOIN s.b ON true WHERE x IN (SELECT y FROM c)", {"a", "b", "c"}),
        ("WITH w AS (FROM a), v AS (FROM w) FROM v", {"a"}),
        ("WITH otc_raw AS (FROM otc_raw) FROM otc_raw", {"otc_raw"}),
        (
            "FROM otc_symbol_trend_in({week_ending}::DATE - 35, {week_ending})",
            {"otc_symbol_trend_all"},
        ),
        ("FROM OTC_Symbol_Trend_IN({week_ending}, {week_ending})", {"otc_symbol_trend_all"}),
        ("WITH a AS (FROM a WHERE x) FROM a", {"a"}),
        ("WITH w AS (WITH v AS (FROM a) FROM v) SELECT * FROM w, v", {"a", "v"}),
        ("WITH Top AS (FROM A) FROM top", {"a"}),
        ("WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) FROM r", set()),
        ("FROM a UNION ALL FROM b ORDER BY 1", {"a", "b"}),
        ("SELECT 1 WHERE 1 IN {list}", set()),
        ("SELECT (SELECT max(x) FROM a) FROM range(3)", {"a"}),
        ('FROM "A table"', {"A table"}),
    ],
)
def test_tables_are_found_wherever_they_stand(sql: str, tables: set[str]) -> None:
    assert sql_problems(sql, {"week_ending", "list"}) == []
    assert tables_read(sql) == tables


@pytest.mark.parametrize(
    "sql", ["", "SELEC 1", "DROP TABLE a", "SELECT 1; SELECT 2", "PIVOT a ON b", "SET x = 1"]
)
def test_what_is_no_select_is_a_fault(sql: str) -> None:
    assert len(sql_problems(sql, ())) == 1
