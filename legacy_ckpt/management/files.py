"""The files of one checkpoint: which they are, and how they are deleted."""

from __future__ import annotations

import os
import re

import tensorflow as tf

_gfile = tf.io.gfile
_OWN = re.compile(r"(\.index|\.data-\d{5}-of-\d{5}|\.meta)")
_V1_GLOB = re.compile(r"(?s)(.*)-\?{5}-of-(\d{5})")


def files_of(prefix: str) -> list[str]:
    """The files that a checkpoint of this prefix (or V1 glob) consists of, the index first."""
    sharded = _V1_GLOB.fullmatch(prefix)
    directory, name = os.path.split(sharded[1] if sharded else prefix)
    own = re.compile(
        re.escape(name) + (rf"(-\d{{5}}-of-{sharded[2]}|\.meta)" if sharded else rf"({_OWN.pattern})?")
    )
    try:
        names = [each for each in _gfile.listdir(directory or ".") if own.fullmatch(each)]
    except tf.errors.NotFoundError:
        return []
    return [
        os.path.join(directory, each)
        for each in sorted(names, key=lambda each: (not each.endswith(".index"), each))
    ]


def delete(prefix: str) -> None:
    """Delete a checkpoint, its index first: what an interruption leaves does not pass for a checkpoint.

    A file that cannot be deleted is told as a warning: it never fails the save that made room.
    """
    for path in files_of(prefix):
        try:
            if not _gfile.isdir(path):
                _gfile.remove(path)
        except tf.errors.NotFoundError:
            continue
        except (tf.errors.OpError, OSError) as error:
            tf.compat.v1.logging.warning("%s: could not be deleted: %s", path, error)
