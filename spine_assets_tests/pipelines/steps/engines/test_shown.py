"""What each engine shows and tells of itself is so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import spine_assets.defs.pipelines
from spine_assets.otc.delivery.archives import MAX_CONTENT_BYTES
from spine_assets.pipelines import ActionEngine
from spine_assets.pipelines.examples import examples
from spine_assets.pipelines.steps.engine import PARTS
from spine_assets.pipelines.steps.engines.hello import ENGINE as HELLO
from spine_assets_tests.pipelines.steps.engines.steps import (
    AnyEngine,
    act,
    context_of,
    example_of,
    found_engines,
    parts_of,
    problems,
)

ENGINES = found_engines()
ACTING = {name: item for name, item in ENGINES.items() if isinstance(item, ActionEngine)}


def test_the_acting_engines_are_found() -> None:
    assert sorted(ACTING) == [
        "example.hello",
        "http.fetch",
        "lake.export",
        "shared.email_notification",
        "shared.slack_notification",
    ]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The function of the example `symbol_swings` can be imported, as after its copying."""
    examples()["symbol_swings"].copy(tmp_path)
    places = [*spine_assets.defs.pipelines.__path__, str(tmp_path / "pipelines")]
    monkeypatch.setattr(spine_assets.defs.pipelines, "__path__", places)
    yield
    for name in [name for name in sys.modules if "defs.pipelines.symbol_swings" in name]:
        sys.modules.pop(name)


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_the_step_that_an_engine_shows_is_one_of_its_own_without_problems(
    engine: AnyEngine,
) -> None:
    step = example_of(engine)
    assert step["ps_type"] == engine.ps_type
    assert set(step) <= {"step_id", "name", "ps_type", *PARTS}
    parts_of(engine, step)
    assert problems(engine, step, "week_ending") == []


@pytest.mark.parametrize("engine", ACTING.values(), ids=ACTING)
def test_every_field_says_what_it_is(engine: AnyEngine) -> None:
    for part in (engine.source, engine.destination, engine.config):
        for name, field in part.model_fields.items():
            assert field.description, f"{engine.ps_type}: {name}"


def test_a_file_as_large_as_may_be_read_may_be_fetched() -> None:
    config = ENGINES["http.fetch"].config.model_fields["max_bytes"]
    assert config.default == MAX_CONTENT_BYTES


def test_to_know_the_engines_loads_nothing_that_only_work_needs() -> None:
    modules = [type(engine).__module__ for engine in ACTING.values()]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"dagster", "httpx", "obstore", "rich"}
    assert heavy & set(done.stdout.split()) == set()


def test_hello_greets(tmp_path_factory: pytest.TempPathFactory) -> None:
    context = context_of(tmp_path_factory.mktemp("data"), who="Ada")
    done = act(HELLO, {"config": {"name": "{who}"}}, context)
    assert (done.rows_processed, done.log_lines) == (None, ("Hello, Ada!",))
    assert done.result == {"greeting": "Hello, Ada!"}
