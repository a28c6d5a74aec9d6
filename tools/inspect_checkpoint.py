"""Shows what is in a checkpoint: keys, dtypes, shapes, partitions, and values on demand.

Reads the index only, unless --values is given. No TensorFlow is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.contents.values import ValueSummary

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "A prefix, one of a checkpoint's files, a directory with a state file, or a SavedModel.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)
_FILTER = flags.DEFINE_string(
    "filter",
    None,
    "A regular expression: only tensors are shown in whose key, path or full name it is found.",
    flag_values=FLAGS,
)
_VALUES = flags.DEFINE_bool(
    "values", False, "Read the tensors: least, greatest, mean, NaNs and first values.", flag_values=FLAGS
)
SMALL_GRAPH = 8 << 20  # bytes of a .meta that are parsed for the version alone


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    pattern = _pattern(_FILTER.value)
    from migration.checkpoint import Checkpoint

    checkpoint = Checkpoint.open(_CHECKPOINT.value)
    names = _names(checkpoint)
    keys = [key for key in checkpoint.keys if _is_wanted(pattern, key, names)]
    summaries = _summaries(checkpoint, keys) if _VALUES.value else {}
    for remark in checkpoint.location.remarks:
        terminal.note(f"note: {remark}")
    if _FORMAT.value == "json":
        tables.write_json(_document(checkpoint, keys, names, summaries))
    else:
        _print(checkpoint, keys, names, summaries)
    return terminal.Status.DONE


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise terminal.UsageError(f"--filter={text}: this is no regular expression ({error})") from None


def _names(checkpoint: Checkpoint) -> dict[str, tuple[str, str]]:
    """The path and full name of every tensor of the object graph."""
    if checkpoint.graph is None:
        return {}
    from migration.pairing import names_of

    names = set(checkpoint.names)
    return {
        key: (named.path, named.full_name) for key, named in names_of(checkpoint).items() if key not in names
    }


def _is_wanted(pattern: re.Pattern[str] | None, key: str, names: dict[str, tuple[str, str]]) -> bool:
    return pattern is None or any(pattern.search(text) for text in (key, *names.get(key, ())))


def _summaries(checkpoint: Checkpoint, keys: list[str]) -> dict[str, ValueSummary]:
    from migration.contents.values import summarize

    found = {}
    with terminal.progress("reading", counts=True) as progress:
        for number, key in enumerate(keys):
            found[key] = summarize(checkpoint, key)
            if progress is not None:
                progress(number + 1, len(keys))
    return found


def _nbytes(checkpoint: Checkpoint, key: str) -> int:
    known = checkpoint.specs[key].nbytes
    if known is not None:
        return known
    if checkpoint.format == "V1":
        return sum(map(len, checkpoint.read(key).ravel().tolist()))
    return sum(entry.size for _, entry in checkpoint.placed(key))


def _header(checkpoint: Checkpoint, nbytes: int) -> dict[str, Any]:
    shards = (
        checkpoint.index.header.num_shards if checkpoint.format == "V2" else len(checkpoint.location.files)
    )
    return {
        "prefix": checkpoint.prefix,
        "format": checkpoint.format,
        "style": checkpoint.style.value,
        "shards": shards,
        "tensor_count": len(checkpoint.specs),
        "bytes": nbytes,
        "written_by": _written_by(checkpoint),
        "manifest": checkpoint.format == "V2" and checkpoint.manifest_bytes is not None,
        "remarks": list(checkpoint.location.remarks),
    }


def _written_by(checkpoint: Checkpoint) -> str | None:
    """The TensorFlow version that a small graph beside the checkpoint names."""
    import os

    from migration.errors import MigrationError

    path = checkpoint.location.graph_file
    try:
        if path is None or os.path.getsize(path) > SMALL_GRAPH or checkpoint.meta is None:
            return None
        return checkpoint.meta.tensorflow_version or None
    except (MigrationError, OSError):  # a broken graph is the doctor's business
        return None


def _document(
    checkpoint: Checkpoint,
    keys: list[str],
    names: dict[str, tuple[str, str]],
    summaries: dict[str, ValueSummary],
) -> dict[str, Any]:
    sizes = {key: _nbytes(checkpoint, key) for key in checkpoint.keys}
    partitions = checkpoint.partitions
    tensors = []
    for key in keys:
        spec = checkpoint.specs[key]
        row: dict[str, Any] = {
            "key": key,
            "dtype": str(spec.dtype),
            "shape": list(spec.shape),
            "bytes": sizes[key],
            "partitions": [
                {"starts": list(part.starts), "lengths": list(part.lengths)}
                for part in partitions.get(key, ())
            ],
        }
        if key in names:
            row["path"], row["full_name"] = names[key]
        if key in summaries:
            row["values"] = _summary_document(summaries[key])
        tensors.append(row)
    return {**_header(checkpoint, sum(sizes.values())), "tensors": tensors}


def _summary_document(summary: ValueSummary) -> dict[str, Any]:
    return {
        "min": summary.least,
        "max": summary.greatest,
        "mean": summary.mean,
        "nan": summary.nan,
        "infinite": summary.infinite,
        "first": list(summary.first),
    }


def _print(
    checkpoint: Checkpoint,
    keys: list[str],
    names: dict[str, tuple[str, str]],
    summaries: dict[str, ValueSummary],
) -> None:
    sizes = {key: _nbytes(checkpoint, key) for key in checkpoint.keys}
    header = _header(checkpoint, sum(sizes.values()))
    terminal.say(f"{header['prefix']}: {header['format']}, {header['style']}, {_counted(header)}")
    if header["written_by"]:
        terminal.say(f"written by TensorFlow {header['written_by']}")
    print()
    columns = ["key", "dtype", "shape", "partitions", "bytes"]
    if names:
        columns += ["path", "full name"]
    if summaries:
        columns += ["min", "max", "mean", "first values"]
    partitions = checkpoint.partitions
    rows = []
    for key in keys:
        spec = checkpoint.specs[key]
        parts = partitions.get(key)
        row = [key, str(spec.dtype), str(list(spec.shape)), str(len(parts)) if parts else "", str(sizes[key])]
        if names:
            row += names.get(key, ("", ""))
        if summaries:
            row += _summary_cells(summaries[key])
        rows.append(row)
    tables.show(columns, rows, right=("partitions", "bytes", "min", "max", "mean"))


def _counted(header: dict[str, Any]) -> str:
    shards = f"{header['shards']} shard{'' if header['shards'] == 1 else 's'}"
    return f"{shards}, {header['tensor_count']} tensors, {tables.size(header['bytes'])}"


def _summary_cells(summary: ValueSummary) -> list[str]:
    extremes = [
        "" if each is None else f"{each:.6g}" for each in (summary.least, summary.greatest, summary.mean)
    ]
    first = " ".join(map(_cell, summary.first)) + (" ..." if summary.count > len(summary.first) else "")
    odd = [
        f"({count} {what})" for count, what in ((summary.nan, "NaN"), (summary.infinite, "infinite")) if count
    ]
    return [*extremes, " ".join([*odd, first])]


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        from migration.contents.values import LONGEST

        return repr(value if len(value) <= LONGEST else value[:LONGEST] + b"...")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def run() -> None:
    """The command ckpt-inspect."""
    terminal.run(main, FLAGS, tool="inspect", required=("checkpoint",))


if __name__ == "__main__":
    run()
