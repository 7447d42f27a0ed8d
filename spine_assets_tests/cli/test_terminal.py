"""What a terminal, a pipe and a poor encoding show of a query and of other tables."""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import date, timedelta

import pytest
from rich.console import Console
from rich.text import Text

from spine_assets.cli.render.grid import Grid
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.support import storages

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_SPINE = "from spine_assets.cli import main; main()"
_PAIRS = (("A", 1), ("B", 1_234_567_890_123))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A project with one week of 60 symbols."""
    root = tmp_path_factory.mktemp("terminal")
    storages.lay_out(root)
    made = House(root / "data")
    made.drop("otc.csv", delivered(*(line(f"S{number:03}") for number in range(60))))
    made.built()
    return made


def environment(house: House, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    for name in ("DAGSTER_HOME", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        kept.pop(name, None)
    return kept | {"TERM": "xterm", "SPINE_DATA_DIR": str(house.root)} | more


def typed(house: House, *words: str, columns: int = 80, **more: str) -> str:
    """What a terminal of some width shows; colours are taken out."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _SPINE, *words],
        stdout=follower,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=house.root.parent,
        env=environment(house, **more),
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                read = os.read(leader, 65_536)
            except OSError:  # the terminal is closed
                break
            if not read:
                break
            shown += read
        os.close(leader)
        assert process.stderr is not None
        errors = process.stderr.read().decode(errors="replace")
        assert process.wait() == 0, errors
    return _ESCAPES.sub("", shown.decode(errors="replace")).replace("\r\n", "\n")


def piped(house: House, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", _SPINE, *words],
        capture_output=True,
        cwd=house.root.parent,
        env=environment(house, **more),
        check=True,
    )


@pytest.mark.long
def test_a_terminal_shows_forty_rows_and_how_to_get_the_others(house: House) -> None:
    sql = "SELECT symbol, range AS number FROM otc_raw, range(2) ORDER BY ALL"
    shown = typed(house, "query", sql).splitlines()
    assert shown[0].split() == ["symbol", "number"]
    assert len([text for text in shown if text.startswith("S0")]) == 40
    assert shown[-1] == "40 of 120 rows: --all prints all, --csv, --parquet FILE writes them"
    every = typed(house, "query", sql, "--all").splitlines()
    assert len([text for text in every if text.startswith("S0")]) == 120
    assert "rows" not in every[-1]


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 80, 120, 200, 400])
def test_a_wide_row_is_never_cut(house: House, columns: int) -> None:
    shown = typed(house, "query", "FROM otc_raw LIMIT 12", columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    (capture,) = {path.stem.rpartition(".")[2] for path in house.lake.files("otc_raw", WEEK)}
    assert str(WEEK) in shown
    if columns < 400:
        assert "─ 1 ─" in shown or "not shown: " in shown
    if "not shown: " in shown:
        assert "capture_id" in shown.split("not shown: ")[1]
    else:
        assert capture in shown


@pytest.mark.long
def test_a_lineage_column_that_is_asked_for_is_shown(house: House) -> None:
    sql = "SELECT capture_id, source_file, record_hash, symbol FROM otc_raw LIMIT 1"
    shown = typed(house, "query", sql, columns=60)
    assert "not shown" not in shown
    assert re.search(r"capture_id +\d{8}T\d{6}Z-[0-9a-f]{12}\n", shown)


_HOSTILE = "SELECT ':x: [red]no[/red] [/]' AS text, chr(27) || '[31m' || chr(8238) AS control"
_FIGURES = """
    SELECT 1e6::DOUBLE AS a, 0.1::DOUBLE + 0.2::DOUBLE AS b, 1234567.891::DECIMAL(12, 3) AS c,
        NULL AS d, true AS e, [1, 2] AS f, year(DATE '2025-11-21') AS year, 1e300::DOUBLE AS g
"""


@pytest.mark.long
@pytest.mark.parametrize("columns", [40, 200])
def test_data_is_printed_as_it_is_and_obeyed_in_nothing(house: House, columns: int) -> None:
    for shown in (
        typed(house, "query", _HOSTILE, columns=columns),
        piped(house, "query", _HOSTILE).stdout.decode(),
    ):
        assert ":x: [red]no[/red] [/]" in shown
        assert "\\x1b[31m\\u202e" in shown
        assert "\x1b" not in shown


@pytest.mark.long
def test_figures_are_exact_without_exponents(house: House) -> None:
    shown = typed(house, "query", _FIGURES, columns=200).splitlines()[-1].split("  ")
    assert [text.strip() for text in shown if text.strip()] == [
        *("1,000,000.0", "0.30000000000000004", "1,234,567.891", "NULL", "true", "[1, 2]", "2025"),
        "1e+300",
    ]
    plain = piped(house, "query", _FIGURES).stdout.decode().splitlines()[-1].split()
    assert plain[:3] == ["1000000.0", "0.30000000000000004", "1234567.891"]


@pytest.mark.long
def test_a_pipe_gets_every_row_on_one_line_and_no_box(house: House) -> None:
    sql = "SELECT symbol, share_volume, 1234567 AS n, repeat('x', 300) AS text FROM otc_raw"
    header, *lines = piped(house, "query", sql).stdout.decode().splitlines()
    assert header.split() == ["symbol", "share_volume", "n", "text"]
    assert [text.split()[2:] for text in lines] == [["1234567", "x" * 300]] * 60
    table = piped(house, "query", sql, "--csv").stdout.decode()
    assert [text.split() for text in lines] == list(csv.reader(table.splitlines()))[1:]


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_characters_escapes_them(house: House, encoding: str) -> None:
    sql = "SELECT 'é ─ 日本' AS name, 1 AS n"
    expected = "é ─ 日本".encode(encoding, "backslashreplace")
    assert expected in piped(house, "query", sql, PYTHONIOENCODING=encoding).stdout
    shown = typed(house, "query", sql, PYTHONIOENCODING=encoding)
    assert expected.decode(errors="replace") in shown
    assert "\n----" in shown
    for words in (["status"], ["week"], ["captures"], ["query", "EXPLAIN SELECT 1"]):
        piped(house, *words, PYTHONIOENCODING=encoding).stdout.decode(encoding)


@pytest.mark.long
def test_rows_as_csv_say_which_encoding_lacks_characters(house: House) -> None:
    words = ("query", "SELECT '日' AS name", "--csv")
    done = piped(house, *words, PYTHONIOENCODING="latin-1")
    assert done.stdout == b"name\n\\u65e5\n"
    assert b"PYTHONIOENCODING=utf-8" in done.stderr
    done = piped(house, *words)
    assert done.stdout == "name\n日\n".encode()
    assert b"PYTHONIOENCODING" not in done.stderr


@pytest.mark.long
def test_the_c_locale_takes_and_prints_any_text(house: House) -> None:
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = piped(house, "query", "SELECT 'é' AS name", **bare)
    assert done.stdout == b"name\n\\xe9\n"


@pytest.mark.long
@pytest.mark.parametrize("words", [["captures"], ["week"], ["status"], ["list"]])
def test_other_tables_fit_a_terminal_and_cut_nothing(house: House, words: list[str]) -> None:
    shown = typed(house, *words, columns=70)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 70
    if words in (["captures"], ["week"]):
        assert str(WEEK) in shown


@pytest.mark.long
def test_the_shell_prints_frames_whole(house: House) -> None:
    code = "print(sql('FROM otc_raw LIMIT 1')); print(sql('SELECT 1e6::DOUBLE AS a'))"
    shown = piped(house, "shell", "-c", code).stdout.decode()
    assert "source_line" in shown
    assert "…" not in shown
    assert "1000000" in shown
    assert "e6" not in shown


def printed(table: Grid, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(width=width, color_system=None, soft_wrap=not terminal, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def grid_of(width: int) -> list[str]:
    table = Grid("week", "text", "shares", "capture_id", lineage=["capture_id"])
    table.columns[2].justify = "right"
    for number, (name, shares) in enumerate(_PAIRS):
        week = date(2025, 11, 21) - timedelta(weeks=number)
        words = Text(f"{name} has quite some words and 1,234")
        table.add_row(str(week), words, f"{shares:,}", "20260120T120000Z-0123456789ab")
    return printed(table, width)


def test_at_any_width_dates_numbers_and_ids_are_whole() -> None:
    for width in range(41, 140):
        shown = grid_of(width)
        assert max(map(len, shown)) <= width
        text = "\n".join(shown)
        for whole in ("2025-11-21", "2025-11-14", "1,234,567,890,123", "1,234"):
            assert whole in text
        has_id, names_it = "20260120T120000Z-0123456789ab" in text, "not shown: capture_id" in text
        assert has_id != names_it


def test_a_wide_table_wraps_text_then_leaves_out_lineage_then_becomes_blocks() -> None:
    assert len(grid_of(110)) == 4
    assert len(grid_of(85)) > 4
    assert grid_of(70)[-1] == "not shown: capture_id"
    assert grid_of(40)[0].startswith("─ 1 ─")


def test_without_a_terminal_a_row_is_a_line() -> None:
    table = Grid("a", "b")
    table.add_row("[bold]one\ntwo[/]", "x" * 500)
    assert printed(table, 80, terminal=False) == [
        f"{'a':7}  b",
        f"one two  {'x' * 500}",
    ]
