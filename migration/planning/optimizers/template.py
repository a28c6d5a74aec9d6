"""Optimizers in an object graph: which node is one, of what kind, and which key is which slot.

The graph holds no class names. What tells an optimizer is how its library lays it out:
`tf.compat.v1.train` and `tf_keras.optimizers.legacy` hang slots on the optimizer's node, the legacy ones
with hyperparameters as children; `tf_keras.optimizers` and Keras 3 keep a flat list `_variables`, Keras 3
with `_trainable_variables` beside it. Which kind it is, the slots' names and lists tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from migration.formats.object_graph import Node
from migration.planning.optimizers.keras_template import keras_optimizer
from migration.planning.optimizers.kinds import KERAS_NUMBERS, KINDS, LEGACY_SLOTS
from migration.planning.optimizers.state import TargetOptimizer
from migration.planning.targets import Template

_LEGACY_MARKS = frozenset({"iter", "decay"})  # a schedule stands in no variable: no learning_rate then
_LEGACY_SCALARS = {"iter": "iterations", **KERAS_NUMBERS}
_V1_SCALARS = frozenset({"beta1_power", "beta2_power"})
# By the set of slots; legacy Adam, Adamax and Nadam have the same, and only names and the source tell.
_LEGACY_KINDS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"m", "v"}), "Adam"),
    (frozenset({"m", "v", "vhat"}), "Adam"),
    (frozenset({"momentum"}), "Momentum"),
    (frozenset({"rms"}), "RMSProp"),
    (frozenset({"rms", "momentum"}), "RMSProp"),
    (frozenset({"rms", "mg"}), "RMSProp"),
    (frozenset({"rms", "momentum", "mg"}), "RMSProp"),
    (frozenset({"accumulator"}), "Adagrad"),
    (frozenset({"accum_grad", "accum_var"}), "Adadelta"),
    (frozenset({"accumulator", "linear"}), "Ftrl"),
)
_LEGACY_NAMES = {"adamax": "Adamax", "nadam": "Nadam", "adam": "Adam"}
_OF_V1 = ("Adam", "Momentum", "RMSProp", "Adagrad", "Adadelta", "Ftrl", "ProximalAdagrad", "AdagradDA")
_V1_KINDS: tuple[tuple[frozenset[str], str], ...] = tuple(
    (frozenset(kind.slots) - without, name)
    for name, kind in KINDS.items()
    for without in (frozenset[str](), *(frozenset({one}) for one in kind.optional), kind.optional)
    if kind.slots and name in _OF_V1
)
_OPTIMIZER_NAME = re.compile(r"(^|_)opt(im|imizer)?(_?\d+)?$", re.IGNORECASE)
_INNER = frozenset({"inner_optimizer", "base_optimizer"})  # of loss-scale wrappers, Keras 3's and tf_keras's


def recognise_template(template: Template) -> tuple[TargetOptimizer, ...]:
    """The optimizers of an object-based checkpoint, in the graph's order; () where there is none."""
    graph = template.graph
    found: list[TargetOptimizer] = []
    paths, called = graph.paths, _called_optimizers(template)
    for number, node in enumerate(graph.nodes):
        path = paths[number]
        if path is None:
            continue
        optimizer = _optimizer(template, number, node, "/".join(path))
        if optimizer is None and number in called:
            optimizer = TargetOptimizer(
                node=number, path="/".join(path), flavour="v1", kind=None, built=False, reason="an empty node"
            )
        if optimizer is not None:
            found.append(optimizer)
    return tuple(found)


def claimed_targets(targets: tuple[TargetOptimizer, ...]) -> frozenset[str]:
    """The keys that belong to optimizers."""
    return frozenset(key for optimizer in targets for key in optimizer.keys)


def _called_optimizers(template: Template) -> frozenset[int]:
    """Empty nodes under an optimizer's name: `tf.compat.v1.train` and legacy ones before their first step."""
    nodes = template.graph.nodes
    return frozenset(
        child.node
        for node in nodes
        for child in node.children
        if _OPTIMIZER_NAME.search(child.local_name)
        and child.local_name not in _INNER
        and not (nodes[child.node].children or nodes[child.node].attributes or nodes[child.node].slots)
    )


def _optimizer(template: Template, number: int, node: Node, path: str) -> TargetOptimizer | None:
    children = {child.local_name: child.node for child in node.children}
    if "_variables" in children and ("_iterations" in children or "iterations" in children):
        return keras_optimizer(template, number, path, children)
    if children.keys() >= _LEGACY_MARKS:
        return _legacy(template, number, node, path, children)
    if node.slots or children.keys() & _V1_SCALARS:
        return _v1(template, number, node, path, children)
    return None


def _keys(template: Template, children: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name, child in children.items():
        target = template.by_node.get(child)
        if target is not None:
            yield name, target.key


def _slots(template: Template, node: Node) -> dict[tuple[int, str], str]:
    return {
        (slot.variable, slot.slot_name): template.by_node[slot.slot_node].key
        for slot in node.slots
        if slot.slot_node in template.by_node
    }


def _v1(
    template: Template, number: int, node: Node, path: str, children: Mapping[str, int]
) -> TargetOptimizer:
    slots = _slots(template, node)
    names = frozenset(slot for _, slot in slots)
    kind = _v1_kind(template, names, slots.values())
    own = dict(_keys(template, children))
    return TargetOptimizer(
        node=number,
        path=path,
        flavour="v1",
        kind=kind if names else "Adam" if own.keys() >= _V1_SCALARS else None,
        slots=slots,
        scalars={name: key for name, key in own.items() if name in _V1_SCALARS},
        others=tuple(key for name, key in own.items() if name not in _V1_SCALARS),
        variables=tuple(dict.fromkeys(variable for variable, _ in slots)),
        built=bool(slots),
    )


def _v1_kind(template: Template, names: frozenset[str], keys: Iterable[str]) -> str | None:
    """The kind that has these slots; of several (Adagrad, ProximalAdagrad) the one whose name they bear."""
    kinds = list(dict.fromkeys(kind for found, kind in _V1_KINDS if found == names))
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    borne = {re.sub(r"_\d+$", "", template.by_key[key].full_name.rpartition("/")[2]) for key in keys}
    return next((kind for kind in kinds if KINDS[kind].tf1_name in borne), kinds[0])


def _legacy(
    template: Template, number: int, node: Node, path: str, children: Mapping[str, int]
) -> TargetOptimizer:
    slots = _slots(template, node)
    names = frozenset(slot for _, slot in slots)
    own = dict(_keys(template, children))
    kind, reason = _legacy_kind(template, names, own)
    table = LEGACY_SLOTS.get(kind or "", {})
    wrapped = {
        key
        for name in _INNER & children.keys()
        for _, key in _keys(
            template,
            {child.local_name: child.node for child in template.graph.nodes[children[name]].children},
        )
    }
    loss_scale = _below(template, children["loss_scale"]) if "loss_scale" in children else ()
    scalars = {role: own[name] for name, role in _LEGACY_SCALARS.items() if name in own}
    others = {key for name, key in own.items() if name not in _LEGACY_SCALARS} | set(loss_scale) | wrapped
    return TargetOptimizer(
        node=number,
        path=path,
        flavour="tf_keras_legacy",
        kind=kind,
        slots={(variable, table.get(slot, slot)): key for (variable, slot), key in slots.items()},
        scalars=scalars,
        others=tuple(sorted(others - set(scalars.values()))),
        variables=tuple(dict.fromkeys(variable for variable, _ in slots)),
        built=bool(slots) or kind == "GradientDescent",
        reason=reason,
    )


def _legacy_kind(template: Template, names: frozenset[str], own: Mapping[str, str]) -> tuple[str | None, str]:
    kind = next((kind for found, kind in _LEGACY_KINDS if found == names), None)
    name = (
        template.by_key[own["iter"]].full_name.partition("/")[0].rstrip("_0123456789")
        if "iter" in own
        else ""
    )
    if kind == "Adam":
        kind = "Nadam" if "momentum_cache" in own else _LEGACY_NAMES.get(name.lower(), kind)
        return kind, f"slots m and v, named {name}" if name else "slots m and v"
    if not names:  # hyperparameters exist, slots do not: SGD without momentum, or not built
        return (
            ("GradientDescent", "no slots") if own.keys() >= {"momentum"} and "rho" not in own else (None, "")
        )
    return kind, f"slots {', '.join(sorted(names))}"


def _below(template: Template, node: int) -> tuple[str, ...]:
    children = {child.local_name: child.node for child in template.graph.nodes[node].children}
    return tuple(key for _, key in _keys(template, children))
