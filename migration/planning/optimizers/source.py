"""`recognise`: every optimizer, step and average of a name-based source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.hyperparameters import with_betas
from migration.planning.optimizers.misnamed import Assembly
from migration.planning.optimizers.name_source import optimizers_of as told_by_names
from migration.planning.optimizers.shadows import averages_of
from migration.planning.optimizers.state import SourceState
from migration.planning.optimizers.step import step_key
from migration.planning.optimizers.stored import with_stored
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.meta_graph import MetaGraph
    from migration.planning.optimizers.state import SourceOptimizer

Read = Callable[[str], "np.ndarray[Any, Any]"]


def recognise(
    specs: Mapping[str, TensorSpec],
    meta: MetaGraph | None,
    read: Read,
    assemblies: Mapping[str, Assembly] = MappingProxyType({}),
    kind: str | None = None,
) -> SourceState:
    """What the name-based tensors of these specs are to an optimizer.

    The graph decides where there is one; what it does not tell, names, shapes and groups do. `read` is
    called for scalars only. `assemblies` are tensors that the file has in parts under other names; `kind`
    is what a person says an optimizer under a name of its own is.
    """
    specs = {**specs, **{name: one.spec for name, one in assemblies.items()}}
    wholes = {key: name for name, one in assemblies.items() for key in one.keys}
    averages = averages_of(specs, meta, wholes)
    left = {key: spec for key, spec in specs.items() if key not in averages}
    told = _told_by_graph(meta, left, wholes)
    claimed = {key for optimizer in told for key in optimizer.keys}
    rest = {key: spec for key, spec in left.items() if key not in claimed}
    named, undecided = told_by_names(rest, kind)
    optimizers = tuple(with_stored(one, left) for one in (*told, *named))
    taken = {key for optimizer in optimizers for key in optimizer.keys}
    free = {key: spec for key, spec in left.items() if key not in taken}
    step, confidence, reason = step_key(free, meta, optimizers, read)
    return SourceState(
        optimizers=tuple(with_betas(one, step, read) for one in optimizers),
        step=step,
        step_confidence=confidence,
        step_reason=reason,
        averages=averages,
        undecided=tuple(one for one in undecided if one.key not in claimed),
        specs=specs,
        assemblies=assemblies,
    )


def _told_by_graph(
    meta: MetaGraph | None, left: Mapping[str, TensorSpec], wholes: Mapping[str, str]
) -> tuple[SourceOptimizer, ...]:
    if meta is None:
        return ()
    from migration.planning.optimizers.graph_source import optimizers_of

    return tuple(optimizers_of(meta, left, wholes))
