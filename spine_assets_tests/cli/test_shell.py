"""`spine shell` as a real process: with code, with lines from standard input, and in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from spine_assets_tests.conftest import WEEK, House, delivered, line

pytestmark = pytest.mark.long

_SECONDS = 120  # it takes about 2; a machine under load some times that
_PROMPT = ">>> "
_CTRL_C, _CTRL_D = "\x03", "\x04"
_CONTROLS = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
_ENDLESS = "SELECT sum(hash(i)::HUGEINT) FROM range(1_000_000_000_000) t(i)"


class Terminal:
    """`spine shell` as a person has it before them."""

    def __init__(self) -> None:
        self._end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("spine")), "shell"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # With a controlling terminal Ctrl-C reaches it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def shown(self, mark: str = _PROMPT) -> str:
        """What is printed up to the next mark."""
        seen, until = "", time.monotonic() + _SECONDS
        while not (plain := _CONTROLS.sub("", seen)).endswith(mark):
            assert time.monotonic() < until, seen
            if select.select([self._end], [], [], 1)[0]:
                seen += os.read(self._end, 65536).decode()
        return plain.removesuffix(mark)

    def asked(self, line: str) -> str:
        """What is printed after a line, without it."""
        self.type(f"{line}\n")
        return self.shown().partition("\n")[2]

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def terminal(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "dumb")
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one week of two rows built."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path / "data")
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB", shares="12.5")))
    house.built()
    source = Path(__file__).parents[2] / "dagster.yaml"
    (tmp_path / "dagster.yaml").write_text(source.read_text())
    return tmp_path


def shell(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("spine"))
    return subprocess.run(
        [program, "shell", *words],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


def test_code_finds_everything_at_hand_and_says_nothing_else(root: Path) -> None:
    code = f"""
def seen():
    return len(landing.deliveries), instance.get_runs_count()
assert seen() == (1, 0)
assert [str(week) for week in weeks] == ["{WEEK}"]
assert weeks == lake.weeks("otc_raw")
assert settings.lake_place == lake.root
assert table("otc_raw", "{WEEK}").height == table("otc_raw", weeks[0]).height == 2
frame = sql("SELECT sum(share_volume) AS shares, sum(trade_count) AS trades FROM otc_raw; -- all")
assert frame.schema == {{"shares": pl.Decimal(38, 6), "trades": pl.Decimal(38, 0)}}
assert str(frame["shares"][0]) == "112.500000"
assert warehouse.execute("SELECT count(*) FROM otc_raw").fetchall() == [(2,)]
print(date(2025, 11, 21), duckdb.__name__)
"""
    done = shell("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{WEEK} duckdb\n", "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("x =", "SyntaxError: invalid syntax"),
        ("table('otc_venue_shares')", "did you mean otc_venue_share?"),
        ("table('otc_raw', '2025-12-25')", "weeks end on Fridays: 2025-12-26"),
        ("sql('DROP VIEW otc_raw')", "sql() only reads"),
    ],
)
def test_code_that_raises_ends_with_1_and_its_own_traceback(
    root: Path, code: str, said: str
) -> None:
    done = shell("-c", f"frame = sql('SELECT 1')\n{code}")
    assert done.returncode == 1
    assert said in done.stderr
    assert "spine_assets/cli/shell.py" not in done.stderr
    assert "leaked" not in done.stderr


def test_code_may_choose_its_own_exit_code(root: Path) -> None:
    assert shell("-c", "raise SystemExit(3)").returncode == 3


def test_lines_are_read_from_standard_input_and_an_error_is_not_the_end(root: Path) -> None:
    done = shell(typed="print(weeks[0])\n1/0\nprint('still', len(sql('FROM otc_raw')))\n")
    assert done.returncode == 0
    assert str(WEEK) in done.stdout
    assert "still 2" in done.stdout
    assert "ZeroDivisionError" in done.stderr
    for name in ("settings", "lake", "warehouse", "sql(text)", "table(name, week)", "instance"):
        assert f"\n  {name}" in done.stderr


def test_a_name_that_is_not_there_is_an_ordinary_error(root: Path) -> None:
    done = shell("-c", "def f():\n    return nothing\nf()")
    assert "NameError: name 'nothing' is not defined" in done.stderr


def test_in_a_terminal_one_question_follows_another(terminal: Terminal) -> None:
    assert "sql(text)" in terminal.shown()
    rows = "print(sql('SELECT count(*) AS n FROM otc_raw')['n'][0])"
    assert terminal.asked(rows).split() == ["2"]
    assert terminal.asked("print(sql('SELECT 7 AS n')['n'][0])").split() == ["7"]

    assert "Referenced column" in terminal.asked("sql('SELECT wrong FROM otc_raw')")
    assert "ZeroDivisionError" in terminal.asked("1/0")
    assert terminal.asked(rows).split() == ["2"]

    # `core_manifest` is made for the question, beside the views.
    weeks = "print(sql('SELECT count(DISTINCT week_ending) AS n FROM core_manifest')['n'][0])"
    assert terminal.asked(weeks).split() == terminal.asked(weeks).split() == ["0"]

    # What a person reads by hand stays open, and is read on after questions.
    half_read = "by_hand = warehouse.execute('SELECT source_line FROM otc_raw ORDER BY 1')"
    assert "Error" not in terminal.asked(half_read)
    assert terminal.asked("print(by_hand.fetchone())").split() == ["(2,)"]
    assert terminal.asked(rows).split() == ["2"]
    assert terminal.asked(weeks).split() == ["0"]
    assert terminal.asked("print(by_hand.fetchone())").split() == ["(3,)"]

    terminal.type(_CTRL_D)
    assert terminal.process.wait(_SECONDS) == 0


def test_ctrl_c_ends_the_question_and_not_the_shell(terminal: Terminal) -> None:
    terminal.shown()
    terminal.type(f"print('be' + 'gun'); sql({_ENDLESS!r})\n")
    terminal.shown("begun\r\n")
    time.sleep(1)  # it answers nothing; one that has not begun is ended too
    terminal.type(_CTRL_C)
    assert "KeyboardInterrupt" in terminal.shown()
    for _ in range(2):
        assert terminal.asked("print(len(sql('FROM otc_raw')))").split() == ["2"]
    time.sleep(2)  # Python overlooks a Ctrl-C that comes right after it printed its prompt
    terminal.type(_CTRL_C)
    assert "KeyboardInterrupt" in terminal.shown()
    assert terminal.asked("print(len(sql('FROM otc_raw')))").split() == ["2"]


@pytest.mark.parametrize("more", [[], ["--parquet", "answer.parquet"]])
def test_ctrl_c_ends_a_query(root: Path, more: list[str]) -> None:
    program = str(Path(sys.executable).with_name("spine"))
    asked = subprocess.Popen([program, "query", _ENDLESS, *more], stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):  # it takes less than a second to begin
        asked.wait(4)
    asked.send_signal(signal.SIGINT)
    _, printed = asked.communicate(timeout=_SECONDS)
    assert (asked.returncode, printed.strip()) == (1, "Aborted!")
    assert not [*root.glob("*.parquet*")]
