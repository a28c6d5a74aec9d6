"""Batch normalisation: what one side has and the other lacks of gamma, beta and the moving statistics.

`scale=False` has no gamma and `center=False` no beta: they are ones and zeros. Names and the scope
decide which tensor is which, as all four have the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration.errors import Problem
from migration.formats.meta_graph import MetaGraph
from migration.formats.object_graph import ObjectGraph
from migration.planning.candidates import Candidate
from migration.planning.plan import Left
from migration.planning.targets import Target
from migration.planning.transforms import Constant

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]
KERAS_EPSILON = 1e-3  # the default of keras.layers.BatchNormalization
_ROLES: Mapping[str, str] = {
    "gamma": "gamma",
    "scale": "gamma",
    "beta": "beta",
    "offset": "beta",
    "moving_mean": "moving_mean",
    "running_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "running_var": "moving_variance",
    "moving_var": "moving_variance",
}
_NEUTRAL = {"gamma": 1.0, "beta": 0.0}
_SWITCH = {"gamma": "scale", "beta": "center"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NormView:
    """Constants that the source lacks as candidates, and tensors that are dropped for being neutral."""

    added: tuple[Candidate, ...] = ()
    drops: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def norms(
    candidates: Sequence[Candidate],
    targets: Sequence[Target],
    graph: ObjectGraph,
    meta: MetaGraph | None,
    read: Read | None,
) -> NormView:
    """What the batch normalisations of both sides need to meet.

    A gamma that the source lacks is one, a beta zero; a gamma that the template lacks is dropped where
    `read` shows nothing but ones, and a problem otherwise.
    """
    ours = _of_source(candidates)
    theirs = _of_template(targets, graph)
    if not ours or not theirs:
        return NormView()
    parts = [
        _role(role, size, ours, theirs, read)
        for role in _NEUTRAL
        for size in sorted({_size(group) for group in ours.values()})
    ]
    added = tuple(one for part in parts for one in part.added)
    names = ", ".join(candidate.name for candidate in added)
    lacking = f"the source has no {names}: ones for gamma (scale=False), zeros for beta (center=False)"
    return NormView(
        added=added,
        drops=tuple(left for part in parts for left in part.drops),
        notes=(*([lacking] if added else []), *_epsilons(meta), *_variances(theirs, graph, meta)),
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def _role(
    role: str,
    size: int,
    ours: Mapping[str, Mapping[str, Candidate]],
    theirs: Sequence[Mapping[str, Target]],
    read: Read | None,
) -> NormView:
    """What gamma, or beta, of the normalisations of so many channels needs."""
    mine = {scope: group for scope, group in ours.items() if _size(group) == size}
    wanted = [group for group in theirs if group["moving_mean"].spec.shape == (size,)]
    having = {scope: group for scope, group in mine.items() if role in group}
    places = sum(role in group for group in wanted)
    if len(having) < places:
        lacking = {scope: group for scope, group in mine.items() if role not in group}
        return NormView(added=tuple(_constant(scope, role, group) for scope, group in lacking.items()))
    if places or not wanted:
        return NormView()
    faults = [(group[role], _surplus(scope, role, group[role], read)) for scope, group in having.items()]
    return NormView(
        drops=tuple(_neutral(one, role) for one, fault in faults if fault is None),
        problems=tuple(fault for _, fault in faults if fault is not None),
    )


def _of_source(candidates: Sequence[Candidate]) -> dict[str, dict[str, Candidate]]:
    found: dict[str, dict[str, Candidate]] = {}
    for candidate in candidates:
        scope, _, last = candidate.name.rpartition("/")
        role = _ROLES.get(last)
        if role is not None and scope:
            found.setdefault(scope, {}).setdefault(role, candidate)
    return {scope: group for scope, group in found.items() if _complete(group)}


def _complete(group: Mapping[str, Candidate]) -> bool:
    """Whether these are the statistics of one normalisation: a mean and a variance of one shape [C]."""
    if not {"moving_mean", "moving_variance"} <= set(group):
        return False
    shapes = {candidate.spec.shape for candidate in group.values()}
    return len(shapes) == 1 and len(shapes.pop()) == 1


def _size(group: Mapping[str, Candidate]) -> int:
    return group["moving_mean"].spec.shape[0]


def _of_template(targets: Sequence[Target], graph: ObjectGraph) -> list[dict[str, Target]]:
    by_node = {target.node: target for target in reversed(targets)}
    groups: list[dict[str, Target]] = []
    for node in graph.nodes:
        group = {
            _ROLES[child.local_name]: by_node[child.node]
            for child in node.children
            if child.local_name in _ROLES and child.node in by_node
        }
        if {"moving_mean", "moving_variance"} <= set(group):
            groups.append(group)
    return groups


def _constant(scope: str, role: str, group: Mapping[str, Candidate]) -> Candidate:
    mean = group["moving_mean"]
    return Candidate(
        name=f"{scope}/{role}",
        spec=mean.spec,
        sources=(),
        transforms=(Constant(_NEUTRAL[role]),),
        order=mean.order,
        reason=f"{scope} was built with {_SWITCH[role]}=False: {role} is {_NEUTRAL[role]:g}",
    )


def _neutral(candidate: Candidate, role: str) -> Left:
    reason = f"all {_NEUTRAL[role]:g}: the template's layer has no {role}"
    return Left(key=candidate.sources[0].key, spec=candidate.spec, reason=reason)


def _surplus(scope: str, role: str, candidate: Candidate, read: Read | None) -> Problem | None:
    """Why a gamma or beta that no layer of the template takes cannot go; None where it does nothing."""
    neutral = _NEUTRAL[role]
    if read is not None and bool((read(candidate.sources[0].key) == neutral).all()):
        return None
    seen = "is not all" if read is not None else "may not be all"
    return Problem(
        kind="batch norm",
        where=candidate.name,
        message=(
            f"{seen} {neutral:g}, and the template's normalisations of {candidate.spec.shape[0]} "
            f"channels have no {role}: build the layer of {scope} with {_SWITCH[role]}=True"
        ),
    )


def _variances(
    layers: Sequence[Mapping[str, Target]], graph: ObjectGraph, meta: MetaGraph | None
) -> Iterator[str]:
    """A note where training on updates moving variances by another formula.

    TF1's fused kernel moves them towards the unbiased variance of a batch, n / (n - 1) times the biased one
    that it normalises with (n values a channel; fused_batch_norm_op.cc, "rest_size_adjust"). Keras 3 knows
    the biased one only (batch_normalization.py, `_moments`), as TF1's unfused layers do; tf_keras has
    TF1's two ways. tf_keras alone tracks a layer's `axis`.
    """
    nodes = {group["moving_variance"].node for group in layers if "moving_variance" in group}
    owners = [node for node in graph.nodes if nodes & {child.node for child in node.children}]
    keras3 = [node for node in owners if "axis" not in {child.local_name for child in node.children}]
    fused = [] if meta is None else [node for node in meta.nodes.values() if _is_fused(node.op)]
    if not keras3 or (meta is not None and not fused):
        return
    training = any("is_training" not in node.raw.attr or node.raw.attr["is_training"].b for node in fused)
    where = (
        "the source's graph updates" if training else "fused layers of TF1 (the default for images) update"
    )
    yield (
        f"batch normalisation: {where} moving variances with the unbiased variance of a batch, n / (n - 1) "
        f"times the biased one that Keras 3 takes: the {len(keras3)} moving variances are equal now, and "
        "differ by that factor in what training adds from here on"
    )


def _is_fused(op: str) -> bool:
    return op.startswith("FusedBatchNorm") and "Grad" not in op


def _epsilons(meta: MetaGraph | None) -> Iterator[str]:
    """A note where the graph's fused normalisations use another epsilon than Keras's default."""
    if meta is None:
        return
    seen = {
        float(node.raw.attr["epsilon"].f)
        for node in meta.nodes.values()
        if _is_fused(node.op) and "epsilon" in node.raw.attr
    }
    other = sorted(epsilon for epsilon in seen if abs(epsilon - KERAS_EPSILON) > KERAS_EPSILON * 1e-4)
    if other:
        shown = ", ".join(f"{epsilon:.6g}" for epsilon in other)
        yield (
            f"batch normalisation adds epsilon {shown} in the source's graph, Keras {KERAS_EPSILON:g} unless "
            "told: build the layers with the graph's epsilon"
        )
