"""A project folder of its own, real commands in it, and what is left lying about in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from spine_assets.lake.local import LocalLake
from spine_assets.otc.build.week import build_week
from spine_assets.otc.captures import delivered
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.abuse.parcels import Parcel
from spine_assets_tests.support.databases import refreshed

SOURCE = Path(__file__).parents[2]
ALL = tuple(table.name for table in TABLES)
_SETTLED_SECONDS = 60  # older than any wait for a file that still grows
_COMMAND_SECONDS = 300  # a command takes about 6; a machine under load many times that


@dataclass(frozen=True)
class Ground:
    """A folder with the project's settings and data."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Ground:
        """A new project folder."""
        made = cls(root)
        made.landing.mkdir(parents=True)
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(SOURCE / name, root / name)
        return made

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def landing(self) -> Path:
        return self.data / "landing"

    @property
    def index(self) -> Path:
        return self.data / "landing-index.json"

    @property
    def database(self) -> Path:
        return self.data / "spine.duckdb"

    @property
    def lake(self) -> LocalLake:
        return LocalLake(self.data / "lake")

    def deliver(self, parcels: Iterable[Parcel]) -> None:
        """Put whole files in place, as old as settled files are."""
        then = time.time() - _SETTLED_SECONDS
        for parcel in parcels:
            path = self.landing / parcel.name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(parcel.content)
            os.utime(part, (then, then))
            part.replace(path)

    def build_here(self, weeks: Iterable[date], *, refresh: bool = True) -> None:
        """Build weeks in this process, one after the other, and refresh the database."""
        for week in weeks:
            place = RunContext(self.lake, scan(self.landing, self.index), duckdb.connect)
            result = build_week(week, ALL, place).finish()
            if result.error is not None:
                raise result.error
        if refresh:
            self.refresh()

    def refresh(self) -> None:
        """Bring the database up to date, as any run does when it ends."""
        refreshed(self.database, self.lake)

    def start(self, log: Path, first: date, last: date | None = None) -> subprocess.Popen[bytes]:
        """Start the command that people type, in a process group of its own."""
        weeks = ["--partition-range", f"{first}...{last}"] if last else ["--partition", str(first)]
        return self.start_command(
            log,
            str(Path(sys.executable).with_name("dagster")),
            *("asset", "materialize", "-m", "spine_assets.definitions", "--select", "group:otc"),
            *weeks,
        )

    def start_command(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start any command here; all that it prints goes to the log."""
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run_command(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run any command here to its end."""
        return subprocess.run(
            command,
            cwd=self.root,
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )

    def temporaries(self) -> set[str]:
        """Temporary files anywhere in the data folder but in Dagster's own memory."""
        found = (path.relative_to(self.data) for path in self.data.rglob(".*.tmp*"))
        return {path.as_posix() for path in found if path.parts[0] != "dagster"}

    def lone_contents(self) -> set[str]:
        """Delivered contents that no capture of their week has."""
        return {
            path.name
            for path in self.lake.root.glob("otc_delivered/week_ending=2*/*.zst")
            if not any(
                any(self.lake.root.glob(f"{folder}/{path.parent.name}/*-{path.name[:12]}*.parquet"))
                for folder in captures.FOLDERS.values()
            )
        }

    def unlike_contents(self) -> set[str]:
        """Captures whose stored rows and rejects are not what their contents give."""
        found = set()
        for week in self.lake.weeks("otc_raw"):
            known = captures.known_of(self.lake, week)
            for item in (*known.captures, *known.totals):
                content = delivered.read(self.lake, week, item.sha256)
                read = captures.again(item, parse(content, datetime.now(UTC).date()))
                same = (
                    read.capture == item
                    and read.rows.equals(captures.read_rows(self.lake, item))
                    and read.rejects.equals(captures.read_rejects(self.lake, item))
                )
                if not same:
                    found.add(item.source_file)
        return found

    def lone_rejects(self) -> set[str]:
        """Files of parse rejects whose capture has no file of rows."""
        found = self.lake.root.glob("otc_rejects/week_ending=2*/parse.*.parquet")
        return {
            path.name
            for path in found
            if not any(
                (self.lake.root / folder / path.parent.name / path.name[len("parse.") :]).exists()
                for folder in captures.FOLDERS.values()
            )
        }


def clean_environment() -> Mapping[str, str]:
    """The environment without settings that would lead a run elsewhere."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SPINE_", "DAGSTER_"))}
    return {**own, "PYTHONPATH": str(SOURCE)}


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all it started, with no chance to clean up."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
