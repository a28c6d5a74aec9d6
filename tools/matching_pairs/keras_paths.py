"""How Keras models appear in an object graph, as observed with tf.train.Checkpoint(model=...).

Keras 3 keeps a functional model's layers under `_operations/N` with `_kernel` and `_embeddings`; tf_keras
under `layer-N` and, counting only those that have weights, `layer_with_weights-N`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_PRIVATE = {"kernel": "_kernel", "embeddings": "_embeddings"}


@dataclass
class Functional:
    """The places of a functional model's layers, counted up as layers are asked for."""

    keras: int = 3
    root: str = "model"
    operation: int = 0
    weighted: int = -1

    def skip(self, layers: int = 1) -> None:
        """Layers without weights: inputs, activations, additions."""
        self.operation += layers

    def layer(self) -> None:
        """The next layer with weights."""
        self.operation += 1
        self.weighted += 1

    def paths(self, attribute: str) -> tuple[str, ...]:
        """The paths of an attribute of the layer that was asked for last."""
        if self.keras == 3:
            return (f"{self.root}/_operations/{self.operation}/{_PRIVATE.get(attribute, attribute)}",)
        return (
            f"{self.root}/layer-{self.operation}/{attribute}",
            f"{self.root}/layer_with_weights-{self.weighted}/{attribute}",
        )


def counted(stem: str) -> Iterator[str]:
    """The names that Keras and tf.compat.v1.layers give: `dense`, `dense_1`, `dense_2` ..."""
    yield stem
    number = 1
    while True:
        yield f"{stem}_{number}"
        number += 1
