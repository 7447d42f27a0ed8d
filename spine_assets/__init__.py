"""FINRA weekly OTC Transparency data as Dagster assets over DuckDB."""
