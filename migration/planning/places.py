"""A place in a template as people write it: a checkpoint key, a path with slashes or dots, or a full name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migration.planning.targets import Target


class Places:
    """Finds the target that a text names. A key beats a path, a path beats a full name."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._by_key: dict[str, list[Target]] = {}
        self._by_path: dict[str, list[Target]] = {}
        self._by_name: dict[str, list[Target]] = {}
        for target in targets:
            self._by_key[target.key] = [target]
            for path in target.paths:
                for spelling in {path, path.replace("/", ".")}:
                    self._by_path.setdefault(spelling, []).append(target)
            self._by_name.setdefault(target.full_name.removesuffix(":0"), []).append(target)

    def find(self, text: str) -> list[Target]:
        """All targets that the text names on the strongest level where it names any."""
        levels: tuple[Mapping[str, list[Target]], ...] = (self._by_key, self._by_path, self._by_name)
        return next((level[text] for level in levels if text in level), [])

    @property
    def spellings(self) -> list[str]:
        """How a person would say every target: what an error suggests from."""
        return [found[0].spoken for found in self._by_key.values()]
