"""Which steps wait for which."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.pipelines.yaml import step_order
from spine_assets.pipelines.yaml.model import Step, Trigger


def step(name: str, **more: Any) -> Step:
    return Step(step_id=name, ps_type="example.hello", **more)


@pytest.mark.parametrize(
    ("steps", "depends"),
    [
        ([step("a"), step("b"), step("c")], {"a": (), "b": ("a",), "c": ("b",)}),
        ([step("a"), step("b", depends_on=[])], {"a": (), "b": ()}),
        ([step("a"), step("b"), step("c", depends_on=["a"])], {"a": (), "b": ("a",), "c": ("a",)}),
        (
            [step("a"), step("x", parallel_group="g"), step("y", parallel_group="g"), step("z")],
            {"a": (), "x": ("a",), "y": ("a",), "z": ("x", "y")},
        ),
        (
            [step("x", parallel_group="g"), step("y", parallel_group="g")],
            {"x": (), "y": ()},
        ),
        (
            [
                step("a"),
                step("b", depends_on=[]),
                step("x", parallel_group="g", depends_on=["a"]),
                step("y", parallel_group="g", depends_on=["b"]),
            ],
            {"a": (), "b": (), "x": ("a", "b"), "y": ("a", "b")},
        ),
        (
            [step("a"), step("f", trigger=Trigger.ON_FAILURE), step("b")],
            {"a": (), "f": ("a",), "b": ("a",)},
        ),
    ],
)
def test_what_each_step_waits_for(steps: list[Step], depends: dict[str, tuple[str, ...]]) -> None:
    assert step_order.dependencies(steps) == depends


def test_steps_that_wait_for_one_another_are_found() -> None:
    assert step_order.in_circle({"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)}) == [
        "a",
        "b",
        "c",
    ]


@given(
    st.lists(
        st.tuples(st.booleans(), st.sets(st.integers(0, 9), max_size=3)), min_size=1, max_size=10
    )
)
def test_in_the_order_each_step_stands_after_all_it_waits_for(
    drawn: list[tuple[bool, set[int]]],
) -> None:
    depends = {
        f"s{number}": tuple(f"s{other}" for other in sorted(others) if other < number)
        for number, (_, others) in enumerate(drawn)
    }
    found = step_order.topological(depends)
    assert sorted(found) == sorted(depends)
    for place, name in enumerate(found):
        assert step_order.ancestors(name, depends) <= {*found[:place]}
