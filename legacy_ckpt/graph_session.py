"""A graph with its session, its Saver and its directory of checkpoints, as one thing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import tensorflow as tf

from legacy_ckpt.management import CheckpointManager
from legacy_ckpt.saver import Saver
from migration.errors import InputError

_v1 = tf.compat.v1


class Nodes(dict[str, Any]):
    """What a build function returned by name, to be read as items or as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the build function returned no {name!r}; it returned {', '.join(self)}"
            ) from None


class GraphSession:
    """What a TensorFlow 1 training script builds around its graph.

    with GraphSession(build, "runs/mnist") as run:
        run.restore_or_initialize()
        while run.step < 1000:
            run(run.nodes.train, {"x": images, "y": labels})
            ...
        run.save()

    build: called without arguments, in a new graph; what it returns is `nodes`. A mapping that it returns
        can be read by attribute, too.
    directory: where checkpoints go; made at the first save. None for a graph that is not saved.
    max_to_keep, best_metric, ...: as of `CheckpointManager`. var_list: what the Saver saves, called in
        the graph where it is callable; all global and saveable variables by default.
    config: a `tf.compat.v1.ConfigProto`.

    Everything runs in graph mode, whether or not eager execution is on.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        directory: str | os.PathLike[str] | None = None,
        *,
        max_to_keep: int | None = 5,
        checkpoint_name: str = "model.ckpt",
        var_list: Any = None,
        config: Any = None,
        **retention: Any,
    ) -> None:
        self.graph = _v1.Graph()
        with self.graph.as_default():
            built = build()
            self.nodes = Nodes(built) if isinstance(built, Mapping) else built
            self._placeholders = _placeholders(self.graph)
            self.saver = self._make_saver(var_list() if callable(var_list) else var_list)
            self._tables = _v1.tables_initializer()
            self._initializers = _v1.group(
                _v1.global_variables_initializer(), _v1.local_variables_initializer(), self._tables
            )
            self._uninitialized = tf.identity(_v1.report_uninitialized_variables())
            every = (*_v1.global_variables(), *_v1.local_variables())
            self._initializer_of = {each.op.name: each.initializer for each in every}
        self.graph.finalize()
        self._config = config
        self._session: Any = _v1.Session(graph=self.graph, config=config)
        self._manager: CheckpointManager | None = None
        if directory is not None and self.saver is not None:
            with self.graph.as_default():
                self._manager = CheckpointManager(
                    self.saver, directory, max_to_keep, checkpoint_name=checkpoint_name, **retention
                )

    @staticmethod
    def _make_saver(var_list: Any) -> Any:
        """The Saver of the graph; retention is the manager's. None where there is nothing to save."""
        if var_list is None and not (
            _v1.global_variables() or _v1.get_collection(_v1.GraphKeys.SAVEABLE_OBJECTS)
        ):
            return None
        return Saver(var_list, max_to_keep=None)

    # The session -----------------------------------------------------------------------------------

    @property
    def session(self) -> Any:
        """The session. Raises InputError once it is closed."""
        if self._session is None:
            raise InputError(
                "the session is closed: call fresh() for a new one on the same graph, then restore()"
            )
        return self._session

    def fresh(self) -> GraphSession:
        """Close the session, values and all, and go on in a new one, where nothing is initialized."""
        self.close()
        self._session = _v1.Session(graph=self.graph, config=self._config)
        return self

    def close(self) -> None:
        """Close the session, and with it all values that were not saved."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> GraphSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, fetches: Any, feed: Mapping[Any, Any] | None = None) -> Any:
        """`Session.run`; a fed placeholder may be called by its name, and a fetch by its name in `nodes`."""
        feed = {self._tensor(each): value for each, value in (feed or {}).items()}
        return self.session.run(self._fetched(fetches), feed)

    __call__ = run

    def _fetched(self, fetches: Any) -> Any:
        if isinstance(fetches, str) and isinstance(self.nodes, Nodes) and fetches in self.nodes:
            return self.nodes[fetches]
        if isinstance(fetches, (list, tuple)) and type(fetches) in (list, tuple):
            return type(fetches)(map(self._fetched, fetches))
        return fetches

    def _tensor(self, key: Any) -> Any:
        if not isinstance(key, str) or ":" in key:
            return key
        if key in self.placeholders:
            return self.placeholders[key]
        raise InputError(
            f"the graph has no placeholder {key!r}; it has {', '.join(self.placeholders) or 'none'}"
        )

    # What the graph holds --------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, Any]:
        """The global variables by name (partitions each by their own)."""
        with self.graph.as_default():
            return {each.op.name: each for each in _v1.global_variables()}

    @property
    def placeholders(self) -> dict[str, Any]:
        """The placeholders by name, as the build function made them."""
        return dict(self._placeholders)

    @property
    def step(self) -> int:
        """The value of the graph's global step. Raises InputError where it has none."""
        tensor = self._step_tensor()
        if tensor is None:
            raise InputError(
                "the graph has no global step: make one with tf.train.get_or_create_global_step()"
            )
        return int(self.session.run(tensor))

    def _step_tensor(self) -> Any:
        with self.graph.as_default():
            return _v1.train.get_global_step()

    # Checkpoints -----------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> CheckpointManager:
        """The manager of the directory. Raises InputError without a directory, or without variables."""
        if self._manager is None:
            reason = "the graph has no variables" if self.saver is None else "no directory was given"
            raise InputError(f"no checkpoints: {reason}")
        return self._manager

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return self.checkpoints.latest_checkpoint

    def initialize(self) -> None:
        """Run the initializers of all variables and tables."""
        self.session.run(self._initializers)

    def save(self, step: Any = None, metrics: Mapping[str, float] | float | None = None) -> str:
        """Write a checkpoint numbered `step` and return its path.

        `step` is the global step by default; without one, one more than the greatest number so far.
        """
        manager = self.checkpoints
        if step is None and self._step_tensor() is not None:
            step = self.step
        with self.graph.as_default():
            path = manager.save(step, check_interval=False, session=self.session, metrics=metrics)
        assert path is not None
        return path

    def restore(self, which: int | str | os.PathLike[str] = "latest") -> str:
        """Restore the "latest" or the "best" checkpoint, that of a step, or of a path; returns its path.

        What the Saver saves has to be in it; any other variable that has no value yet, and every table,
        is initialized. A restore that fails leaves the session as it is.
        """
        with self.graph.as_default():
            path = self.checkpoints.restore(which, session=self.session)
        self.session.run(self._tables)
        left = [name.decode() for name in self.session.run(self._uninitialized)]
        self.session.run([self._initializer_of[name] for name in left])
        return path

    def restore_or_initialize(self) -> str | None:
        """Restore the latest checkpoint and return its path; without one, initialize and return None."""
        if self.latest_checkpoint is None:
            self.initialize()
            return None
        return self.restore("latest")


def _placeholders(graph: Any) -> dict[str, Any]:
    kinds = ("Placeholder", "PlaceholderWithDefault")
    return {each.name: each.outputs[0] for each in graph.get_operations() if each.type in kinds}
