"""FINRA's query API: asking it, and writing its answers as files into the landing folder.

Nothing here knows Dagster, and nothing after it knows FINRA's API: a fetched file is read like
one that a person dropped. Facts of the API: `docs/finra.md`.
"""
