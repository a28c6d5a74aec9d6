"""The same trials under strace, where it is there: what is asked of the system, paths that are only looked at
included."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.hardening.reach.watching import DEVICES, PYTHON, is_below

_CALL = re.compile(r"^\d+\s+(?P<name>\w+)\((?P<arguments>.*)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BEGIN_OR_END = re.compile(r'"/ckpt-reach/(?P<trial>\w+)/(?P<what>begin|end)"')
_NEVER = ("execve", "execveat", "fork", "vfork", "socket", "connect", "bind", "sendto", "kill")
# What Python and its libraries ask for by themselves, somewhere in a run.
_SYSTEM = (
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/proc/self",
    "/sys/devices/system/cpu",
)


def strace() -> str | None:
    """The program; None where it is not there."""
    return shutil.which("strace")


def command(output: Path, python: Sequence[str]) -> list[str]:
    """The command line that traces a Python program into a file."""
    wanted = "trace=%file,%process,%network"
    return [strace() or "strace", "-f", "-qq", "-s", "4096", "-e", wanted, "-o", str(output), *python]


def faults_in(trace: Path, may_look: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each trial's calls out of bounds; `may_look` are the paths of each that may be asked for."""
    trial = None
    for line in trace.open(encoding="utf-8", errors="replace"):
        mark = _BEGIN_OR_END.search(line)
        if mark is not None:
            trial = mark["trial"] if mark["what"] == "begin" else None
            continue
        call = _CALL.match(line)
        if trial is None or call is None:
            continue
        fault = _fault(call["name"], call["arguments"], may_look[trial])
        if fault:
            yield trial, fault


def _fault(name: str, arguments: str, may_look: Sequence[str]) -> str | None:
    if name in _NEVER:
        return f"{name}({arguments[:100]}"
    if name in ("clone", "clone3"):
        return None if "CLONE_THREAD" in arguments else f"{name}({arguments[:100]}"
    for text in _STRING.findall(arguments):
        if text.startswith("/") and not _is_allowed(text, may_look):
            return f"{name} of {text}"
    return None


def _is_allowed(path: str, may_look: Sequence[str]) -> bool:
    """Whether it is one of these paths, below one, above one, or a system's own."""
    for each in (*may_look, *PYTHON, *DEVICES, *_SYSTEM):
        if each.endswith("/"):
            if path.rpartition("/")[0] == each.rstrip("/") or path == each.rstrip("/"):
                return True
        elif is_below(path, each) or is_below(each, path.rstrip("/") or "/"):
            return True
    return False
