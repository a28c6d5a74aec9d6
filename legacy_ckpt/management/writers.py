"""What a manager writes and restores with: a Saver and its session, or a tf.train.Checkpoint."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from migration.errors import InputError

_v1 = tf.compat.v1


class Writer(Protocol):
    """Writes a checkpoint under a prefix, and restores one."""

    def write(self, prefix: str, session: Any, options: Any) -> str:
        """Write it; returns the path that restores it."""

    def restore(self, path: str, session: Any) -> None:
        """Restore it."""

    def advance(self, highest: int) -> int:
        """Count one more save; returns a number beyond `highest`, for a checkpoint that has no other."""

    def wait(self) -> None:
        """Return when nothing is being written any more."""


class SaverWriter:
    """A `legacy_ckpt.Saver`, or TensorFlow's own, in a session (the given, or the default one) or eagerly."""

    def __init__(self, saver: Any, write_meta_graph: bool) -> None:
        self._saver = saver
        self._write_meta_graph = write_meta_graph

    def write(self, prefix: str, session: Any, options: Any) -> str:
        """Write it, leaving the state file and the deletion of others to the manager."""
        if options is not None:
            raise InputError("options is for a tf.train.Checkpoint; a Saver has no use for it")
        path: str | None = self._saver.save(
            _session(session), prefix, write_meta_graph=self._write_meta_graph, write_state=False
        )
        if path is None:
            raise InputError(
                "the Saver has no variables: there is nothing to save; build the model before the Saver"
            )
        return path

    def restore(self, path: str, session: Any) -> None:
        """Restore it into the session."""
        self._saver.restore(_session(session), path)

    def advance(self, highest: int) -> int:
        """One more than there is."""
        return highest + 1

    def wait(self) -> None:
        """Nothing to wait for."""


class CheckpointWriter:
    """A tf.train.Checkpoint, in eager mode, with its `save_counter` as tf.train.CheckpointManager uses it."""

    def __init__(self, checkpoint: Any) -> None:
        if not tf.executing_eagerly():
            raise InputError(
                "a tf.train.Checkpoint in graph mode: use tf.train.CheckpointManager, "
                "or a legacy_ckpt.Saver for a graph's variables"
            )
        self._checkpoint = checkpoint

    def write(self, prefix: str, session: Any, options: Any) -> str:
        """Write it."""
        path: str = self._checkpoint.write(prefix, options)
        return path

    def restore(self, path: str, session: Any) -> None:
        """Restore it; what is not built yet is restored when it is.

        Raises InputError where the checkpoint has nothing for variables that exist: they would stay untrained
        without a word. (A file of `Checkpoint.write` has no save counter; that alone is no fault.)
        """
        status = self._checkpoint.restore(path)
        try:
            status.assert_existing_objects_matched()
        except AssertionError as error:
            text = str(error)
            if not (text.startswith("Found 1 Python objects") and "save_counter" in text):
                raise InputError(
                    f"{path} is of another model: it has nothing for some of the variables: {text}; "
                    "legacy_ckpt.restore(objects, path, partial=True) takes what fits"
                ) from None

    def advance(self, highest: int) -> int:
        """The save counter's, moved beyond `highest`: going back to an older one overwrites nothing."""
        counter = self._checkpoint.save_counter
        counter.assign(max(int(counter.numpy()), highest) + 1)
        return int(counter.numpy())

    def wait(self) -> None:
        """Wait for an asynchronous write."""
        self._checkpoint.sync()


def writer_for(checkpoint: Any, write_meta_graph: bool) -> Writer:
    """The writer over a Saver or a tf.train.Checkpoint. Raises InputError for anything else."""
    if isinstance(checkpoint, tf.train.Checkpoint):
        return CheckpointWriter(checkpoint)
    if isinstance(checkpoint, _v1.train.Saver):
        return SaverWriter(checkpoint, write_meta_graph)
    raise InputError(
        f"{type(checkpoint).__name__} is neither a Saver nor a tf.train.Checkpoint: "
        "wrap objects first, such as tf.train.Checkpoint(model=model)"
    )


def _session(session: Any) -> Any:
    """The session given, or the default one; None in eager mode."""
    if session is not None:
        return session
    default = _v1.get_default_session()
    if default is None and not tf.executing_eagerly():
        raise InputError("no session: pass session=, or call this inside `with session.as_default():`")
    return default
