"""Build weeks of a project in a process of its own, whose settings the caller chose.

python -m spine_assets_tests.abuse.order PROJECT 2025-10-03 2025-10-10
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from spine_assets_tests.abuse.ground import Ground

if __name__ == "__main__":
    Ground(Path(sys.argv[1])).build_here([date.fromisoformat(text) for text in sys.argv[2:]])
