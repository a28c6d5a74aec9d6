"""From what a person points at to the prefix that TensorFlow reads."""

from __future__ import annotations

import re
from typing import Any

from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.lib.io import file_io
from tensorflow.python.util import compat

from migration.errors import MigrationError

_A_FILE_OF_ONE = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def find_prefix(save_path: Any) -> str:
    """The prefix of the checkpoint at `save_path`: itself, or what its file, directory or state file means.

    Raises ValueError where there is none; the text names what was found nearby.
    """
    path = compat.as_text(save_path)
    if file_io.file_exists_v2(path + ".index"):
        return path
    exists = checkpoint_management.checkpoint_exists_internal(path)
    if exists and not _A_FILE_OF_ONE.search(path) and not file_io.is_directory(path):
        return path
    from migration.checkpoint import Checkpoint

    try:
        return Checkpoint.open(path).prefix
    except (MigrationError, OSError) as error:
        raise ValueError(f"The passed save_path is not a valid checkpoint: {path}\n{error}") from None
