"""Optimizers of tf_keras and Keras 3: a flat list of variables, and what its slots make of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migration.planning.optimizers.keras_slots import AVERAGE, Labelled, SlotReader, members
from migration.planning.optimizers.kinds import KERAS_SLOTS, Flavour
from migration.planning.optimizers.state import TargetOptimizer
from migration.planning.targets import Template

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


def keras_optimizer(
    template: Template, number: int, path: str, children: Mapping[str, int]
) -> TargetOptimizer:
    """The optimizer at a node whose children are those of a Keras optimizer."""
    flavour: Flavour = "keras3" if "_trainable_variables" in children else "tf_keras"
    own = {name: template.by_node[child].key for name, child in children.items() if child in template.by_node}
    scalars = {role: own[name] for name, role in _SCALARS.items() if name in own}
    trained = members(template, children.get("_trainable_variables"))
    listed = members(template, children["_variables"])
    single = set(own.values())
    reader = SlotReader(template, children, trained)
    labelled = reader.slots({place: target for place, target in listed.items() if target.key not in single})
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


def _nested(template: Template, node: int) -> list[str]:
    return [
        template.by_node[child.node].key
        for child in template.graph.nodes[node].children
        if child.node in template.by_node
    ]


def _kind(
    template: Template,
    labelled: list[Labelled],
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
