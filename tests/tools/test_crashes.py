"""A crash or a full disk at any point leaves no readable half, and a second run succeeds."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migration.checked
from migration.checkpoint import Checkpoint
from migration.errors import CheckpointNotFoundError
from migration.verify import VerificationReport, verify
from tests.bundles import write_bundle
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

ROWS = 1 << 20  # 4 MB a tensor: the copy takes long enough to be hit


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A checkpoint of 64 MB."""
    (tmp_path / "old").mkdir()
    tensor = np.arange(ROWS, dtype=np.float32)
    return write_bundle(
        tmp_path / "old" / "model.ckpt-1", {f"w{number}": tensor + number for number in range(16)}
    )


def no_checkpoint_in(folder: Path) -> bool:
    try:
        Checkpoint.open(folder / "ckpt-1")
    except CheckpointNotFoundError:
        return not list(folder.glob("*.index"))
    return False


def command(source: str, out: Path, *flags: str) -> list[str]:
    tool = [sys.executable, "-m", "ckpt_tools.migrate_checkpoint"]
    return [*tool, f"--checkpoint={source}", f"--output={out}/ckpt-1", *flags]


@pytest.mark.parametrize("patience", [0.0, 0.02, 0.05])
def test_killed_while_it_copies(tool: Tools, large: str, tmp_path: Path, patience: float) -> None:
    out = tmp_path / "new"
    process = subprocess.Popen(command(large, out))
    deadline = time.monotonic() + 30
    while not list(out.glob(".ckpt-1.ckpt-staging-*/*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(patience)
    process.send_signal(signal.SIGKILL)
    process.wait()
    is_whole = not no_checkpoint_in(out)  # the signal may come when all is done
    flags = ("--overwrite",) if is_whole else ()
    assert tool("ckpt-migrate", f"--checkpoint={large}", f"--output={out}/ckpt-1", *flags).status == 0
    assert tool("ckpt-verify", f"--checkpoint={large}", f"--migrated={out}/ckpt-1").status == 0
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_a_file_may_not_grow_as_large(tool: Tools, large: str, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for a disk that is full half way through the shard."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))

    out = tmp_path / "new"
    ran = subprocess.run(command(large, out), preexec_fn=limit, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not out.exists()
    assert tool("ckpt-migrate", f"--checkpoint={large}", f"--output={out}/ckpt-1").status == 0


CALLS = ("pwrite", "fsync", "truncate", "mkdir", "replace")


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("call", CALLS)
def test_the_disk_refuses(
    tool: Tools, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    """The `at`-th time that the tool does `call`, the disk is full."""
    out, real, times = tmp_path / "new", getattr(os, call), 0

    def refused(*arguments: object, **more: object) -> object:
        nonlocal times
        times += 1
        if times == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}/ckpt-1")
    if ran.status == 0:
        return  # a call that is not made so often, or whose failure loses nothing
    assert (ran.status, ran.out) == (1, "")
    assert "No space left" in ran.err
    assert not out.exists() or no_checkpoint_in(out)
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}/ckpt-1").status == 0
    assert tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={out}/ckpt-1").status == 0


def test_a_directory_that_may_not_be_written(
    tool: Tools, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """os.mkdir refuses, as it does for everybody but root where the permissions say so."""
    (tmp_path / "new").mkdir()

    def refuse(path: str, *arguments: int) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-1")
    assert (ran.status, ran.out) == (1, "")
    assert "check the path and its permissions" in ran.err


def test_a_directory_that_cannot_be_written_by_anyone(tool: Tools, source: str) -> None:
    ran = tool("ckpt-migrate", f"--checkpoint={source}", "--output=/proc/nowhere/ckpt-1")
    assert (ran.status, ran.out) == (1, "")
    assert "cannot be written" in ran.err


def test_a_source_that_is_replaced_meanwhile(
    tool: Tools, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(*arguments: Any, **more: Any) -> VerificationReport:
        shutil.copy(f"{source}.index", f"{source}.coming")
        os.replace(f"{source}.coming", f"{source}.index")
        return verify(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(migration.checked, "verify", replaced)
        ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-1")
    assert (ran.status, ran.out) == (1, "")
    assert "was replaced while" in ran.err
    assert "run again; nothing was written" in ran.err
    assert not (tmp_path / "new").exists()
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-1").status == 0


def test_damage_on_the_disk_is_told_of_the_target(
    tool: Tools, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read back is still aside; the text names the place that was asked for."""
    real = os.pwrite

    def damaged(descriptor: int, payload: Any, offset: int) -> int:
        return real(descriptor, bytes(byte ^ 1 for byte in bytes(payload)), offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", damaged)
        ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-1")
    assert ran.status == 3
    assert f"{tmp_path}/new/ckpt-1" in ran.err
    assert "staging" not in ran.err
    assert not (tmp_path / "new").exists()
