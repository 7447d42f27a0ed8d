"""Whether rows are FINRA's, or were invented by our own generator.

The generator marks each issue name, so the mark stays with the rows wherever a file is copied or
renamed. Rows without an issue name, such as FINRA's totals by firm, do not say what they are.
Belongs here: the mark, and reading it. Does not belong here: what follows for a week or a lake
(`captures.provenance`), and the generator (`dev.sample`).
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

MARK = " (synthetic)"
"""The end of each name that the generator invents."""


class Provenance(StrEnum):
    """Who made rows."""

    FINRA = "FINRA"
    SYNTHETIC = "synthetic"


def provenance_of(issue_names: pl.Series) -> tuple[Provenance, ...]:
    """Who made rows, by their issue names: one or both, or nobody where none has a name."""
    marked = issue_names.filter(issue_names != "").str.ends_with(MARK)
    found = {Provenance.FINRA: not marked.all(), Provenance.SYNTHETIC: marked.any()}
    return tuple(provenance for provenance, is_there in found.items() if is_there)
