"""What is known of a week: freshness, frames, totals of earlier weeks, results."""
