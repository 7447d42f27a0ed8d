"""What DuckDB tells of a lake's own errors, as what they are.

DuckDB reads a bucket through our Python (`object_reading`). An error of it comes back as a
`duckdb.Error` whose text is a traceback. Belongs here: telling those from errors of a query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from spine_assets.lake.base import LakeError, LakeUnavailable

_TRACEBACK = "Traceback (most recent call last):"
_LASTING = "LakeError"
_TOLD = re.compile(
    rf"^({_LASTING}|LakeUnavailable|OutcomeUnknown|Replaced|FileNotFoundError): (.+)$", re.MULTILINE
)


@contextmanager
def told_by_duckdb() -> Iterator[None]:
    """Let a lake's error be one, though DuckDB met it.

    Raises:
        LakeUnavailable: the store does not answer, or an object is gone; it may pass.
        LakeError: the store refuses.
    """
    try:
        yield
    except duckdb.Error as error:
        said = _TOLD.search(str(error)) if _TRACEBACK in str(error) else None
        if said is None:
            raise
        fault = LakeError if said[1] == _LASTING else LakeUnavailable
        raise fault(said[2]) from error
