"""Rules applied: onto a template, into names; what is told; and the files that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migration.errors import InputError, PlanError
from migration.planning.plan import Source
from migration.planning.rules import RuleResult, Rules, apply_rules, read_mapping
from migration.planning.targets import Target
from migration.planning.transforms import Cast, Concat, Constant, Reshape, Split, Transpose
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


def target(path: str, spec: TensorSpec, full_name: str = "", *more_paths: str) -> Target:
    key = f"{path}/.ATTRIBUTES/VARIABLE_VALUE"
    return Target(
        key=key,
        spec=spec,
        node=0,
        paths=(path, *more_paths),
        full_name=full_name,
        attribute="VARIABLE_VALUE",
        order=0,
    )


def key(path: str) -> str:
    return f"{path}/.ATTRIBUTES/VARIABLE_VALUE"


def named(result: RuleResult) -> dict[str, tuple[str, ...]]:
    """What each target is made of."""
    return {step.target: tuple(source.key for source in step.sources) for step in result.steps}


def told(result: RuleResult) -> list[tuple[str, str]]:
    return [(problem.kind, problem.message) for problem in result.problems]


BERT = """
[[rule]]
match = "bert/encoder/layer_{n}/attention/self/{proj}/kernel"
to = "encoder.layers.{n}.attention.{proj}.kernel"
transforms = [{reshape = [4, 2, 2]}]

[[rule]]
match = "**/Adam*"
drop = true

[[rule]]
constant = "zeros"
to = "**/seed"
"""


def test_onto_a_template() -> None:
    specs = {
        f"bert/encoder/layer_{n}/attention/self/{p}/kernel": floats(4, 4)
        for n in (0, 1)
        for p in ("query", "key")
    }
    specs |= {"bert/pooler/Adam_1": floats(1), "bert/pooler/w": floats(9)}
    targets = [
        target(f"encoder/layers/{n}/attention/{p}/kernel", floats(4, 2, 2))
        for n in (0, 1)
        for p in ("query", "key")
    ]
    targets += [target("dropout/seed", TensorSpec(DType.INT64, (2,))), target("pool/w", floats(9), "pool/w")]
    result = apply_rules(Rules.from_toml(BERT, "rules.toml"), specs, targets)
    assert result.problems == ()
    step = next(step for step in result.steps if step.target == key("encoder/layers/1/attention/key/kernel"))
    assert step.sources == (Source(key="bert/encoder/layer_1/attention/self/key/kernel"),)
    assert (step.transforms, step.spec, step.origin) == ((Reshape((4, 2, 2)),), floats(4, 2, 2), "rule")
    assert step.paths == ("encoder/layers/1/attention/key/kernel",)
    seed = next(step for step in result.steps if step.target == key("dropout/seed"))
    assert (seed.transforms, seed.spec) == ((Constant(0),), TensorSpec(DType.INT64, (2,)))
    assert [(left.key, left.reason) for left in result.drops] == [
        ("bert/pooler/Adam_1", "a rule drops it: drop **/Adam*")
    ]
    assert [(left.key, left.nearest) for left in result.unused] == [("bert/pooler/w", ("pool/w",))]
    assert [(left.key, left.nearest) for left in result.unfilled] == [(key("pool/w"), ("bert/pooler/w",))]


@pytest.mark.parametrize(
    "place", ["net/dense/kernel", "net.dense.kernel", "other/way", "dense_1/kernel", key("net/dense/kernel")]
)
def test_every_spelling_of_a_place(place: str) -> None:
    targets = [target("net/dense/kernel", floats(2), "dense_1/kernel", "other/way")]
    result = apply_rules(Rules.parse([f"w -> {place}"]), {"w": floats(2)}, targets)
    assert named(result) == {key("net/dense/kernel"): ("w",)}


def test_the_first_rule_that_matches_takes_the_name() -> None:
    rules = Rules.parse(["a/x -> first", "a/{n} -> rest/{n}", "** ->"])
    result = apply_rules(rules, {"a/x": floats(1), "a/y": floats(1), "b": floats(1)}, None)
    assert named(result) == {"first": ("a/x",), "rest/y": ("a/y",)}
    assert [left.key for left in result.drops] == ["b"]


def test_also_lets_one_tensor_go_to_several_places() -> None:
    text = """
    [[rule]]
    match = "cell/kernel"
    to = "cell.kernel"
    transforms = [{split = {axis = 0, sizes = [3, -1], index = 0}}]
    [[rule]]
    match = "cell/{x}"
    to = "cell.recurrent"
    transforms = [{split = {axis = 0, sizes = [3, -1], index = 1}}]
    also = true
    """
    targets = [target("cell/kernel", floats(3, 4)), target("cell/recurrent", floats(1, 4))]
    result = apply_rules(Rules.from_toml(text, "r"), {"cell/kernel": floats(4, 4)}, targets)
    assert result.problems == ()
    assert {step.target: step.transforms for step in result.steps} == {
        key("cell/kernel"): (Split(0, (3, -1), 0),),
        key("cell/recurrent"): (Split(0, (3, -1), 1),),
    }


JOIN = """
[[rule]]
match = ["cell_{n}/ih", "cell_{n}/hh"]
to = "cells.{n+1}.kernel"
transforms = [{concat = {axis = 0}}, {transpose = [1, 0]}]
"""


def test_names_that_capture_the_same_are_joined() -> None:
    specs = {
        "cell_0/hh": floats(1, 4),
        "cell_0/ih": floats(2, 4),
        "cell_1/hh": floats(1, 4),
        "cell_1/ih": floats(2, 4),
    }
    result = apply_rules(Rules.from_toml(JOIN, "r"), specs, None)
    assert named(result) == {
        "cells.1.kernel": ("cell_0/ih", "cell_0/hh"),
        "cells.2.kernel": ("cell_1/ih", "cell_1/hh"),
    }
    assert result.steps[0].transforms == (Concat(0), Transpose((1, 0)))
    assert result.steps[0].spec == floats(4, 3)


def test_a_join_that_lacks_a_partner_or_does_not_fit_is_told() -> None:
    specs = {"cell_0/ih": floats(2, 4), "cell_1/hh": floats(1, 4), "cell_1/ih": floats(2, 5)}
    result = apply_rules(Rules.from_toml(JOIN, "r"), specs, None)
    assert [problem.kind for problem in result.errors] == ["incomplete", "misfit"]
    assert "cell_0/ih: nothing matches 'cell_{n}/hh' with it" in result.problems[0].message
    assert "differ beside axis 0" in result.problems[1].message


def test_dtypes_are_cast_to_the_templates() -> None:
    targets = [target("w", TensorSpec(DType.BFLOAT16, (2,)))]
    (step,) = apply_rules(Rules.parse(["v -> w"]), {"v": floats(2)}, targets).steps
    assert (step.transforms, step.spec) == ((Cast(DType.BFLOAT16),), targets[0].spec)
    assert "float32 becomes bfloat16" in step.reason


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = """
    [[rule]]
    match = "a/{n}"
    to = "same"
    [[rule]]
    match = "abscent/**"
    drop = true
    [[rule]]
    match = "turned"
    to = "t"
    [[rule]]
    match = "lost"
    to = "nowhere/kernel"
    [[rule]]
    match = "two"
    to = "twin"
    [[rule]]
    match = "text"
    to = "number"
    [[rule]]
    constant = 0.5
    to = "count"
    [[rule]]
    constant = 1
    to = "gone"
    [[rule]]
    match = "idle"
    to = "x"
    optional = true
    """
    specs = {
        "a/1": floats(1),
        "a/2": floats(1),
        "absent/x": floats(1),
        "turned": floats(2, 3),
        "lost": floats(5),
        "two": floats(1),
        "text": TensorSpec(DType.STRING, ()),
    }
    targets = [
        target("same", floats(1)),
        target("t", floats(3, 2)),
        target("somewhere/kernel", floats(5)),
        target("x/1", floats(1), "twin"),
        target("x/2", floats(1), "twin"),
        target("number", floats()),
        target("count", TensorSpec(DType.INT64, ())),
    ]
    result = apply_rules(Rules.from_toml(text, "r.toml"), specs, targets)
    assert {problem.where for problem in result.problems} == {
        f"r.toml:{n}" for n in (2, 5, 8, 11, 14, 17, 20, 23)
    }
    by_line = {problem.where: problem for problem in result.problems}
    assert by_line["r.toml:2"].kind == "collision"
    assert "a/1 and a/2 would both become" in by_line["r.toml:2"].message
    assert by_line["r.toml:5"].kind == "matched nothing"
    assert "absent/x float32[1]" in by_line["r.toml:5"].message
    assert "transforms = [{transpose = [1, 0]}] would fit" in by_line["r.toml:8"].message
    assert "nearest: somewhere/kernel float32[5]" in by_line["r.toml:11"].message
    assert by_line["r.toml:14"].kind == "ambiguous"
    assert "those dtypes are not cast" in by_line["r.toml:17"].message
    assert "0.5 is no value of int64" in by_line["r.toml:20"].message
    assert "the template has no 'gone'" in by_line["r.toml:23"].message
    assert [left.key for left in result.unused] == ["absent/x"]  # of the others a rule spoke
    assert len(result.unfilled) == 6
    assert [problem for problem in result.errors if problem.kind == "matched nothing"] == []


def test_renaming_keeps_what_no_rule_takes() -> None:
    result = apply_rules(Rules.parse(["a -> b"]), {"a": floats(1), "c": floats(2)}, None)
    assert named(result) == {"b": ("a",), "c": ("c",)}
    assert (result.problems, result.unused) == ((), ())


def test_a_name_that_stays_in_the_way_is_a_collision() -> None:
    result = apply_rules(Rules.parse(["a -> b"]), {"a": floats(1), "b": floats(2)}, None)
    assert told(result) == [("collision", "a and b would both become 'b' (taken by rule 1)")]


def test_names_can_be_swapped() -> None:
    result = apply_rules(Rules.parse(["a -> b", "b -> a"]), {"a": floats(1), "b": floats(2)}, None)
    assert named(result) == {"b": ("a",), "a": ("b",)}


def test_prefixes_come_off_and_on_before_the_rules() -> None:
    text = """
    strip = ["old/", "very/"]
    add = "new/"
    [[rule]]
    match = "new/w"
    to = "weight"
    """
    specs = {"old/w": floats(1), "very/old/b": floats(2), "c": floats(3)}
    result = apply_rules(Rules.from_toml(text, "r"), specs, None)
    assert named(result) == {"weight": ("old/w",), "new/old/b": ("very/old/b",), "new/c": ("c",)}
    assert result.renamed == {"very/old/b": "new/old/b", "c": "new/c"}


def test_prefixes_alone_can_find_the_template() -> None:
    targets = [target("dense/kernel", floats(2)), target("dense/bias", floats(3))]
    specs = {"model/dense/kernel": floats(2), "model/dense/bias": floats(4), "model/x": floats(1)}
    result = apply_rules(Rules.from_toml('strip = "model/"', "r"), specs, targets)
    assert named(result) == {key("dense/kernel"): ("model/dense/kernel",)}
    assert {left.key for left in result.unused} == {"model/dense/bias", "model/x"}


def test_equal_copies_are_folded() -> None:
    values: dict[str, Any] = {
        "tower_1/w": 1,
        "tower_0/w": 1,
        "tower_10/w": 1,
        "tower_0/b": 1,
        "tower_1/b": 2,
        "k": 3,
        "k/replica_1": 3,
        "clone_1/only": 4,
        "s/tower_0/replica_1/x": 5,
        "s/tower_1/replica_0/x": 5,
    }
    specs = {name: floats(1) for name in values}
    asked: list[tuple[str, str]] = []

    def same(first: str, second: str) -> bool:
        asked.append((first, second))
        return bool(values[first] == values[second])

    result = apply_rules(Rules.from_toml("fold = true", "r"), specs, None, same=same)
    assert named(result) == {
        "w": ("tower_0/w",),
        "tower_0/b": ("tower_0/b",),
        "tower_1/b": ("tower_1/b",),
        "k": ("k",),
        "clone_1/only": ("clone_1/only",),
        "s/x": ("s/tower_0/replica_1/x",),
    }
    assert {left.key: left.reason for left in result.drops} == {
        "tower_1/w": "equal to tower_0/w, folded",
        "tower_10/w": "equal to tower_0/w, folded",
        "k/replica_1": "equal to k, folded",
        "s/tower_1/replica_0/x": "equal to s/tower_0/replica_1/x, folded",
    }
    assert any("tower_0/b" in note and "differ" in note for note in result.notes)
    assert len(asked) == 5


def test_folding_needs_the_bytes_and_equal_specs() -> None:
    rules = Rules.from_toml('fold = ["gpu"]', "r")
    with pytest.raises(InputError, match="compares their bytes"):
        apply_rules(rules, {"gpu_0/w": floats(1)}, None)
    specs = {"gpu_0/w": floats(1), "gpu_1/w": floats(2), "tower_0/w": floats(1), "tower_1/w": floats(1)}
    result = apply_rules(rules, specs, None, same=lambda first, second: True)
    assert set(named(result)) == set(specs)


def test_constants() -> None:
    text = """
    [[rule]]
    match = "w"
    to = "bn/gamma"
    [[rule]]
    constant = "ones"
    to = "**/gamma"
    [[rule]]
    constant = 0
    to = "bn.moving_{x}"
    """
    targets = [
        target(path, floats(2)) for path in ("bn/gamma", "bn2/gamma", "bn/moving_mean", "bn/moving_variance")
    ]
    result = apply_rules(Rules.from_toml(text, "r"), {"w": floats(2)}, targets)
    assert result.problems == ()
    assert {step.target: step.transforms for step in result.steps} == {
        key("bn/gamma"): (),
        key("bn2/gamma"): (Constant(1),),
        key("bn/moving_mean"): (Constant(0),),
        key("bn/moving_variance"): (Constant(0),),
    }
    assert {step.origin for step in result.steps} == {"rule", "constant"}


def test_a_constant_without_a_template_states_its_spec() -> None:
    text = '[[rule]]\nconstant = 7\nto = "global_step"\nspec = "int64[]"'
    (step,) = apply_rules(Rules.from_toml(text, "r"), {}, None).steps
    assert (step.target, step.spec, step.transforms) == (
        "global_step",
        TensorSpec(DType.INT64, ()),
        (Constant(7),),
    )
    result = apply_rules(Rules.from_toml('[[rule]]\nconstant = 7\nto = "s"', "r"), {}, None)
    assert told(result) == [("misfit", "s: without a template a constant needs its spec")]


@pytest.mark.parametrize("prefix", ["model", "model/"])
def test_a_scope_is_stripped_with_its_slash(prefix: str) -> None:
    rules = Rules.from_toml(f'strip = "{prefix}"\nadd = "net/"', "r")
    assert rules("model/w") == "net/w"
    assert rules("other/w") == "net/other/w"


# Files and short forms -----------------------------------------------------------------------------------

FAULTS = [
    ("strp = 1", 1, "unknown key 'strp'; did you mean 'strip'"),
    ("strip = 1", 1, "strip = 1: a string or a list of strings"),
    ("add = []", 1, "add = .*: a string"),
    ('fold = "x"', 1, "fold = 'x': a list of strings"),
    ("rule = 1", 1, r"under \[\[rule\]\]"),
    ('[[rule]]\nmatch = "a**"\nto = "b"', 2, "whole parts"),
    ('[[rule]]\nmatch = "a"\nto = "{"', 3, "does not belong"),
    ('[[rule]]\nmatch = "a"\nto = "{n}"', 3, "nothing captures n"),
    ('[[rule]]\nmatch = "a"', 2, "goes somewhere"),
    ('[[rule]]\nmatch = "a"\nto = "b"\ndrop = true', 4, "goes somewhere"),
    ('[[rule]]\nmatch = "a"\nregex = "a"\nto = "b"', 3, "either match or regex"),
    ('[[rule]]\nto = "b"', 2, "needs match, regex or constant"),
    ('[[rule]]\nregex = "(a"\nto = "b"', 2, "is no regular expression"),
    ('[[rule]]\nmatch = "a"\ndrop = 1', 3, "true or false"),
    ('[[rule]]\nmatch = "a"\ndrop = true\ntransforms = [{scale = 2.0}]', 4, "not transformed"),
    ('[[rule]]\nmatch = "a"\nto = "b"\ntransforms = [{scale = "x"}]', 4, "a number is wanted"),
    ('[[rule]]\nmatch = "a"\nto = "b"\ntransforms = [{turn = 1}]', 4, "unknown transform 'turn'"),
    ('[[rule]]\nmatch = "a"\nto = "b"\nspec = "float32[]"', 4, "spec belongs to a constant"),
    ('[[rule]]\nmatch = ["a{n}", "b"]\nto = "b"', 2, "must capture the same names"),
    ('[[rule]]\nmatch = ["a", "b"]\nto = "b"', 2, "a transform that joins"),
    ("[[rule]]\nconstant = 1", 2, "needs the place"),
    ('[[rule]]\nconstant = 1\nto = "a"\nmatch = "b"', 4, "a constant has no match"),
    ('[[rule]]\nconstant = [1, [2]]\nto = "a"', 2, "ragged"),
    ('[[rule]]\nconstant = 1\nto = "a**"', 3, "whole parts"),
    ('[[rule]]\nconstant = 1\nto = "a"\nspec = "float"', 4, "a dtype and a shape"),
    ('[[rule]]\nconstant = 300\nto = "a"\nspec = "int8[2]"', 2, "300 is no value of int8"),
    ('[[rule]]\nmatch = 3\nto = "a"', 2, "a string or a list of strings"),
    ("[[rule]\n", 1, "Expected"),
]


@pytest.mark.parametrize(("text", "line", "message"), FAULTS)
def test_faults_of_a_file_are_told_with_their_line(text: str, line: int, message: str) -> None:
    with pytest.raises(PlanError, match=rf"(?m)^  r\.toml:{line}: .*{message}"):
        Rules.from_toml(text, "r.toml")


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = "\n".join(fault for fault, _, _ in FAULTS if fault.startswith("[[rule]]"))
    with pytest.raises(PlanError) as caught:
        Rules.from_toml(text, "r.toml")
    assert len(caught.value.problems) >= 20


def test_a_rule_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(BERT)
    assert len(Rules.read(tmp_path / "r.toml").rules) == 3
    with pytest.raises(InputError, match="cannot be read"):
        Rules.read(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("rules", "name", "renamed"),
    [
        (["a/{n} -> b.{n}"], "a/1", "b.1"),
        (["a/{n} -> b.{n}"], "c", "c"),
        (["opt/** ->"], "opt/x", None),
        ([r"re:(.*)/w -> {1}/kernel"], "x/w", "x/kernel"),
        ("a -> b\n\nb -> c", "b", "c"),
        (["a->b -> c"], "a->b", "c"),
    ],
)
def test_short_forms_rename(rules: Any, name: str, renamed: str | None) -> None:
    assert Rules.parse(rules)(name) == renamed


@pytest.mark.parametrize("rule", ["a", "-> b", "a* b", "{n} -> {m}", "re:( -> b", "a** -> b"])
def test_what_is_no_short_form(rule: str) -> None:
    with pytest.raises(PlanError, match=r"(?s)cannot be used.*rule 2: "):
        Rules.parse(["a -> b", rule])


def test_rules_of_anything(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[[rule]]\nmatch = "a"\nto = "b"')
    for thing in [path, str(path), path.read_text(), "a -> b", ["a -> b"], {"a": "b"}, Rules.parse("a -> b")]:
        assert Rules.of(thing).rename("a") == "b"
    assert Rules.of({"a*{": "b{1}"}).rename("a*{") == "b{1}"
    with pytest.raises(InputError, match="write a rule file"):
        Rules.of({"a -> b": "c"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.toml", '"a/b" = "c.d"\nx = "y"\ne.f = "g"\n'),
        ("m.json", '{"a/b": "c.d", "x": "y", "e.f": "g"}'),
        ("mapping", ' {"a/b": "c.d", "x": "y", "e.f": "g"}'),
    ],
)
def test_a_mapping_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_mapping(tmp_path / name) == {"a/b": "c.d", "x": "y", "e.f": "g"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "m.toml",
            'a = "b"\nc = 1\nd = ["e"]\n',
            [r"m.toml:2: 'c' goes to 1", r"m.toml:3: 'd' goes to \['e'\]"],
        ),
        ("m.toml", 'a = "b"\na = "c"\n', ["m.toml:2: Cannot overwrite"]),
        ("m.toml", 'a.b = "c"\n"a.b" = "d"\n', ["m.toml:2: 'a.b' stands there twice"]),
        (
            "m.json",
            '{"a": "b",\n "a": "c",\n "d": null,\n "e": {"f": "g"}}',
            [":2: 'a' stands", ":3: 'd' goes", ":4: 'e'"],
        ),
        ("m.json", '{"a": "b",\n}', [r"m.json:2: "]),
        ("m.json", '["a"]', ["m.json:1: an object of names"]),
        ("m.json", "{" + '"a":{' * 100_000, ["deeply|Expecting"]),
    ],
)
def test_faults_of_a_mapping_are_told_with_their_line(
    tmp_path: Path, name: str, text: str, told: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PlanError) as caught:
        read_mapping(tmp_path / name)
    for message in told:
        caught.match(message)
