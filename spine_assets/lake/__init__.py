"""Parquet by table and week: atomic, locked, in a folder or in a bucket."""
