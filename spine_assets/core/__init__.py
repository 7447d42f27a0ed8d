"""What every part builds on: settings, weeks, declarations, text, SQL, tags.

Nothing here does any I/O or imports another package of ours. Does not belong here: what knows the
lake, DuckDB's connections, Dagster or FINRA's files.
"""
