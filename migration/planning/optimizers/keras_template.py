"""Optimizers of tf_keras and Keras 3: a list of variables, and which of them is which slot of what.

Three things tell a slot, the surest first: the list that holds it (`_momentums/0`), its own name
(`adam/dense_kernel_momentum` in Keras 3, `m/dense/kernel` in tf_keras), and its place in `_variables`.
Lists are missing where an optimizer was saved before it was built, names can be the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from migration.planning.optimizers.kinds import KERAS_SLOTS, Flavour
from migration.planning.optimizers.state import TargetOptimizer
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
_SCALARS = {"_iterations": "iterations", "iterations": "iterations", "_learning_rate": "learning_rate"}
_NAMES = {  # the optimizer's name in full names, where it is the default -> kind
    "adam": "Adam",
    "adamw": "Adam",
    "adam_w": "Adam",
    "adamax": "Adamax",
    "nadam": "Nadam",
    "sgd": "Momentum",
    "rmsprop": "RMSProp",
    "rm_sprop": "RMSProp",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "ftrl": "Ftrl",
    "lion": "Lion",
    "lamb": "Lamb",
    "adafactor": "Adafactor",
    "muon": "Muon",
}


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A slot variable of the optimizer: what it is, and the node of the variable that it belongs to."""

    target: Target
    label: str
    variable: int | None
    place: int  # in `_variables`


def keras_optimizer(
    template: Template, number: int, path: str, children: Mapping[str, int]
) -> TargetOptimizer:
    """The optimizer at a node whose children are those of a Keras optimizer."""
    flavour: Flavour = "keras3" if "_trainable_variables" in children else "tf_keras"
    own = {name: template.by_node[child].key for name, child in children.items() if child in template.by_node}
    scalars = {role: own[name] for name, role in _SCALARS.items() if name in own}
    trained = _list(template, children.get("_trainable_variables"))
    listed = _list(template, children["_variables"])
    single = set(own.values())
    labelled = [
        found
        for place, target in sorted(listed.items())
        if target.key not in single
        and (found := _labelled(template, target, place, children, trained)) is not None
    ]
    labelled = _by_order(template, labelled, trained)
    kind, reason = _kind(template, labelled, own, children, bool(trained))
    table = KERAS_SLOTS.get(kind or "", {})
    slots = {
        (one.variable, table[one.label]): one.target.key
        for one in labelled
        if one.variable is not None and one.label in table
    }
    averages = {
        one.variable: one.target.key for one in labelled if one.label == AVERAGE and one.variable is not None
    }
    known = {*slots.values(), *scalars.values(), *averages.values()}
    nested = {
        key for name in ("loss_scale",) if name in children for key in _nested(template, children[name])
    }
    rest = ({target.key for target in listed.values()} | single | nested) - known
    variables = tuple(target.node for _, target in sorted(trained.items())) or tuple(
        dict.fromkeys(variable for variable, _ in slots)
    )
    wrapper = "inner_optimizer" in children
    return TargetOptimizer(
        node=number,
        path=path,
        flavour=flavour,
        kind="wrapper" if wrapper else kind,
        slots=slots,
        scalars={role: key for role, key in scalars.items() if not wrapper or role == "iterations"},
        averages=averages,
        others=tuple(
            sorted(rest | ({scalars["learning_rate"]} if wrapper and "learning_rate" in scalars else set()))
        ),
        variables=variables,
        built=bool(labelled) or bool(trained),
        reason=reason,
    )


def _list(template: Template, node: int | None) -> dict[int, Target]:
    """The variables of a list node by their place."""
    if node is None:
        return {}
    return {
        int(child.local_name): template.by_node[child.node]
        for child in template.graph.nodes[node].children
        if child.local_name.isdigit() and child.node in template.by_node
    }


def _nested(template: Template, node: int) -> list[str]:
    return [
        template.by_node[child.node].key
        for child in template.graph.nodes[node].children
        if child.node in template.by_node
    ]


def _labelled(
    template: Template, target: Target, place: int, children: Mapping[str, int], trained: Mapping[int, Target]
) -> _Labelled | None:
    """What a variable of `_variables` is: by the list that holds it, else by its name."""
    for name, listed in _LISTS.items():
        for index, member in _list(template, children.get(name)).items():
            if member.node == target.node:
                variable = trained[index] if index in trained else _named_variable(template, target, trained)
                return _Labelled(target, listed, variable.node if variable is not None else None, place)
    label = _label_of(target, bool(trained))
    if label is None:
        return None
    variable = _named_variable(template, target, trained)
    return _Labelled(target, label, variable.node if variable is not None else None, place)


def _label_of(target: Target, keras3: bool) -> str | None:
    name = target.full_name
    if keras3:
        return next((label for label in _KERAS3_LABELS if name.endswith(f"_{label}")), None)
    for part in name.split("/")[:2]:
        if part in _TF_KERAS_LABELS:
            return _TF_KERAS_LABELS[part]
    return None


def _named_variable(template: Template, target: Target, trained: Mapping[int, Target]) -> Target | None:
    """The variable that a slot's name holds: the only one of that name, or of that name and shape."""
    if trained:
        tail = re.sub(r"^[^/]*/", "", target.full_name)
        fitting = [
            one
            for one in trained.values()
            if one.spec.shape == target.spec.shape and tail.startswith(one.full_name.replace("/", "_") + "_")
        ]
        return max(fitting, key=lambda one: len(one.full_name), default=None)
    parts = target.full_name.split("/")
    for start in range(1, min(len(parts), 3)):
        name = "/".join(parts[start:])
        found = [
            one for one in template.targets if one.full_name == name and one.spec.shape == target.spec.shape
        ]
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None


def _by_order(
    template: Template, labelled: list[_Labelled], trained: Mapping[int, Target]
) -> list[_Labelled]:
    """Slots whose names several variables share: the first such slot is the first such variable's."""
    unclear: dict[tuple[str, str, tuple[int, ...]], list[_Labelled]] = {}
    for one in labelled:
        if one.variable is None:
            name = one.target.full_name.rpartition(f"{one.label}/")[2] or one.target.full_name
            tail = re.sub(r"^[^/]*/", "", one.target.full_name) if "/" in one.target.full_name else name
            unclear.setdefault((one.label, tail, one.target.spec.shape), []).append(one)
    found: dict[str, int] = {}
    for (_, name, shape), slots in unclear.items():
        among = trained.values() if trained else template.targets
        variables = [
            each
            for each in among
            if each.spec.shape == shape and name.endswith(each.full_name) and each.full_name
        ]
        if len(variables) == len(slots):
            found |= {slot.target.key: each.node for slot, each in zip(slots, variables, strict=True)}
    return [replace(one, variable=found.get(one.target.key, one.variable)) for one in labelled]


def _kind(
    template: Template,
    labelled: list[_Labelled],
    own: Mapping[str, str],
    children: Mapping[str, int],
    trained: bool,
) -> tuple[str | None, str]:
    """The kind that labels, their order and the optimizer's name tell, and how."""
    labels = [one.label for one in labelled if one.label != AVERAGE]
    named = _named_kind(template, own)
    if "_u_product" in children:
        return "Nadam", "it keeps _u_product"
    fitting = [
        kind
        for kind, slots in KERAS_SLOTS.items()
        if kind != "Nadam" and set(labels) <= set(slots) and (labels or kind == "GradientDescent")
    ]
    if not labels:
        built = trained or "_index_dict" in children
        return ("GradientDescent", "it has no slots") if built else (None, "not built: it has no slots yet")
    told = ", ".join(dict.fromkeys(labels))
    if named is not None and named in fitting:
        return named, f"slots {told}, and its name"
    if named is not None and named not in KERAS_SLOTS:
        return named, "its name"
    if set(labels) == {"momentum"}:
        return (None, "slots momentum") if "_momentums" in children else ("Momentum", "slots momentum")
    if {"momentum", "velocity"} <= set(labels) and "average_gradient" not in labels:
        # Adam makes momentum and velocity in turn; RMSprop all velocities, then all momentums.
        first = min(labelled, key=lambda one: one.place if one.label != AVERAGE else len(labelled) + 9999)
        return ("Adam" if first.label == "momentum" else "RMSProp"), f"slots {told}, in this order"
    fitting = [kind for kind in fitting if set(labels) >= _required(kind)]
    return (fitting[0], f"slots {told}") if len(fitting) == 1 else (None, f"slots {told}")


def _required(kind: str) -> set[str]:
    optional = {"velocity_hat", "average_gradient"} | ({"momentum"} if kind == "RMSProp" else set())
    return set(KERAS_SLOTS[kind]) - optional


def _named_kind(template: Template, own: Mapping[str, str]) -> str | None:
    """The kind that the optimizer's default name tells: `adam_1/iteration`."""
    key = own.get("_iterations") or own.get("iterations")
    if key is None or "/" not in template.by_key[key].full_name:
        return None
    name = template.by_key[key].full_name.rpartition("/")[0].rpartition("/")[2]
    return _NAMES.get(re.sub(r"_\d+$", "", name).lower())
