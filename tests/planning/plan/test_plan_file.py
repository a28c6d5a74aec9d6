"""The plan file: read and written it is the same plan; edited, every fault is told with its line."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migration.errors import InputError, PlanError, TargetError
from migration.formats.object_graph import Attribute, Child, Node, ObjectGraph
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.plan import (
    Confidence,
    Left,
    Plan,
    Source,
    SourceSignature,
    Step,
    TemplateReference,
)
from migration.planning.plan_file import from_toml, read_plan, to_toml, write_plan
from migration.planning.transforms import Concat, Constant, Scale, Transpose
from migration.tensors import DType, TensorSpec
from tests.planning.tensors import DECODABLE, SPECS, invertible_plans

pytestmark = pytest.mark.quick

# Names as files hold them: any text, and lone surrogates for bytes that are no UTF-8.
NAMES = st.text(st.characters(), min_size=0, max_size=10)
LEFTS = st.builds(
    Left,
    key=NAMES,
    spec=st.builds(TensorSpec, st.sampled_from(list(DType)), st.just((2,))),
    reason=NAMES,
    nearest=st.lists(NAMES, max_size=2).map(tuple),
    paths=st.lists(NAMES, max_size=2).map(tuple),
    full_name=NAMES,
    equal_to=NAMES,
)


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


def slices_of(spec: TensorSpec) -> tuple[TensorSlice, ...]:
    return (TensorSlice.whole(len(spec.shape)), TensorSlice((0,) * len(spec.shape), spec.shape))


@st.composite
def decorated(draw: st.DrawFn, step: Step) -> Step:
    """The step with everything that a step may carry beside its work."""
    step = replace(
        step,
        origin=draw(NAMES),
        reason=draw(NAMES),
        confidence=draw(st.sampled_from(Confidence)),
        candidates=tuple(draw(st.lists(NAMES, max_size=2))),
        paths=tuple(draw(st.lists(NAMES, max_size=2))),
        full_name=draw(NAMES),
        partitions=draw(st.sampled_from([None, (), slices_of(step.spec)])),
    )
    undecided = step.confidence is Confidence.UNDECIDED and draw(st.booleans())
    return replace(step, sources=(), transforms=()) if undecided else step


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan under random names, with left-overs, notes, constants, graphs and a template."""
    plan = draw(invertible_plans())
    keys = list(plan.source.specs)
    names = draw(st.lists(NAMES, min_size=len(keys), max_size=len(keys), unique=True))
    renamed = dict(zip(keys, names, strict=True))
    steps = [
        replace(step, sources=tuple(replace(source, key=renamed[source.key]) for source in step.sources))
        for step in plan.steps
    ]
    more = draw(SPECS.filter(lambda spec: spec.dtype is not DType.STRING))
    steps.append(Step(target="constant", spec=more, transforms=(Constant(draw(st.sampled_from([0, 1]))),)))
    steps.append(Step(target="seed", spec=more, sources=(Source(key="seed", template=True),)))
    steps = [draw(decorated(step)) for step in steps]
    specs = {renamed[key]: spec for key, spec in plan.source.specs.items()}
    nodes = (
        Node(children=(Child("é.", 1),)),
        Node(attributes=tuple(Attribute("V", step.full_name, step.target) for step in steps)),
    )
    graph = draw(st.sampled_from([None, ObjectGraph(nodes) if encodable(steps) else None]))
    apart = LEFTS.map(lambda left: replace(left, key=f"apart/{left.key}"))  # a used tensor is not unused
    return Plan(
        to=draw(st.sampled_from(["object", "name", "rename"])),
        source=SourceSignature(
            specs=specs,
            partitions={name: slices_of(spec) for name, spec in specs.items() if draw(st.booleans())},
            graph=draw(st.sampled_from([None, graph])),
        ),
        steps=tuple(steps),
        drops=tuple(draw(st.lists(LEFTS, max_size=2))),
        unused=tuple(draw(st.lists(apart, max_size=2))),
        unfilled=tuple(draw(st.lists(apart, max_size=2))),
        notes=tuple(draw(st.lists(NAMES, max_size=2))),
        graph=graph,
        template=draw(st.sampled_from([None, TemplateReference(path="/x/y", digest="sha256:0")])),
    )


def encodable(steps: list[Step]) -> bool:
    """A graph is protobuf: its strings are Unicode text."""
    try:
        return all(step.full_name.encode() is not None for step in steps)
    except UnicodeEncodeError:
        return False


@settings(max_examples=80)
@given(plans())
def test_read_and_written_is_the_same_plan(plan: Plan) -> None:
    text = to_toml(plan)
    text.encode()  # a file is UTF-8 whatever the names are
    read = from_toml(text, "plan.toml")
    assert read == plan
    assert list(read.source.specs) == list(plan.source.specs)
    assert to_toml(read) == text


@pytest.mark.parametrize("dtype", DECODABLE, ids=str)
def test_every_dtype_is_written(dtype: DType) -> None:
    plan = Plan(to="name", source=SourceSignature(specs={"w": TensorSpec(dtype, (2, 0))}), steps=())
    assert f'w = "{dtype}[2, 0]"' in to_toml(plan)
    assert from_toml(to_toml(plan), "p") == plan


def test_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("something else")
    write_plan(PLAN, path)
    assert read_plan(path) == PLAN
    assert os.listdir(tmp_path) == ["plan.toml"]  # what was written aside is gone
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n"), newline="")
    assert read_plan(path) == PLAN  # as an editor elsewhere may leave it


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read: No such file"):
        read_plan(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(PlanError, match="byte 5 is no UTF-8"):
        read_plan(tmp_path / "binary.toml")
    with pytest.raises(TargetError, match=r"gone/plan\.toml: cannot be written"):
        write_plan(PLAN, tmp_path / "gone" / "plan.toml")


# What a person sees and edits ----------------------------------------------------------------------------

GRAPH = ObjectGraph(
    (
        Node(children=(Child("dense", 1),)),
        Node(
            attributes=(
                Attribute("V", "dense/kernel", "dense/kernel/V"),
                Attribute("B", "dense/bias", "dense/bias/V"),
            )
        ),
    )
)
PLAN = Plan(
    to="object",
    source=SourceSignature(specs={"w": floats(3, 4), "b": floats(4), "c": floats(4), "x": floats(1)}),
    steps=(
        Step(
            target="dense/kernel/V",
            spec=floats(4, 3),
            sources=(Source(key="w"),),
            transforms=(Transpose((1, 0)),),
            origin="rule",
            reason="w -> dense.kernel",
            paths=("dense/kernel",),
            full_name="dense/kernel",
        ),
        Step(
            target="dense/bias/V",
            spec=floats(4),
            sources=(Source(key="b"),),
            origin="matching",
            confidence=Confidence.UNDECIDED,
            candidates=("b", "c"),
        ),
    ),
    unused=(Left(key="b", spec=floats(4)), Left(key="c", spec=floats(4)), Left(key="x", spec=floats(1))),
    graph=GRAPH,
)


def test_the_file_reads_like_this() -> None:
    text = to_toml(PLAN)
    assert "1 certain, 1 undecided, 3 unused." in text.partition("format = 1")[0]
    assert (
        """\
[[step]]
target = "dense/kernel/V"
spec = "float32[4, 3]"
paths = ["dense/kernel"]
full_name = "dense/kernel"
sources = ["w"]
transforms = [{transpose = [1, 0]}]
confidence = "certain"
origin = "rule"
reason = "w -> dense.kernel"

[[step]]
target = "dense/bias/V"
spec = "float32[4]"
sources = []
proposed = ["b"]
candidates = ["b", "c"]
confidence = "undecided"
origin = "matching"
"""
        in text
    )
    assert text.rstrip().rpartition("\n")[2].startswith('result = "')  # the long line stands last


def edited(old: str, new: str, plan: Plan = PLAN) -> str:
    text = to_toml(plan)
    head, _, body = text.partition("format = 1")  # its comment speaks of tables and keys as well
    body = f"format = 1{body}"
    assert old in body
    return head + body.replace(old, new, 1)


def test_a_choice_decides_an_undecided_step() -> None:
    plan = from_toml(edited("sources = []", 'sources = ["c"]'), "p")
    step = plan.steps[1]
    assert (step.sources, step.confidence, step.origin) == ((Source(key="c"),), Confidence.CERTAIN, "review")
    assert [left.key for left in plan.unused] == ["b", "x"]


@pytest.mark.parametrize("said", ["certain", "likely"])
def test_another_confidence_accepts_what_is_proposed(said: str) -> None:
    plan = from_toml(edited('confidence = "undecided"', f'confidence = "{said}"'), "p")
    assert plan.steps[1].sources == (Source(key="b"),)
    assert plan.steps[1].confidence is Confidence(said)
    assert [left.key for left in plan.unused] == ["c", "x"]


def test_an_unused_tensor_is_dropped_by_its_header() -> None:
    plan = from_toml(edited('[[unused]]\nkey = "x"', '[[drop]]\nkey = "x"'), "p")
    assert [left.key for left in plan.drops] == ["x"]


def test_a_deleted_step_leaves_its_tensors_over() -> None:
    start, step, rest = to_toml(replace(PLAN, graph=None)).partition('[[step]]\ntarget = "dense/kernel/V"')
    text = start + rest[rest.index("[[step]]") :]
    assert step
    plan = from_toml(text, "p")
    assert [left.key for left in plan.unused] == ["b", "c", "x", "w"]
    with pytest.raises(PlanError, match="'dense/kernel/V' has no step any more"):
        from_toml(text + to_toml(PLAN)[to_toml(PLAN).index("[graph]") :], "p")


def test_a_step_by_hand_needs_little() -> None:
    by_hand = '[[step]]\ntarget = "x2"\nsources = ["x"]\n\n'
    zeros = '[[step]]\ntarget = "z"\nspec = "int32[2]"\ntransforms = [{constant = 0}]\n\n'
    plan = from_toml(edited("[[unused]]", f"{by_hand}{zeros}[[unused]]", replace(PLAN, graph=None)), "p")
    assert plan.steps[2] == Step(target="x2", spec=floats(1), sources=(Source(key="x"),))
    assert plan.steps[3] == Step(target="z", spec=TensorSpec(DType.INT32, (2,)), transforms=(Constant(0),))


def test_free_spelling_is_read_too() -> None:
    """Comments, other quotes, lists over several lines, dotted keys: all that TOML allows."""
    text = to_toml(replace(PLAN, graph=None))
    text = text.replace('sources = ["w"]', "sources = [  # the kernel\n  'w',\n]")
    text = text.replace("[source]\ndigest = ", "source.digest = ").replace(
        "[source.tensors]", "[source.tensors] # all"
    )
    assert from_toml(text, "p") == replace(PLAN, graph=None)


# What is replaced, by what, a piece of the line that is to be named, and what is to be said of it.
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "unknown key": (
        'origin = "rule"',
        'orgin = "rule"',
        "orgin",
        "unknown key 'orgin'; did you mean 'origin'",
    ),
    "unknown table": (
        "[source.tensors]",
        "[sources.tensors]",
        "",
        "unknown key 'sources'; did you mean 'source'",
    ),
    "missing target": ('target = "dense/kernel/V"\n', "", "[[step]]\nspec", "target is missing"),
    "missing direction": ('to = "object"\n', "", "", "to is missing"),
    "wrong direction": ('"object"', '"objects"', "to = ", "to = 'objects': one of object, name, rename"),
    "another format": (
        "format = 1",
        "format = 2",
        "format = 2",
        "format 2 of a plan file; this tool reads 1",
    ),
    "sources no list": ('["w"]', '"w"', 'sources = "w"', "sources = 'w': a list of names"),
    "source no name": ('["w"]', "[{name = 1}]", "sources = [{", "names, or tables such as"),
    "wrong confidence": ('"certain"\n', '"sure"\n', '"sure"', "one of certain, likely, undecided"),
    "no spec": ('"float32[4, 3]"', '"float32(4, 3)"', "float32(", "a dtype and a shape"),
    "no dtype": ('"float32[4, 3]"', '"float31[4, 3]"', "float31", "'float31' is no dtype"),
    "unknown transform": ("{transpose = ", "{transposed = ", "{transposed", "unknown transform 'transposed'"),
    "misfit": (
        "{transpose = [1, 0]}",
        "{transpose = [0, 1, 2]}",
        "{transpose",
        "transpose: .* does not permute",
    ),
    "other shape": (
        "{transpose = [1, 0]}",
        "{reshape = [12]}",
        "{reshape",
        r"gives float32\[12\], the target",
    ),
    "source of another shape": ("sources = []", 'sources = ["x"]', 'sources = ["x"]', r"gives float32\[1\]"),
    "absent source": ("sources = []", 'sources = ["d"]', 'sources = ["d"]', "the source has no 'd'"),
    "absent target": (
        '"dense/bias/V"',
        '"dense/bias"',
        '"dense/bias"',
        "the template has no .*'dense/bias/V'",
    ),
    "two of a target": (
        '"dense/bias/V"',
        '"dense/kernel/V"',
        'V"\nspec = "float32[4]"',
        "already .*delete one",
    ),
    "decided by nothing": (
        'proposed = ["b"]\ncandidates = ["b", "c"]\nconfidence = "undecided"',
        'confidence = "certain"',
        "sources = []",
        "no source is chosen",
    ),
    "left-over without a spec": (
        '[[unused]]\nkey = "b"\nspec = "float32[4]"',
        '[[unused]]\nkey = "b"',
        '[[unused]]\nkey = "b"',
        "spec is missing",
    ),
    "edited tensors": ('x = "float32[1]"', 'x = "float32[2]"', "digest = ", r"\[source.tensors\] was edited"),
    "no graph": ('result = "', 'result = "A', "result = ", "no object graph"),
    "wrong slices": ('confidence = "certain"', 'partitions = ["0-1"]', "partitions", "slices such as"),
    "step no list": ('[[step]]\ntarget = "dense/kernel/V"', "[steps]", "[steps]", "unknown key 'steps'"),
    "no TOML": ('to = "object"', "to = object", "to = object", "Invalid value"),
    "cut off": ("[[step]]\ntarget", "[[step\ntarget", "[[step\n", "Expected"),
    "key twice": ('to = "object"', 'to = "object"\nto = "name"', 'to = "name"', "Cannot overwrite a value"),
}


@pytest.mark.parametrize(("old", "new", "line", "told"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told_with_their_line(old: str, new: str, line: str, told: str) -> None:
    text = edited(old, new)
    number = text.count("\n", 0, text.index(line)) + 1 if line else r"\d+"
    with pytest.raises(PlanError, match=rf"(?m)^  p\.toml:{number}: .*{told}"):
        from_toml(text, "p.toml")


def test_all_faults_are_told_at_once() -> None:
    text = to_toml(PLAN).partition("format = 1")[2]
    for old, new in [
        ('to = "object"', 'to = "things"'),
        ('sources = ["w"]', 'sources = ["v"]'),
        ('origin = "matching"', "origin = 7"),
        ('target = "dense/kernel/V"', 'target = "kernel"'),
    ]:
        text = text.replace(old, new, 1)
    with pytest.raises(PlanError) as caught:
        from_toml(text, "p.toml")
    kinds = [problem.kind for problem in caught.value.problems]
    lines = [int(problem.where.rpartition(":")[2]) for problem in caught.value.problems]
    assert sorted(kinds) == ["absent source", "absent target", "wrong value", "wrong value"]
    assert lines == sorted(lines)


@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    """A file with a piece replaced is read, or refused by a PlanError."""
    text = to_toml(PLAN)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(
        st.one_of(st.text(max_size=5), st.sampled_from(['"', "[", "{}", "\n", "= 1", "[[step]]", "'''"]))
    )
    with contextlib.suppress(PlanError):
        from_toml(text[:start] + piece + text[stop:], "p")


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 100_000, "x = " + "{a = " * 100_000, "a." * 50_000 + "a = 1"]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        from_toml(text, "p")


def test_transforms_of_sources_and_templates_are_written() -> None:
    step = Step(
        target="t",
        spec=floats(4, 3),
        sources=(
            Source(key="w", transforms=(Transpose((1, 0)), Scale(2.0))),
            Source(key="x", template=True),
        ),
        transforms=(Concat(0),),
    )
    plan = Plan(to="name", source=SourceSignature(specs={"w": floats(3, 2)}), steps=(step,))
    text = to_toml(plan)
    assert (
        '{key = "w", transforms = [{transpose = [1, 0]}, {scale = 2.0}]}, {key = "x", template = true}'
        in text
    )
