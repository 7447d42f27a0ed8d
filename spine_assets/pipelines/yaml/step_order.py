"""Which steps a step waits for, and in which order they stand."""

from __future__ import annotations

from collections.abc import Sequence

from spine_assets.pipelines.yaml.model import Step, Trigger


def dependencies(steps: Sequence[Step]) -> dict[str, tuple[str, ...]]:
    """The steps that each step waits for.

    What a step does not say itself: it follows the step before it, or all of the parallel group
    before it; one that runs on failure follows all steps before it. Steps of one parallel group
    wait for the same, so that they begin together. Steps that run on failure are followed by
    others only where these say so.
    """
    found: dict[str, tuple[str, ...]] = {}
    regular: list[Step] = []
    for step in steps:
        if step.depends_on is not None:
            found[step.step_id] = tuple(dict.fromkeys(step.depends_on))
        elif step.trigger is Trigger.ON_FAILURE:
            found[step.step_id] = tuple(item.step_id for item in regular)
        else:
            found[step.step_id] = tuple(_before(step, regular))
        if step.trigger is not Trigger.ON_FAILURE:
            regular.append(step)
    for group in {step.parallel_group for step in steps if step.parallel_group}:
        members = [step.step_id for step in steps if step.parallel_group == group]
        together = dict.fromkeys(name for member in members for name in found[member])
        found |= {member: tuple(together) for member in members}
    return found


def _before(step: Step, earlier: Sequence[Step]) -> list[str]:
    """The last earlier step that is not of the same group, with its own group."""
    others = [
        item
        for item in earlier
        if step.parallel_group is None or item.parallel_group != step.parallel_group
    ]
    if not others:
        return []
    last = others[-1]
    if last.parallel_group is None:
        return [last.step_id]
    return [item.step_id for item in others if item.parallel_group == last.parallel_group]


def ancestors(name: str, depends: dict[str, tuple[str, ...]]) -> set[str]:
    """All steps that must have ended before a step, at any distance."""
    found: set[str] = set()
    waiting = list(depends.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += depends.get(one, ())
    return found


def in_circle(depends: dict[str, tuple[str, ...]]) -> list[str]:
    """Steps that wait for themselves, by whatever way."""
    return sorted(name for name in depends if name in ancestors(name, depends))


def topological(depends: dict[str, tuple[str, ...]]) -> list[str]:
    """Each step after those that it waits for; otherwise as declared."""
    found: list[str] = []
    while len(found) < len(depends):
        ready = [name for name in depends if name not in found and {*depends[name]} <= {*found}]
        found.append(ready[0])
    return found
