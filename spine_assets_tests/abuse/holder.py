"""A person's session: holds the file of views open and queries it until told to stop.

    python -m spine_assets_tests.abuse.holder spine.duckdb STOP [--write]

It ends when the file STOP is there, and prints what it saw as JSON. With `--write` it holds
the file read-write and keeps a table of its own in it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import duckdb

from spine_assets_tests.abuse.states import VIEWS, look

_PAUSE_SECONDS = 0.05
_ATTEMPTS = 5  # a file replaced while DuckDB opens it breaks a read off; see `watch`


def hold(path: Path, stop: Path, *, write: bool) -> dict[str, object]:
    """Query until the stop file is there; reads, broken off ones and errors."""
    reads, broken_off, errors = 0, Counter[str](), []
    connection = duckdb.connect(str(path), read_only=not write)
    try:
        connection.execute("SET threads = 1")
        path.with_name(f"{stop.name}.ready").touch()
        while not stop.exists():
            for view in VIEWS:
                fault = _read(connection, view, broken_off)
                reads += fault is None
                errors += [fault] if fault else []
            if write:
                connection.execute("CREATE OR REPLACE TABLE notes AS SELECT now() AS noted")
            time.sleep(_PAUSE_SECONDS)
    finally:
        connection.close()
    return {"reads": reads, "broken_off": broken_off, "errors": errors}


def _read(connection: duckdb.DuckDBPyConnection, view: str, broken_off: Counter[str]) -> str | None:
    """One read, made again where it is broken off; the error that stays, if any."""
    said = None
    for _ in range(_ATTEMPTS):
        try:
            look(connection, view)
        except duckdb.Error as error:
            said = str(error)
            broken_off[said.split("/")[0][:60]] += 1
        else:
            return None
    return said


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("stop", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    print(json.dumps(hold(asked.path, asked.stop, write=asked.write)))  # noqa: T201


if __name__ == "__main__":
    main()
