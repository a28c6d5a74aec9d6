"""Very many names and rules, and rules that would hang: seconds."""

from __future__ import annotations

import time

from migration.planning.rules import Rules, apply_rules
from tests.planning.rules.test_rules import floats, target


def test_100_000_names_and_a_hundred_rules() -> None:
    names = {f"scope_{n % 7}/layer_{n}/sub/kernel": floats(2) for n in range(100_000)}
    rules = [f"scope_{n}x/layer_{{n}}/** -> x/{{n}}" for n in range(100)]
    rules += ["scope_{s}/layer_{n}/sub/{w} -> net/{n}/{w}", r"re:(a|aa)+$ -> b"]
    started = time.process_time()
    result = apply_rules(Rules.parse(rules), {**names, "a" * 200 + "c": floats(2)}, None)
    assert time.process_time() - started < 30
    assert len(result.steps) == 100_001
    assert [problem.kind for problem in result.errors] == ["too slow"]
    assert sum(problem.kind == "matched nothing" for problem in result.problems) == 100


def test_100_000_misses_are_told_in_bounded_time() -> None:
    names = {f"scope/layer_{n}/kernel": floats(2) for n in range(20_000)}
    targets = [target(f"net/{n}/w", floats(2)) for n in range(20_000)]
    started = time.process_time()
    result = apply_rules(Rules.parse(["scope/layer_{n}/kernel -> nett.{n}.w"]), names, targets)
    assert len(result.problems) == len(result.unfilled) == 20_000
    assert time.process_time() - started < 15
