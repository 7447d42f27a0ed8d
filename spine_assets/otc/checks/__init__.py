"""The check functions; `registry` maps (table, check) to its function."""
