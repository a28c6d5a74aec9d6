"""A property that is computed once for each object, whatever number of threads ask for it first.

`functools.cached_property` lets two threads compute it both (since Python 3.12; before, one lock serves all
objects of the class). That serves what follows from a value, and not what is read from a file that may be
replaced between the two reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801  a decorator, named as those of functools are
    """The value of the method, kept in the object; an error is not kept. The object needs a `_lock`."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type | None = None) -> once[T] | T:
        if instance is None:
            return self
        lock: threading.RLock = instance._lock
        with lock:
            if self._name not in instance.__dict__:  # later on, Python finds it there without asking here
                instance.__dict__[self._name] = self._compute(instance)
            value: T = instance.__dict__[self._name]
            return value
