"""From what a person points at to the prefix that TensorFlow reads."""

from __future__ import annotations

from typing import Any

from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.lib.io import file_io
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.util import compat

from migration.errors import MigrationError
from migration.location import has_table_magic, locate


def find_prefix(save_path: Any) -> str:
    """The prefix of the checkpoint at `save_path`: itself, or what its file, directory or state file means.

    Raises ValueError where there is none; the text names what was found nearby.
    """
    path: str = compat.as_text(save_path)
    if file_io.file_exists_v2(path + ".index"):
        return path
    exists = checkpoint_management.checkpoint_exists_internal(path)
    if exists and ("://" in path or _is_v1(path)):  # another file system is TensorFlow's own business
        return path
    try:
        location = locate(path)
    except (MigrationError, OSError) as error:
        if exists and not file_io.is_directory(path):
            return path  # a file that is no checkpoint: the restore op raises the type that callers know
        raise ValueError(f"The passed save_path is not a valid checkpoint: {path}\n{error}") from None
    for remark in location.remarks:
        logging.warning("%s", remark)
    return location.prefix


def _is_v1(path: str) -> bool:
    """Whether `path` is a V1 file, one shard of a V1 checkpoint, or the glob of all."""
    files = file_io.get_matching_files(path)
    return bool(files) and not path.endswith(".index") and has_table_magic(files[0])
