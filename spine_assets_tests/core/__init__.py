"""Text, quoting, addresses and values: no lake, no database, no Dagster."""
