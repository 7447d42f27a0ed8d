"""From bytes in the landing folder to parsed deliveries with week, tier and class."""
