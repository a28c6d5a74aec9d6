"""`make_plan`: from a source, and what it should become, to a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from migration.checkpoint import Checkpoint
from migration.errors import InputError
from migration.planning.assembling import restorable
from migration.planning.options import Options
from migration.planning.plan import Direction, Plan
from migration.planning.savecounter import counted
from migration.planning.targets import Template, Writable

if TYPE_CHECKING:
    from migration.planning.rules import Rules

Openable = Checkpoint | str | os.PathLike[str]


def make_plan(
    source: Openable,
    template: Openable | Writable | Template | None = None,
    *,
    to: Direction = "object",
    mapping: Mapping[str, str] | None = None,
    rules: Rules | None = None,
    options: Options | None = None,
) -> Plan:
    """What has to happen to make of `source` what is asked for; nothing is written.

    `to="object"`: with a `template` (an object-based checkpoint, its path, or a live object with a
    write(prefix) method) names meet its variables by `mapping`, `rules`, full name, path, and
    proposal; without one, the result mirrors the name scopes. `to="name"`: back to names, by the
    source's manifest, by `mapping` or `rules`, by the names of a name-based `template`, or by full
    names. `to="rename"`: within the name-based style, by `rules` or `mapping`.

    `mapping` leads a tensor of the source to its place in the result: a path, a full name or a key of
    the template, or a name. What has no place, or several, stands in the plan as unused, unfilled or
    undecided. Raises PlanError for rules or a mapping that cannot be applied, InputError for
    arguments that do not go together.
    """
    source = source if isinstance(source, Checkpoint) else Checkpoint.open(source)
    options = options or Options()
    # Each way is loaded when it is taken: a rename of 2 GB takes less time than all of them.
    if to == "rename":
        if template is not None:
            raise InputError("a rename takes its names from rules or a mapping, not from a template")
        from migration.planning.renaming import to_renamed

        plan = to_renamed(source, mapping, rules)
    elif to == "name":
        from migration.planning.back import to_names

        plan = to_names(source, _name_based(template), mapping, rules, options)
    elif to != "object":
        raise InputError(f"to={to!r}: say 'object', 'name' or 'rename'")
    elif template is not None:
        from migration.planning.forward import onto_template

        plan = onto_template(source, Template.of(template), mapping, rules, options)
    else:
        from migration.planning.scopes import without_template

        plan = without_template(source, mapping, rules, options)
    return restorable(counted(plan, source.prefix), source.partitions)


def _name_based(template: Openable | Writable | Template | None) -> Checkpoint | None:
    if template is None or isinstance(template, Checkpoint):
        return template
    if isinstance(template, (str, os.PathLike)):
        return Checkpoint.open(template)
    raise InputError(
        "the way back takes its names from a name-based checkpoint or its path, not from an object"
    )
