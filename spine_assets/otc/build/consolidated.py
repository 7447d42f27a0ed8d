"""Loads consolidated volume from its files into the lake, as a whole, or keeps what is there.

Belongs here: reading, checking and publishing, in this order. Does not belong here: what a row must
be (`delivery.consolidated_files`) and how weeks are summed (`tables.consolidated`).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from spine_assets.lake.base import Lake
from spine_assets.lake.names import LockName
from spine_assets.lake.replace import Replacement, replace_file
from spine_assets.otc.checks.context import validated
from spine_assets.otc.delivery import consolidated_files
from spine_assets.otc.delivery.consolidated_files import ConsolidatedRefused
from spine_assets.otc.state.consolidated import loaded_facts
from spine_assets.otc.state.results import CheckResult, TableBuilt
from spine_assets.otc.tables import consolidated

_VERSION_DIGITS = 12
_TABLE = consolidated.TABLE
_CHECK = _TABLE.checks[0]


def load(lake: Lake, place: Path) -> list[TableBuilt | CheckResult]:
    """Load the files of a place: what was published, and the check of it.

    Nothing is published if the check fails. A place without files makes an empty table.

    Raises:
        LakeError: the lake cannot be written.
    """
    try:
        files = consolidated_files.files_at(place)
        stamps = consolidated_files.stamps(files)
        frame = consolidated.build(consolidated_files.read(files))
    except ConsolidatedRefused as error:
        cases = error.cases
        refused = CheckResult(_TABLE.name, _CHECK.name, False, str(error), samples=cases)
        return [replace(refused, blocking=True)]
    found = validated(_TABLE, frame, _TABLE.name, remedy=_CHECK.remedy)
    version = _version(files)
    facts = {"data_version": version, "files": stamps}
    target = lake.part(_TABLE.name, None)
    with lake.lock_of(LockName.table(_TABLE.name)):
        lake.remove_leftovers_beside(target)
        published = replace_file(
            lake,
            target,
            frame,
            facts,
            check=lambda _: found.passed,
            unchanged=facts == loaded_facts(lake),
        )
    checked = replace(found, blocking=True)
    if published is Replacement.KEPT:
        return [checked]
    counted = {"rows": frame.height, "files": [*stamps], "path": target}
    counted["weeks"] = frame["week_ending"].n_unique()
    return [
        TableBuilt(_TABLE.name, version, published is Replacement.UNCHANGED, counted),
        checked,
    ]


def _version(files: list[Path]) -> str:
    """Depends on the contents of the files and the version of the code alone."""
    whole = hashlib.sha256(_TABLE.code_version.encode())
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:_VERSION_DIGITS]
