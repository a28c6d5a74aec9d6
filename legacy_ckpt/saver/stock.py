"""TensorFlow's own class and functions, taken once, when this package is imported.

Whoever puts this package's Saver into TensorFlow's module in their place must not make it call itself.
"""

from __future__ import annotations

from typing import Any

from tensorflow.python.training import saver as module

StockSaver: Any = module.Saver
export_meta_graph: Any = module.export_meta_graph
import_with_return_elements: Any = module._import_meta_graph_with_return_elements
