"""The views upon the tables in the asset graph: virtual, computed whenever someone asks DuckDB."""

from spine_assets.defs.otc.specs import view_specs

analysis_views = view_specs()
