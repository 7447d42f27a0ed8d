"""The documents name every asset, check, command and setting, and nothing that is missing."""

from __future__ import annotations

import pkgutil
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import dagster as dg
import pytest

from spine_assets.cli import main
from spine_assets.core.alert_settings import AlertSettings
from spine_assets.core.settings import FinraSettings, Settings
from spine_assets.core.tables import Table
from spine_assets.dev import docs_pages
from spine_assets.otc.captures import overdue
from spine_assets.otc.delivery.week_contents import USABLE_REMEDY
from spine_assets.otc.tables import consolidated
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.engine import PARTS
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.yaml import loader
from spine_assets.pipelines.yaml.table_model import TableDestination
from spine_assets_tests.support.pages import commands_in_words, described, documents

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text("utf-8")
MOST_README_LINES = 90  # about two screens
CODE = ("spine_assets", "spine_assets_tests", "benchmarks", "docs", "examples", "notebooks")
FILES = [path.relative_to(ROOT).as_posix() for name in CODE for path in (ROOT / name).rglob("*.py")]
TARGETS = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
PLANNED: set[str] = set()
"""Commands that docs/from-market-spine.md calls planned."""
PLACEHOLDERS = {
    "WEEK": "2025-10-17",
    "CAPTURE_ID": "20260120T120000Z-0123456789ab",
    "MPID": "UBSA",
}
"""What stands for something in the commands of `remedy`, as docs/checks.md explains."""
NOT_IN_THE_PROJECT = {
    "spine_assets.defs.pipelines.large_venues.mine",  # a reader of docs/pipelines.md writes it
    "spine_assets.defs.pipelines.symbol_swings.functions",  # an example, once copied in
    "tier_total.py",  # the example of CONTRIBUTING
    "notebooks/mine.py",  # a reader of docs/notebook.md copies it
    "spine_assets/blocks/",  # a feed that docs/finra.md describes and nobody has built
    "spine_assets.engines",  # an entry point, no module
}
"""Files and modules that pages name and that do not exist here."""
_CHECKED = (*TABLES, consolidated.TABLE)
REMEDIES = {
    **{f"{table.name}-{check.name}": check.remedy for table in _CHECKED for check in table.checks},
    "tiers_arrived": overdue.REMEDY,
    "usable": USABLE_REMEDY,
}


def commands(group: click.Group, before: str = "spine") -> list[str]:
    """Every command of the CLI, in full."""
    found = []
    for name in group.commands:
        command = command_of(group, name)
        full = f"{before} {name}"
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found.append(full)
        if isinstance(command, click.Group):
            found += commands(command, full)
    return found


def command_of(group: click.Group, name: str) -> click.Command:
    """A command of a group, imported if the group is lazy."""
    _, command, _ = group.resolve_command(click.Context(group), [name])
    assert command is not None
    return command


def resolved(full: str) -> tuple[click.Command, list[str]] | None:
    """A command of the tree and the words after its name; None where it is not in the tree."""
    found: click.Command = main
    words = shlex.split(full)[1:]
    while words and isinstance(found, click.Group) and words[0] in found.commands:
        found = command_of(found, words.pop(0))
    return None if found is main else (found, words)


@pytest.mark.parametrize("path", docs_pages.PAGES, ids=str)
def test_generated_pages_follow_from_the_declarations(path: Path) -> None:
    assert (ROOT / path).read_text("utf-8") == docs_pages.PAGES[path]() + "\n"


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_readme_names_every_table_and_the_dictionary_every_column_and_check(table: Table) -> None:
    page = (ROOT / docs_pages.PATH).read_text("utf-8")
    assert f"`{table.name}`" in README
    for column in table.columns:
        line = described(page, table.name, column.name)
        assert column.description.replace("|", "\\|") in line
        assert f"{column.unit or ''}{' or null' * column.nullable} |" in line
    section = page.split(f"\n## `{table.name}`\n")[1].split("\n## ")[0]
    (checks,) = re.findall(r"^\[Checks\].*$", section, re.M) or [""]
    for check in table.checks:
        assert f"`{check.name}`{' (blocking)' * check.blocking}" in checks


@pytest.mark.parametrize("ps_type", engines())
def test_the_reference_has_every_key_of_an_engine_and_what_it_means(ps_type: str) -> None:
    page = (ROOT / docs_pages.PIPELINES_PATH).read_text("utf-8")
    section = page.split(f"### `{ps_type}`\n")[1].split("\n### ")[0]
    for part in PARTS:
        shape = getattr(engines()[ps_type], part)
        if shape is TableDestination:
            assert f"`{part}`: [a table](#a-table)." in section
            continue
        for name, info in shape.model_fields.items():
            assert f"`{name}`" in section
            assert " ".join((info.description or "").split()).replace("|", "\\|") in page


def test_the_page_of_checks_has_each_check_that_dagster_shows_and_what_to_do(
    code_location: dg.Definitions,
) -> None:
    page = (ROOT / docs_pages.CHECKS_PATH).read_text("utf-8")
    graph = code_location.resolve_asset_graph()
    own = [key for key in graph.asset_check_keys if "yaml" not in graph.get(key.asset_key).kinds]
    assert len(own) == len(REMEDIES)
    sections = page.split("\n## ")[1:]
    for key in own:
        table, start = f"`{key.asset_key.to_user_string()}`", f"`{key.name}`\n\nOf "
        (section,) = (
            section
            for section in sections
            if section.startswith(start) and table in section.removeprefix(start).partition("\n")[0]
        )
        holds, remedy = (graph.get(key).description or "").split("\n\n**When it fails:** ")
        assert all(sentence in section for sentence in re.split(r"(?<=\.) ", holds))
        assert f"**When it fails:** {remedy}\n" in section


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=REMEDIES)
def test_what_to_do_is_short_and_its_commands_can_be_typed(remedy: str) -> None:
    assert remedy.endswith(".")
    assert 1 <= len(re.findall(r"\.(?= |$)", remedy)) <= 4
    typed = [text for text in re.findall(r"`([^`]+)`", remedy) if text.startswith("spine ")]
    assert typed
    for text in typed:
        real = re.sub(r"\b[A-Z_]{4,}\b", lambda name: PLACEHOLDERS.get(name[0], name[0]), text)
        found = resolved(real)
        assert found is not None, text
        assert found[0].make_context(text, found[1]).params, text


def test_documents_name_every_asset_job_sensor_and_schedule(
    code_location: dg.Definitions,
) -> None:
    repository = code_location.get_repository_def()
    graph = repository.asset_graph
    # Pipelines in YAML are their authors', and described where they are declared.
    own = (key for key in graph.get_all_asset_keys() if "yaml" not in graph.get(key).kinds)
    declared = {item.pipeline.name for item in loader.declared()}
    names = {key.to_user_string() for key in own}
    names |= {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    names -= declared
    names |= {item.name for item in repository.schedule_defs}
    names |= {item.name for item in repository.sensor_defs}
    declared |= {f"{name}_start_after" for name in declared}
    text = "".join(page.read_text("utf-8") for page in documents())
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_changelog_names_every_command() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for command in commands(main):
        assert f"`{command.removeprefix('spine ')}`" in changes, command


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_named_in_a_sentence_exist_with_their_options(page: Path) -> None:
    for text in commands_in_words(page):
        words = re.sub(r"[^\w -].*", "", text).split()
        if text in PLANNED or len(words) < 2 or words[1].startswith("-"):
            continue
        if words[1].isupper():  # COMMAND and the like stand for any
            continue
        found = resolved(" ".join(words))
        assert found is not None, text
        command, rest = found
        known = {option for item in command.params for option in item.opts} | {"--help", "-h"}
        assert {word for word in rest if word.startswith("-")} <= known, text
        if isinstance(command, click.Group) and rest:
            assert rest[0].startswith("-") or rest[0].isupper(), text


def test_the_page_of_settings_names_every_setting_and_readme_leads_to_it() -> None:
    assert "(docs/settings.md)" in README
    of = {"SPINE_": (Settings, AlertSettings), "SPINE_FINRA_": (FinraSettings,)}
    for prefix, kinds in of.items():
        for name in (name for kind in kinds for name in kind.model_fields):
            assert f"`{prefix}{name.upper()}`" in SETTINGS


def test_documents_name_no_setting_that_does_not_exist() -> None:
    known = set(re.findall(r"`(SPINE_[A-Z_]+)`", SETTINGS))
    for page in documents():
        assert set(re.findall(r"\bSPINE_[A-Z_]+[A-Z]\b", page.read_text("utf-8"))) <= known, page


def test_readme_is_two_screens_at_most() -> None:
    assert len(README.splitlines()) <= MOST_README_LINES


def test_every_make_target_is_named_and_every_one_named_exists() -> None:
    pages = [page.read_text("utf-8") for page in documents()]
    shown = {name for text in pages for name in re.findall(r"`make ([a-z0-9-]+)`", text)}
    shown |= {name for text in pages for name in re.findall(r"^ *make ([a-z0-9-]+)\b", text, re.M)}
    assert {"demo", "test", "ui"} <= shown
    assert shown == set(TARGETS)


def test_make_help_lists_every_target() -> None:
    help_ = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in TARGETS:
        assert re.search(rf"^{target}\s+\S", help_.stdout, re.M), target


def test_the_page_of_architecture_lists_the_layers_that_lint_checks() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    layers = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert len(layers) == 2
    for names in layers:
        block = "\n".join(names)
        assert f"```text\n{block}\n```" in page


@pytest.mark.parametrize(
    "page",
    [page for page in documents() if page.name != "CHANGELOG.md"],  # it names what was moved
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_files_and_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    files = set(re.findall(r"(?<![\w/<*.-])(?:[\w.-]+/)*\w+\.py\b", text))
    folders = set(re.findall(r"(?<![\w/])spine_assets(?:_tests)?/[\w/]*/(?=`)", text))
    modules = set(re.findall(r"(?<![\w/.])spine_assets(?:_tests)?(?:\.\w+)+(?!\w*[/.]\w)", text))
    missing = {name for name in files if not Path(name).stem.isupper() and not _is_file(name)}
    missing |= {name for name in folders if not (ROOT / name).is_dir()}
    missing |= {name for name in modules - NOT_IN_THE_PROJECT if not _is_object(name)}
    assert sorted(missing - NOT_IN_THE_PROJECT) == []


def _is_file(name: str) -> bool:
    """Whether the path, or its end, is that of a file of the project."""
    return any(f"/{path}".endswith(f"/{name.lstrip('./')}") for path in FILES)


def _is_object(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
