"""The views that people query: DDL made from the declarations and from files in the lake.

Views name absolute paths and have their columns also while a table is empty. Tables that pipelines
declare are described by their own files alone; the lake holds them beside ours. Belongs here: SQL
statements. Does not belong here: a connection (`connection`) or the database (`database`).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from spine_assets.core.sql import column_comments, identifier, literal, without_rows
from spine_assets.core.tables import Table
from spine_assets.core.views import View
from spine_assets.lake.base import Lake
from spine_assets.lake.format import FORMAT, stored_format
from spine_assets.lake.names import UNPARTITIONED, patterns
from spine_assets.otc.captures import pins
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables import consolidated, raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS, statements_in

_TEXTS = "otc_text"  # the file of macros that the others use
_AS_DELIVERED = "views"  # the SQL file of views on `otc_raw` and `otc_pins`
_SHARED = ("otc_venue_id", "hhi", "otc_loaded_in")  # files of macros that the declared views use
_OF_CAPTURES = "otc_captures_as_of"  # the macro that chooses between captures
_CURRENT = "otc_raw_current"
_TRACED = "trace"  # the file of the macros that lead from a number to its lines
# The macros start at the first day, which DuckDB's dates allow by some million years.
_EVER = "DATE '0001-01-01', DATE '9999-12-31'"
_SQL_COMMENT = re.compile(r"--.*")
_NAMES = re.compile(r"otc_\w*")
_OURS = {table.name for table in (*TABLES, *GIVEN)}
_OF_TABLES = _OURS | {"otc_raw_current", "otc_raw_as_of"}


def table_views(
    lake: Lake, tables: tuple[Table, ...], *, unopened: bool = False, kept: bool = False
) -> list[str]:
    """CREATE VIEW statements for tables over their files; `unopened`, `kept` as for `files_of`."""
    alike, statements = stored_format(lake) == FORMAT, []
    for table in tables:
        # Pins are never written again: those of earlier versions lack a column.
        of_today = alike and table is not pins.TABLE
        weekly = table is not consolidated.TABLE
        columns = ", ".join(identifier(column.name) for column in table.columns)
        statements.append(
            f"CREATE OR REPLACE VIEW {identifier(table.name)} AS SELECT {columns} "
            + files_of(
                lake, table.name, weekly=weekly, alike=of_today, unopened=unopened, kept=kept
            )
        )
        statements.append(f"COMMENT ON VIEW {identifier(table.name)} IS {literal(table.grain)}")
    return statements


def view_statements(
    lake: Lake, tables: tuple[Table, ...], *, analysis: bool = True, unopened: bool = False
) -> list[str]:
    """CREATE VIEW statements for every table and for the views on them.

    A view's text cannot hold bound parameters, so the lake's path is quoted as a literal
    and its glob characters are escaped. Weeks are read from folder names, so that a query for
    one week opens one file; in a lake whose own path holds `name=value`, which DuckDB would
    take for a column, they are read from the files.

    DuckDB looks a view's sources up when the view is made, and lists a table's folders for it.
    So the views on the tables are made over empty ones, which are then replaced.
    """
    tables = (*tables, *GIVEN)  # the views on the tables need them
    statements = [
        f"CREATE OR REPLACE VIEW {identifier(table.name)} AS {without_rows(table.columns)}"
        for table in tables
    ]
    statements += derived_views({table.name for table in tables}, analysis=analysis)
    return statements + table_views(lake, tables, unopened=unopened)


def files_of(
    lake: Lake,
    table: str,
    *,
    weekly: bool = True,
    alike: bool = True,
    unopened: bool = False,
    kept: bool = False,
) -> str:
    """The FROM that reads all files of a table.

    Files that nobody published, such as the copy that a sync program made, are not read.

    DuckDB opens the first file when a view is made, and takes all others for as long. So the empty
    file is the last: where it was the first, DuckDB took the table for empty,
    and read all of it to join it with three rows.

    Args:
        lake: Where the files are.
        table: Name of the table.
        weekly: Whether its folders are named by week.
        alike: Whether all files have all columns. Else columns that one lacks are null, for which
            DuckDB opens every file before it looks at the week that a query wants.
        unopened: Let the empty file be the first after all, so that no other is opened: for a
            table whose first file is damaged.
        kept: For a view in a file, which any DuckDB may read: those before 2.0 have no
            `allow_empty`, so it names the kinds of files that there are now.
    """
    by_folder = "true, hive_types = {'week_ending': DATE}"
    if not weekly or "=" in str(lake.root):
        by_folder = "false"
    folder = f"{glob.escape(str(lake.root))}/{table}"
    each = "week_ending=[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]" if weekly else UNPARTITIONED
    kinds = [name for name in patterns(table) if not kept or _has(lake, table, name, weekly)]
    files = [literal(f"{folder}/{each}/{name}") for name in kinds]
    files.insert(0 if unopened else len(files), literal(glob.escape(str(lake.empty_part(table)))))
    more = "" if alike else ", union_by_name = true"
    more += "" if kept else ", allow_empty = true"
    return f"FROM read_parquet([{', '.join(files)}], hive_partitioning = {by_folder}{more})"


def _has(lake: Lake, table: str, pattern: str, weekly: bool) -> bool:
    """Whether a table has files of a kind."""
    if not weekly:
        return lake.part(table, None).exists()
    return any(fnmatchcase(name, pattern) for names in lake.names(table).values() for name in names)


def needs_analysis(sql: str) -> bool:
    """Whether a query may use a view of `otc.views`: not if it names other tables alone."""
    named = {*_NAMES.findall(sql.casefold())}
    return not named or not named <= _OF_TABLES


def derived_views(tables: Collection[str], *, analysis: bool = True) -> list[str]:
    """Statements of the views and macros on these tables; what needs another is left out."""
    known, statements = {*tables}, statements_in(_TEXTS)
    has_captures = {raw.TABLE.name, pins.TABLE.name} <= known
    if has_captures:
        statements += statements_in(_AS_DELIVERED)
    if not analysis:
        return statements
    macros = [macro for name in _SHARED for macro in statements_in(name)]
    statements += [macro for macro in macros if _tables_in(macro) <= known]
    for declared in VIEWS:
        (select,) = statements_in(declared.name)
        if known >= {*declared.deps} and (has_captures or _OF_CAPTURES not in select):
            statements += _declared(declared, select)
            known.add(declared.name)
    traced = (
        macro for macro in statements_in(_TRACED) if has_captures or _OF_CAPTURES not in macro
    )
    return statements + [macro for macro in traced if _tables_in(macro) <= known]


def view_comments(made: Collection[str]) -> list[str]:
    """Comments on the columns of these views, for a database; each statement takes time."""
    statements = []
    for view in VIEWS:
        for name in (view.name, view.every_week):
            if name in made:
                statements += column_comments(name, view.columns)
    if _CURRENT in made:
        statements.append(_comment("VIEW", _CURRENT, "one row of a current capture"))
        statements += column_comments(_CURRENT, raw.TABLE.columns)
    return statements


def _declared(view: View, select: str) -> list[str]:
    """DDL of a view over its SELECT; what it reads must exist.

    DuckDB resolves what a view reads when it is made, which takes some milliseconds. So the two
    views are made over a macro without rows, which the real one then replaces.
    """
    if not view.by_week:
        return [
            f"CREATE OR REPLACE VIEW {view.name} AS {select}",
            _comment("VIEW", view.name, view.grain),
        ]
    weeks = "all weeks; is_complete marks those with all three tiers of each class loaded"
    macro = f"CREATE OR REPLACE MACRO {view.macro}(first_week, last_week) AS TABLE"
    return [
        f"{macro} {without_rows(view.columns)}",
        f"CREATE OR REPLACE VIEW {view.every_week} AS FROM {view.macro}({_EVER})",
        f"CREATE OR REPLACE VIEW {view.name} AS FROM {view.every_week} WHERE is_complete",
        f"{macro} {select}",
        _comment("MACRO TABLE", view.macro, f"{view.grain}; Fridays, both included; {weeks}"),
        _comment("VIEW", view.every_week, f"{view.grain}; {weeks}"),
        _comment(
            "VIEW",
            view.name,
            f"{view.grain}; only complete weeks (all three tiers of each class loaded), "
            f"{view.every_week} has the others too",
        ),
    ]


def _comment(kind: str, name: str, text: str) -> str:
    return f"COMMENT ON {kind} {name} IS {literal(text)}"


def _tables_in(statement: str) -> set[str]:
    """The tables that a statement names."""
    names = {*_NAMES.findall(_SQL_COMMENT.sub("", statement))}
    return names & _OURS


def declared_names(lake: Lake) -> list[str]:
    """Tables in a lake that pipelines declare: all with an empty file that are not ours."""
    found = (name for name in lake.entries() if not name.startswith(("_", ".")))
    return sorted(name for name in found if name not in _OURS and lake.empty_part(name).exists())


def declared_views(lake: Lake, *, unopened: bool = False) -> list[str]:
    """CREATE VIEW statements for the tables that pipelines declare, from their own files."""
    found = {name: not lake.is_unpartitioned(name) for name in declared_names(lake)}
    return [
        f"CREATE OR REPLACE VIEW {identifier(name)} "
        f"AS {files_of(lake, name, weekly=weekly, unopened=unopened)}"
        for name, weekly in found.items()
    ]
