"""Two vocabularies brought together: a word that one side alone knows may be a variant of the other's."""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST = 3  # letters of a word in a compound
STEM, STEM_PART = 4, 0.7  # letters that variants share, and their part of the longer where endings differ


def _akin(word: str, other: str) -> bool:
    """Whether one shortens the other (`quant`, `quantity`) or only endings differ (`pooler`, `pooled`)."""
    shorter = min(len(word), len(other))
    if shorter < STEM:
        return False
    common = next((at for at in range(shorter) if word[at] != other[at]), shorter)
    return common == shorter or (common >= STEM and common >= STEM_PART * max(len(word), len(other)))


def _compound(word: str, known: frozenset[str]) -> tuple[str, ...]:
    """The two known words that a word is run together from, if any: `usertower`."""
    for cut in range(SHORTEST, len(word) - SHORTEST + 1):
        if word[:cut] in known and word[cut:] in known:
            return word[:cut], word[cut:]
    return (word,)


def merged(
    ours: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]]
) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """Both sides' words with compounds parted and unambiguous variants spelled as the other side does."""
    known = frozenset(word for side in (ours, theirs) for words in side for word in words)
    parts = {word: _compound(word, known) for word in known if len(word) >= 2 * SHORTEST}
    ours, theirs = _replaced(ours, parts), _replaced(theirs, parts)
    first = frozenset(word for words in ours for word in words)
    second = frozenset(word for words in theirs for word in words)
    only_first, only_second = sorted(first - second), sorted(second - first)
    spelled: dict[str, tuple[str, ...]] = {}
    for word in only_first:
        found = [other for other in only_second if _akin(word, other)]
        if len(found) == 1 and sum(_akin(other, found[0]) for other in only_first) == 1:
            spelled[word] = (found[0],)
    return _replaced(ours, spelled), theirs


def _replaced(side: Sequence[frozenset[str]], spelled: dict[str, tuple[str, ...]]) -> list[frozenset[str]]:
    if not spelled:
        return list(side)
    return [frozenset(part for word in words for part in spelled.get(word, (word,))) for words in side]
