"""Ends the processes of its parent when the parent has ended, also after `kill -9`.

`processes.Children` starts it as a script. Its standard input is a pipe that only the parent
writes to, so the pipe ends when the parent does. A line is a sign and a text: `+` adds and `-`
removes a process group, `*` names a folder to remove. It imports the standard library alone, so
that it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable


def keep(lines: Iterable[str]) -> None:
    """Read lines to the end; then kill the remaining groups and remove the folders."""
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
