"""The declared views and their SQL."""
