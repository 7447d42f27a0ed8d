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
from spine_assets.pipelines.steps.export_files import put_files
from spine_assets.pipelines.steps.export_names import (
    name_problem,
    path_below,
    require_url,
    require_valid,
    template_problems,
    url_problems,
)
from spine_assets.pipelines.steps.export_rows import (
    Format,
    content_of,
    no_rows_message,
    query_frame,
    table_frame,
)
from spine_assets.pipelines.steps.queries import query_problems
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
        "Give it an ORDER BY: the order of rows is kept and is part of the content.",
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
        description="Replace a file that has other content; false: that is an error, and the "
        "file is unchanged.",
    )
    allow_empty: bool = Field(
        default=False, description="Write files even without rows; false: that is an error."
    )


_Work = Work[ExportSource, ExportDestination, ExportConfig]
_Parts = Parts[ExportSource, ExportDestination, ExportConfig]


class LakeExport(ActionEngine[ExportSource, ExportDestination, ExportConfig]):
    """Exports a table, the run's week of it, or a query as complete Parquet or CSV files.

    A file that already has the content is not written again. Rows are held in memory.

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

    def problems(self, parts: _Parts, known: Collection[str]) -> list[str]:
        """Both or neither of table and query, of folder and URL; names outside the folder."""
        found = template_problems("destination.name", parts.destination.name)
        if bool(parts.source.table) == bool(parts.source.query.strip()):
            found.append("source: give either table or query")
        if parts.source.columns and not parts.source.table:
            found.append("source.columns: give them with a table only; a query names its own")
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
        """Export the rows; without rows, or over a file that must stay, that is an error."""
        source, context = work.source, work.context
        targets = _targets(work)
        if source.query.strip():
            frame = query_frame(context, source.query)
        else:
            frame = table_frame(context, source.table, source.columns)
        if frame.is_empty() and not work.config.allow_empty:
            raise EngineExecutionError(no_rows_message(context, source.table))
        contents = {to: content_of(frame, kind) for kind, to in targets.items()}
        written = _write(work, targets, contents)
        files = [
            {
                "path" if isinstance(to, Path) else "url": str(to),
                "format": str(kind),
                "bytes": len(contents[to]),
                "sha256": hashlib.sha256(contents[to]).hexdigest(),
                "unchanged": not written[to],
            }
            for kind, to in targets.items()
        ]
        return StepResult(
            rows_processed=frame.height,
            result={
                "rows": frame.height,
                "unchanged": all(file["unchanged"] for file in files),
                "files": files,
            },
            files=tuple(targets.values()),
            log_lines=tuple(_log_line(file, frame.height) for file in files),
        )


def _targets(work: _Work) -> dict[Format, str | Path]:
    """The path or URL of each format, checked again with the values of its names."""
    to, formats, exports = work.destination, work.config.formats, work.context.workspace.exports
    if not to.url:
        return {kind: path_below(exports, to.folder, f"{to.name}.{kind}") for kind in formats}
    require_url(to.url, work.context.tenant_id)
    require_valid("name", name_problem(to.name))
    return {kind: f"{to.url.rstrip('/')}/{to.name}.{kind}" for kind in formats}


def _write(
    work: _Work, targets: dict[Format, str | Path], contents: dict[str | Path, bytes]
) -> dict[str | Path, bool]:
    """Write the files or objects; for each, whether it was written or already had this content."""
    from spine_assets.pipelines.steps.bucket_upload import put_object  # loads obstore

    overwrite = work.config.overwrite
    files = {to: content for to, content in contents.items() if isinstance(to, Path)}
    written = put_files(files, work.context.workspace.own, overwrite=overwrite) if files else {}
    found: dict[str | Path, bool] = {to: written[to] for to in files}
    for kind, to in targets.items():
        if isinstance(to, str):
            found[to] = put_object(to, contents[to], kind.content_type, overwrite=overwrite)
    return found


def _log_line(file: dict[str, Any], rows: int) -> str:
    target = file.get("path") or file["url"]
    if file["unchanged"]:
        return f"{target} already has these {rows:,} rows"
    return f"wrote {rows:,} rows ({file['bytes']:,} bytes) to {target}"


ENGINE = LakeExport()
