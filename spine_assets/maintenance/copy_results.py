"""Results of copying a lake, of comparing two, and of planning a copy."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class CopyResult:
    """Result of a copy or a comparison; files by their names below the lake's root.

    Attributes:
        files: Files of the source.
        bytes: Their bytes.
        weeks: Weeks they belong to.
        written: Files that were written to the target.
        equal: Files that the target has with equal bytes.
        missing: Files that the target does not have; from a comparison.
        differing: Files that the target has with other bytes, which were not replaced.
        damaged: Files of the source that do not match their checksums; not copied.
        extra: Files of the target that the source does not hold.
        digest: SHA-256 of all names and SHA-256s, in order: equal for two lakes of equal files.
        seconds: From start to end.
    """

    files: int = 0
    bytes: int = 0
    weeks: int = 0
    written: int = 0
    equal: int = 0
    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    digest: str = ""
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether the target holds every file of the source, byte by byte."""
        return not (self.missing or self.differing or self.damaged)


@dataclass(frozen=True)
class CopyPlan:
    """What a copy would do, by names alone: no file is read, no lock is taken."""

    files: int
    weeks: int
    there: int
