"""What `dg scaffold defs` writes: a pipeline that runs unchanged, as a start."""

from __future__ import annotations

import re

import dagster as dg

_TEMPLATE = """\
type: {type}
attributes:
  pipeline_id: {name}
  description: The ten symbols with the most off-exchange volume of a week.
  partitions: weekly
  steps:
    - step_id: top_symbols
      ps_type: duckdb.sql
      source:
        query: >
          SELECT symbol, total_volume FROM otc_symbol_summary
          WHERE week_ending = {{week_ending}}
          QUALIFY row_number() OVER (ORDER BY total_volume DESC, symbol) <= 10
      destination:
        table: {table}
        description: The ten symbols with the most volume of a week.
        grain: a symbol a week
        key: [symbol]
        columns:
          - {{name: symbol, type: VARCHAR, description: Ticker.}}
          - name: total_volume
            type: DECIMAL(38,6)
            description: Volume of all venues.
            unit: shares
            ge: 0
        checks:
          - {{name: not_empty, description: There is a symbol., rows: ">= 1"}}
"""


class PipelineScaffolder(dg.Scaffolder):
    """Writes `defs.yaml` with one weekly table."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write it, named like its folder."""
        if request.scaffold_format != "yaml":
            raise ValueError("a DeclarativePipeline is declared in YAML; leave out --format")
        name = re.sub(r"[^a-z0-9_]+", "_", request.target_path.stem.lower()).strip("_")
        text = _TEMPLATE.format(type=request.type_name, name=name, table=f"{name}_top_symbols")
        target = request.target_path if request.append else request.target_path / "defs.yaml"
        with target.open("a" if request.append else "w", encoding="utf-8") as file:
            file.write(f"---\n{text}" if request.append else text)
