"""Another version of the program in this process: other code versions and a rule of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spine_assets.otc.delivery import line_schema
from spine_assets.otc.tables import raw

PARSER = f"{raw.TABLE.code_version}-next"


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the program is a version whose parser takes counts of three digits at most.

    The declared version is a value that many modules hold, so it is changed in place.
    """
    before = raw.TABLE.code_version
    monkeypatch.setitem(vars(raw.TABLE), "code_version", PARSER)
    assert raw.TABLE.code_version == replace(raw.TABLE).code_version == PARSER != before
    monkeypatch.setitem(line_schema._MAX_DIGITS, line_schema._INTEGER, 3)
    monkeypatch.setattr(line_schema, "_PLAIN_TRADES", r"^-?[0-9]{1,3}$")
