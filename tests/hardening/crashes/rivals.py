"""Several migrations at one target at once: threads of one process, and processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from migration.errors import MigrationError, TargetError
from tests.hardening.crashes import aftermath, children
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.scenes import RowsFailed
from tests.hardening.crashes.trial import Bench

CLEAR = ("another run", "already there", "another program")


def try_processes(bench: Bench, count: int) -> int:
    """Start `count` processes together; returns how many won. Raises Broken as `_check` does."""
    bench.prepared.lay(bench.folder)
    source = aftermath.picture(bench.folder / "old")
    ready, go = os.pipe()
    reports = [bench.report.with_name(f"report-{number}") for number in range(count)]

    def act() -> None:
        os.close(go)
        os.read(ready, 1)  # until the starter closes its end
        bench.scene.act(bench.folder)

    pids = [children.start(act, report) for report in reports]
    os.close(ready)
    os.close(go)
    ended = [children.end(child, report) for child, report in zip(pids, reports, strict=True)]
    return _check(bench, ended, source)


def try_threads(bench: Bench, count: int) -> int:
    """The same with threads of one process."""
    bench.prepared.lay(bench.folder)
    source = aftermath.picture(bench.folder / "old")
    barrier, ended = threading.Barrier(count), list[Ended]()

    def act() -> None:
        barrier.wait()
        ended.append(_ending(lambda: bench.scene.act(bench.folder)))

    threads = [threading.Thread(target=act) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _check(bench, ended, source)


def _ending(act: Callable[[], None]) -> Ended:
    try:
        act()
    except (MigrationError, RowsFailed) as error:
        return Ended("told", str(error), {"kind": type(error).__name__})
    except Exception as error:
        return Ended("escaped", repr(error))
    return Ended("done")


def _check(bench: Bench, ended: list[Ended], source: dict[str, tuple[object, ...]]) -> int:
    """Raises Broken unless at least one won (just one, where nothing is replaced), the losers were told
    clearly, and the result is whole."""
    won = sum(each.how == "done" for each in ended)
    for each in ended:
        if each.how not in ("done", "told"):
            raise Broken(f"{each.how}: {each.text}")
        kind = each.more.get("kind", "")
        clear = kind in (TargetError.__name__, RowsFailed.__name__) and any(
            words in each.text for words in CLEAR
        )
        if each.how == "told" and not clear:
            raise Broken(f"the loser was told: {each.text}")
    if not bench.scene.directory and (won < 1 or (won > 1 and not bench.scene.old)):
        raise Broken(f"{won} of {len(ended)} won: {[each.text for each in ended]}")
    aftermath.check_source(source, bench.folder / "old")
    bench.second_run(bench.states())
    return won
