r"""Rename rules for people: which tensor of the source goes where, what is dropped, what is put in.

A rule file is TOML. Its shortcuts change every name before the rules see it; then **the first rule that
matches a name takes it**, and later ones do not see it unless they say `also = true` (one tensor that is
split to several places).

    fold = true                  # tower_1/w, w/replica_1, clone_1/w become w where their bytes are equal
    strip = "model/"             # a prefix, or a list of which the first that fits is taken off
    add = "net/"                 # a prefix for every name

    [[rule]]
    match = "bert/encoder/layer_{n:int}/attention/self/{proj}/kernel"
    to = "encoder.layers.{n}.attention.{proj}.kernel"
    transforms = [{reshape = [768, 12, 64]}]

    [[rule]]                     # several tensors that capture the same are joined
    match = ["cell_{n}/w_ih", "cell_{n}/w_hh"]
    to = "cells.{n+1}.kernel"
    transforms = [{concat = {axis = 0}}]

    [[rule]]
    regex = '(.*)/Adam(_1)?'     # for whole names; groups are {1}, {2} and {name}
    drop = true
    optional = true              # may match nothing

    [[rule]]                     # what the source lacks: 0, "zeros", "ones", or any value
    constant = 0
    to = "**/moving_mean"        # a place, or a pattern of places that are still empty

With a template a place is a checkpoint key, a path in its object graph (with dots or slashes), or a full
name; without one it is the name in the result, a constant states its `spec` ("float32[3]"), and names
that no rule takes keep theirs. Patterns are described in `pattern.py`, transforms in `transforms/`. In
short form, for a command line, a rule is `pattern -> place`, `pattern ->` to drop, or
`re:EXPRESSION -> place`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from migration.errors import InputError
from migration.planning.plan_file import read_text
from migration.planning.rules import applying, mapping_file
from migration.planning.rules.folding import Same
from migration.planning.rules.reading import ARROW, parse_short, read_rules
from migration.planning.rules.result import RuleResult
from migration.planning.rules.rule import Rule, Shortcuts, rename
from migration.planning.targets import Target
from migration.tensors import TensorSpec

__all__ = ["Rule", "RuleResult", "Rules", "Shortcuts", "apply_rules", "read_mapping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """An ordered set of rules with its shortcuts. Called with a name, it gives the name that it becomes."""

    rules: tuple[Rule, ...]
    shortcuts: Shortcuts = field(default_factory=Shortcuts)

    @classmethod
    def from_toml(cls, content: str, where: str) -> Rules:
        """The rules of a rule file's text; `where` names it in errors.

        Raises PlanError with every problem, each with its line.
        """
        rules, shortcuts = read_rules(content, where)
        return cls(rules=rules, shortcuts=shortcuts)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Rules:
        """The rules in a file. Raises InputError where it cannot be read, PlanError where it is wrong."""
        return cls.from_toml(read_text(path), os.fspath(path))

    @classmethod
    def parse(cls, rules: str | Iterable[str]) -> Rules:
        """Rules in short form, one a line or an item; see the module. Raises PlanError for what is none."""
        lines = rules.splitlines() if isinstance(rules, str) else list(rules)
        return cls(rules=parse_short([line for line in lines if line.strip()]))

    @classmethod
    def of(cls, thing: Rules | str | os.PathLike[str] | Iterable[str] | Mapping[str, str]) -> Rules:
        """Rules as they are, of a rule file's path or text, of short forms, or of a mapping of names."""
        if isinstance(thing, Rules):
            return thing
        if isinstance(thing, Mapping):
            return cls.parse(f"{_literal(name)} {ARROW} {_literal(place)}" for name, place in thing.items())
        if not isinstance(thing, str):
            return cls.read(thing) if isinstance(thing, os.PathLike) else cls.parse(thing)
        if "[[" in thing or ("\n" in thing and ARROW not in thing):
            return cls.from_toml(thing, "rules")
        return cls.parse(thing) if ARROW in thing and not os.path.exists(thing) else cls.read(thing)

    def rename(self, name: str) -> str | None:
        """What a name becomes; the name itself where no rule takes it, None where one drops it.

        Rules that join several tensors, and folding, do not show in a name by itself.
        """
        return rename(self.rules, self.shortcuts, name)

    def __call__(self, name: str) -> str | None:
        return self.rename(name)


def _literal(text: str) -> str:
    if ARROW in text or text != text.strip() or not text:
        raise InputError(f"{text!r} cannot stand in a rule of short form: write a rule file")
    return "".join(f"\\{letter}" if letter in "\\{}*" else letter for letter in text)


def apply_rules(
    rules: Rules,
    specs: Mapping[str, TensorSpec],
    targets: Sequence[Target] | None,
    *,
    same: Same | None = None,
) -> RuleResult:
    """What rules make of a source's tensors, onto a template's targets or, with None, into names.

    `same(key, other)` tells whether two tensors are equal in every byte: only folding asks. Raises
    InputError where folding is asked for without it. What is wrong stands in the result's `problems`.
    """
    return applying.apply_rules(rules.rules, rules.shortcuts, specs, targets, same)


def read_mapping(path: str | os.PathLike[str]) -> dict[str, str]:
    """The names and places in a mapping file, TOML or JSON.

    Raises InputError where it cannot be read, PlanError with every problem and its line.
    """
    return mapping_file.read_mapping(read_text(path), os.fspath(path))
