"""One optimizer step on one variable, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migration.formats.meta_graph.graph import Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One optimizer step on one variable (op names of the graph throughout).

    `kind` is the op without Resource, Sparse and Apply ("Adam", "CenteredRMSProp"); `slots` map the
    op's argument names (m, v, ms, mom, accum ...) to variables, `numbers` its scalars (lr, beta1,
    beta1_power, epsilon ...) to where they come from. `scope` is the optimizer's name scope.
    """

    node: str
    kind: str
    variable: str
    slots: Mapping[str, str]
    numbers: Mapping[str, Feed] = field(default_factory=dict)
    nesterov: bool = False
    scope: str = ""


def scope_of(name: str) -> str:
    """The optimizer's name scope in an update op's name: "train/Adam/update_w/ApplyAdam" -> "train/Adam"."""
    parts = name.split("/")
    for position, part in enumerate(parts):
        if part.startswith("update_") or part == "update":
            return "/".join(parts[:position])
    return "/".join(parts[:-1])
