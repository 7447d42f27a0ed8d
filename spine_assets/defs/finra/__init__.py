"""Definitions that fetch files from FINRA; off by default, and in a group of their own."""
