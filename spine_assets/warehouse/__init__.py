"""DuckDB: connection, views, the database file and query results."""
