"""The twelve weeks of the sample with database and reports, as `make demo` loads them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from spine_assets_tests.support.projects import SOURCE, Project, laid_out


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with the sample: first its files, then the late and the corrected one."""
    with laid_out(tmp_path_factory.mktemp("sample") / "project") as project:
        for part in ("first", "later"):
            landing = project.landing / "synthetic"
            shutil.copytree(SOURCE / "data" / "sample" / part, landing, dirs_exist_ok=True)
            done = project.run("spine", "backfill", "--missing")
            assert done.returncode == 0, done.stderr
        yield project
