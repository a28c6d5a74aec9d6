"""Which key of a checkpoint fills which wish of a Saver: a pure match, before anything is read."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from legacy_ckpt.fitting.inventory import Held, Inventory
from legacy_ckpt.fitting.wanted import Wanted

Rename = Callable[[str], str | None]  # None: this name is dropped

_KERAS_3_SUFFIX = "VARIABLE_VALUE"  # what the stock class appends to the keys of Keras 3 variables


@dataclass(frozen=True, slots=True)
class Binding:
    """A wish and the key, with the slice of it, that fills it."""

    wanted: Wanted
    key: str
    slice_spec: str

    @property
    def is_plain(self) -> bool:
        """Whether the Saver's own ops read just this."""
        return self.key == self.wanted.name and self.slice_spec == self.wanted.slice_spec


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A wish that its key does not fill, for its "dtype", "shape", "slice" or number of "elements"."""

    wanted: Wanted
    key: str
    held: Held
    kind: str

    @property
    def reason(self) -> str:
        """Both sides, for people."""
        return f"{self.wanted} here, {self.held} in the checkpoint"


@dataclass(frozen=True, slots=True)
class Match:
    """Every wish: filled, missing, or mismatched; and the keys that no wish uses.

    `bindings` stands in the order of the wishes, with None where a wish is not filled.
    """

    bindings: tuple[Binding | None, ...]
    missing: tuple[Wanted, ...]
    mismatched: tuple[Mismatch, ...]
    unexpected: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every wish is filled."""
        return not self.missing and not self.mismatched

    @property
    def is_plain(self) -> bool:
        """Whether the Saver's own ops read the whole of it as they stand."""
        return self.is_complete and all(b is not None and b.is_plain for b in self.bindings)


def match(wishes: Sequence[Wanted], inventory: Inventory, rename: Rename | None) -> Match:
    """Looks each wish up: under its own key, then under the variable's name in the object graph.

    `rename` gives the name that the Saver knows a key by; its result stands before the key itself.
    """
    plain = rename is None and all(wish.name in inventory.held for wish in wishes)
    sources = {wish.name: (wish.name,) for wish in wishes} if plain else _sources(inventory, rename)
    parts = _parts(wishes)
    bindings: list[Binding | None] = []
    missing: list[Wanted] = []
    mismatched: list[Mismatch] = []
    used: set[str] = set()
    for wish in wishes:
        binding = _bind(wish, sources, parts[wish.name], inventory)
        mismatch = binding and mismatch_of(binding, inventory.held[binding.key])
        used.update(sources.get(wish.name, ()), inventory.keys_by_name.get(wish.name, ()))
        if binding is None:
            missing.append(wish)
        elif mismatch:
            mismatched.append(mismatch)
        bindings.append(None if mismatch else binding)
    by_names = any(binding is not None and binding.key == binding.wanted.name for binding in bindings)
    unexpected = tuple(sorted(set(inventory.held) - used - _beside_the_point(inventory, by_names)))
    return Match(tuple(bindings), tuple(missing), tuple(mismatched), unexpected)


def _sources(inventory: Inventory, rename: Rename | None) -> Mapping[str, tuple[str, ...]]:
    """The keys that stand behind each name a Saver may ask for."""
    sources: dict[str, tuple[str, ...]] = {}
    for key in inventory.held:
        sources.setdefault(key.removesuffix(_KERAS_3_SUFFIX) or key, (key,))
    sources |= inventory.keys_by_name
    sources |= {key: (key,) for key in inventory.held}
    if rename is None:
        return sources
    renamed: dict[str, tuple[str, ...]] = {}
    for name, keys in sources.items():
        new = rename(name)
        if new is None:
            continue
        if new in renamed and renamed[new] != keys and new != name:
            raise ValueError(f"rename gives {new!r} to both {renamed[new][0]!r} and {keys[0]!r}")
        renamed[new] = keys
    return renamed


def _beside_the_point(inventory: Inventory, by_names: bool) -> set[str]:
    """Keys not worth a line to a person: the save counter, and objects where names were the way in."""
    objects = inventory.object_keys if by_names else set()
    return {key for key in inventory.held if key in objects or key.startswith("save_counter/")}


def _parts(wishes: Sequence[Wanted]) -> Mapping[str, tuple[str, ...]]:
    """The slices wanted of each name, in the order of their offsets."""
    parts: dict[str, set[str]] = defaultdict(set)
    for wish in wishes:
        parts[wish.name].add(wish.slice_spec)
    return {name: tuple(sorted(specs, key=_offsets)) for name, specs in parts.items()}


def _bind(
    wish: Wanted, sources: Mapping[str, tuple[str, ...]], parts: tuple[str, ...], inventory: Inventory
) -> Binding | None:
    keys = sources.get(wish.name)
    if keys is None:
        return None
    if len(keys) == 1:
        return Binding(wish, keys[0], wish.slice_spec)
    if len(keys) == len(parts) and wish.slice_spec:
        return Binding(wish, keys[parts.index(wish.slice_spec)], "")  # each part was saved as an object
    fitting = [
        key for key in keys if mismatch_of(Binding(wish, key, wish.slice_spec), inventory.held[key]) is None
    ]
    if len(fitting) != 1:
        warnings.warn(
            f"{inventory.prefix} holds {len(keys)} variables named {wish.name!r} ({', '.join(keys)}): "
            f"the last that fits is taken, as the stock Saver does; legacy_ckpt.restore lets you choose",
            stacklevel=5,
        )
    return Binding(wish, (fitting or keys)[-1], wish.slice_spec)


def mismatch_of(binding: Binding, held: Held) -> Mismatch | None:
    """What keeps the key from filling the wish; None if nothing does."""
    if binding.wanted.dtype.base_dtype != held.dtype.base_dtype:
        return Mismatch(binding.wanted, binding.key, held, "dtype")
    kind = _shape_mismatch(binding.wanted, binding.slice_spec, held.shape)
    return Mismatch(binding.wanted, binding.key, held, kind) if kind else None


def _shape_mismatch(wish: Wanted, slice_spec: str, shape: tuple[int, ...]) -> str:
    if slice_spec:
        return "" if whole_shape(slice_spec) == shape else "slice"
    target = part_shape(wish.slice_spec) if wish.slice_spec else wish.shape
    if target is None:
        return ""
    if wish.reshape:
        sizes = [size for size in target if size is not None]
        return "" if len(sizes) < len(target) or math.prod(sizes) == math.prod(shape) else "elements"
    fits = len(target) == len(shape) and all(a is None or a == b for a, b in zip(target, shape, strict=True))
    return "" if fits else "shape"


def whole_shape(slice_spec: str) -> tuple[int, ...]:
    """The shape of the variable that a slice spec such as "4 2 0,2:-" cuts: (4, 2)."""
    return tuple(int(size) for size in slice_spec.split()[:-1])


def part_shape(slice_spec: str) -> tuple[int, ...]:
    """The shape of the part that a slice spec such as "4 2 0,2:-" names: (2, 2)."""
    *sizes, extents = slice_spec.split()
    return tuple(
        int(size) if extent == "-" else int(extent.split(",")[1])
        for size, extent in zip(sizes, extents.split(":"), strict=True)
    )


def _offsets(slice_spec: str) -> tuple[int, ...]:
    extents = slice_spec.split()[-1].split(":") if slice_spec else ()
    return tuple(0 if extent == "-" else int(extent.split(",")[0]) for extent in extents)
