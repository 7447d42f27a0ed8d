"""Captures: what they are, how they are stored, which one is current."""
