"""A rule file's tables, and rules in short form, as values; every fault is told with its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from migration.errors import InputError, PlanError, Problem
from migration.planning.document import read_document
from migration.planning.fields import Findings, WrongValueError, flag, spec, text, texts, transforms
from migration.planning.rules.folding import KINDS
from migration.planning.rules.pattern import Expression, Matcher, Pattern, Wording
from migration.planning.rules.rule import Rule, Shortcuts
from migration.planning.transforms import Constant, TransformError, from_table

T = TypeVar("T")
TOP_KEYS = ("strip", "add", "fold", "rule")
RULE_KEYS = ("match", "regex", "to", "drop", "transforms", "constant", "spec", "also", "optional")
ARROW = "->"


def read_rules(content: str, where: str) -> tuple[tuple[Rule, ...], Shortcuts]:
    """The rules and shortcuts of a rule file's text. Raises PlanError with every problem and its line."""
    findings = Findings(read_document(content, where))
    values = findings.document.values
    findings.check_keys(values, TOP_KEYS)
    shortcuts = Shortcuts(
        fold=findings.read(values, _fold, (), "fold"),
        strip=findings.read(values, _some_texts, (), "strip"),
        add=findings.read(values, text, "", "add"),
    )
    rules = tuple(_rule(findings, table, number) for number, table in findings.tables("rule"))
    findings.raise_if_any(f"{where}: these rules cannot be used")
    return rules, shortcuts


def _rule(findings: Findings, table: Mapping[str, Any], number: int) -> Rule:
    at = ("rule", number)
    before = len(findings.problems)
    findings.check_keys(table, RULE_KEYS, *at)
    matchers: tuple[Matcher, ...] = findings.read(table, _patterns, (), *at, "match")
    matchers += findings.read(table, _expressions, (), *at, "regex")
    rule = Rule(
        place=findings.document.place(*at),
        matchers=matchers,
        to=findings.read(table, _places if "constant" in table else _wording, None, *at, "to"),
        drop=findings.read(table, flag, False, *at, "drop"),
        transforms=findings.read(table, transforms, (), *at, "transforms"),
        constant=findings.read(table, _constant(table), None, *at, "constant"),
        spec=findings.read(table, spec, None, *at, "spec"),
        also=findings.read(table, flag, False, *at, "also"),
        optional=findings.read(table, flag, False, *at, "optional"),
    )
    if len(findings.problems) == before:
        for message, key in _contradictions(rule, table):
            findings.tell("rule", message, *at, key)
    return rule


def _contradictions(rule: Rule, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What does not go together in a rule, each with the key to blame."""
    found: list[tuple[str, str]] = []
    if "match" in table and "regex" in table:
        found.append(("a rule has either match or regex", "regex"))
    if rule.constant is not None:
        if rule.to is None:
            found.append(("a constant needs the place it goes to: write `to`", "constant"))
        found += [
            (f"a constant has no {key}", key)
            for key in ("match", "regex", "drop", "transforms")
            if key in table
        ]
        return found + _unfitting(rule)
    if not rule.matchers:
        found.append(("a rule needs match, regex or constant", "to"))
    if rule.drop == (rule.to is not None):
        found.append(
            ("a rule either goes somewhere (to) or drops (drop = true)", "drop" if rule.drop else "match")
        )
    if rule.drop and rule.transforms:
        found.append(("what is dropped is not transformed", "transforms"))
    if "spec" in table:
        found.append(("spec belongs to a constant; elsewhere it follows from the source", "spec"))
    return found + _unknown_captures(rule)


def _unfitting(rule: Rule) -> list[tuple[str, str]]:
    """What keeps a constant from being of the spec that is written with it."""
    try:
        if rule.constant is not None and rule.spec is not None:
            rule.constant.filled(rule.spec)
    except TransformError as error:
        return [(str(error), "constant")]
    return []


def _unknown_captures(rule: Rule) -> list[tuple[str, str]]:
    if len(rule.matchers) > 1 and len({matcher.captures for matcher in rule.matchers}) > 1:
        return [
            ("all of a rule's patterns must capture the same names: that is how they find together", "match")
        ]
    if len(rule.matchers) > 1 and not rule.transforms:
        return [("several tensors become one only through a transform that joins them", "match")]
    known = rule.matchers[0].captures if rule.matchers else frozenset()
    unknown = sorted(rule.to.captures - known) if rule.to else []
    return [(f"nothing captures {', '.join(unknown)}", "to")] if unknown and rule.matchers else []


def _of(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse`, its refusal as that of a value."""

    def read(value: str) -> T:
        try:
            return parse(value)
        except InputError as error:
            raise WrongValueError(str(error)) from None

    return read


def _some_texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (str, list)):
        raise WrongValueError("a string or a list of strings is wanted")
    return (value,) if isinstance(value, str) else texts(value)


def _patterns(value: Any) -> tuple[Matcher, ...]:
    return tuple(map(_of(Pattern.parse), _some_texts(value)))


def _expressions(value: Any) -> tuple[Matcher, ...]:
    return tuple(map(_of(Expression.parse), _some_texts(value)))


def _wording(value: Any) -> Wording:
    return _of(Wording.parse)(text(value))


def _places(value: Any) -> Wording:
    """A pattern of places, as it stands."""
    pattern = _of(Pattern.parse)(text(value))
    return Wording(pattern.text, pattern.captures, ((pattern.text, "", 0),))


def _fold(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return KINDS if value else ()
    return texts(value)


def _constant(table: Mapping[str, Any]) -> Callable[[Any], Constant]:
    def read(value: Any) -> Constant:
        named = {"zeros": 0, "ones": 1}.get(value, value) if isinstance(value, str) else value
        made = from_table({"constant": named if not isinstance(value, dict) else {"value": value}})
        if not isinstance(made, Constant):
            raise TransformError("constant: a value is wanted")
        made.output(())
        return made

    return read


def parse_short(lines: Sequence[str]) -> tuple[Rule, ...]:
    """Rules in short form: `a/{n} -> b.{n}`, `a/** ->` to drop, `re:EXPRESSION -> {1}`.

    Raises PlanError with every one that is none.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        place = f"rule {number}"
        try:
            rules.append(_short(line, place))
        except InputError as error:
            problems.append(Problem(kind="rule", where=place, message=str(error)))
    if problems:
        raise PlanError("these rules cannot be used", problems)
    return tuple(rules)


def _short(line: str, place: str) -> Rule:
    start, arrow, end = (part.strip() for part in line.rpartition(ARROW))
    if not arrow or not start:
        raise InputError(f"{line!r}: write `pattern -> place`, or `pattern ->` to drop what it matches")
    expression = start.removeprefix("re:")
    matcher: Matcher = Expression.parse(expression) if expression != start else Pattern.parse(start)
    rule = Rule(place=place, matchers=(matcher,), to=Wording.parse(end) if end else None, drop=not end)
    for message, _ in _contradictions(rule, {}):
        raise InputError(f"{line!r}: {message}")
    return rule
