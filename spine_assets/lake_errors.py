"""What can be wrong with a lake, whatever it stands on."""

from __future__ import annotations


class LakeError(Exception):
    """The lake cannot be read or written; the message says what to do."""


class LakeUnavailable(LakeError):
    """The lake's place fails (a full disk, a lost mount): the same may work a little later."""


class LakeMissing(LakeUnavailable):
    """There is no such file: none yet, or it was deleted a moment ago."""
