"""The GraphQL files that are shipped fit the installed Dagster, and the page explains them."""

from __future__ import annotations

import re
import runpy

import pytest
from dagster_graphql.schema import create_schema
from graphql import GraphQLSchema, GraphQLUnionType, parse, validate

from spine_assets_tests.outside.conftest import QUESTIONS
from spine_assets_tests.support.projects import SOURCE

PAGE = (SOURCE / "docs" / "from-outside.md").read_text("utf-8")
FILES = sorted(QUESTIONS.glob("*.graphql"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    made: GraphQLSchema = create_schema().graphql_schema
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_question_is_one_that_dagster_takes(path: object, schema: GraphQLSchema) -> None:
    text = (QUESTIONS / str(path)).read_text("utf-8")
    assert [str(error) for error in validate(schema, parse(text))] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_page_names_each_question(path: object) -> None:
    assert str(path).rsplit("/", maxsplit=1)[-1] in PAGE


@pytest.mark.parametrize("union", ["LaunchRunResult", "LaunchBackfillResult", "TerminateRunResult"])
def test_the_page_explains_each_answer(union: str, schema: GraphQLSchema) -> None:
    kind = schema.type_map[union]
    assert isinstance(kind, GraphQLUnionType)
    explained = set(re.findall(r"`([A-Za-z]+)`", PAGE))
    assert {member.name for member in kind.types} - explained == set()


def test_the_example_knows_errors_that_exist(schema: GraphQLSchema) -> None:
    advice = runpy.run_path(str(SOURCE / "examples" / "start_from_outside.py"))["NEXT"]
    assert set(advice) <= set(schema.type_map)
