"""What a call opens, lists, writes, runs and imports, by Python's audit hooks."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# Where Python's own files and those of installed packages lie, to be read only.
PYTHON = tuple(
    sorted(
        {
            os.path.abspath(place)
            for place in (
                sys.prefix,
                sys.base_prefix,
                *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
                *(ROOT / name for name in ("migration", "tools", "legacy_ckpt", "tests")),
            )
        }
    )
)
DEVICES = ("/dev/null", "/dev/urandom", "/proc/self/comm")  # absl names the process

_READS = {"os.chdir": 0, "os.getxattr": 0, "os.link": 0, "shutil.copyfile": 0}
_LISTS = {"os.listdir": 0, "os.scandir": 0, "os.walk": 0, "glob.glob": 0}
_WRITES = {
    "os.mkdir": (0,), "os.remove": (0,), "os.rmdir": (0,), "os.rename": (0, 1), "os.link": (1,),
    "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,),
    "os.setxattr": (0,), "shutil.rmtree": (0,), "shutil.move": (0, 1), "shutil.copyfile": (1,),
    "tempfile.mkstemp": (0,), "tempfile.mkdtemp": (0,),
}  # fmt: skip
_NEVER = (
    "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "pty.",
    "socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "pickle.find_class", "ctypes.",
    "code.__new__", "cpython.run_", "builtins.input", "syslog.", "telnetlib.", "signal.pthread_kill",
)  # fmt: skip
_FOREIGN_MODULES = ("tensorflow", "keras", "tf_keras", "legacy_ckpt", "torch", "yaml", "dill", "cloudpickle")


class Watch:
    """Notes everything that is out of bounds while `over` lasts. A hook cannot be taken away: one for all."""

    def __init__(self) -> None:
        self._may_read: tuple[str, ...] = ()
        self._may_write: tuple[str, ...] = ()
        self._is_on = False
        self.events = 0
        self.faults: list[str] = []
        sys.addaudithook(self._seen)

    @contextmanager
    def over(self, may_read: Iterable[str], may_write: Iterable[str]) -> Iterator[None]:
        """Watch what happens inside; paths below `may_read` and `may_write` are no fault. Of what ends in a
        slash, only the names may be listed."""
        self._may_write = tuple(may_write)
        self._may_read = (*may_read, *self._may_write)
        self.faults, self._is_on = [], True
        try:
            yield
        finally:
            self._is_on = False

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        self._is_on = False  # what this does itself is nobody's business
        try:
            self.events += 1
            fault = self._fault(event, arguments)
            if fault:
                self.faults.append(fault)
        finally:
            self._is_on = True

    def _fault(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open":
            path, _, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(flags, int) else False
            return self._of_path(event, path, writes)
        if event in _LISTS:
            return None if _is_importing() else self._of_listing(event, arguments[_LISTS[event]])
        if event in _READS or event in _WRITES:
            places = [(_READS[event], False)] if event in _READS else []
            places += [(place, True) for place in _WRITES.get(event, ())]
            faults = (
                self._of_path(event, arguments[place], writes)
                for place, writes in places
                if not _is_in_open_directory(arguments, place)
            )
            return next(filter(None, faults), None)
        if event == "import":
            return f"import of {arguments[0]}" if str(arguments[0]).startswith(_FOREIGN_MODULES) else None
        if event in ("exec", "compile") or event.startswith(_NEVER):
            return None if _is_importing() else f"{event} {str(arguments)[:120]}"
        return None

    def _of_listing(self, event: str, path: Any) -> str | None:
        if isinstance(path, (str, bytes)):
            place = os.path.abspath(os.fsdecode(path))
            folder = os.path.dirname(place) if event == "glob.glob" else place
            if f"{folder.rstrip('/')}/" in self._may_read:
                return None
        return self._of_path(event, path, False)

    def _of_path(self, event: str, path: Any, writes: bool) -> str | None:
        if path is None or isinstance(path, int):
            return None
        place = os.path.abspath(os.fsdecode(path))
        allowed = (*self._may_write, *DEVICES) if writes else (*self._may_read, *PYTHON, *DEVICES)
        if any(is_below(place, each) for each in allowed if not each.endswith("/")):
            return None
        return f"{event} of {place}{' to write' if writes else ''}"


def _is_in_open_directory(arguments: tuple[Any, ...], place: int) -> bool:
    """Whether the path is a mere name in a directory that was opened before, and watched then."""
    name, descriptor = arguments[place], arguments[-1]
    is_name = isinstance(name, str) and "/" not in name and name not in ("..", ".")
    return is_name and isinstance(descriptor, int) and descriptor >= 0


def is_below(place: str, directory: str) -> bool:
    """Whether a path is a directory's, or that path itself."""
    return place == directory or place.startswith(directory.rstrip("/") + "/")


def _is_importing() -> bool:
    """Whether the interpreter loads a module just now, which runs its code."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
