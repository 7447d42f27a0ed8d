"""A lake in a bucket of an object store."""
