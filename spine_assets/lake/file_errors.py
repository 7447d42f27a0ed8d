"""Errors of files as errors of the lake: which are transient, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from spine_assets.lake.base import LakeError, LakeFile, LakeMissing, LakeUnavailable

_REMEDY = (
    "restore it from a copy; or move it away and build the week again, spine backfill --missing, "
    "while its delivered files are in the landing folder"
)
# DuckDB's words (1.4 to 2.0) where the file that it names is empty, cut or overwritten.
_DAMAGED = (
    *("too small to be a Parquet", "No magic bytes", "Footer length error"),
    *("Failed to read file", "TProtocolException"),
)


@contextmanager
def reading(path: LakeFile) -> Iterator[None]:
    """Raise what keeps a file from being read as an error of the lake that names the file.

    Raises:
        LakeMissing: there is no such file.
        LakeUnavailable: the place fails; it may work a little later.
        LakeError: the file is damaged, or a file is where a folder is expected.
    """
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        if isinstance(path, Path) and (problem := not_a_folder(path)):
            raise LakeError(f"{path} cannot be read: {problem}") from error
        kind = LakeUnavailable if isinstance(error, OSError) else LakeError
        if isinstance(error, FileNotFoundError):
            kind = LakeMissing
        raise kind(f"{path} cannot be read ({error}); {_REMEDY}") from error


@contextmanager
def queried(root: Path) -> Iterator[None]:
    """Raise what keeps DuckDB from reading a file below a folder as an error of the lake.

    Raises:
        LakeError: the file is damaged.
    """
    import duckdb  # whoever queries has it already, and others need not

    try:
        yield
    except duckdb.Error as error:
        found = re.search(rf"{re.escape(str(root))}/.+\.parquet", str(error))
        if found is None or not any(words in str(error) for words in _DAMAGED):
            raise
        raise LakeError(f"{found[0]} is empty, cut or damaged: {_REMEDY}") from error


def not_a_folder(path: Path) -> str | None:
    """Which file is where a folder above `path` is expected, and what to do; None for none.

    To try again would not help, so who finds one raises a permanent error.
    """
    for folder in path.parents:
        if folder.is_dir():
            return None
        if folder.is_file():
            return f"{folder} is a file where a folder is expected; move it away"
    return None
