"""What the template has of its own, kept."""

from __future__ import annotations

from migration.planning.steps import Left, Source, Step
from migration.planning.targets import Target


def kept_step(target: Target | Left, reason: str) -> Step:
    """The step that takes the template's own value."""
    return Step(
        target=target.key,
        spec=target.spec,
        sources=(Source(key=target.key, template=True),),
        origin="template",
        reason=f"the template's own value: {reason}",
        paths=target.paths,
        full_name=target.full_name,
    )
