"""What a process costs, and what machine it ran on.

Belongs here: starting processes one at a time and what the operating system tells of them.
Does not belong here: which processes, and how their costs are compared.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
PACKAGES = ("dagster", "polars", "duckdb", "pandera", "dagster-duckdb-polars")
# Set by some images: without stored bytecode each process compiles Dagster anew for seconds.
_LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "DAGSTER_HOME", "POLARS_MAX_THREADS")
_PROJECT_PREFIX = "SPINE_"
_KILOBYTE = 1024 if sys.platform == "linux" else 1  # unit of ru_maxrss


@dataclass(frozen=True)
class Cost:
    """What processes that ran one after another cost together.

    Attributes:
        wall_seconds: From start to end, summed.
        user_seconds: CPU time in user mode of the processes and their children.
        system_seconds: CPU time in the kernel.
        peak_bytes: Resident memory of the largest single process at its peak; the kernel tells
            no less than what this process held when it started the command.
    """

    wall_seconds: float
    user_seconds: float
    system_seconds: float
    peak_bytes: int

    @property
    def cpu_seconds(self) -> float:
        """User and system time."""
        return self.user_seconds + self.system_seconds


def run(
    command: Sequence[str], log: Path, *, folder: Path, settings: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end and say what it cost.

    Args:
        command: Program and arguments.
        log: File to which its output is added.
        folder: Its working folder.
        settings: Environment variables to set.

    Raises:
        SystemExit: it failed; the message ends with the end of its log.
    """
    kept = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT}
    environment = {k: v for k, v in kept.items() if not k.startswith(_PROJECT_PREFIX)}
    with log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | dict(settings or {}),
            stdout=output,
            stderr=output,
        )
        # The usage of this child alone, its own children included, and not of all so far.
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = log.read_text(errors="replace")[-2_000:]
        raise SystemExit(
            f"{' '.join(command)} ended with {process.returncode}; {log} ends:\n{tail}"
        )
    return _cost(wall, used)


def together(costs: Iterable[Cost]) -> Cost:
    """Costs of processes that ran one after another, as one."""
    parts = list(costs)
    return Cost(
        sum(part.wall_seconds for part in parts),
        sum(part.user_seconds for part in parts),
        sum(part.system_seconds for part in parts),
        max(part.peak_bytes for part in parts),
    )


def _cost(wall: float, used: resource.struct_rusage) -> Cost:
    return Cost(wall, used.ru_utime, used.ru_stime, used.ru_maxrss * _KILOBYTE)


def rounded(cost: Cost) -> dict[str, float]:
    """A cost for JSON, milliseconds kept."""
    return {name: round(value, 3) for name, value in asdict(cost).items()}


def program(name: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).with_name(name))


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where there is none."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def require_own(place: Path, mark: str | None = None) -> None:
    """Make a folder, or stop where one stands that a benchmark did not make.

    Args:
        place: The folder; a benchmark deletes folders in it.
        mark: Name of a file that tells that an earlier run made it.
    """
    place.mkdir(parents=True, exist_ok=True)
    if any(place.iterdir()) and not (mark and (place / mark).exists()):
        raise SystemExit(f"{place} holds something else, or a run that was broken off: empty it")


def store_bytecode() -> None:
    """Compile all packages, so that no process that is measured spends seconds on it."""
    places = [
        sysconfig.get_path("purelib"),
        str(PROJECT / "spine_assets"),
        str(PROJECT / "benchmarks"),
    ]
    # Some packages hold files for other versions of Python, which cannot be compiled.
    subprocess.run([sys.executable, "-m", "compileall", "-qq", *places], check=False)


def load_average() -> float:
    """Processes that ran or waited for a core, over the last minute."""
    return round(os.getloadavg()[0], 2)


def machine() -> dict[str, Any]:
    """Date, cores, memory and versions: what a figure means nothing without."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # the group `bench` is not installed
    return found
