"""Which steps a step waits for, and in which order steps run."""

from __future__ import annotations

from collections.abc import Sequence

from spine_assets.pipelines.yaml.model import Step, Trigger


def dependencies(steps: Sequence[Step]) -> dict[str, tuple[str, ...]]:
    """The steps that each step waits for.

    Without `depends_on`, a step follows the step before it, or the whole parallel group before it;
    a step that runs on failure follows all steps before it. Steps of one parallel group wait for
    the same steps, so that they begin together. A step follows one that runs on failure only if
    its `depends_on` names it.
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
    """The last earlier step outside the step's group, with all of that step's own group."""
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
        step_id = waiting.pop()
        if step_id not in found:
            found.add(step_id)
            waiting += depends.get(step_id, ())
    return found


def in_circle(depends: dict[str, tuple[str, ...]]) -> list[str]:
    """Steps that wait for themselves, directly or through others."""
    return sorted(name for name in depends if name in ancestors(name, depends))


def topological(depends: dict[str, tuple[str, ...]]) -> list[str]:
    """Steps in an order in which each follows those that it waits for, otherwise as declared."""
    found: list[str] = []
    while len(found) < len(depends):
        ready = [name for name in depends if name not in found and {*depends[name]} <= {*found}]
        found.append(ready[0])
    return found
