"""The doctor's commands are pasted into a shell: a path in one is that path, whatever it is called."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from migration.doctor.files import copy_again, quoted
from migration.printable import printable

pytestmark = pytest.mark.quick

PATHS = [
    b"plain/model.ckpt-1",
    b"with space",
    b"it's",
    b"$(touch owned)`touch owned`;x|y&z>w",
    b"line\nFAKE",
    b"\x1b[2J\x07\xc2\x9b\x7f",
    b"\xff\xfe",
    b"back\\slash \n it's 7\x017",
    "\u202ebidi \u6f22".encode(),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are for bash, which is not here")
@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_a_shell_takes_it_as_it_is(path: bytes) -> None:
    text = quoted(os.fsdecode(path))
    assert printable(text) == text
    done = subprocess.run(["bash", "-c", f"printf %s {text}"], capture_output=True, check=True)
    assert done.stdout == path


def test_a_path_is_no_option() -> None:
    assert quoted("-rf") == "./-rf"
    assert copy_again("-x") == "cp ORIGIN/./-x ./-x"
