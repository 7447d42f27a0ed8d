"""Names of files, folders and buckets that come from templates: they lead to nowhere else.

What a name may be, as declared and as rendered, belongs here; writing belongs to `export_files` and
`bucket_upload`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from spine_assets.core.bucket_url import bucket_name_problem, prefix_problem
from spine_assets.core.text import one_line
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.yaml.templates import TemplateError, names_in, render

# File systems take 255 bytes; a temporary name adds 38 and a hash or ending up to 20.
_MOST_NAME_BYTES = 190


def as_sample(template: str) -> str | None:
    """A template with a harmless word for each name; None if it is not a valid template."""
    try:
        return render(template, dict.fromkeys(names_in(template), "sample"))
    except TemplateError:
        return None


def name_problem(name: str) -> str | None:
    """Why a text is not a valid name of a file or folder, or None."""
    shown = one_line(name)
    if not name or name != name.strip():
        return f"{shown!r} is empty or has spaces around it"
    if "/" in name or "\\" in name:
        return f"{shown!r} contains a / or a backslash, which would lead to another folder"
    if name.startswith("."):
        return f"{shown!r} begins with a dot: it would be hidden, or lead to a parent folder"
    if not name.isprintable():
        return f"{shown!r} contains characters that cannot be seen"
    if len(name.encode()) > _MOST_NAME_BYTES:
        return f"{shown[:40]!r}... is longer than {_MOST_NAME_BYTES} bytes"
    return None


def folder_problem(folder: str) -> str | None:
    """Why a text is not a relative path below a folder, or None; empty is the folder itself."""
    if folder.startswith(("/", "~")) or "\\" in folder:
        return f"{one_line(folder)!r} is not a relative path with / between its folders"
    problems = (name_problem(part) for part in folder.rstrip("/").split("/") if folder)
    return next((problem for problem in problems if problem), None)


def template_problems(field: str, template: str, *, is_folder: bool = False) -> list[str]:
    """Problems of a declared name that do not depend on the values of its `{names}`."""
    sample = as_sample(template)
    if sample is None:
        return []
    problem = folder_problem(sample) if is_folder else name_problem(sample)
    return [f"{field}: {problem}"] if problem else []


def require_valid(field: str, problem: str | None) -> None:
    """Refuse a rendered `destination.<field>` that has a problem.

    Raises:
        EngineExecutionError: it has one.
    """
    if problem:
        raise EngineExecutionError(
            f"destination.{field}: {problem}; check the values of its {{names}}"
        )


def path_below(root: Path, folder: str, name: str) -> Path:
    """The path of a file in a folder below `root`, from rendered texts; nothing is created.

    Raises:
        EngineExecutionError: it is outside `root`, perhaps by a link, or not an ordinary file.
    """
    require_valid("folder", folder_problem(folder))
    require_valid("name", name_problem(name))
    top, path = root.resolve(), root.joinpath(*folder.split("/"), name)
    if not path.parent.resolve().is_relative_to(top):
        raise EngineExecutionError(
            f"destination.folder: {folder} is a link that leads out of {root}; remove the link"
        )
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise EngineExecutionError(
            f"{path} exists and is not an ordinary file; remove it or give another name"
        )
    return path


def url_problem(url: str) -> str | None:
    """Why a text is not a bucket with a prefix, or None."""
    prefix = url.partition("://")[2].partition("/")[2]
    return bucket_name_problem(url) or prefix_problem(url, "?#%*") or folder_problem(prefix)


def url_problems(url: str, known: Collection[str]) -> list[str]:
    """Problems of a declared URL; with tenants, each must have a folder of its own."""
    found = []
    sample = None if url.startswith("{") else as_sample(url)  # a variable may have its beginning
    if sample is not None and (problem := url_problem(sample)):
        found.append(f"destination.url: {problem}")
    if "tenant_id" in known and "{tenant_id}" not in url.split("/")[3:]:
        found.append(
            "destination.url: needs {tenant_id} as a folder of its path, as in "
            "s3://bucket/{tenant_id}/weekly, so that tenants do not overwrite each other's files"
        )
    return found


def require_url(url: str, tenant_id: str | None) -> None:
    """Check a rendered URL as it was checked when it was declared.

    Raises:
        EngineExecutionError: the values of its names make it invalid.
    """
    require_valid("url", url_problem(url))
    if tenant_id is not None and tenant_id not in url.split("/")[3:]:
        raise EngineExecutionError(f"destination.url: no folder of its path is {tenant_id}")
