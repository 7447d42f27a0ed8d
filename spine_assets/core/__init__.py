"""What every wing builds on: settings, weeks, declarations, text, SQL, tags.

Nothing here imports another wing or does any I/O, except that settings read the environment and
`.env`. Does not belong here: the lake, connections of DuckDB, Dagster and FINRA's files.
"""
