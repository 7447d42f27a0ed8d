"""Files that steps write: complete or missing, even if the process is killed.

A file is written under a hidden name in its folder, synced and renamed; no scan reads hidden names.
The renames and the removal of what killed steps left belong here; names belong to `export_names`,
and contents to `export_rows` and `http_download`.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spine_assets.lake import atomic_write
from spine_assets.lake.base import Lake, LakeUnavailable
from spine_assets.lake.names import LockName
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError

_STAGED = re.compile(r"\.(.+)\.[0-9a-f]{32}\.tmp")  # as the lake names its staged files
_HASH_DIGITS = 12  # as in the names of files that are submitted
# A download writes at least once in its timeout, of which 600 s is the longest.
_ABANDONED_SECONDS = 3_600.0


def put_files(contents: Mapping[Path, bytes], lake: Lake, *, overwrite: bool) -> dict[Path, bool]:
    """Write files; for each, false if it already had this content.

    All are on disk before the first is renamed. The lake's lock `exports` is held meanwhile.

    Raises:
        EngineExecutionError: one exists with other content and must not be overwritten; none is
            written.
        TransientError: the disk is full or fails.
    """
    with transient_if_io(), lake.lock_of(LockName.EXPORTS):
        other = {
            path: content
            for path, content in contents.items()
            if not path.exists() or path.read_bytes() != content
        }
        if existing := [str(path) for path in other if path.exists() and not overwrite]:
            raise EngineExecutionError(
                f"{', '.join(existing)}: exists with other content, and config.overwrite is "
                "false; remove it, or give a name that differs from run to run"
            )
        for path in other:
            _remove_left(path.parent, path.name, 0.0)
        staged = {path: atomic_write.stage(path, content) for path, content in other.items()}
        for path, written in staged.items():
            atomic_write.publish(written, path)
    return {path: path in other for path in contents}


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A hidden path beside a target, whose folder exists; the file is removed afterwards.

    Raises:
        TransientError: the folder cannot be made or written.
    """
    with transient_if_io():
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(target.parent, None, _ABANDONED_SECONDS)
    with atomic_write.temporary_beside(target) as path:
        yield path


def put_beside_others(staged: Path, target: Path, sha256: str, lake: Lake) -> tuple[Path, bool]:
    """Rename a synced file to its target, or to `name.<hash>.ext` where another file has it.

    Returns:
        The path of the content, and whether it was written now.

    Raises:
        TransientError: the disk or the lake fails.
    """
    with transient_if_io(), lake.lock_of(LockName.LANDING):
        for path in (target, _with_hash(target, sha256)):
            if not path.exists():
                atomic_write.publish(staged, path)
                return path, True
            if sha256_of(path) == sha256:
                return path, False
    raise EngineExecutionError(f"{path} has other content than the hash in its name; remove it")


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def transient_if_io() -> Iterator[None]:
    """Report a disk or lake that fails as a transient error."""
    try:
        yield
    except LakeUnavailable as error:
        raise TransientError(str(error)) from error
    except OSError as error:
        raise TransientError(
            f"{error.filename or 'a file'}: {error.strerror or error}; earlier files are "
            "unchanged. Free space or correct the permissions"
        ) from error


def _with_hash(target: Path, sha256: str) -> Path:
    """`volume.csv.gz` becomes `volume.<hash>.csv.gz`."""
    suffixes = target.suffixes
    ending = "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    stem = target.name.removesuffix(ending) if ending else target.name
    return target.with_name(f"{stem}.{sha256[:_HASH_DIGITS]}{ending}")


def _remove_left(folder: Path, name: str | None, older_seconds: float) -> None:
    """Delete what killed steps left in a folder, of one name or of all."""
    for path in folder.glob(".*"):
        staged = _STAGED.fullmatch(path.name)
        if staged is None or name not in {None, staged[1]}:
            continue
        with suppress(OSError):  # another process was faster
            if time.time() - path.stat().st_mtime >= older_seconds:
                path.unlink()
