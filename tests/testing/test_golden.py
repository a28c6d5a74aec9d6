"""The fixture `golden_checkpoint`, in test runs of its own."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from migration.errors import FormatError
from migration.testing import GoldenCheckpoint
from migration.testing.golden import safe_name
from tests.testing.golden_project import FILES, outcomes
from tests.testing.scene import ARRAYS, failure, mirrored, write

pytestmark = pytest.mark.quick


def test_what_is_missing_is_asked_for(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess()
    assert outcomes(result) == {"failed": 4}
    result.stdout.fnmatch_lines(
        ["*test_model.test_one.json: there is no golden file for*", "*pytest --update-goldens*"]
    )
    assert not (project.path / "goldens").exists()


def test_written_then_compared(project: pytest.Pytester) -> None:
    assert outcomes(project.runpytest_inprocess("--update-goldens")) == {"passed": 4}
    assert sorted(path.name for path in (project.path / "goldens").iterdir()) == FILES
    assert outcomes(project.runpytest_inprocess()) == {"passed": 4}

    write(project.path / "model", net__bias=ARRAYS["net/bias"] * 2, step=None, more=np.array(1.0))
    result = project.runpytest_inprocess()
    assert outcomes(result) == {"failed": 3, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "*of 6 tensors 1 changed, 1 gone; 1 new*",
            "*net/bias: float32[[]3[]], other values*",
            "*step  int64[[][]]*",
            "*more  float64[[][]]*",
            "*if this is meant: run `pytest --update-goldens`*",
        ]
    )
    assert outcomes(project.runpytest_inprocess("--update-goldens")) == {"passed": 4}
    assert outcomes(project.runpytest_inprocess()) == {"passed": 4}


def test_the_folder_can_be_another(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ngolden_folder = kept/digests\n")
    assert outcomes(project.runpytest_inprocess("--update-goldens")) == {"passed": 4}
    assert sorted(path.name for path in (project.path / "kept" / "digests").iterdir()) == FILES


def test_a_golden_knows_tensors_and_not_their_files(tmp_path: pathlib.Path) -> None:
    """Copied or linked, with a manifest or without, in slices or whole: the digests are the same."""
    source = write(tmp_path / "a")
    golden = GoldenCheckpoint(folder=tmp_path / "goldens", stem="it", update=True)
    copied, _ = mirrored(source, tmp_path / "copied", data="copy")
    golden.check(copied)
    text = golden.path().read_text()
    assert json.loads(text)["tensors"].keys() == set(copied.keys)
    same = GoldenCheckpoint(folder=tmp_path / "goldens", stem="it")
    for number, how in enumerate([{"data": "link"}, {"manifest": False}]):
        same.check(mirrored(source, tmp_path / f"other{number}", **how)[0])
    lines = failure(same.check, source)
    assert "0 changed" in lines[0]
    golden.check(copied)
    assert golden.path().read_text() == text


def test_any_changed_byte_is_seen(tmp_path: pathlib.Path) -> None:
    golden = GoldenCheckpoint(folder=tmp_path / "goldens", stem="it", update=True)
    golden.check(write(tmp_path / "a"))
    same = GoldenCheckpoint(folder=tmp_path / "goldens", stem="it")
    table = ARRAYS["net/table"].copy()
    table[9, 1] += 1
    assert (
        "net/table: int64[10, 2], other values"
        in failure(same.check, write(tmp_path / "b", net__table=table))[2]
    )
    words = np.array([b"onet", b"wo"], object)
    assert "words" in failure(same.check, write(tmp_path / "c", words=words))[2]
    lines = failure(same.check, write(tmp_path / "d", net__bias=ARRAYS["net/bias"][None]))
    assert "net/bias: float32[1, 3], it was float32[3]" in lines[2]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"golden": 2, "tensors": {}}', '{"golden": 1, "tensors": 3}']
)
def test_a_golden_file_that_is_none(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(FormatError, match=r"it\.json"):
        GoldenCheckpoint(folder=tmp_path, stem="it").check(write(tmp_path / "a"))


def test_names_of_files() -> None:
    assert safe_name("test_a[b-1]") == "test_a[b-1]"
    odd = [safe_name(text) for text in ("a/b", "a:b", "a_b", "x" * 300)]
    assert len(set(odd)) == 4
    assert all(len(name) < 130 and "/" not in name for name in odd)
