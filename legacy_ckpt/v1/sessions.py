"""Scaffold, session creators, MonitoredTrainingSession and Supervisor, over `legacy_ckpt.Saver`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.training import monitored_session, session_manager, supervisor
from tensorflow.python.training import saver as stock_saver

from legacy_ckpt.management import state
from legacy_ckpt.saver import Saver
from legacy_ckpt.v1.rebinding import rebound, with_changes

_v1 = tf.compat.v1


def _saver_or_default() -> Any:
    """The one saver in the graph's collection, or a new one, added to it, as TensorFlow chooses it."""
    savers = _v1.get_collection_ref(_v1.GraphKeys.SAVERS)
    if len(savers) > 1:
        raise RuntimeError(
            f"More than one item in collection {_v1.GraphKeys.SAVERS}. "
            "Please indicate which one to use by passing it to the constructor."
        )
    if not savers:
        savers.append(Saver(sharded=True, allow_empty=True))
    return savers[0]


_savers = with_changes(stock_saver, Saver=Saver, _get_saver_or_default=_saver_or_default)
_states = with_changes(checkpoint_management, get_checkpoint_state=state.get_checkpoint_state)


class SessionManager(session_manager.SessionManager):  # type: ignore[misc]
    """TensorFlow's, which also finds a checkpoint that the state file knows under a path that is gone."""

    _restore_checkpoint = rebound(
        session_manager.SessionManager._restore_checkpoint, checkpoint_management=_states
    )


_managers = with_changes(session_manager, SessionManager=SessionManager)


class Scaffold(monitored_session.Scaffold):  # type: ignore[misc]
    """TensorFlow's, whose default saver is a `legacy_ckpt.Saver`."""

    finalize = rebound(monitored_session.Scaffold.finalize, training_saver=_savers)


class ChiefSessionCreator(monitored_session.ChiefSessionCreator):  # type: ignore[misc]
    """TensorFlow's, over this module's Scaffold and SessionManager."""

    __init__ = rebound(monitored_session.ChiefSessionCreator.__init__, Scaffold=Scaffold)
    _get_session_manager = rebound(monitored_session.ChiefSessionCreator._get_session_manager, sm=_managers)


class WorkerSessionCreator(monitored_session.WorkerSessionCreator):  # type: ignore[misc]
    """TensorFlow's, over this module's Scaffold and SessionManager."""

    __init__ = rebound(monitored_session.WorkerSessionCreator.__init__, Scaffold=Scaffold)
    _get_session_manager = rebound(monitored_session.WorkerSessionCreator._get_session_manager, sm=_managers)


class MonitoredSession(monitored_session.MonitoredSession):  # type: ignore[misc]
    """TensorFlow's, whose default session creator is this module's."""

    def __init__(
        self, session_creator: Any = None, hooks: Any = None, stop_grace_period_secs: float = 120
    ) -> None:
        super().__init__(session_creator or _default_creator(), hooks, stop_grace_period_secs)


class SingularMonitoredSession(monitored_session.SingularMonitoredSession):  # type: ignore[misc]
    """TensorFlow's, over this module's ChiefSessionCreator."""

    __init__ = rebound(
        monitored_session.SingularMonitoredSession.__init__, ChiefSessionCreator=ChiefSessionCreator
    )


def _default_creator() -> Any:
    """None inside a distributed worker, which brings its own creator."""
    coordinators = monitored_session.distribute_coordinator_context
    return None if coordinators.get_current_worker_context() else ChiefSessionCreator()


_classes = {
    "Scaffold": Scaffold,
    "ChiefSessionCreator": ChiefSessionCreator,
    "WorkerSessionCreator": WorkerSessionCreator,
    "MonitoredSession": MonitoredSession,
}

MonitoredTrainingSession = rebound(monitored_session.MonitoredTrainingSession, **_classes)


class Supervisor(supervisor.Supervisor):  # type: ignore[misc]
    """TensorFlow's, whose default saver is a `legacy_ckpt.Saver`."""

    _init_saver = rebound(supervisor.Supervisor._init_saver, saver_mod=_savers)
    _init_session_manager = rebound(
        supervisor.Supervisor._init_session_manager, session_manager_mod=_managers
    )


__all__ = [
    "ChiefSessionCreator",
    "MonitoredSession",
    "MonitoredTrainingSession",
    "Scaffold",
    "SessionManager",
    "SingularMonitoredSession",
    "Supervisor",
    "WorkerSessionCreator",
]
