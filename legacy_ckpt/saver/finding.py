"""From what a person points at to the prefix that TensorFlow reads."""

from __future__ import annotations

import os
from typing import Any

from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.lib.io import file_io
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.util import compat

from migration.errors import MigrationError
from migration.location import has_table_magic, locate, parts_of_state_path


def find_prefix(save_path: Any) -> str:
    """The prefix of the checkpoint at `save_path`: itself, or what its file, directory or state file means.

    Raises ValueError where there is none; the text names what was found nearby.
    """
    path: str = compat.as_text(save_path)
    exists = checkpoint_management.checkpoint_exists_internal(path)
    if file_io.file_exists_v2(path + ".index"):
        if not exists:
            raise ValueError(
                f"The passed save_path is not a valid checkpoint: {path}\nTensorFlow takes [, * and ? in a "
                f"path for a pattern, which does not match this one: rename the directory or the files"
            )
        return path
    if exists and ("://" in path or _is_v1(path)):  # another file system is TensorFlow's own business
        return path
    try:
        location = locate(path)
    except (MigrationError, OSError) as error:
        if exists and not file_io.is_directory(path):
            return path  # a file that is no checkpoint: the restore op raises the type that callers know
        text = f"The passed save_path is not a valid checkpoint: {path}\n{error}{_moved(path)}"
        raise ValueError(text) from None
    for remark in location.remarks:
        logging.warning("%s", remark)
    return location.prefix


def _moved(path: str) -> str:
    """Checkpoints below the working directory under an end of an absolute path that is gone.

    They are named and not opened: another run's model.ckpt-5 has the same name.
    """
    if not os.path.isabs(path):
        return ""
    ends = [end for end in parts_of_state_path(".", path) if file_io.file_exists_v2(end + ".index")]
    return f"; the working directory has {', '.join(ends)}: pass that if it is the same one" if ends else ""


def _is_v1(path: str) -> bool:
    """Whether `path` is a V1 file, one shard of a V1 checkpoint, or the glob of all."""
    files = file_io.get_matching_files(path)
    return bool(files) and not path.endswith(".index") and has_table_magic(files[0])
