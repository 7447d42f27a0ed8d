"""What `spine_assets` exports to other projects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import spine_assets

PAGE = (Path(__file__).parents[2] / "docs/library.md").read_text("utf-8")


@pytest.mark.parametrize("name", spine_assets.__all__)
def test_each_public_name_exists_and_is_described(name: str) -> None:
    assert getattr(spine_assets, name).__doc__
    assert f"{name}(" in PAGE


def test_another_name_is_missing_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'weekly'"):
        _ = spine_assets.weekly


def test_the_package_alone_imports_no_dagster() -> None:
    code = "import sys, spine_assets; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
