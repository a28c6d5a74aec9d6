"""Paths that somebody else wrote down: whether they lead out of the directories that a user works in."""

from __future__ import annotations

import os


def leads_outside(path: str, *directories: str) -> bool:
    """Whether `path` lies in none of the directories, nor below one, once all links on the way are followed.

    The last part of the path may be a link: the files of a directory are its owner's.
    """
    if not can_be_path(path):
        return True
    above, name = os.path.split(path)
    if name in ("", ".", ".."):
        above = path
    place = os.path.realpath(above)
    return not any(_is_within(place, os.path.realpath(each or ".")) for each in directories)


def _is_within(place: str, directory: str) -> bool:
    return place == directory or place.startswith(os.path.join(directory, ""))


def can_be_path(text: str) -> bool:
    """Whether the operating system takes the text for a path, there or not."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
