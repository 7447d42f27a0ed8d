"""Declarations that cannot be: every fault is found, with the place of its key."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from spine_assets.core.tags import AssetGroup
from spine_assets.pipelines.yaml.model import Declaration
from spine_assets.pipelines.yaml.pipeline import of_all_tenants
from spine_assets.pipelines.yaml.validation import checked

GOOD = """
pipeline_id: "{tenant_id}_flow"
description: Of {tenant_id} in {domain}, week {week_ending}.
partitions: weekly
tenants:
  acme: {symbols: [AAAA]}
  globex: {symbols: [BBBB], least: 5}
variables: {least: 1, title: "week {week_ending} of {tenant_id}"}
steps:
  - step_id: volumes
    ps_type: duckdb.sql
    source:
      query: >
        SELECT symbol, total_volume FROM otc_symbol_summary
        WHERE week_ending = {week_ending} AND symbol IN {symbols} AND total_volume >= {least}
    destination:
      table: volumes
      description: Volume by symbol.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: total_volume, type: "DECIMAL(38,6)", description: Volume., unit: shares, ge: 0}
      checks:
        - {name: some, description: There are some., rows: ">= 1"}
        - name: none_negative
          description: None is negative.
          sql: FROM new_rows WHERE total_volume < {least}
  - step_id: greet
    ps_type: example.hello
    config: {name: "{title}"}
    timeout_minutes: 1
    retry: {max_attempts: 2, retry_on: [TransientError]}
    when: {step_id: volumes, rows: "> 0"}
  - step_id: tell
    ps_type: example.hello
    trigger: on_failure
    config: {name: "{error} in {failed_steps}"}
"""


def good() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(GOOD)
    return found


def _at(document: Any, loc: tuple[str | int, ...]) -> Any:
    for key in loc:
        document = document[key]
    return document


def test_a_sound_declaration_is_two_pipelines() -> None:
    acme, globex = of_all_tenants(checked(Declaration.model_validate(good())))
    assert (acme.pipeline_id, acme.name) == ("acme_flow", "acme_flow")
    assert acme.description == "Of acme in otc, week {week_ending}."
    assert globex.own_variables()["least"] == 5
    assert [step.step_id for step in acme.steps] == ["volumes", "greet", "tell"]
    assert acme.depends["tell"] == ("volumes", "greet")


STEP = ("steps", 0)
# Where the declaration is changed, to what; where the fault is, and what is said of it.
WRONG: list[tuple[tuple[str | int, ...], Any, tuple[str | int, ...], str]] = [
    (("pipeline_id",), "flow", ("pipeline_id",), "must hold {tenant_id}"),
    (("pipeline_id",), "{tenant_id}_{nam}", ("pipeline_id",), "there is no {nam}"),
    (("description",), "of {tenent_id}", ("description",), "did you mean tenant_id?"),
    (("tenants",), {}, ("tenants",), "there is no tenant"),
    (("tenants", "acme", "more"), 1, ("tenants", "acme", "more"), "neither one of `variables`"),
    (("tenants", "acme", "date"), 1, ("tenants", "acme", "date"), "every pipeline has"),
    (("tenants", "Acme"), {"symbols": []}, ("tenants", "Acme", "[key]"), "should match pattern"),
    (("variables", "domain"), "x", ("variables", "domain"), "every pipeline has"),
    (("variables", "title"), "{nope}", ("variables", "title"), "there is no {nope}"),
    (("partitions",), "daily", ("partitions",), "Input should be 'weekly' or 'none'"),
    (("stepz",), [], ("stepz",), "Extra inputs are not permitted"),
    (("steps",), [], ("steps",), "at least 1 item"),
    (("start_after",), ["otc_symbol_trend"], ("start_after", 0), "no table that is built"),
    (("start_after",), ["volumes"], ("start_after", 0), "made by this pipeline itself"),
    ((*STEP, "ps_type"), "duckdb.sq", (*STEP, "ps_type"), "Input should be 'duckdb.sql'"),
    ((*STEP, "step_id"), "Volumes", (*STEP, "step_id"), "should match pattern"),
    ((*STEP, "config"), {"x": 1}, (*STEP, "config", "x"), "Extra inputs"),
    ((*STEP, "source"), {}, (*STEP, "source", "query"), "Field required"),
    ((*STEP, "timeout_minutes"), 0, (*STEP, "timeout_minutes"), "greater than 0"),
    ((*STEP, "trigger"), "always", (*STEP, "trigger"), "runs on success only"),
    (("steps", 1, "retry", "retry_on"), [], ("steps", 1, "retry", "retry_on"), "at least 1"),
    (
        ("steps", 1, "retry", "retry_on"),
        ["Timeout"],
        ("steps", 1, "retry", "retry_on", 0),
        "did you mean",
    ),
    (
        ("steps", 1, "when"),
        {"check": "volumes.nope"},
        ("steps", 1, "when", "check"),
        "no check nope",
    ),
    (
        ("steps", 1, "when"),
        {"check": "otc_venue_share.x"},
        ("steps", 1, "when", "check"),
        "no check",
    ),
    (("steps", 1, "step_id"), "volumes", ("steps", 1, "step_id"), "two steps are named"),
    (("steps", 1, "depends_on"), ["volume"], ("steps", 1, "depends_on", 0), "there is no step"),
    ((*STEP, "depends_on"), ["greet"], (*STEP, "depends_on"), "wait for one another"),
    ((*STEP, "depends_on"), ["tell"], (*STEP, "depends_on"), "wait for one another"),
    (("steps", 1, "when"), {"rows": "> 0"}, ("steps", 1, "when"), "step_id and rows go together"),
    (("steps", 1, "when"), {}, ("steps", 1, "when"), "one of the two"),
    (("steps", 1, "when", "rows"), "some", ("steps", 1, "when", "rows"), "should match pattern"),
    (("steps", 1, "when", "step_id"), "tell", ("steps", 1, "when", "step_id"), "does not wait"),
    (("steps", 1, "config", "name"), "{error}", ("steps", 1, "config", "name"), "no {error}"),
    (
        (*STEP, "source", "query"),
        "SELECT 1 WHERE 'x' = '{tenant_id}'",
        (*STEP, "source", "query"),
        "stands in quotes",
    ),
    ((*STEP, "source", "query"), "SELECT {nope}", (*STEP, "source", "query"), "no {nope}"),
    ((*STEP, "source", "query"), "SELEC 1", STEP, "syntax error"),
    ((*STEP, "source", "query"), "DROP TABLE x", STEP, "one SELECT, and nothing else"),
    ((*STEP, "source", "query"), "SELECT 1; SELECT 2", STEP, "one SELECT, and nothing else"),
    ((*STEP, "source", "query"), "COPY (SELECT 1) TO 'x'", STEP, "one SELECT"),
    ((*STEP, "destination", "table"), "otc_raw", STEP, "are taken"),
    ((*STEP, "destination", "key"), ["nope"], STEP, "none of the columns"),
    ((*STEP, "destination", "columns", 0, "nullable"), True, STEP, "part of the key"),
    ((*STEP, "destination", "columns", 0, "type"), "VARCHAR[]", STEP, "part of the key"),
    (("partitions",), "none", ("description",), "there is no {week_ending}"),
    ((*STEP, "source", "query"), "FROM query('FROM x')", STEP, "query() hides what is read"),
    (
        (*STEP, "source", "query"),
        "SELECT symbol, total_volume FROM Volumes WHERE week_ending = {week_ending}",
        (*STEP, "destination", "table"),
        "would be made from itself",
    ),
    ((*STEP, "destination", "checks", 0, "name"), "schema", STEP, "give yours another name"),
    ((*STEP, "destination", "checks", 0, "rows"), None, STEP, "give rows or sql"),
    ((*STEP, "destination", "columns", 0, "type"), "TEXT", None, "Input should be 'VARCHAR'"),  # type: ignore[list-item]
    (("steps", 2, "depends_on"), [], ("steps", 2, "trigger"), "on_failure of what?"),
]


@pytest.mark.parametrize(("where", "value", "loc", "said"), WRONG)
def test_what_is_wrong_is_said_where_it_stands(
    where: tuple[str | int, ...], value: Any, loc: tuple[str | int, ...] | None, said: str
) -> None:
    document = good()
    _at(document, where[:-1])[where[-1]] = value
    with pytest.raises(ValidationError) as caught:
        checked(Declaration.model_validate(document))
    found = {tuple(fault["loc"]): fault["msg"] for fault in caught.value.errors()}
    place = loc if loc is not None else where
    assert place in found, found
    assert said in found[place]


def test_a_table_follows_no_step_that_also_runs_after_a_failure() -> None:
    document = good()
    fetch, clean = ({"step_id": name, "ps_type": "example.hello"} for name in ("fetch", "clean"))
    document["steps"][:0] = [fetch, clean | {"trigger": "always"}]
    with pytest.raises(ValidationError, match="also runs after a failure: clean; say in depends"):
        checked(Declaration.model_validate(document))
    document["steps"][2]["depends_on"] = ["fetch"]
    checked(Declaration.model_validate(document))


@pytest.mark.parametrize("group", [group.value for group in AssetGroup])
def test_no_pipeline_takes_the_group_of_our_own_assets(group: str) -> None:
    with pytest.raises(ValidationError, match=f"{group} is a group of assets that all share"):
        checked(of_tenant(group))


def test_a_pipeline_takes_a_name_that_is_no_group_of_ours() -> None:
    assert checked(of_tenant("otc_analysis")).pipeline_id == "{tenant_id}"


def of_tenant(name: str) -> Declaration:
    """A declaration whose one pipeline has its tenant's name."""
    document = good() | {"pipeline_id": "{tenant_id}", "tenants": {name: {"symbols": ["AAAA"]}}}
    return Declaration.model_validate(document)


def test_all_faults_are_told_at_once() -> None:
    document = good()
    document["steps"][0]["timeout_minutes"] = -1
    document["steps"][1]["config"] = {"nam": "x"}
    with pytest.raises(ValidationError) as caught:
        Declaration.model_validate(document)
    assert len(caught.value.errors()) == 2


SCHEMA = Draft202012Validator(Declaration.model_json_schema())


def test_the_schema_of_editors_takes_what_is_sound() -> None:
    assert list(SCHEMA.iter_errors(good())) == []


# What a schema can see; the rest is said when definitions are loaded.
BY_SCHEMA = [case for case in WRONG if "Input should" in case[3] or "Extra" in case[3]
             or "required" in case[3] or "pattern" in case[3] or "greater" in case[3]]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "loc", "said"), BY_SCHEMA)
def test_the_schema_of_editors_refuses_what_it_can_see(
    where: tuple[str | int, ...], value: Any, loc: tuple[str | int, ...] | None, said: str
) -> None:
    document = good()
    _at(document, where[:-1])[where[-1]] = value
    errors = list(SCHEMA.iter_errors(document))
    assert errors
    deepest = max((tuple(error.absolute_path) for error in errors), key=len)
    assert deepest[: len(where) - 1] == where[:-1] or deepest == where
