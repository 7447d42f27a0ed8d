"""Finding the pipelines of all domains, by folder, and those that YAML files declare.

The domains' definitions are layered above pipelines, so no module here may import them. Their
package is therefore imported by its name, and a new folder in it is found without a list.
Belongs here: the search. Does not belong here: what a pipeline is (`pipelines`).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from itertools import chain

from spine_assets.pipelines.catalog import Pipeline
from spine_assets.pipelines.yaml.catalog_entries import offered

_DOMAINS = "spine_assets.defs"  # a package of a higher layer: imported by name, when asked


def discover() -> dict[str, Pipeline]:
    """All pipelines by name: `PIPELINES` of each `defs/<domain>/pipelines.py`, and those of YAML.

    Raises:
        BadDeclaration: a pipeline's YAML is not sound.
    """
    folders = pkgutil.iter_modules(importlib.import_module(_DOMAINS).__path__)
    domains = [item.name for item in folders if item.ispkg and _has_pipelines(item.name)]
    modules = [importlib.import_module(f"{_DOMAINS}.{name}.pipelines") for name in domains]
    found: dict[str, Pipeline] = {}
    for pipeline in chain(*(module.PIPELINES for module in modules), offered()):
        if pipeline.name in found:
            raise ValueError(f"two pipelines are named {pipeline.name}: rename one of them")
        found[pipeline.name] = pipeline
    return dict(sorted(found.items()))


def _has_pipelines(domain: str) -> bool:
    return importlib.util.find_spec(f"{_DOMAINS}.{domain}.pipelines") is not None
