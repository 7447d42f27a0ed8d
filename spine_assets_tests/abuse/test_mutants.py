"""The list of errors that `abuse.mutants` puts into the code still fits the code."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from spine_assets_tests.abuse.mutants import ROOT, Mutant, listed

MUTANTS = listed()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda item: item.id)
def test_a_mutant_still_fits_its_file(mutant: Mutant) -> None:
    """Its text stands there once, what it makes of a module is still Python, its tests exist."""
    changed = mutant.applied(ROOT)
    if mutant.file.endswith(".py"):
        ast.parse(changed)
    assert mutant.tests
    assert all((ROOT / name).is_file() for name in mutant.tests)


def test_a_text_that_is_not_there_once_is_named(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("one = 1\ntwo = one + one\n")
    for old, count in (("three", 0), ("one", 3)):
        mutant = Mutant("wrong", "core", "module.py", old, "four", ("tests.py",))
        with pytest.raises(ValueError, match=f"wrong: its old text stands {count} times"):
            mutant.applied(tmp_path)


def test_ids_are_unique_and_areas_have_several_mutants() -> None:
    assert [name for name, count in Counter(item.id for item in MUTANTS).items() if count > 1] == []
    assert min(Counter(item.area for item in MUTANTS).values()) >= 6
