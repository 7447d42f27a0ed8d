"""Tests, a module for each module of `spine_assets`."""
