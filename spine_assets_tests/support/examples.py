"""How many examples a property test tries: few in `make test`, many in `make test-all`.

    pytest -m hypothesis --hypothesis-profile=thorough

Belongs here: the two profiles of hypothesis. A test that needs another number than the profile's
states what it would need alone, as `max_examples=examples(400)`.
"""

from __future__ import annotations

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
_USUAL = 100  # what hypothesis tries by default
_SHARES = {QUICK: 0.25, THOROUGH: 3.0}


def register() -> None:
    """Make the profiles known, and the quick one the default."""
    for name, share in _SHARES.items():
        # A busy machine is slow; no example is wrong for that.
        settings.register_profile(name, max_examples=int(_USUAL * share), deadline=None)
    settings.load_profile(QUICK)


def examples(number: int) -> int:
    """A test's own number of examples, scaled as the profile scales the usual number."""
    return max(3, number * settings().max_examples // _USUAL)
