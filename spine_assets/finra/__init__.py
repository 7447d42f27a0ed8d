"""FINRA's query API: requests, and writing the answers as files into the landing folder.

Nothing here knows Dagster, and no other package knows FINRA's API: a fetched file is read like
one that a user dropped. Facts about the API are in `docs/finra.md`.
"""
