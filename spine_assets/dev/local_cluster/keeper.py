"""Ends what its parent started when the parent is gone, also after `kill -9`.

Started by `processes.Children` as a script; its standard input is a pipe that only the parent
writes to, so it ends when the parent does. A line is a sign and a text: `+` and `-` with the
number of a process group, `*` with a folder to remove. Belongs here: nothing but the standard
library, so that it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable


def keep(lines: Iterable[str]) -> None:
    """Read until the end; then kill the groups that are left and remove the folders."""
    groups: set[int] = set()
    folders: set[str] = set()
    for line in lines:
        sign, text = line[0], line[1:].rstrip("\n")
        if sign == "+":
            groups.add(int(text))
        elif sign == "-":
            groups.discard(int(text))
        else:
            folders.add(text)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(sys.stdin)
