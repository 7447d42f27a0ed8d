"""Whether a late week costs what an early one does: a plot of one run of the project.

    uv run --group bench python benchmarks/growth.py PLACE/spine.log docs/images/growth.svg

Reads the log that `history.py` leaves of this project's run: each week's own seconds, and the
seconds between the ends of blocks of weeks. Prints medians and writes the plot.
"""

from __future__ import annotations

import argparse
import re
import statistics
from datetime import datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

BLOCK = 13  # weeks: a quarter, long against the second in which a log tells the time
_WEEK = re.compile(r"^(\S+ \S+) \+0000 .* - week \d{4}-\d\d-\d\d: .* in (\d+\.\d+) s", re.MULTILINE)


def main() -> None:
    """Plot one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("plot", type=Path)
    chosen = parser.parse_args()
    found = _WEEK.findall(chosen.log.read_text(errors="replace"))
    ends = [datetime.fromisoformat(f"{told}+00:00").timestamp() for told, _ in found]
    own = [float(seconds) for _, seconds in found]
    paces = [(b - a) / BLOCK for a, b in zip(ends[::BLOCK], ends[BLOCK::BLOCK], strict=False)]
    at = [BLOCK * (n + 0.5) for n in range(len(paces))]
    for text, weeks in (("first 65", slice(0, 65)), ("last 65", slice(-65, None))):
        chunk = ends[weeks]
        pace = (chunk[-1] - chunk[0]) / (len(chunk) - 1)
        print(f"{text}: {pace:.3f} s a week, {statistics.median(own[weeks]):.3f} s each")  # noqa: T201 - what the command is for
    draw(at, paces, own, chosen.plot)


def draw(at: list[float], paces: list[float], own: list[float], plot: Path) -> None:
    """Seconds a week over the weeks of a run."""
    mpl.rcParams |= {"svg.hashsalt": "growth", "font.size": 10}
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.plot(own, ".", markersize=2, color="#b8c4d6", label="one week, beside another")
    axes.step(at, paces, where="mid", color="#1f5fa8", label=f"run, by {BLOCK} weeks")
    axes.set(xlabel="weeks built", ylabel="seconds a week", ylim=(0, 2 * max(paces)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2)
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, metadata={"Date": None})


if __name__ == "__main__":
    main()
