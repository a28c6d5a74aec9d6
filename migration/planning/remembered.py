"""The template whose path a plan remembers, opened only where the user works anyway.

A plan file may come from somebody else. Its template is read by itself only from the directories at hand;
any other path is told, and the user says whether it is meant.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from migration.errors import InputError, MigrationError

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.plan import Plan


def takes_from_template(plan: Plan) -> bool:
    """Whether a step takes a tensor from the template."""
    return any(taken.template for step in plan.steps for taken in step.sources)


def remembered_template(plan: Plan, *directories: str) -> Checkpoint | None:
    """The template that the plan was made for, open; None where it was made for none.

    It has to lie in the current directory or in one of `directories` (of the plan file, of the source, of
    the target), or below one of these. Raises InputError where it is elsewhere, cannot be opened, or is
    no longer the one that the plan was made for.
    """
    from migration.checkpoint import Checkpoint
    from migration.location import locate
    from migration.outside import leads_outside

    if plan.template is None:
        return None
    path, places = plan.template.path, (os.curdir, *directories)
    try:
        if leads_outside(path, *places) or leads_outside(locate(path).prefix, *places):
            raise InputError(
                f"the plan's template is at {path}, outside of the current directory and of the plan's, the "
                f"source's and the target's: give it (--template={path}) to use it"
            )
        template = Checkpoint.open(path)
    except InputError:
        raise
    except MigrationError as error:
        told = f"the plan takes tensors from its template: {error.exact}: pass template (--template)"
        raise InputError(told) from None
    if template.digest != plan.template.digest:
        raise InputError(
            f"{template.prefix}: the template is not the one that the plan was made for: plan again"
        )
    return template
