"""The way back: an object-based optimizer's state under TF1 names.

`names_of` makes the names up as TF1 would: `w/Adam`, `w/Adam_1`, `beta1_power`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.hyperparameters import shown
from migration.planning.optimizers.kinds import KINDS, tf1_slots
from migration.planning.optimizers.slots import Told
from migration.planning.optimizers.state import Layout, SourceOptimizer, TargetOptimizer
from migration.planning.optimizers.template import recognise_template
from migration.planning.options import Options
from migration.planning.plan import Confidence, Left, Source, Step
from migration.planning.targets import Template
from migration.planning.transforms import Cast, Constant, Power, Product, Scale, Transform
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]
GLOBAL_STEP = "global_step"
AVERAGE = "ExponentialMovingAverage"
DEFAULT = "the default, nothing tells it"
_DEFAULT_BETAS = {"beta1": 0.8999999761581421, "beta2": 0.9990000128746033}  # 0.9 and 0.999 as float32


def names_of(objects: Template, names: Mapping[str, str], options: Options, read: Read) -> Layout:
    """The optimizers of an object-based checkpoint as TF1 would name their tensors.

    `names` gives the weights' names by checkpoint key. A slot that knows its own TF1 name (V1
    optimizers do) keeps it where its variable keeps its own. Every tensor of an optimizer gets a step or
    is dropped with the reason.
    """
    told = Told()
    targets = recognise_template(objects)
    if options.optimizer == "drop":
        drops = tuple(
            Left(key=key, spec=objects.by_key[key].spec, reason="--optimizer=drop")
            for key in sorted({key for target in targets for key in target.keys})
        )
        return Layout(drops=drops)
    steps: dict[str, Step] = {}
    taken: set[str] = set(names.values())
    adams = 0
    for target in targets:
        if target.kind is None or target.kind == "wrapper":
            continue
        for step in _slots_by_name(target, objects, names, taken, options, told):
            steps[step.target] = step
        if target.kind == "Adam":
            for step in _powers_by_name(target, objects, adams, read, told):
                steps[step.target] = step
            adams += 1
        for step in _averages_by_name(target, objects, names):
            steps[step.target] = step
    for step in _step_by_name(targets, objects, taken):
        steps[step.target] = step
    return Layout(
        steps=tuple(steps.values()),
        drops=_drops(targets, steps.values(), objects, read),
        notes=tuple(told.notes),
        problems=tuple(told.problems.values()),
    )


def _slots_by_name(
    target: TargetOptimizer,
    objects: Template,
    names: Mapping[str, str],
    taken: set[str],
    options: Options,
    told: Told,
) -> Iterator[Step]:
    kind = KINDS.get(target.kind or "")
    if kind is None or not kind.slots:
        return
    by_variable: dict[int, dict[str, str]] = {}
    for (node, slot), key in target.slots.items():
        by_variable.setdefault(node, {})[slot] = key
    for node, slots in by_variable.items():
        variable = objects.by_node.get(node)
        name = names.get(variable.key) if variable is not None else None
        if variable is None or name is None:
            continue
        wanted = frozenset(slots) | ({"momentum"} if kind.name == "RMSProp" else set())
        for slot in tf1_slots(kind.name, wanted - {"vhat"}):
            held = slots.get(slot)
            own = objects.by_key[held].full_name if held is not None and target.flavour == "v1" else ""
            slot_name = _free(_own_stem(own, name) or f"{name}/{kind.tf1_name}", taken)
            taken.add(slot_name)
            if held is None:
                yield zeros_step(slot_name, variable.spec, "momentum 0 keeps nothing")
            else:
                yield slot_step(slot_name, held, slot, target, objects, options, told)


def _own_stem(own: str, name: str) -> str:
    """`[scope/]variable/Optimizer` of a V1 slot's own name, '' where that is not named so.

    The number behind it is made anew: one process numbers through all the optimizers that it made.
    """
    match = re.fullmatch(rf"((?:.+/)?{re.escape(name)}/[^/]*?)(?:_\d+)?", own)
    return match[1] if match is not None else ""


def _free(stem: str, taken: set[str]) -> str:
    """`stem`, or the first of `stem_1`, `stem_2` that nothing has."""
    number = 0
    while (name := f"{stem}_{number}" if number else stem) in taken:
        number += 1
    return name


def slot_step(
    name: str, key: str, slot: str, target: TargetOptimizer, objects: Template, options: Options, told: Told
) -> Step:
    spec = objects.by_key[key].spec
    sources: tuple[Source, ...] = (Source(key=key),)
    transforms: tuple[Transform, ...] = ()
    reason = f"{slot} of {target.path}"
    if target.kind == "Momentum" and target.flavour != "v1":
        reason += "; accum = velocity / -learning_rate"
        rate = target.scalars.get("learning_rate")
        if options.learning_rate is not None:
            transforms = (Scale(-options.learning_rate, divide=True),)
        elif rate is not None:
            sources, transforms = (*sources, Source(key=rate)), (Product(-1.0, divide=True),)
        else:
            message = (
                "its learning rate is a schedule, and accum = velocity / -learning_rate: give learning_rate "
                "(--learning_rate)"
            )
            told.problem("learning_rate", name, message)
    return Step(
        target=name,
        spec=spec,
        sources=sources,
        transforms=transforms,
        origin="slot",
        reason=reason,
        full_name=name,
    )


def zeros_step(name: str, spec: TensorSpec, reason: str) -> Step:
    return Step(
        target=name, spec=spec, transforms=(Constant(0.0),), origin="constant", reason=reason, full_name=name
    )


def _powers_by_name(
    target: TargetOptimizer, objects: Template, number: int, read: Read, told: Told
) -> Iterator[Step]:
    """beta^(t+1) for the number-th Adam: its own, or from its iterations."""
    for role in ("beta1_power", "beta2_power"):
        name = f"{role}_{number}" if number else role
        key = target.scalars.get(role)
        if key is not None:
            own = objects.by_key[key]
            scope, slash, last = own.full_name.rpartition("/")
            name = scope + slash + name if last.startswith(role) else name
            yield Step(
                target=name,
                spec=own.spec,
                sources=(Source(key=key),),
                origin="optimizer",
                reason=f"{role} of {target.path}",
                full_name=name,
            )
        elif "iterations" in target.scalars:
            beta, origin = beta_of(role.removesuffix("_power"), target, read, None)
            told.note(f"{name} = {shown(beta)}^(iterations + 1); {shown(beta)} is {origin}")
            spec, count = TensorSpec(DType.FLOAT32, ()), target.scalars["iterations"]
            yield power_step(name, spec, beta, count, sureness(origin))


def beta_of(
    role: str, target: TargetOptimizer, read: Read, source: SourceOptimizer | None
) -> tuple[float, str]:
    """A beta and where it is from: the source's graph or powers, the checkpoint's variable, the default."""
    number = source.numbers.get(role) if source is not None else None
    if number is not None and number.value is not None:
        return number.value, number.origin
    if role in target.scalars:
        return float(read(target.scalars[role]).reshape(-1)[0]), f"from {target.scalars[role]}"
    return _DEFAULT_BETAS[role], DEFAULT


def sureness(origin: str) -> Confidence:
    """How sure a power is whose beta is of this origin."""
    return Confidence.LIKELY if origin == DEFAULT else Confidence.CERTAIN


def power_step(
    name: str, spec: TensorSpec, beta: float, iterations: str, confidence: Confidence = Confidence.CERTAIN
) -> Step:
    return Step(
        target=name,
        spec=spec,
        sources=(Source(key=iterations),),
        transforms=(Power(beta, 1, spec.dtype),),
        origin="optimizer",
        reason=f"{shown(beta)}^(iterations + 1)",
        confidence=confidence,
        full_name=name,
    )


def _averages_by_name(target: TargetOptimizer, objects: Template, names: Mapping[str, str]) -> Iterator[Step]:
    for node, key in target.averages.items():
        variable = objects.by_node.get(node)
        if variable is not None and variable.key in names:
            name = f"{names[variable.key]}/{AVERAGE}"
            spec = objects.by_key[key].spec
            yield Step(target=name, spec=spec, sources=(Source(key=key),), origin="average", full_name=name)


def _step_by_name(targets: Iterable[TargetOptimizer], objects: Template, taken: set[str]) -> Iterator[Step]:
    """`global_step` from the first optimizer that counts, unless a variable has that name."""
    key = next((one.scalars["iterations"] for one in targets if "iterations" in one.scalars), None)
    if key is None or GLOBAL_STEP in taken:
        return
    yield count_step(GLOBAL_STEP, TensorSpec(DType.INT64, ()), key, objects)


def said_power(step: Step, beta: float, count: int) -> Step:
    """The step of a power, with the count that --step says."""
    value = Constant(float(beta ** (count + 1)))
    reason = f"{shown(beta)}^({count} + 1), as --step says"
    return replace(step, sources=(), transforms=(value,), origin="constant", reason=reason)


def said_step(name: str, spec: TensorSpec, count: int) -> Step:
    """The step as --step says it."""
    return Step(
        target=name,
        spec=spec,
        transforms=(Constant(count),),
        origin="constant",
        reason="--step",
        full_name=name,
    )


def count_step(name: str, spec: TensorSpec, key: str, objects: Template) -> Step:
    transforms: tuple[Transform, ...] = ()
    if objects.by_key[key].spec.dtype is not spec.dtype:
        transforms = (Cast(spec.dtype),)
    return Step(
        target=name,
        spec=spec,
        sources=(Source(key=key),),
        transforms=transforms,
        origin="optimizer",
        reason="the number of updates",
        full_name=name,
    )


def _drops(
    targets: Iterable[TargetOptimizer], steps: Iterable[Step], objects: Template, read: Read
) -> tuple[Left, ...]:
    used = {
        source.key
        for step in steps
        for source in step.sources
        if not step.transforms or len(step.sources) == 1
    }
    found: dict[str, Left] = {}
    for target in targets:
        roles = {key: role for role, key in target.scalars.items()}
        for key in sorted(target.keys - used):
            spec = objects.by_key[key].spec
            reason = "TF1 keeps no such tensor"
            if key in roles and roles[key] != "iterations":
                value = shown(float(read(key).reshape(-1)[0]))
                reason = f"TF1 keeps {roles[key]} as a constant of the graph: here {value}"
            found[key] = Left(key=key, spec=spec, reason=reason)
    return tuple(found.values())
