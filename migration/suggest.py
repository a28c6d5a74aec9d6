"""The nearest names: what a person may have meant, from the words of a name and the shape of its tensor.

Names are compared by their words (parts between separators and digits), rare words counting more, and
the best few by their spelling. The cost of a question is bounded, so that thousands of questions about
100,000 names are no matter.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from migration.tensors import TensorSpec

MOST_POSTINGS = 1000  # names looked at for one word; a word in more of them tells little
MOST_COMPARED = 20  # names whose spelling is compared letter by letter
MOST_LETTERS = 120  # of a name, from its end: that is where names of one model differ
MOST_WORDS_COMPARED = 4000  # known words that an unknown one is compared with
SAME_SHAPE, SAME_SPEC = 0.3, 0.35  # added to a similarity between 0 and 1
LEAST = 0.3  # a similarity below this is no suggestion

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_a-zA-Z]+")


def nearest(
    name: str,
    candidates: Iterable[str] | Mapping[str, TensorSpec],
    spec: TensorSpec | None = None,
    limit: int = 3,
) -> tuple[str, ...]:
    """Up to `limit` of the candidates that come nearest to `name`, the nearest first.

    Where `spec` and the candidates' specs are known, equal shapes and dtypes count. For more than one
    question about the same names build a `NameIndex` once.
    """
    return NameIndex(candidates).nearest(name, spec, limit)


def did_you_mean(names: Iterable[str]) -> str:
    """A half sentence to append to an error: `; did you mean 'a' or 'b'?`, empty without names."""
    shown = [repr(name) for name in names]
    return f"; did you mean {' or '.join(shown)}?" if shown else ""


class NameIndex:
    """Names, searchable for the nearest of another name. Building it takes time linear in the names."""

    def __init__(self, candidates: Iterable[str] | Mapping[str, TensorSpec]) -> None:
        self._specs = candidates if isinstance(candidates, Mapping) else {}
        self._names = list(dict.fromkeys(candidates))

    def nearest(self, name: str, spec: TensorSpec | None = None, limit: int = 3) -> tuple[str, ...]:
        """Up to `limit` names, the nearest first; names of the same shape and dtype come forward."""
        scored: list[tuple[float, str]] = []
        for number in self._promising(name, spec):
            other = self._names[number]
            likeness = _likeness(name, other)
            if likeness >= LEAST and other != name:
                scored.append((-likeness - self._agreement(spec, other), other))
        return tuple(other for _, other in sorted(scored)[:limit])

    def like(self, spec: TensorSpec, limit: int = 3) -> tuple[str, ...]:
        """Up to `limit` names of tensors of exactly that dtype and shape, in their order."""
        return tuple(self._names[number] for number in self._by_spec.get(spec, ())[:limit])

    def _agreement(self, spec: TensorSpec | None, other: str) -> float:
        theirs = self._specs.get(other)
        if spec is None or theirs is None or spec.shape != theirs.shape:
            return 0.0
        return SAME_SPEC if spec == theirs else SAME_SHAPE

    def _promising(self, name: str, spec: TensorSpec | None) -> list[int]:
        """The names worth a comparison by spelling: those that share the most telling words."""
        if len(self._names) <= MOST_COMPARED:
            return list(range(len(self._names)))
        scores: defaultdict[int, float] = defaultdict(float)
        for word in set(_words(name)):
            for known in self._known(word):
                numbers = self._postings[known]
                weight = math.log(1 + len(self._names) / len(numbers))
                for number in numbers[:MOST_POSTINGS]:
                    scores[number] += weight
        alike = self._by_spec.get(spec, ())[:MOST_POSTINGS] if spec is not None else ()
        for number in alike:
            scores[number] += 1
        ranked = sorted(scores, key=lambda number: (-scores[number], number))
        return ranked[:MOST_COMPARED]

    def _known(self, word: str) -> list[str]:
        """The word itself, or, where no name has it, the ones spelled like it."""
        if word in self._postings:
            return [word]
        near = [known for known in self._by_initial.get(word[:1], ()) if abs(len(known) - len(word)) <= 2]
        return difflib.get_close_matches(word, near[:MOST_WORDS_COMPARED], n=3, cutoff=0.7)

    @cached_property
    def _postings(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self._names):
            for word in set(_words(name)):
                found.setdefault(word, []).append(number)
        return found

    @cached_property
    def _by_initial(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word in self._postings:
            found.setdefault(word[:1], []).append(word)
        return found

    @cached_property
    def _by_spec(self) -> Mapping[TensorSpec, list[int]]:
        found: dict[TensorSpec, list[int]] = {}
        for number, name in enumerate(self._names):
            if name in self._specs:
                found.setdefault(self._specs[name], []).append(number)
        return found


def _likeness(name: str, other: str) -> float:
    """How alike two names are spelled: from 0 to 1, difflib's ratio over their ends."""
    ours, theirs = name[-MOST_LETTERS:].lower(), other[-MOST_LETTERS:].lower()
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _words(name: str) -> list[str]:
    """The words of a name in lower case; a name without any is a word itself."""
    return [word.lower() for word in _WORD.findall(name)] or [name]
