"""The system's own calls, of the tool itself: each that writes is the last one, or fails (strace injects)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.kills import command, ended_tool
from tests.hardening.crashes.trial import Bench

NAMES = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "ftruncate", "flock",
)  # fmt: skip
KINDS = ("signal=SIGKILL", "error=EIO", "error=ENOSPC")
_LINE = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_PATIENCE = 120.0


def is_there(root: Path) -> bool:
    """Whether strace may be used here."""
    if shutil.which("strace") is None:
        return False
    log = root / "strace.log"
    tried = subprocess.run(
        [*_strace("trace=openat", log), "-e", "inject=openat:error=EIO:when=9999", "true"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0 and log.exists()


def places(bench: Bench, root: Path) -> list[tuple[str, int]]:
    """Every call that writes below the trial's folder: its name, and the how-many-eth of that name it is in
    its thread, as one run made them."""
    bench.prepared.lay(bench.folder)
    log = root / "strace.log"
    traced = [*_strace(f"trace={','.join(NAMES)}", log), "-y", *command(bench)]
    done = subprocess.run(traced, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode:
        raise Broken(f"a traced run without a fault: {done.stderr}")
    seen, found = Counter[tuple[str, str]](), dict[tuple[str, int], None]()
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        seen[match["thread"], match["name"]] += 1
        if _writes(match["name"], match["rest"], bench):
            found[match["name"], seen[match["thread"], match["name"]]] = None
    return list(found)


def _writes(name: str, rest: str, bench: Bench) -> bool:
    is_inside = str(bench.folder) in rest or name in ("unlinkat", "rmdir")
    return is_inside and (name != "openat" or "O_CREAT" in rest)


def _strace(what: str, log: Path) -> list[str]:
    """The command's beginning; what is not traced costs nothing, thanks to the filter in the kernel."""
    return ["strace", "-f", "--seccomp-bpf", "-o", str(log), "-e", what]


def try_place(bench: Bench, root: Path, name: str, number: int, kind: str) -> Ended:
    """The call is the last of its process, or fails. Raises Broken where a promise does not hold."""

    def run() -> Ended:
        injected = ["-e", f"inject={name}:{kind}:when={number}"]
        traced = [*_strace(f"trace={name}", root / "strace.log"), *injected, *command(bench)]
        done = subprocess.run(traced, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        return ended_tool(done.returncode, done.stderr)

    return bench.try_run(run)
