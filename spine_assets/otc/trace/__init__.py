"""From a number to the delivered lines it comes from, and on."""
