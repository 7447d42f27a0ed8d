"""Building: one week, a range of weeks, corrections."""
