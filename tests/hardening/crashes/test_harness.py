"""The harness notices: writers that are broken on purpose are caught, and the real one is not."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from migration.checked import Writing
from migration.errors import MigrationError
from migration.formats.tensor_bundle import shard_name
from migration.snapshot import Snapshot
from migration.storage import journal, settling, staging
from tests.hardening.crashes import aftermath, protocol, rivals
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.parts import in_memory
from tests.hardening.crashes.replaced import Replacing
from tests.hardening.crashes.scenes import SCENES, Prepared, Scene
from tests.hardening.crashes.seam import KINDS
from tests.hardening.crashes.trial import Bench

OVERWRITE = next(scene for scene in SCENES if scene.name == "copy --overwrite")
FRESH = SCENES[0]


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory, where that is offered: flushing a busy disk would take most of the time."""
    with tempfile.TemporaryDirectory(prefix="ckpt-crashes-", dir=in_memory()) as folder:
        yield Path(folder)


def bench(scene: Scene, root: Path) -> Bench:
    return Bench.of(Prepared.of(scene, root / "laid"), root / "bench")


def shown_by_death(bench: Bench) -> str:
    """What dying at each call in turn first shows to be broken."""
    for at in range(1, len(bench.calls()) + 1):
        try:
            bench.try_fault(at, "death")
        except Broken as error:
            return str(error)
    return ""


def names(self: staging.Staging, shards: Sequence[str]) -> tuple[str, list[str]]:
    """The index' name, and those of the old files."""
    return f"{self._base}.index", staging.present(self.directory, self._base)


def index_first(self: staging.Staging, shards: Sequence[str]) -> None:
    self.flush()
    index, _ = names(self, shards)
    for name in (index, *shards):
        os.replace(os.path.join(self.folder, name), os.path.join(self.directory, name))
        staging.flush_directory(self.directory)


def old_ones_first(self: staging.Staging, shards: Sequence[str]) -> None:
    self.flush()
    index, old = names(self, shards)
    for name in old:
        os.unlink(os.path.join(self.directory, name))
    for name in (*shards, index):
        os.replace(os.path.join(self.folder, name), os.path.join(self.directory, name))
        staging.flush_directory(self.directory)


def same_names(self: staging.Staging, needed: int) -> int:
    return needed


def unchecked(self: staging.Staging, untouched: bool) -> None:
    pass


def test_the_real_writer_passes(root: Path) -> None:
    real = bench(OVERWRITE, root)
    protocol.check_order(real.calls(), str(real.folder / "new" / OVERWRITE.names[0]))
    assert not shown_by_death(real)


@pytest.mark.parametrize("commit", [index_first, old_ones_first])
def test_a_wrong_order_is_caught_by_deaths(
    root: Path, monkeypatch: pytest.MonkeyPatch, commit: Callable[..., None]
) -> None:
    broken = bench(OVERWRITE, root)
    monkeypatch.setattr(staging.Staging, "commit", commit)
    assert shown_by_death(broken)


def test_the_old_names_used_again_are_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bench(OVERWRITE, root)
    monkeypatch.setattr(staging.Staging, "count", same_names)
    monkeypatch.setattr(staging.Staging, "_check", unchecked)
    assert shown_by_death(broken)


@pytest.mark.parametrize("commit", [index_first, old_ones_first])
def test_a_wrong_order_is_caught_by_the_order(
    root: Path, monkeypatch: pytest.MonkeyPatch, commit: Callable[..., None]
) -> None:
    broken = bench(OVERWRITE, root)
    monkeypatch.setattr(staging.Staging, "commit", commit)
    with pytest.raises(Broken, match=r"after the index|was removed before"):
        protocol.check_order(broken.calls(), str(broken.folder / "new" / OVERWRITE.names[0]))


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (staging.StagedFile, "flush", "without a flush"),
        (staging, "flush_directory", "directory was not flushed"),
    ],
)
def test_a_writer_that_does_not_flush_is_caught(
    root: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, told: str
) -> None:
    broken = bench(OVERWRITE, root)
    monkeypatch.setattr(owner, name, lambda *arguments: None)
    with pytest.raises(Broken, match=told):
        protocol.check_order(broken.calls(), str(broken.folder / "new" / OVERWRITE.names[0]))


def test_a_writer_that_clears_nothing_is_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bench(FRESH, root)
    monkeypatch.setattr(settling, "shutil", SimpleNamespace(rmtree=lambda folder: None))
    with pytest.raises(Broken, match=r"left|did not clear"):
        broken.try_fault(8, "death")


def test_a_journal_that_removes_what_is_another_s_is_caught(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash before the commit, then the journal is taken for that of one behind it."""
    broken = bench(OVERWRITE, root)
    monkeypatch.setattr(journal.Journal, "is_committed", lambda *arguments: True)
    assert shown_by_death(broken)


def test_an_untrue_text_is_caught(root: Path) -> None:
    true = bench(FRESH, root)

    def untrue() -> Ended:
        (true.folder / "new").mkdir()
        (true.folder / "new" / ".stray").touch()
        return Ended("told", "No space left: nothing was left behind")

    with pytest.raises(Broken, match=r"\.stray"):
        true.try_run(untrue)


def test_a_source_that_is_touched_is_caught(root: Path) -> None:
    true = bench(FRESH, root)

    def touching() -> Ended:
        os.utime(true.folder / "old" / f"{FRESH.names[0]}.index")
        return Ended("killed")

    with pytest.raises(Broken, match="the source is not what it was"):
        true.try_run(touching)


def test_a_mix_of_old_and_new_is_caught(root: Path) -> None:
    true = bench(OVERWRITE, root)

    def mixing() -> Ended:
        shutil.copy(shard_name(true.folder / "old" / FRESH.names[0], 0, 2), true.folder / "mixed")
        os.replace(true.folder / "mixed", shard_name(true.folder / "new" / FRESH.names[0], 0, 1))
        return Ended("killed")

    with pytest.raises(Broken, match="cannot be read"):
        true.try_run(mixing)


def test_links_to_a_replaced_source_are_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several looks at the source find that: without them two checkpoints are mixed."""
    replacing = Replacing(next(scene for scene in SCENES if scene.name == "link"), root)
    for look in ("saw", "check"):
        monkeypatch.setattr(Snapshot, look, lambda *arguments: None)
    execute, verify = map(importlib.import_module, ("migration.convert.execute", "migration.verify"))
    monkeypatch.setattr(execute, "FileStamp", SimpleNamespace(at=lambda path: None))
    monkeypatch.setattr(verify, "_same_file", lambda *arguments: True)

    def tried(at: int) -> str:
        try:
            return replacing.try_at(at, "as TensorFlow saves")
        except (Broken, MigrationError) as error:
            return f"caught: {error}"

    assert any(tried(at).startswith("caught") for at in range(1, replacing.calls() + 1, 4))


@pytest.mark.parametrize("scene", [FRESH, OVERWRITE], ids=lambda scene: scene.name)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_in_the_middle(root: Path, scene: Scene, kind: str) -> None:
    true = bench(scene, root)
    for at in (5, 12, 20):
        true.try_fault(at, kind)


@pytest.mark.parametrize("way", [rivals.try_processes, rivals.try_threads])
def test_rivals(root: Path, way: Callable[[Bench, int], int]) -> None:
    assert way(bench(FRESH, root), 3) == 1


def test_a_writer_without_locks_is_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that both say that they won, where nothing is to be replaced."""
    true = bench(FRESH, root)
    true.prepared.lay(true.folder)
    true.scene.act(true.folder)
    with pytest.raises(Broken, match="2 of 2 won"):
        rivals._check(true, [Ended("done"), Ended("done")], aftermath.picture(true.folder / "old"))


def test_the_writing_of_a_scene_is_what_its_name_says() -> None:
    assert {scene.name for scene in SCENES if scene.writing.overwrite} == {
        scene.name for scene in SCENES if scene.name.endswith("--overwrite")
    }
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    assert Writing() == FRESH.writing
