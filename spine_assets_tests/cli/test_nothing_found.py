"""Where nothing is found a command says why, and reading commands make no data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.support import storages

LOADED = f"one week is loaded, {WEEK}"
HOW = "spine demo loads the sample; or drop files into "


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder without data."""
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    storages.lay_out(tmp_path)
    return tmp_path


@pytest.fixture
def house(project: Path) -> House:
    """A project with one week, of which only the tier OTC is there."""
    made = House(project / "data")
    made.drop("otc.csv", delivered(line("AAAA"), line("DWGpD")))
    made.built()
    return made


def spine(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def hints(sql: str, *options: str) -> list[str]:
    done = spine("query", sql, *options)
    assert done.exit_code == 0, done.output
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("symbol = 'aaaa'", "there is no symbol 'aaaa'; 'AAAA' is written in upper case"),
        ("'aaaa' = v.symbol", "there is no symbol 'aaaa'; 'AAAA' is written in upper case"),
        ("symbol = 'DWGPD'", "there is no symbol 'DWGPD'; 'DWGpD' differs in case"),
        ("symbol IN ('ZZZZ')", "otc_symbol_summary has no symbol 'ZZZZ' in any week"),
        (
            "week_ending = '2025-11-20'",
            "2025-11-20 is a Thursday; weeks end on Fridays: 2025-11-21",
        ),
        (
            "week_ending = DATE '2025-11-20'",
            "2025-11-20 is a Thursday; weeks end on Fridays: 2025-11-21",
        ),
        ("week_ending = '2024-11-22'", f"week 2024-11-22 is not loaded; {LOADED}"),
        ("tier = 'T1'", "tier is one of NMS_TIER_1, NMS_TIER_2, OTC, not 'T1'"),
        ("venue_class = 'ats'", "venue_class is one of ATS, NON_ATS, not 'ats'"),
        ("share_volume < 0", f"{LOADED}; none is complete yet"),
    ],
)
def test_a_query_without_rows_says_what_is_likely(house: House, condition: str, hint: str) -> None:
    sql = f"SELECT symbol FROM otc_venue_volume AS v WHERE {condition}"
    assert hints(sql) == [f"no rows: {hint}"]
    for option in ("--csv", "--json"):
        assert hints(sql, option) == [f"no rows: {hint}"]


def test_an_empty_parquet_file_is_explained_too(house: House, tmp_path: Path) -> None:
    out = str(tmp_path / "answer.parquet")
    found = hints("FROM otc_venue_volume WHERE symbol = 'aaaa'", "--parquet", out)
    assert found[1:] == ["no rows: there is no symbol 'aaaa'; 'AAAA' is written in upper case"]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM otc_venue_volume",
        "SELECT 1 WHERE false",
        "SELECT sum(share_volume) FROM otc_venue_volume WHERE share_volume < 0",
        "SELECT count(*) FROM otc_venue_volume WHERE symbol = 'AAAA' AND tier = 'NMS_TIER_1'",
        "FROM otc_weeks_calendar WHERE week_ending = '2025-11-20'",
        "FROM (VALUES ('aaaa')) AS t(symbol) WHERE symbol = 'bbbb'",
        "SHOW TABLES",
        "EXPLAIN FROM otc_raw",
    ],
)
def test_where_nothing_is_wrong_with_the_words_there_is_no_hint(house: House, sql: str) -> None:
    assert hints(sql) == []


def test_a_sum_over_nothing_names_the_word_that_matches_nothing(house: House) -> None:
    sql = "SELECT count(*), sum(share_volume) FROM otc_venue_volume WHERE symbol = 'aaaa'"
    assert hints(sql) == ["note: there is no symbol 'aaaa'; 'AAAA' is written in upper case"]


def test_what_a_query_excludes_is_not_looked_up(house: House) -> None:
    sql = "FROM otc_venue_volume WHERE NOT symbol = 'aaaa' AND lower(symbol) = 'x'"
    assert hints(sql) == [f"no rows: {LOADED}; none is complete yet"]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM otc_market_structure",
        "SELECT 'otc_market_structure', OTC_Market_Structure.tier FROM otc_market_structure;",
        "WITH a AS (FROM otc_market_structure) FROM a /* é otc_market_structure */",
    ],
)
def test_a_view_of_complete_weeks_names_the_view_of_all(house: House, sql: str) -> None:
    assert hints(sql) == [
        "no rows: otc_market_structure has only complete weeks, with all three tiers loaded; with "
        "otc_market_structure_all this query has 2 rows"
    ]


def test_raw_says_how_its_tier_is_spelt(house: House) -> None:
    assert hints("FROM otc_raw WHERE tier = 'NMS_TIER_1'") == [
        "no rows: in otc_raw the column tier has FINRA's text, such as 'NMS Tier 1': write "
        "tier_name = 'NMS_TIER_1'"
    ]


def test_other_commands_name_the_weeks_that_are_loaded(house: House) -> None:
    done = spine("captures", "--week", "2024-11-22")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"nothing of week 2024-11-22 is captured; {LOADED}\n"
    assert spine("captures", "--week", "2024-11-22", "--json").stdout == "[]\n"
    for words in (["diff", "2024-11-22"], ["anomalies", "--week", "2024-11-22"]):
        assert f"nothing of week 2024-11-22 is captured; {LOADED}" in spine(*words).stderr
    assert spine("runs").stderr.startswith(f"no run is recorded yet: {HOW}")
    assert spine("runs", "--status", "failure").stderr.startswith("no such run")


@pytest.mark.parametrize(
    "words",
    [
        ["query", "FROM otc_movers"],
        ["captures"],
        ["anomalies"],
        ["week"],
        ["report"],
        ["diff", str(WEEK)],
    ],
    ids=" ".join,
)
def test_a_fresh_project_says_how_to_load(project: Path, words: list[str]) -> None:
    assert spine("init").exit_code == 0
    assert HOW in spine(*words).stderr


READING = (
    *("status", "week", "captures", "runs", "anomalies", "report", "shell -c 1", "db check"),
    *("diff 2025-11-21", "trace AAAA 2025-11-21", "symbol AAAA", "market", "runs show x"),
    *("query SELECT(1)", "export --table otc_raw --week 2025-11-21", "backup copy", "doctor"),
    *(
        "sample remove --yes",
        "db build copy.duckdb",
        "check-file dagster.yaml",
        "list",
        "compare --weeks 1",
    ),
)


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_makes_no_data_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", "dtaa")
    (project / "data" / "landing").mkdir(parents=True)
    done = spine(*command.split())
    assert not (project / "dtaa").exists()
    if command.split(maxsplit=1)[0] not in {"doctor", "check-file", "list", "compare"}:
        assert done.exit_code == 1
        assert done.stderr == (
            f"Error: SPINE_DATA_DIR names {project / 'dtaa'}, which does not exist: did you mean "
            f"{project / 'data'}?\n"
        )


def test_where_the_mistyped_folder_is_named_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"there is no data folder {project / 'data'} yet" in spine("status").stderr
    (project / ".env").write_text("SPINE_DATA_DIR=elsewhere\n")
    found = spine("status").stderr
    assert f"SPINE_DATA_DIR in {project / '.env'} names {project / 'elsewhere'}" in found
    monkeypatch.setenv("SPINE_LAKE", str(project / "lkae"))
    assert f"SPINE_LAKE names {project / 'lkae'}, which does not exist" in spine("captures").stderr
    assert not {"data", "elsewhere", "lkae"} & {path.name for path in project.iterdir()}


@pytest.mark.parametrize("command", ["db init", "sample write --weeks 1 --rows 200"])
def test_a_command_that_writes_makes_the_data_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", "other")
    assert spine(*command.split()).exit_code == 0
    assert (project / "other").is_dir()


def test_a_first_file_of_one_tier_is_answered_with_a_note(house: House) -> None:
    note = f"Week {WEEK} is not complete: figures cover the tiers that are loaded"
    for words in (("venue",), ("movers",), ("symbol", "AAAA", "--venues")):
        done = spine(*words)
        assert (done.exit_code, f"week {WEEK}" in done.stdout) == (0, True), done.output
        assert note in done.stderr
    missing = spine("symbol", "CCCC")
    assert missing.exit_code == 1
    assert f"no row of CCCC in {WEEK}; 1 of the loaded weeks lacks a tier" in missing.stderr
