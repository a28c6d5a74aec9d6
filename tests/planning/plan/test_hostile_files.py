"""Plans, rules, mappings, manifests and configs that nobody wrote, found by fuzzing: each is refused."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migration.config import Config, ConfigError
from migration.errors import FormatError, PlanError
from migration.planning.manifest import Manifest
from migration.planning.packed import ALWAYS, packed, unpacked
from migration.planning.plan import Plan, Source, SourceSignature, Step
from migration.planning.plan_file import from_toml, to_toml
from migration.planning.rules import Rules, apply_rules
from migration.planning.rules.mapping_file import read_mapping
from migration.planning.toml_parser import MOST_DEEP, bounded, parse_toml
from migration.planning.transforms import Constant, TransformError, from_table
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

FLOATS = TensorSpec(DType.FLOAT32, (2,))
PLAN = Plan(
    to="name",
    source=SourceSignature(specs={"w": FLOATS, "lost": FLOATS}),
    steps=(Step(target="w", spec=FLOATS, sources=(Source(key="w"),)),),
)
HUGE = "0x" + "f" * 5000
LONG = "9" * 5000


def bomb(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content * (ALWAYS // len(content) * 16), 9)).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"float32[2]"', f'"float32[{LONG}]"'),
        ('"float32[2]"', '"float32[٣]"'),
        ('"float32[2]"', '"float32[4294967296, 4294967296]"'),
        ('"float32[2]"', '"float32[' + "1, " * 300 + '1]"'),
        ('spec = "float32[2]"', f"spec = {HUGE}"),
        ('origin = "mapping"', f"reason = {HUGE}"),
        ('origin = "mapping"', f'partitions = ["0,{LONG}"]'),
        ('origin = "mapping"', 'partitions = ["0,3"]'),
        ('origin = "mapping"', 'partitions = ["0,1:0,1"]'),
        ("[source.tensors]", '[source.partitions]\nw = ["1,2"]\n[source.tensors]'),
        ('origin = "mapping"', f"transforms = [{{scale = {LONG[:400]}}}]"),
        ('origin = "mapping"', f"transforms = [{{reshape = [{HUGE}]}}]"),
        ('origin = "mapping"', "transforms = [{constant = " + "[" * 200 + "]" * 200 + "}]"),
        ('origin = "mapping"', f'x = "a"\n[graph]\nresult = "{bomb(b"a")}"'),
    ],
)
def test_a_plan_is_refused_with_the_line(old: str, new: str) -> None:
    text = to_toml(PLAN)
    assert old in text
    with pytest.raises(PlanError) as raised:
        from_toml(text.replace(old, new, 1), "p.toml")
    assert len(str(raised.value)) < 10_000


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**30])
def test_a_constant_that_no_dtype_holds_is_refused(value: int) -> None:
    if abs(value) > 10**308:
        with pytest.raises(TransformError, match="no value of"):
            Constant(value).filled(FLOATS)
    else:
        assert Constant(value).apply([], FLOATS)[0] == np.float32(value)
    with pytest.raises(TransformError):
        from_table({"scale": {"factor": 10**400}})


@pytest.mark.parametrize("text", ["a{99999999999999999999999}", "(" * 3000, "(?P<é>", "a" * 800_000])
def test_an_expression_that_cannot_be_compiled_is_told(text: str) -> None:
    with pytest.raises(PlanError, match="no regular expression"):
        Rules.parse(f"re:{text} -> x")


def test_expressions_that_hang_are_not_tried_one_by_one() -> None:
    rules = Rules.parse([f"re:(a|aa|{number})+$ -> x" for number in range(40)])
    started = time.process_time()
    result = apply_rules(rules, {"a" * 200 + "c": FLOATS}, None)
    assert time.process_time() - started < 6.0
    assert any(problem.kind == "too slow" for problem in result.problems)


def test_a_mapping_with_a_number_too_long_to_be_read_is_refused() -> None:
    with pytest.raises(PlanError, match="too long"):
        read_mapping(f'{{"a": {LONG}}}', "m.json")


@pytest.mark.parametrize(
    "text",
    [
        '[paths]\noutput = "~\\u0000/x"',
        "a" + ".a" * 20_000 + " = 1",
        "[" * 100_000,
        "[migrate]\nx = " + "[" * 20_000,
        f"[migrate]\nthreads = {HUGE}",
        "[migrate]\nthreads = " + LONG,
    ],
)
def test_a_config_is_refused_soon(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError):
        Config.from_text(text, "c.toml")
    assert time.process_time() - started < 1.0


def test_nesting_is_counted_and_numbers_are_measured() -> None:
    deep: Any = 1
    for _ in range(MOST_DEEP):
        deep = [deep]
    assert bounded(deep) is deep
    with pytest.raises(ValueError, match="too deeply"):
        bounded([deep])
    assert parse_toml("x = 18446744073709551616") == {"x": 2**64}
    with pytest.raises(ValueError, match="digits"):
        parse_toml(f"x = {HUGE}")


def manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    table = json.loads(Manifest.of(PLAN, "sha256:0", lambda name: np.zeros(2, np.float32)).to_bytes())
    change(table)
    return json.dumps(table).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table["tensors"].update(w="no spec"),
        lambda table: table["tensors"].update(w=3),
        lambda table: table["partitions"].update(w="0,1"),
        lambda table: table["partitions"].update(w=["0,1:x"]),
        lambda table: table["kept"].update(lost={"re": 10**400, "im": 0}),
        lambda table: table["kept"].update(lost=None),
        lambda table: table["kept"].update(lost="text"),
        lambda table: table["kept"].update(lost=[[1.0], [2.0, 3.0]]),
        lambda table: table["kept"].update(lost=[1.0, 2.0, 3.0]),
        lambda table: table.update(plan=bomb(b"# \n")),
        lambda table: table.update(plan="é"),
    ],
)
def test_a_manifest_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(FormatError, match="manifest"):
        Manifest.from_bytes(manifest(change), None, "ckpt-1")


def test_the_manifest_of_these_tests_is_read() -> None:
    read = Manifest.from_bytes(manifest(lambda table: None), None, "ckpt-1")
    assert read.kept == {"lost": (0.0, 0.0)}
    assert {step.target for step in read.way_back().steps} == {"w", "lost"}


def test_what_is_packed_comes_back_and_a_bomb_does_not() -> None:
    for content in (b"", b"a", b"a" * ALWAYS * 9, bytes(range(256)) * 1000):
        assert unpacked(packed(content, 9)) == content
    with pytest.raises(ValueError, match="larger than anything real"):
        unpacked(bomb(b"a"))
    for text in ("AA=", "é", packed(b"abc", 1)[:-8], "AAAA"):
        with pytest.raises(ValueError):  # noqa: PT011 (of several kinds, each with its own text)
            unpacked(text)


def test_the_lines_of_many_wrong_entries_are_found_in_one_pass() -> None:
    text = "{" + ",\n".join(['"a": "b"'] * 20_000) + ',\n"c": 1}'
    started = time.process_time()
    with pytest.raises(PlanError) as raised:
        read_mapping(text, "m.json")
    assert time.process_time() - started < 2.0
    assert [raised.value.problems[at].where for at in (0, -1)] == ["m.json:2", "m.json:20001"]


def test_the_lines_of_many_unknown_keys_of_a_config_are_found_in_one_pass() -> None:
    text = "[paths]\n" + "".join(f"k{number} = 1\n" for number in range(20_000)) + "'q' = 2\n[x]\n"
    started = time.process_time()
    with pytest.raises(ConfigError) as raised:
        Config.from_text(text, "c.toml")
    assert time.process_time() - started < 3.0
    told = {str(problem).partition(":")[0] for problem in raised.value.problems}
    assert {"c.toml, line 2", "c.toml, line 20001", "c.toml, line 20002", "c.toml, line 20003"} <= told


@pytest.mark.parametrize(
    "line", ["a" * 80_000 + " = 1", '[["' + "a" * 80_000 + '"]]', "['" + "a" * 80_000 + "']"]
)
def test_a_very_long_key_is_told_in_linear_time(line: str) -> None:
    started = time.process_time()
    with pytest.raises(PlanError):
        Rules.from_toml(f'[[rule]]\nmatch = "a"\nto = "b"\n{line.format("a" * 80_000)}\n', "rules.toml")
    assert time.process_time() - started < 2.0
