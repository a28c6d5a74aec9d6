"""How well the matching matches: pairs of naming schemes, each checked by values, as one table.

Every source tensor gets values of its own. A pair is right where its transforms turn the values of the
proposed tensor into those that the target model has at that place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal
from ckpt_tools.matching_pairs import NamingPair, all_pairs

from migration.planning.plan import Confidence

if TYPE_CHECKING:
    import numpy as np

    from migration.planning.matching import Pair
    from migration.tensors import TensorSpec

    Array = np.ndarray[Any, Any]

FLAGS = flags.FlagValues()
_ONLY = flags.DEFINE_string("only", "", "Only pairs whose name holds this text.", flag_values=FLAGS)
COLUMNS = ("pair", "variables", "decided", "right", "certain", "certain and wrong", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One pair's result. `variables` are those of the target that have a partner in the source."""

    name: str
    ambiguous: bool
    variables: int
    decided: int
    right: int
    certain: int
    certain_wrong: int
    seconds: float

    @property
    def reached(self) -> bool:
        """Whether no certain pair is wrong, and 95 % are decided and right where that can be."""
        return not self.certain_wrong and (self.ambiguous or self.right >= 0.95 * self.variables)


def score(pair: NamingPair) -> Score:
    """What the matching proposes for a pair, checked by values."""
    from migration.planning.matching import propose

    started = time.perf_counter()
    proposal = propose(pair.candidates, pair.targets)
    seconds = time.perf_counter() - started
    values = {
        candidate.name: _values(number, candidate.spec) for number, candidate in enumerate(pair.candidates)
    }
    model = _model(pair, values)
    decided = [each for each in proposal.pairs if each.confidence is not Confidence.UNDECIDED]
    right = [each for each in decided if _is_right(each, values, model)]
    certain = [each for each in decided if each.confidence is Confidence.CERTAIN]
    return Score(
        name=pair.name,
        ambiguous=pair.ambiguous,
        variables=len(pair.truth),
        decided=len(decided),
        right=len(right),
        certain=len(certain),
        certain_wrong=sum(each not in right for each in certain),
        seconds=seconds,
    )


def _values(number: int, spec: TensorSpec) -> Array:
    """Values that no other tensor has, each but once."""
    import numpy as np

    return number * 1e9 + np.arange(spec.size, dtype=np.float64).reshape(spec.shape)


def _model(pair: NamingPair, values: dict[str, Array]) -> dict[str, Array]:
    """What the target model holds: at each key the values of the tensor that belongs there."""
    specs = {target.key: target.spec for target in pair.targets}
    model = {}
    for key, truth in pair.truth.items():
        held = values[truth.source]
        turned = held if truth.permutation is None else held.transpose(truth.permutation)
        model[key] = turned.reshape(specs[key].shape)
    return model


def _is_right(pair: Pair, values: dict[str, Array], model: dict[str, Array]) -> bool:
    import numpy as np

    held = values[pair.candidate]
    for transform in pair.transforms:
        held = transform.apply([held])
    return pair.target in model and np.array_equal(held, model[pair.target])


def main(arguments: Sequence[str]) -> int:
    """Print the table; 2 where a pair falls short."""
    if arguments:
        raise terminal.UsageError("the benchmark takes no arguments")
    scores = [score(pair) for pair in all_pairs() if _ONLY.value in pair.name]
    tables.show(COLUMNS, [_row(each) for each in scores], right=COLUMNS[1:])
    return terminal.Status.DONE if all(each.reached for each in scores) else terminal.Status.DIFFERS


def _row(each: Score) -> tuple[str, ...]:
    share = f"{each.right} ({100 * each.right / max(each.variables, 1):.0f} %)"
    name = f"{each.name} [ambiguous]" if each.ambiguous else each.name
    counts = (each.variables, each.decided)
    return (
        name,
        *map(str, counts),
        share,
        str(each.certain),
        str(each.certain_wrong),
        f"{each.seconds:.2f}",
    )


def run() -> None:
    """The script."""
    terminal.run(main, FLAGS, tool="benchmark-matching")


if __name__ == "__main__":
    run()
