"""What to do, added to the errors that TensorFlow raises when a Saver is misused; their types stay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_OTHER_GRAPH = (
    "the session is of another graph than the Saver's: pass a session of the graph that the Saver was "
    "built in, or build one inside `with session.graph.as_default():`"
)
_ADVICE = {
    "No variables to save": (
        "create the variables before the Saver, pass them as var_list=..., "
        "or use allow_empty=True for a Saver that does nothing"
    ),
    "have the same name": (
        "rename one of them, or pass a dict of distinct names: Saver({'a': first, 'b': second})"
    ),
    "with the same shared_name": (
        "rename one of them, or pass a dict of distinct names: Saver({'a': first, 'b': second})"
    ),
    "will be restored with two names": "keep one of its names in var_list",
    "must be from the same graph": (
        "a variable of another graph is in var_list: build the Saver inside `with graph.as_default():` "
        "of the graph that owns all its variables"
    ),
    "`var_list` must specify a list": "for example Saver(model.variables) or Saver({'w': w})",
    "should be called before save": "call saver.build() once the graph is complete",
    "does not exist in the graph": _OTHER_GRAPH,
    "is not an element of this graph": _OTHER_GRAPH,
    "closed Session": "save or restore inside the `with` of the session",
}


@contextlib.contextmanager
def advised() -> Iterator[None]:
    """Adds to the text of a known misuse what to do about it; the exception itself passes through."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError) as error:
        text = str(error)
        hint = next((hint for phrase, hint in _ADVICE.items() if phrase in text), None)
        if hint and type(error) in (ValueError, TypeError, RuntimeError) and hint not in text:
            error.args = (f"{text.rstrip('. ')}: {hint}.",)
        raise
