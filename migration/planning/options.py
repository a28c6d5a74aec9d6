"""What a person may decide about a plan beyond names. Every choice shows as steps, drops or notes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from migration.errors import InputError

Named = Literal["Adam", "Adagrad", "Adadelta", "Ftrl", "Momentum", "RMSProp"]
Choice = Literal["auto", "drop", "keep"] | Named
NAMED: tuple[Named, ...] = get_args(Named)  # kinds that a person may say an optimizer under its own name is


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choices for `make_plan`; None leaves a value to the graph's constants, then to the template.

    `learning_rate` and `forget_bias` are plain factors, `step` is the number of training steps done.
    `optimizer` names the kind of the optimizer where slots under a program's own name, without a graph beside
    them, do not tell it; `propose` allows matches that neither a name nor a path gives.
    """

    optimizer: Choice = "auto"
    learning_rate: float | None = None
    step: int | None = None
    averages: Literal["keep", "drop", "promote"] = "keep"
    forget_bias: float | None = None
    propose: bool = True

    @property
    def kind(self) -> Named | None:
        """The kind of optimizer that is said, if one is."""
        return self.optimizer if self.optimizer in NAMED else None

    def __post_init__(self) -> None:
        """Raises InputError for numbers that no training can have had."""
        faults = []
        if self.optimizer not in ("auto", "drop", "keep", *NAMED):
            faults.append(f"optimizer {self.optimizer!r}: auto, drop, keep, or one of {', '.join(NAMED)}")
        if self.learning_rate is not None and not 0 <= self.learning_rate < math.inf:
            faults.append(f"learning_rate {self.learning_rate}: a finite number from 0 on")
        if self.forget_bias is not None and not math.isfinite(self.forget_bias):
            faults.append(f"forget_bias {self.forget_bias}: a finite number")
        if self.step is not None and not 0 <= self.step < 1 << 63:
            faults.append(f"step {self.step}: a number of training steps from 0 on, below 2**63")
        if faults:
            raise InputError(f"options: {'; '.join(faults)}")
