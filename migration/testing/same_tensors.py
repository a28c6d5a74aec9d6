"""Two checkpoints hold the same tensors."""

from __future__ import annotations

from collections.abc import Iterator

from migration.checkpoint import Checkpoint
from migration.contents.distance import distance_of_streams
from migration.contents.streams import open_stream
from migration.errors import FormatError
from migration.pairing import Pairing, pair_up
from migration.planning.plan import Plan, Step
from migration.planning.reading import both_arrays, source_array, streams_alike
from migration.planning.transforms import TransformError, apply_step
from migration.testing.gaps import Gap, gap_between, worst_first
from migration.testing.opening import Openable, opened
from migration.testing.wording import count, section, told


def assert_same_tensors(
    a: Openable, b: Openable, plan: Plan | None = None, rtol: float = 0, atol: float = 0
) -> None:
    """Raises AssertionError unless every tensor of either checkpoint is in the other, and equal.

    Tensors are paired by `plan` (from `a` to `b`: what it makes of `a` must be in `b`), else by the manifest
    in either, else by key, full name or path. With both tolerances 0 every byte is compared; otherwise
    |b - a| may be up to atol + rtol * |a| in each element. dtypes and shapes have to be equal. What the plan
    drops by decision is no difference.

    The text names the worst tensor first, with its largest absolute difference and the 2-norm of the
    difference relative to that of `a`'s tensor. Raises PlanError for a plan made for other tensors than
    those of `a`, FormatError for damaged bytes, InputError for what is no checkpoint and no path to one.
    """
    __tracebackhide__ = True
    a, b = opened(a, "a"), opened(b, "b")
    text = difference(a, b, pair_up(a, b, plan), rtol, atol)
    if text:
        raise AssertionError(text)


def difference(a: Checkpoint, b: Checkpoint, paired: Pairing, rtol: float, atol: float) -> str:
    """What is different, for people; empty where nothing is."""
    gaps = worst_first([gap for gap in _gaps(a, b, paired, rtol, atol) if not gap.is_good])
    only_a, only_b = list(paired.source_only), list(paired.migrated_only)
    if not (gaps or only_a or only_b):
        return ""
    counts = [count(len(gaps), "tensor") + f" of {len(paired.steps)} differ"] if gaps else []
    counts += [f"{len(only_a)} only in the first"] if only_a else []
    counts += [f"{len(only_b)} only in the second"] if only_b else []
    return told(
        f"{', '.join(counts)} ({a.prefix} and {b.prefix}, paired by {paired.basis}, "
        f"rtol={rtol}, atol={atol})",
        section("not equal, worst first", list(map(str, gaps))),
        section("only in the first", [f"{key}  {a.spec(key)}" for key in only_a]),
        section("only in the second", [f"{key}  {b.spec(key)}" for key in only_b]),
        [f"  {note}" for note in paired.notes],
        _advice(paired),
    )


def _advice(paired: Pairing) -> list[str]:
    if paired.basis == "names" and paired.source_only and paired.migrated_only:
        return ["  if these are the same tensors under other names: pass the plan from one to the other"]
    return []


def _gaps(a: Checkpoint, b: Checkpoint, paired: Pairing, rtol: float, atol: float) -> Iterator[Gap]:
    for step in paired.steps:
        if any(taken.template for taken in step.sources):
            continue  # neither checkpoint tells what it should be
        name = _name(step)
        if step.target not in b:
            yield Gap(name=name, spec=str(step.spec), fault="missing")
        elif b.spec(step.target) != step.spec:
            yield Gap(name=name, spec=str(step.spec), fault=f"it is {b.spec(step.target)}")
        else:
            yield _gap(a, b, step, name, rtol, atol)


def _name(step: Step) -> str:
    keys = " + ".join(taken.key for taken in step.sources)
    return step.target if keys in ("", step.target) else f"{keys} -> {step.target}"


def _gap(a: Checkpoint, b: Checkpoint, step: Step, name: str, rtol: float, atol: float) -> Gap:
    spec = str(step.spec)
    plain = len(step.sources) == 1 and not step.transforms and not step.sources[0].transforms
    plain = plain and streams_alike(a, step.sources[0].key, b, step.target)
    if plain and step.spec.dtype.itemsize is not None and not _streams_differ(a, b, step):
        return Gap(name=name, spec=spec, elements=step.spec.size)
    if plain and step.spec.dtype.name in ("VARIANT", "RESOURCE"):
        same = a.read_bytes(step.sources[0].key) == b.read_bytes(step.target)
        return Gap(name=name, spec=spec, fault="" if same else "its bytes differ")
    try:
        wanted = apply_step(step, [source_array(a, taken) for taken in step.sources])
    except TransformError as error:
        return Gap(name=name, spec=spec, fault=f"its step cannot be run: {error}")
    return gap_between(name, spec, *both_arrays(step, wanted, b), rtol, atol)


def _streams_differ(a: Checkpoint, b: Checkpoint, step: Step) -> bool:
    """Block by block, so that equal tensors need no memory."""
    one, two = open_stream(a, step.sources[0].key), open_stream(b, step.target)
    if one.size != two.size:
        raise FormatError(f"{step.target}: {two.size} bytes, its spec {step.spec} needs {one.size}")
    return distance_of_streams(one, two, step.spec.dtype) is not None
