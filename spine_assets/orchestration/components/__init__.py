"""Dagster components of this project; `dg list components` shows them."""

from spine_assets.orchestration.components.pipeline_component import DeclarativePipeline

__all__ = ["DeclarativePipeline"]
