"""`import legacy_ckpt.v1 as tf`: `tf.compat.v1`, with this package's Saver wherever a Saver is used.

That is: `tf.train.Saver`, `import_meta_graph`, `export_meta_graph`, the default savers of `Scaffold`
(and so of `CheckpointSaverHook`), `MonitoredTrainingSession` and `Supervisor`; and the functions of
state files (`latest_checkpoint`, ...), which find a checkpoint whose recorded path is gone. `tf.layers`
and `tf.nn.rnn_cell` come from the package tf_keras where it is installed.

TensorFlow itself is left as it is: code that imports tensorflow in the same process gets its own
classes. Importing this module does not switch off eager execution either. A script that was written
for `import tensorflow as tf` of TensorFlow 1 wants `import legacy_ckpt.tf1 as tf`, which does that.

What TensorFlow removed is not brought back: of `tf.contrib` there are only the checkpoint functions of
`tf.contrib.framework`; `tf.estimator` is gone. Asking for them raises AttributeError with what to use.
"""

from __future__ import annotations

import importlib
from typing import Any

import tensorflow as tf

from legacy_ckpt.v1.gone import gone

_stock = tf.compat.v1
_OWN = ("compat", "contrib", "layers", "nn", "train")


def __getattr__(name: str) -> Any:
    if name in _OWN:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__all__":
        return [each for each in __dir__() if not each.startswith("_")]
    try:
        return getattr(_stock, name)
    except AttributeError:
        raise gone("", name) from None


def __dir__() -> list[str]:
    return sorted({*(name for name in dir(_stock) if not name.startswith("__")), *_OWN, "__version__"})
