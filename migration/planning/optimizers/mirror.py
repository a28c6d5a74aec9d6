"""Without a template: the source's optimizers as nodes that `tf.compat.v1.train` optimizers restore."""

from __future__ import annotations

from dataclasses import dataclass

from migration.planning.optimizers.kinds import KINDS
from migration.planning.optimizers.state import SourceOptimizer, SourceState

_SCALARS = ("beta1_power", "beta2_power")  # what tf.compat.v1.train keeps as children of its node


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptimizer:
    """One optimizer's node: `slots` are (variable key, slot name, slot key), `scalars` (local name, key)."""

    name: str
    kind: str
    slots: tuple[tuple[str, str, str], ...]
    scalars: tuple[tuple[str, str], ...]


def mirror(state: SourceState) -> tuple[MirrorOptimizer, ...]:
    """The optimizers of a source as nodes: `optimizer`, or `optimizer_0`, `optimizer_1` where several.

    Only what a `tf.compat.v1.train` optimizer restores is told; other keys of an optimizer (a stored
    learning rate) remain variables under their names, as do velocities of a Keras SGD, which are no
    accumulators of TF1's Momentum. Optimizers without state are left out.
    """
    stateful = [one for one in state.optimizers if one.slots and one.kind in KINDS and not one.scaled]
    names = ["optimizer"] if len(stateful) == 1 else [f"optimizer_{place}" for place in range(len(stateful))]
    return tuple(_mirrored(name, one) for name, one in zip(names, stateful, strict=True))


def _mirrored(name: str, optimizer: SourceOptimizer) -> MirrorOptimizer:
    return MirrorOptimizer(
        name=name,
        kind=optimizer.kind,
        slots=tuple((variable, slot, key) for (variable, slot), key in optimizer.slots.items()),
        scalars=tuple((role, optimizer.scalars[role]) for role in _SCALARS if role in optimizer.scalars),
    )
