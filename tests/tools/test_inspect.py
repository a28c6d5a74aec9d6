"""ckpt-inspect: what it prints of a checkpoint, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.bundles import write_bundle
from tests.tools.conftest import ARRAYS
from tests.tools.running import Tools

pytestmark = pytest.mark.quick


def test_the_table_has_a_row_for_every_tensor(tool: Tools, source: str) -> None:
    ran = tool("ckpt-inspect", f"--checkpoint={source}")
    head, _, columns, _, *rows = ran.out.splitlines()
    assert ran.status == 0
    assert head == f"{source}: V2, name-based, 2 shards, 5 tensors, 323 bytes"
    assert columns.split() == ["key", "dtype", "shape", "partitions", "bytes"]
    assert [row.split()[0] for row in rows] == sorted(ARRAYS)
    assert rows[2].split() == ["emb/table", "float64", "[10,", "3]", "3", "240"]


def test_json_tells_the_same(tool: Tools, source: str) -> None:
    found = tool("ckpt-inspect", "--format=json", f"--checkpoint={source}.index").json
    assert {key: found[key] for key in ("prefix", "format", "style", "shards", "tensor_count", "bytes")} == {
        "prefix": source,
        "format": "V2",
        "style": "name-based",
        "shards": 2,
        "tensor_count": 5,
        "bytes": 323,
    }
    table = next(row for row in found["tensors"] if row["key"] == "emb/table")
    assert table == {
        "key": "emb/table",
        "dtype": "float64",
        "shape": [10, 3],
        "bytes": 240,
        "partitions": [
            {"starts": [0, 0], "lengths": [4, 3]},
            {"starts": [4, 0], "lengths": [3, 3]},
            {"starts": [7, 0], "lengths": [3, 3]},
        ],
    }


def test_filter_and_values(tool: Tools, source: str) -> None:
    ran = tool(
        "ckpt-inspect", "--format=json", "--values", "--filter=bias|step|words", f"--checkpoint={source}"
    )
    values = {row["key"]: row["values"] for row in ran.json["tensors"]}
    assert values["dense/bias"] == {
        "min": -2.0,
        "max": 1.5,
        "mean": -0.25,
        "nan": 1,
        "infinite": 1,
        "first": [1.5, -2.0, "nan", "inf"],
    }
    assert values["global_step"]["first"] == [1000]
    assert values["words"]["first"] == ["one", "\\xff\x00"]


def test_values_in_the_table(tool: Tools, source: str) -> None:
    ran = tool("ckpt-inspect", "--values", f"--checkpoint={source}")
    assert "(1 NaN) (1 infinite) 1.5 -2 nan inf" in ran.out
    assert "b'one' b'\\xff\\x00'" in ran.out


def test_paths_and_full_names_of_an_object_based_one(tool: Tools, source: str, tmp_path: Path) -> None:
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-7").status == 0
    found = tool(
        "ckpt-inspect", "--format=json", "--filter=^dense/kernel$", f"--checkpoint={tmp_path}/new/ckpt-7"
    ).json
    assert found["style"] == "object-based"
    assert found["manifest"] is True
    (row,) = found["tensors"]
    assert (row["path"], row["full_name"]) == ("dense/kernel", "dense/kernel")
    assert row["key"] == "dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"


def test_a_remark_goes_to_standard_error(tool: Tools, source: str, tmp_path: Path) -> None:
    Path(source).with_name("checkpoint").write_text('model_checkpoint_path: "/gone/model.ckpt-1000"\n')
    ran = tool("ckpt-inspect", "--format=json", f"--checkpoint={tmp_path}/old")
    assert ran.json["prefix"] == source
    assert "/gone/model.ckpt-1000, which is not there" in ran.err


@pytest.mark.parametrize("count", [0, 1, 12_000])
def test_no_tensor_is_left_out(tool: Tools, tmp_path: Path, count: int) -> None:
    arrays = {f"layer_{number}/w": np.zeros(1, np.float32) for number in range(count)}
    prefix = write_bundle(tmp_path / "many", arrays)
    assert len(tool("ckpt-inspect", f"--checkpoint={prefix}").out.splitlines()) == 4 + count


def test_a_key_with_line_ends_stays_on_its_line(tool: Tools, tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "odd", {"a\nb": np.zeros(1, np.float32)})
    assert "a\\nb" in tool("ckpt-inspect", f"--checkpoint={prefix}").out


def test_a_filter_that_is_no_expression(tool: Tools, source: str) -> None:
    ran = tool("ckpt-inspect", f"--checkpoint={source}", "--filter=(")
    assert (ran.status, ran.out) == (1, "")
    assert "no regular expression" in ran.err


def test_every_corpus_file_is_told(tool: Tools, corpus: Path) -> None:
    import json

    for row in json.loads((corpus / "catalog.json").read_text()):
        found = tool("ckpt-inspect", "--format=json", f"--checkpoint={corpus / row['prefix']}").json
        hidden = {"_CHECKPOINTABLE_OBJECT_GRAPH"} if row["object_based"] else set()
        assert found["tensor_count"] == row["tensors"] - len(hidden), row["name"]
        assert (found["style"] == "object-based") is row["object_based"], row["name"]
        assert found["written_by"] in (row["written_by"], None), row["name"]
