"""What a user can correct: an error whose message says what is wrong, where and what to do.

Belongs here: the base class, by which a command knows them. Does not belong here: the errors, which
are beside what raises them.
"""

from __future__ import annotations


class Explained(Exception):
    """A command prints its message and no traceback, and ends with 1."""
