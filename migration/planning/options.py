"""What a person may decide about a plan beyond names. Every choice shows as steps, drops or notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choices for `make_plan`; None leaves a value to the graph's constants, then to the template.

    `learning_rate` and `forget_bias` are plain factors, `step` is the number of training steps done.
    `propose` allows matches that neither a name nor a path gives.
    """

    optimizer: Literal["auto", "drop", "keep"] = "auto"
    learning_rate: float | None = None
    step: int | None = None
    averages: Literal["keep", "drop", "promote"] = "keep"
    forget_bias: float | None = None
    propose: bool = True
