"""Which slot of which variable each variable of a Keras optimizer's flat list is.

Three things tell a slot, the surest first: the list that holds it (`_momentums/0`), its own name
(`adam/dense_kernel_momentum` in Keras 3, `m/dense/kernel` in tf_keras), and its place among others of the
same name. Lists are missing where an optimizer was saved before it was built; names can be the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from migration.planning.optimizers.kinds import KERAS_SLOTS
from migration.planning.targets import Target, Template

AVERAGE = "average"
# A list of the optimizer's own -> the label of what it holds.
_LISTS = {
    "_momentums": "momentum",
    "momentums": "momentum",
    "_velocities": "velocity",
    "_velocity_hats": "velocity_hat",
    "_average_gradients": "average_gradient",
    "_accumulators": "accumulator",
    "_linears": "linear",
    "_accumulated_grads": "accumulated_grad",
    "_accumulated_delta_vars": "accumulated_delta_var",
    "_m": "momentum",
    "_u": "norm",
    "_model_variables_moving_average": AVERAGE,
}
# tf_keras names a slot `label/variable`, where the label may have the optimizer's name before it.
_TF_KERAS_LABELS = {
    "m": "momentum",
    "v": "velocity",
    "vhat": "velocity_hat",
    "u": "norm",
    "velocity": "velocity",
    "momentum": "momentum",
    "average_gradient": "average_gradient",
    "accumulator": "accumulator",
    "linear": "linear",
    "accumulated_grad": "accumulated_grad",
    "accumulated_delta_var": "accumulated_delta_var",
    "average": AVERAGE,
}
_KERAS3_LABELS = sorted(
    {label for slots in KERAS_SLOTS.values() for label in slots} | {AVERAGE, "gradient_accumulator"},
    key=len,
    reverse=True,
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A slot variable of an optimizer: what it is, and the node of the variable that it belongs to."""

    target: Target
    label: str
    variable: int | None
    place: int  # in `_variables`


def members(template: Template, node: int | None) -> dict[int, Target]:
    """The variables of a list node by their place."""
    if node is None:
        return {}
    return {
        int(child.local_name): template.by_node[child.node]
        for child in template.graph.nodes[node].children
        if child.local_name.isdigit() and child.node in template.by_node
    }


class SlotReader:
    """Tells the slots of one optimizer: `children` are its node's, `trained` the variables that it lists."""

    def __init__(
        self, template: Template, children: Mapping[str, int], trained: Mapping[int, Target]
    ) -> None:
        self.trained = trained
        self.listed = {
            member.node: (label, index)
            for name, label in _LISTS.items()
            for index, member in members(template, children.get(name)).items()
        }
        self.named: dict[tuple[str, tuple[int, ...]], list[Target]] = {}
        for target in trained.values() if trained else template.targets:
            name = target.full_name.replace("/", "_") if trained else target.full_name
            self.named.setdefault((name, target.spec.shape), []).append(target)

    def slots(self, variables: Mapping[int, Target]) -> list[Labelled]:
        """What is a slot among `variables` (by place in `_variables`), in order."""
        found = [self._labelled(target, place) for place, target in sorted(variables.items())]
        return self._by_order([one for one in found if one is not None])

    def _labelled(self, target: Target, place: int) -> Labelled | None:
        label, index = self.listed.get(target.node, (self._label_of(target), None))
        if label is None:
            return None
        variable = self.trained.get(index) if index is not None else None
        variable = variable or self._only(self._fitting(target, label))
        return Labelled(target, label, variable.node if variable is not None else None, place)

    def _label_of(self, target: Target) -> str | None:
        name = target.full_name
        if self.trained:
            return next((label for label in _KERAS3_LABELS if name.endswith(f"_{label}")), None)
        return next(
            (_TF_KERAS_LABELS[part] for part in name.split("/")[:2] if part in _TF_KERAS_LABELS), None
        )

    def _fitting(self, target: Target, label: str) -> list[Target]:
        """The variables whose name a slot's name holds, of the slot's shape."""
        for name in self._names_in(target.full_name, label):
            found = self.named.get((name, target.spec.shape))
            if found:
                return found
        return []

    def _names_in(self, full_name: str, label: str) -> Iterable[str]:
        if self.trained:  # optimizer/variable_name_label
            return (re.sub(r"^[^/]*/", "", full_name).removesuffix(f"_{label}"),)
        parts = full_name.split("/")  # label/variable/name, or optimizer/label/variable/name
        return ("/".join(parts[1:]), "/".join(parts[2:]))

    @staticmethod
    def _only(found: list[Target]) -> Target | None:
        return found[0] if len(found) == 1 else None

    def _by_order(self, labelled: list[Labelled]) -> list[Labelled]:
        """Slots whose names several variables share: the first such slot is the first such variable's."""
        unclear: dict[tuple[str, ...], list[Labelled]] = {}
        for one in labelled:
            if one.variable is None:
                fitting = tuple(each.key for each in self._fitting(one.target, one.label))
                unclear.setdefault((one.label, *fitting), []).append(one)
        found: dict[str, int] = {}
        for slots in unclear.values():
            variables = self._fitting(slots[0].target, slots[0].label)
            if len(variables) == len(slots):
                found |= {slot.target.key: each.node for slot, each in zip(slots, variables, strict=True)}
        return [replace(one, variable=found.get(one.target.key, one.variable)) for one in labelled]
