"""Plans that people edit, apply to other sources, and turn round: what is refused, and nothing written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.planning.plan_file import read_plan, write_plan
from tests.bundles import write_bundle
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]
KERNEL, BIAS, SCALE = (
    f"{path}/.ATTRIBUTES/VARIABLE_VALUE" for path in ("layer/kernel", "layer/bias", "head/scale")
)
ARRAYS: dict[str, Array] = {
    "net/w": np.arange(12, dtype=np.float32).reshape(4, 3),
    "net/b": np.array([1, 2, 3], np.float32),
    "other": np.array([5, 6], np.float64),
}
EMPTY: dict[str, Array] = {
    "layer/kernel": np.zeros((4, 3), np.float32),
    "layer/bias": np.zeros(3, np.float32),
    "head/scale": np.full(5, 7, np.float32),
}


class Bench:
    """A source, a template, and a plan between them that leaves one tensor over on either side."""

    def __init__(self, tool: Tools, directory: Path) -> None:
        self.tool, self.directory = tool, directory
        for name in ("old", "plain", "template", "new"):
            (directory / name).mkdir()
        self.source = write_bundle(directory / "old" / "m-1", ARRAYS)
        self.template = self.template_of(EMPTY, "template")
        self.plan = directory / "plan.toml"
        assert self.planned().status == 2
        self.text = self.plan.read_text()

    def template_of(self, arrays: dict[str, Array], directory: str) -> str:
        plain = write_bundle(self.directory / "plain" / "m", arrays)
        made = f"{self.directory}/{directory}/ckpt"
        flags = (f"--output={made}", "--nomanifest", "--overwrite")
        assert self.tool("ckpt-migrate", f"--checkpoint={plain}", *flags).status == 0
        return made

    def planned(self) -> Any:
        flags = (f"--template={self.template}", f"--output={self.plan}", "--overwrite")
        return self.tool("ckpt-plan", f"--checkpoint={self.source}", *flags)

    def with_step(self, step: str, *, without: str = "") -> str:
        """The plan's text with one more step; without the left-overs under a header."""
        blocks = [
            block
            for block in re.split(r"(?m)^(?=\[)", self.text.replace("\n[[unused]]", "\n[[drop]]"))
            if not (without and block.startswith(f"[[{without}]]"))
        ]
        at = next(number for number, block in enumerate(blocks) if block.startswith("[[drop]]"))
        return "".join([*blocks[:at], f"[[step]]\n{step}\n\n", *blocks[at:]])

    def apply(self, text: str, *flags: str, name: str = "ckpt-1", source: str = "") -> Any:
        self.plan.write_text(text)
        out = (f"--checkpoint={source or self.source}", f"--output={self.directory}/new/{name}")
        return self.tool("ckpt-migrate", f"--plan={self.plan}", *out, *flags)

    @property
    def written(self) -> list[str]:
        return os.listdir(self.directory / "new")

    @property
    def result(self) -> Checkpoint:
        return Checkpoint.open(self.directory / "new" / "ckpt-1")


@pytest.fixture
def bench(tool: Tools, tmp_path: Path) -> Bench:
    return Bench(tool, tmp_path)


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("transforms = [{constant = 0}]", np.zeros(5, np.float32)),
        ("transforms = [{constant = [1, 2, 3, 4, 5.5]}]", np.array([1, 2, 3, 4, 5.5], np.float32)),
        ('sources = ["net/b", "other"]\ntransforms = [{concat = {axis = 0}}]', None),
        (f'sources = [{{key = "{SCALE}", template = true}}]', np.full(5, 7, np.float32)),
    ],
    ids=["a constant", "constants", "of two dtypes", "of the template"],
)
def test_a_target_that_is_filled_by_hand_is_the_template_s(
    bench: Bench, step: str, wanted: Array | None
) -> None:
    ran = bench.apply(bench.with_step(f'target = "{SCALE}"\n{step}'))
    if wanted is None:
        assert ran.status == 1
        assert "differ in dtype" in ran.err
        assert bench.written == []
        return
    assert ran.status == 0
    assert bench.result.spec(SCALE) == Checkpoint.open(bench.template).spec(SCALE)
    assert bench.result.read(SCALE).tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("step", "without", "told"),
    [
        ('sources = ["net/b"]', "", "gives float32[3], the target 'head/scale"),
        ('spec = "float32[3]"\nsources = ["net/b"]', "", "the template's 'head/scale"),
        ("transforms = [{constant = 0}]", "unfilled", "spec is missing"),
        (f'sources = [{{key = "{KERNEL}", template = true}}]', "", "its step makes float32[4, 3]"),
        (f'sources = [{{key = "x{SCALE}", template = true}}]', "", "is not in the template"),
    ],
    ids=["too short", "another spec", "no spec", "the template's, of another shape", "not the template's"],
)
def test_a_step_that_does_not_fit_is_refused_before_anything_is_written(
    bench: Bench, step: str, without: str, told: str
) -> None:
    ran = bench.apply(bench.with_step(f'target = "{SCALE}"\n{step}', without=without))
    assert ran.status == 1
    assert told in ran.err
    assert bench.written == []


def test_on_another_source_only_as_rules(bench: Bench) -> None:
    more = {**ARRAYS, "late": np.zeros(2, np.float32), "other": np.array([5, 6, 7], np.float64)}
    source = write_bundle(bench.directory / "old" / "m-2", more)
    text = bench.with_step(f'target = "{SCALE}"\ntransforms = [{{constant = 0}}]')
    refused = bench.apply(text, source=source)
    assert refused.status == 1
    assert "apply this one as rules" in refused.err
    told = bench.apply(text, "--as_rules", source=source)
    assert told.status == 2
    assert "late: float32[2]: the plan does not know it" in told.err
    assert bench.written == []
    assert bench.apply(text, "--as_rules", "--allow_unused", source=source).status == 0
    assert bench.result.read(KERNEL).tolist() == ARRAYS["net/w"].tolist()


def test_as_rules_needs_a_plan(bench: Bench) -> None:
    out = f"--output={bench.directory}/new/x"
    ran = bench.tool("ckpt-migrate", f"--checkpoint={bench.source}", "--as_rules", out)
    assert (ran.status, bench.written) == (1, [])
    assert "--as_rules goes with --plan" in ran.err


def test_as_rules_for_a_directory(bench: Bench) -> None:
    more = {**ARRAYS, "late": np.zeros(2, np.float32)}
    write_bundle(bench.directory / "old" / "m-2", more)
    bench.plan.write_text(bench.with_step(f'target = "{SCALE}"\ntransforms = [{{constant = 0}}]'))
    flags = (
        f"--model_dir={bench.directory}/old",
        f"--plan={bench.plan}",
        f"--output_dir={bench.directory}/new",
    )
    assert bench.tool("ckpt-migrate", *flags, "--allow_unused").status == 1
    assert bench.tool("ckpt-migrate", *flags, "--allow_unused", "--as_rules").status == 0
    for step in (1, 2):
        made = Checkpoint.open(bench.directory / "new" / f"m-{step}")
        assert made.read(KERNEL).tolist() == ARRAYS["net/w"].tolist()


def test_a_plan_is_applied_with_its_own_template(bench: Bench) -> None:
    text = bench.with_step(f'target = "{SCALE}"\nsources = [{{key = "{SCALE}", template = true}}]')
    (bench.directory / "second").mkdir()
    other = bench.template_of({"layer/kernel": np.zeros((4, 3), np.float32)}, "second")
    refused = bench.apply(text, f"--template={other}")
    assert refused.status == 1
    assert "not the one that the plan was made for" in refused.err
    shutil.move(bench.directory / "template", bench.directory / "moved")
    absent = bench.apply(text)
    assert absent.status == 1
    assert "pass template (--template)" in absent.err
    assert bench.written == []
    assert bench.apply(text, f"--template={bench.directory}/moved/ckpt").status == 0


def test_what_came_from_the_template_is_compared_with_it(bench: Bench) -> None:
    text = bench.with_step(f'target = "{SCALE}"\nsources = [{{key = "{SCALE}", template = true}}]')
    assert bench.apply(text).status == 0
    here, there = bench.source, f"{bench.directory}/new/ckpt-1"
    flags = (f"--plan={bench.plan}", "--all", "--format=json")
    counts = bench.tool("ckpt-diff", here, there, *flags).json["counts"]
    assert (counts["equal"], counts["values changed"]) == (4, 0)
    raw = Path(f"{there}.data-00000-of-00001")
    changed = {key: bench.result.read(key) for key in (KERNEL, BIAS)} | {SCALE: np.zeros(5, np.float32)}
    raw.unlink()
    write_bundle(there, changed)
    rows = bench.tool("ckpt-diff", here, there, *flags).json["tensors"]
    assert [row["there"]["key"] for row in rows if row["change"] == "values changed"] == [SCALE]
    shutil.rmtree(bench.directory / "template")
    counts = bench.tool("ckpt-diff", here, there, *flags).json["counts"]
    assert (counts["equal"], counts["not compared"]) == (2, 1)


def test_rules_that_fail_are_told_with_all_that_is_left_over(bench: Bench) -> None:
    rules = bench.directory / "rules.toml"
    rules.write_text(
        '[[rule]]\nmatch = "net/{x}"\nto = "layer.bias"\n\n[[rule]]\nmatch = "nothing"\ndrop = true\n'
    )
    out = (f"--checkpoint={bench.source}", f"--output={bench.directory}/new/x")
    ran = bench.tool("ckpt-migrate", *out, f"--template={bench.template}", f"--rules={rules}")
    assert (ran.status, bench.written) == (1, [])
    lines = [line.strip() for line in ran.err.splitlines()]
    assert any("rules.toml:1: net/w gives float32[4, 3]" in line for line in lines)
    assert any("rules.toml:5: the rule `drop nothing` matched nothing" in line for line in lines)
    assert any(line.startswith("other: float64[2]: nothing uses it") for line in lines)
    assert any(line.startswith(f"{SCALE} = head/scale") and "nothing fills it" in line for line in lines)


RENAMING = """
[[rule]]
match = "net/w"
to = "top"
transforms = [{split = {axis = 0, sizes = [1, 3], index = 0}}]

[[rule]]
match = "net/w"
to = "rest"
also = true
transforms = [{split = {axis = 0, sizes = [1, 3], index = 1}}, {transpose = [1, 0]}]

[[rule]]
constant = 1
spec = "int8[2]"
to = "made"
"""


def test_a_rename_knows_the_way_back(bench: Bench) -> None:
    rules = bench.directory / "rules.toml"
    rules.write_text(RENAMING)
    there, back = f"{bench.directory}/new/m-1", f"{bench.directory}/new/back-1"
    flags = (f"--rules={rules}", "--to=rename", f"--output={there}")
    assert bench.tool("ckpt-migrate", f"--checkpoint={bench.source}", *flags).status == 0
    assert bench.tool("ckpt-migrate", f"--checkpoint={there}", "--to=name", f"--output={back}").status == 0
    assert bench.tool("ckpt-diff", bench.source, back).status == 0


def test_a_reversed_plan_leaves_out_what_it_cannot_give(bench: Bench) -> None:
    text = bench.with_step(f'target = "{SCALE}"\ntransforms = [{{constant = 0}}]')
    assert bench.apply(text).status == 0
    write_plan(read_plan(bench.plan).reverse(), bench.plan)
    back, there = bench.plan.read_text(), f"{bench.directory}/new/ckpt-1"
    assert bench.apply(back, name="back-1", source=there).status == 2
    assert bench.apply(back, "--allow_unfilled", name="back-1", source=there).status == 0
    found = Checkpoint.open(bench.directory / "new" / "back-1")
    assert {key: found.read(key).tobytes() for key in found.keys} == {
        key: ARRAYS[key].tobytes() for key in ("net/b", "net/w")
    }


def test_a_name_that_was_kept_is_not_missed(bench: Bench) -> None:
    text = bench.with_step(f'target = "{SCALE}"\ntransforms = [{{constant = 0}}]')
    assert bench.apply(text, "--keep_names").status == 0
    ran = bench.tool("ckpt-diff", bench.source, f"{bench.directory}/new/ckpt-1", f"--plan={bench.plan}")
    assert ran.status == 0


def test_a_rename_has_no_template(bench: Bench) -> None:
    flags = (f"--template={bench.template}", "--to=rename", f"--output={bench.directory}/new/x")
    ran = bench.tool("ckpt-migrate", f"--checkpoint={bench.source}", *flags)
    assert (ran.status, bench.written) == (1, [])
    assert "not from a template" in ran.err


def test_copies_that_were_folded_come_back(bench: Bench) -> None:
    copies: dict[str, Array] = {}
    for device in range(3):
        for name in ("w", "b"):
            copies[f"tower_{device}/{name}"] = ARRAYS[f"net/{name}"]
    source = write_bundle(bench.directory / "old" / "towers-1", copies, parts={"tower_1/w": 2})
    rules = bench.directory / "rules.toml"
    rules.write_text('fold = true\n\n[[rule]]\nmatch = "w"\nto = "v"\ntransforms = [{transpose = [1, 0]}]\n')
    there, back = f"{bench.directory}/new/m-1", f"{bench.directory}/new/back-1"
    flags = (f"--rules={rules}", f"--output={there}")
    for style in ("rename", "object"):
        to = (f"--to={style}", "--overwrite")
        assert bench.tool("ckpt-migrate", f"--checkpoint={source}", *flags, *to).status == 0
        again = (f"--checkpoint={there}", "--to=name", f"--output={back}", "--overwrite")
        assert bench.tool("ckpt-migrate", *again).status == 0
        assert bench.tool("ckpt-diff", source, back).status == 0
        assert dict(Checkpoint.open(back).partitions) == dict(Checkpoint.open(source).partitions)


def test_a_small_tensor_comes_back_to_the_bit(bench: Bench) -> None:
    odd = np.array([[0x7FC00001, 0xFFC12345], [0x80000000, 0x00000001]], np.uint32).view(np.float32)
    source = write_bundle(bench.directory / "old" / "odd-1", {"w": odd})
    rules = bench.directory / "rules.toml"
    rules.write_text('[[rule]]\nmatch = "w"\nto = "v"\ntransforms = [{transpose = [1, 0]}]\n')
    there, back = f"{bench.directory}/new/m-1", f"{bench.directory}/new/back-1"
    flags = (f"--checkpoint={source}", f"--rules={rules}", f"--output={there}")
    assert bench.tool("ckpt-migrate", *flags).status == 0
    assert bench.tool("ckpt-migrate", f"--checkpoint={there}", "--to=name", f"--output={back}").status == 0
    assert Checkpoint.open(back).read("w").tobytes() == odd.tobytes()
