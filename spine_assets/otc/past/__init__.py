"""A week as of a time, and as published on a day."""
