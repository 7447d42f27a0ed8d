"""`lake.export`: a table's week or a query, as files in a folder or a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import Field

from spine_assets.pipelines import (
    ActionEngine,
    EngineExecutionError,
    Parts,
    Sql,
    StepPart,
    StepResult,
    Work,
)
from spine_assets.pipelines.steps.bucket_upload import put_object, require_url, url_problems
from spine_assets.pipelines.steps.export_files import put_files
from spine_assets.pipelines.steps.export_rows import (
    Format,
    content_of,
    none_found,
    query_frame,
    table_frame,
)
from spine_assets.pipelines.steps.queries import query_problems
from spine_assets.pipelines.steps.safe_names import name_problem, path_below, template_problems
from spine_assets.pipelines.yaml.sql_inspection import tables_read


class ExportSource(StepPart):
    """What is exported: a table or a query."""

    table: str = Field(
        default="",
        description="A table or view. In a weekly pipeline one with week_ending is exported for "
        "the run's week alone. Rows are sorted by the columns in turn.",
    )
    columns: list[str] = Field(
        default=[], description="Columns of the table, in this order; default: all."
    )
    query: Sql = Field(
        default="",
        description="One SELECT instead of a table; {names} in it are bound as parameters. "
        "Give it an ORDER BY: the order of rows is kept, and counts as content.",
    )


class ExportDestination(StepPart):
    """Where files go: a folder or a bucket."""

    folder: str = Field(
        default="",
        description="A folder below data/exports/<tenant>, or data/exports/_shared in a pipeline "
        "without tenants; made where it is missing.",
    )
    url: str = Field(
        default="",
        description="s3://bucket/prefix, gs://bucket/prefix or az://container/prefix instead of a "
        "folder; with tenants, {tenant_id} must be a folder of the prefix. Credentials come from "
        "the environment (AWS_ACCESS_KEY_ID and so on) or the machine's role, not from "
        "~/.aws. A file may have 5 GB.",
    )
    name: str = Field(description="The files' name without its ending.")


class ExportConfig(StepPart):
    """How files are written."""

    formats: list[Format] = Field(
        default=[Format.PARQUET], min_length=1, description="parquet, csv or both."
    )
    overwrite: bool = Field(
        default=True,
        description="Replace a file that has another content; false: that is an error, and it "
        "stays.",
    )
    allow_empty: bool = Field(
        default=False, description="Also export no rows; false: that is an error."
    )


_Work = Work[ExportSource, ExportDestination, ExportConfig]


class LakeExport(ActionEngine[ExportSource, ExportDestination, ExportConfig]):
    """Exports a table, the run's week of it, or a query as Parquet or CSV files, each whole.

    A file that has the content already is left alone. Rows are held in memory.

    ```yaml
    step_id: export_shares
    name: Market shares for the desk
    ps_type: lake.export
    source:
      table: otc_venue_share
      columns: [week_ending, rank, mpid, total_volume, market_share_pct]
    destination:
      folder: weekly/{week_ending}
      name: venue_share
    config:
      formats: [parquet, csv]
    ```
    """

    ps_type = "lake.export"
    source = ExportSource
    destination = ExportDestination
    config = ExportConfig

    def problems(
        self, parts: Parts[ExportSource, ExportDestination, ExportConfig], known: Collection[str]
    ) -> list[str]:
        """Both or none of table and query, of folder and URL; names that lead elsewhere."""
        found = template_problems("destination.name", parts.destination.name)
        if bool(parts.source.table) == bool(parts.source.query.strip()):
            found.append("source: give either table or query")
        if parts.source.columns and not parts.source.table:
            found.append("source.columns: belong to a table; a query names its own")
        if parts.source.query.strip():
            found += query_problems(parts.source.query, known)
        if bool(parts.destination.folder) == bool(parts.destination.url):
            found.append("destination: give either folder or url")
        elif parts.destination.url:
            found += url_problems(parts.destination.url, known)
        else:
            found += template_problems(
                "destination.folder", parts.destination.folder, is_folder=True
            )
        return found

    def reads(self, source: ExportSource) -> set[str]:
        """The table, or the tables of the query."""
        return tables_read(source.query) if source.query.strip() else {source.table}

    def act(self, work: _Work) -> StepResult:
        """Export the rows.

        Raises:
            EngineExecutionError: no rows, a wrong query or name, a file that must stay, a refusal.
            TransientError: the lake, the disk or the store fails now.
        """
        source, context = work.source, work.context
        targets = _urls(work) if work.destination.url else _paths(work)
        if source.query.strip():
            frame = query_frame(context, source.query)
        else:
            frame = table_frame(context, source.table, source.columns)
        if frame.is_empty() and not work.config.allow_empty:
            raise EngineExecutionError(none_found(context, source.table))
        placed = _placed(
            work, {to: (kind, content_of(frame, kind)) for kind, to in targets.items()}
        )
        files = [_told(*item) for item in placed]
        return StepResult(
            rows_processed=frame.height,
            result={
                "rows": frame.height,
                "unchanged": all(file["unchanged"] for file in files),
                "files": files,
            },
            files=tuple(item[0] for item in placed),
            log_lines=tuple(_said(file, frame.height) for file in files),
        )


def _paths(work: _Work) -> dict[Format, str | Path]:
    """Where each kind of file goes; no value led elsewhere."""
    to, exports = work.destination, work.context.workspace.exports
    return {
        kind: path_below(exports, to.folder, f"{to.name}.{kind}") for kind in work.config.formats
    }


def _urls(work: _Work) -> dict[Format, str | Path]:
    """The URL of each object; no value led elsewhere."""
    to = work.destination
    require_url(to.url, work.context.tenant_id)
    if problem := name_problem(to.name):
        raise EngineExecutionError(
            f"destination.name: {problem}; look at the values of its {{names}}"
        )
    return {kind: f"{to.url.rstrip('/')}/{to.name}.{kind}" for kind in work.config.formats}


def _placed(
    work: _Work, contents: dict[str | Path, tuple[Format, bytes]]
) -> list[tuple[str | Path, Format, bytes, bool]]:
    """Write the files; the last tells whether each was written now."""
    overwrite = work.config.overwrite
    files = {to: content for to, (_, content) in contents.items() if isinstance(to, Path)}
    put = put_files(files, work.context.workspace.own, overwrite=overwrite) if files else {}
    return [
        (
            to,
            kind,
            content,
            put[to]
            if isinstance(to, Path)
            else put_object(to, content, kind.content_type, overwrite=overwrite),
        )
        for to, (kind, content) in contents.items()
    ]


def _told(place: str | Path, kind: Format, content: bytes, written: bool) -> dict[str, Any]:
    """A file for the step's log."""
    return {
        "path" if isinstance(place, Path) else "url": str(place),
        "format": str(kind),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "unchanged": not written,
    }


def _said(file: dict[str, Any], rows: int) -> str:
    """A file for the run's log."""
    place = file.get("path") or file["url"]
    if file["unchanged"]:
        return f"{place} holds these {rows:,} rows already"
    return f"wrote {rows:,} rows ({file['bytes']:,} bytes) to {place}"


ENGINE = LakeExport()
