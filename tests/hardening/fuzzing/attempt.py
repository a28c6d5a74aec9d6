"""One execution: a value, a refusal, or a finding; and the shortest input that gives the same finding."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field

from migration.errors import MigrationError
from tests.hardening.fuzzing.targets import Target
from tests.hardening.fuzzing.watch import Results, Watch

_SECONDS_TO_SHORTEN = 1.0
_VALUE = ("", "")  # what was read had no fault


@dataclass(slots=True)
class Trier:
    """Runs inputs under watch, and writes down what they should not do, once for each place."""

    targets: tuple[Target, ...]
    watch: Watch
    results: Results
    known: set[str] = field(default_factory=set)

    def run(self, at: int, number: int, raw: bytes) -> None:
        """Execute one input of one target."""
        self.watch.count(at)
        found = self._once(at, number, raw)
        if found is _VALUE:
            self.watch.gave_value(at)
        if found is None or found is _VALUE or found[0] in self.known:
            return
        signature, seen = found
        self.known.add(signature)
        name = self.targets[at].name
        self.results.add(name, number, signature, seen, raw)
        shorter = self._shortened(at, number, raw, signature)
        if len(shorter) < len(raw):
            self.results.add(name, number, signature, seen, shorter)

    def _once(self, at: int, number: int, raw: bytes) -> tuple[str, str] | None:
        """None for a refusal, _VALUE, or the place and the text of what escaped."""
        self.watch.begin(at, number, raw)
        try:
            self.targets[at].read(raw)
        except MigrationError:
            return None
        except Exception as error:
            return _told(self.targets[at].name, error)
        finally:
            self.watch.end()
        return _VALUE

    def _shortened(self, at: int, number: int, raw: bytes, signature: str) -> bytes:
        """The input with every piece left out without which the finding stays."""
        ends = time.monotonic() + _SECONDS_TO_SHORTEN
        size = len(raw) // 2
        while size and time.monotonic() < ends:
            start = 0
            while start < len(raw) and time.monotonic() < ends:
                without = raw[:start] + raw[start + size :]
                found = self._once(at, number, without)
                if found is not None and found[0] == signature:
                    raw = without
                else:
                    start += size
            size //= 2
        return raw


def _told(target: str, error: Exception) -> tuple[str, str]:
    """Where an exception comes from: its kind, and the last line of the package that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "migration" in frame.filename] or frames
    place = f"{ours[-1].filename.rpartition('migration/')[2]}:{ours[-1].lineno} in {ours[-1].name}"
    return (
        f"{target}: {type(error).__name__} at {place}",
        f"{type(error).__name__}: {str(error)[:200]} ({place})",
    )
