"""A failed restore in words: all that does not fit, the nearest candidates, and what to call instead.

The words that programs search for in TensorFlow's own errors stay in: "Key x not found in checkpoint",
"a mismatch between the current graph and the graph", and their like. Graphs and stack traces stay out.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from legacy_ckpt.fitting.inventory import Inventory
from legacy_ckpt.fitting.matching import Match, Mismatch, whole_shape
from legacy_ckpt.fitting.wanted import RestoreOps, Wanted, dims
from migration.printable import printable

MOST_LINES = 30  # of each list; a model of thousands of variables must not fill a screen
MOST_CANDIDATES = 3
_NEAR = 0.6  # difflib's own cutoff

READ_ERRORS = (
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
    tf.errors.DataLossError,
    tf.errors.OutOfRangeError,
)


def restore_error(
    match: Match, inventory: Inventory, eager: bool, ops: RestoreOps | None = None
) -> Exception:
    """The exception of the type that TensorFlow raises for such a failure, with a text for people.

    With the restore ops of a graph its `node_def` is that of the op that TensorFlow would have stopped at:
    what reads a missing tensor or one of another dtype, or what assigns one of another shape. Its `op`
    stays None: TensorFlow's errors print the whole stack of the op that they hold.
    """
    text = explain(match, inventory, eager)
    kind: type[Exception] = tf.errors.InvalidArgumentError
    if match.missing:
        kind = tf.errors.NotFoundError
    elif eager and all(mismatch.kind == "shape" for mismatch in match.mismatched):
        kind = ValueError
    if kind is ValueError:
        return kind(text)
    op = None if ops is None else _stopped_at(match, ops)
    return kind(None if op is None else op.node_def, None, text)


def _stopped_at(match: Match, ops: RestoreOps) -> tf.Operation | None:
    """The first op of the graph that would have failed."""
    if match.missing or any(mismatch.kind == "dtype" for mismatch in match.mismatched):
        unread = [*match.missing, *(each.wanted for each in match.mismatched if each.kind == "dtype")]
        return next((read.op for read in ops.reads if any(wish in unread for wish in read.wanted)), None)
    unfit = [mismatch.wanted for mismatch in match.mismatched]
    return next(
        (
            assignment.op
            for assignment in ops.assignments
            if any(ops.reads[read].wanted[output] in unfit for read, output in assignment.takes)
        ),
        None,
    )


def explain(match: Match, inventory: Inventory, eager: bool) -> str:
    """The whole text: the headline, the lists, and the advice."""
    sections = [
        _headline(match, inventory),
        _missing(match, inventory),
        _mismatched(match.mismatched, eager),
        _unexpected(match, inventory),
        _advice(match, inventory),
    ]
    return "\n\n".join(section for section in sections if section)


def _headline(match: Match, inventory: Inventory) -> str:
    names = {binding.wanted.name for binding in match.bindings if binding}
    bad = {wish.name for wish in match.missing} | {m.wanted.name for m in match.mismatched}
    cause = (
        "a Variable name or other graph key that is missing from the checkpoint"
        if match.missing
        else "a mismatch between the current graph and the graph from the checkpoint"
    )
    return (
        f"Restoring from checkpoint failed: {len(bad)} of {len(bad | names)} variables do not fit "
        f"{inventory.prefix}, a checkpoint of {len(inventory.held)} tensors ({inventory.style}). "
        f"This is most likely due to {cause}. Nothing was restored."
    )


def _missing(match: Match, inventory: Inventory) -> str:
    wishes = {wish.name: wish for wish in match.missing}
    if not wishes:
        return ""
    free = _names(match, inventory)
    lines = [
        f"  {_not_found(name, inventory)} (wanted: {wish}){_candidates(wish, free, inventory)}"
        for name, wish in sorted(wishes.items())[:MOST_LINES]
    ]
    if inventory.graph is None:
        title = f"Missing from the checkpoint ({len(wishes)}):"
    else:
        title = (
            "Could not find some variables in the checkpoint's object graph. "
            f"Existing variables not in the checkpoint ({len(wishes)}):"
        )
    return _listed(title, lines, len(wishes))


def _not_found(name: str, inventory: Inventory) -> str:
    if inventory.is_v1:
        return f'Tensor name "{name}" not found in checkpoint files {inventory.prefix}'
    return f"Key {name} not found in checkpoint"


def _mismatched(mismatched: Iterable[Mismatch], eager: bool) -> str:
    by_name = {m.wanted.name: m for m in mismatched}
    lines = [
        f"  {name}{_under(m.key, name)}: {m.reason}: {_in_tensorflow_s_words(m, eager)}"
        for name, m in sorted(by_name.items())[:MOST_LINES]
    ]
    return _listed(f"Mismatched ({len(by_name)}):", lines, len(by_name)) if by_name else ""


def _under(key: str, name: str) -> str:
    return "" if key == name else f" (key {key})"


def _in_tensorflow_s_words(mismatch: Mismatch, eager: bool) -> str:
    """What the op would have said: programs look for it."""
    wish, held = mismatch.wanted, mismatch.held
    if mismatch.kind == "dtype":
        return f"expected dtype {wish.dtype.name} does not equal original dtype {held.dtype.name}"
    if mismatch.kind == "slice":
        return f"a part of a variable of shape {dims(whole_shape(wish.slice_spec))}"
    if mismatch.kind == "elements":
        return "reshape needs the same number of elements"
    if eager:
        return f"Received incompatible tensor with shape {held.shape}"
    return (
        f"Assign requires shapes of both tensors to match. lhs shape= {dims(wish.shape or ())} "
        f"rhs shape= {dims(held.shape)}"
    )


def _unexpected(match: Match, inventory: Inventory) -> str:
    if not match.unexpected:
        return ""
    names = _name_of_key(inventory)
    lines = [
        f"  {names.get(key, key)}{_under(key, names.get(key, key))} {inventory.held[key]}"
        for key in match.unexpected[:MOST_LINES]
    ]
    title = f"In the checkpoint, asked for by no variable ({len(match.unexpected)}):"
    return _listed(title, lines, len(match.unexpected))


def _advice(match: Match, inventory: Inventory) -> str:
    lines = ["What to do:"]
    if match.missing and inventory.graph is not None:
        lines.append(
            "  this file was written by tf.train.Checkpoint or Keras: restore it into objects with "
            "tf.train.Checkpoint(...).restore, or give its names: Saver({name_in_checkpoint: variable})"
        )
    if match.missing:
        lines.append(
            "  renamed variables: restore(sess, path, rename=rules), or Saver({name_in_checkpoint: variable})"
        )
    if any(m.kind == "shape" for m in match.mismatched):
        lines.append("  same elements in another shape: Saver(..., reshape=True)")
    if any(m.kind == "dtype" for m in match.mismatched):
        lines.append(
            "  another dtype: create the variable with the checkpoint's dtype, or convert with ckpt-migrate"
        )
    lines.append("  take what fits and get a report of the rest: restore(sess, path, partial=True)")
    return "\n".join(lines)


def _listed(title: str, lines: Sequence[str], count: int) -> str:
    more = [f"  ... and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join(map(printable, [title, *lines, *more]))


def _name_of_key(inventory: Inventory) -> dict[str, str]:
    return {key: name for name, keys in inventory.keys_by_name.items() for key in keys}


def _names(match: Match, inventory: Inventory) -> dict[str, str]:
    """What could be meant: names that are not used, and the key that each stands for."""
    by_key = _name_of_key(inventory)
    return {by_key.get(key, key): key for key in match.unexpected}


def _candidates(wish: Wanted, free: dict[str, str], inventory: Inventory) -> str:
    """The unused names that look alike, then those of the same dtype and shape."""
    near = difflib.get_close_matches(wish.name, free, MOST_CANDIDATES, _NEAR)
    last = wish.name.rsplit("/", 1)[-1]
    alike = [
        name
        for name, key in free.items()
        if inventory.held[key].shape == wish.shape and inventory.held[key].dtype == wish.dtype
    ]
    alike.sort(key=lambda name: (name.rsplit("/", 1)[-1] != last, name))
    chosen = list(dict.fromkeys([*near, *alike]))[:MOST_CANDIDATES]
    listed = ", ".join(f"{name} {inventory.held[free[name]]}" for name in chosen)
    return f"; nearest: {listed}" if listed else ""


_DUMP = re.compile(r"\n*(\t? *\[\[\{\{node|Original stack trace for|\n+File \").*", re.DOTALL)
_PLACE = re.compile(r"^Graph execution error:\s+Detected at node.*?\nNode: [^\n]*\n", re.DOTALL)
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\}\s*|\s*\[Op:\w+\](?: name: \S*)?")


@contextlib.contextmanager
def readable(prefix: str) -> Iterator[None]:
    """Around the ops that read: their errors keep their type, and lose the graph and the stack."""
    try:
        yield
    except READ_ERRORS as error:
        raise read_error(error, prefix) from None


def bare_message(error: tf.errors.OpError) -> str:
    """What TensorFlow says went wrong, without the node, the graph and the stack."""
    return _DUMP.sub("", _FUNCTION.sub("", _PLACE.sub("", error.message))).strip()


def read_error(error: tf.errors.OpError, prefix: str) -> tf.errors.OpError:
    """The same error of a checkpoint that fits by its index, but could not be read."""
    said = bare_message(error)
    if isinstance(error, tf.errors.NotFoundError) and "No such file or directory" in said:
        shard = said.split("; No such file")[0]
        cause = f"the file {shard} is missing: copy every file whose name starts with {prefix}."
    elif isinstance(error, tf.errors.DataLossError | tf.errors.OutOfRangeError):
        cause = "a file of it is damaged or cut short: copy it again, or run ckpt-doctor on it."
    elif isinstance(error, tf.errors.NotFoundError):
        cause = "most likely due to a Variable name or other graph key that is missing from the checkpoint."
    else:
        cause = (
            "most likely due to a mismatch between the current graph and the graph from the checkpoint: "
            "build the graph that wrote it."
        )
    text = f"Restoring from checkpoint failed: {prefix} could not be read; {cause}\nTensorFlow says: {said}"
    return type(error)(error.node_def, None, text)
