"""Definitions of the OTC domain (`spine_assets.otc`)."""
