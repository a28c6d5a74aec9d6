"""State-file functions: TensorFlow's answers, and a good one where paths are no longer true."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from legacy_ckpt import management
from legacy_ckpt.saver import Saver

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints of a Saver: model.ckpt-8, -9, -10, with absolute paths in the state file."""
    folder = tmp_path_factory.mktemp("trained")
    with v1.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [2])
        session.run(v1.global_variables_initializer())
        saver = Saver()
        for step in (8, 9, 10):
            saver.save(session, str(folder / "model.ckpt"), step)
    return folder


@pytest.fixture
def directory(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, made by a copy that leaves the old one in place."""
    return shutil.copytree(trained, tmp_path / "copy")


def _state(directory: Path, latest: str, *others: str) -> None:
    lines = [
        f'model_checkpoint_path: "{latest}"',
        *(f'all_model_checkpoint_paths: "{each}"' for each in others),
    ]
    (directory / "checkpoint").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda directory: None, id="as saved"),
        pytest.param(lambda directory: _state(directory, "model.ckpt-9", "model.ckpt-9"), id="relative"),
        pytest.param(lambda directory: _state(directory, "./model.ckpt-9"), id="no list"),
        pytest.param(lambda directory: _state(directory, "gone-1"), id="nothing of it there"),
        pytest.param(lambda directory: (directory / "checkpoint").unlink(), id="no state file"),
        pytest.param(
            lambda directory: (directory / "checkpoint").write_text("{{{ nonsense"), id="no text format"
        ),
        pytest.param(lambda directory: (directory / "checkpoint").write_text(""), id="empty"),
        pytest.param(lambda directory: shutil.rmtree(directory), id="no directory"),
    ],
)
@pytest.mark.parametrize("name", ["get_checkpoint_state", "latest_checkpoint"])
def test_the_answer_is_tensorflows(name: str, prepare: Callable[[Path], None], directory: Path) -> None:
    prepare(directory)
    assert _outcome(getattr(management, name), str(directory)) == _outcome(
        getattr(v1.train, name), str(directory)
    )


def _outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ValueError as error:
        return type(error)


@pytest.mark.parametrize("path", [Path, str])
def test_exists_mtimes_and_remove_are_tensorflows(directory: Path, path: Callable[[str], Any]) -> None:
    prefixes = [str(directory / f"model.ckpt-{step}") for step in (8, 9, 77)]
    for prefix in (*prefixes, str(directory / "model.ckpt"), str(directory / "model.ckpt-8.index")):
        assert management.checkpoint_exists(path(prefix)) == v1.train.checkpoint_exists(prefix)
    expected = v1.train.get_checkpoint_mtimes(prefixes)
    assert management.get_checkpoint_mtimes([path(each) for each in prefixes]) == expected
    management.remove_checkpoint(path(prefixes[0]))
    assert sorted(each.name for each in directory.glob("model.ckpt-8*")) == []


def test_glob_characters_in_a_path_are_only_characters(directory: Path) -> None:
    odd = directory.rename(directory.parent / "run[1]*")
    assert management.checkpoint_exists(odd / "model.ckpt-8")
    _state(odd, "/gone/model.ckpt-9")
    assert management.latest_checkpoint(odd) == str(odd / "model.ckpt-9")


STALE = [
    "/gone/machine/model.ckpt-9",
    "C:\\\\\\\\train\\\\\\\\model.ckpt-9",
    "gs://bucket/run/model.ckpt-9",
    "other/place/model.ckpt-9",
]


@pytest.mark.parametrize("recorded", STALE)
def test_a_stale_path_is_found_beside_the_state_file(directory: Path, recorded: str) -> None:
    _state(directory, recorded.replace("\\\\\\\\", "\\\\"), recorded.replace("\\\\\\\\", "\\\\"))
    expected = str(directory / "model.ckpt-9")
    state = management.get_checkpoint_state(directory)
    assert state.model_checkpoint_path == expected
    assert list(state.all_model_checkpoint_paths) == [expected]
    assert management.latest_checkpoint(directory) == expected


def test_windows_line_ends_and_a_byte_order_mark(directory: Path) -> None:
    (directory / "checkpoint").write_bytes(b'\xef\xbb\xbfmodel_checkpoint_path: "model.ckpt-8"\r\n')
    assert management.latest_checkpoint(directory) == str(directory / "model.ckpt-8")


def test_a_latest_that_is_gone_gives_way_to_the_newest_that_is_listed(directory: Path) -> None:
    _state(directory, "model.ckpt-11", "model.ckpt-8", "model.ckpt-9", "model.ckpt-11")
    assert v1.train.latest_checkpoint(str(directory)) is None
    assert management.latest_checkpoint(directory) == str(directory / "model.ckpt-9")


def test_the_state_file_itself_is_its_directory(directory: Path) -> None:
    _state(directory, "model.ckpt-9")
    assert management.latest_checkpoint(directory / "checkpoint") == str(directory / "model.ckpt-9")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("model.ckpt", "model.ckpt-10"),
        ("model.ckpt-9", "model.ckpt-9"),
        ("model.ckpt-{step}", "model.ckpt-10"),
        ("model.ckpt-{epoch:04d}", "model.ckpt-10"),
        ("other", None),
        ("model", None),
    ],
)
def test_a_prefix_in_place_of_its_directory(directory: Path, given: str, meant: str | None) -> None:
    found = management.latest_checkpoint(directory / given)
    assert found == (meant and str(directory / meant))


def test_a_prefix_without_a_state_file_takes_the_highest_step(directory: Path) -> None:
    (directory / "checkpoint").unlink()
    assert management.latest_checkpoint(directory / "model.ckpt") == str(directory / "model.ckpt-10")


def test_no_state_file_is_none_but_not_without_a_word(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / "checkpoint").unlink()
    with caplog.at_level("WARNING", logger="tensorflow"):
        assert management.latest_checkpoint(directory) is None
    assert "does hold model.ckpt-8, model.ckpt-9, model.ckpt-10" in caplog.text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (".", "10"),
        ("checkpoint", "10"),
        ("model.ckpt", "10"),
        ("model.ckpt-8", "8"),
        ("model.ckpt-8.index", "8"),
    ],
)
def test_what_a_reader_is_given_resolves_to_a_prefix(directory: Path, given: str, meant: str) -> None:
    _state(directory, "/gone/model.ckpt-10")
    assert management.resolved(directory / given) == str(directory / f"model.ckpt-{meant}")


def test_a_directory_without_checkpoints_does_not_resolve(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file or checkpoints in given directory"):
        management.resolved(tmp_path)


def test_updating_takes_path_objects_and_writes_what_tensorflow_writes(tmp_path: Path) -> None:
    written = []
    for number, (module, path) in enumerate(((management, Path), (v1.train, str))):
        folder = tmp_path / str(number)
        folder.mkdir()
        module.update_checkpoint_state(path(folder), path("m-2"), [path("m-1"), path("m-2")])
        written.append((folder / "checkpoint").read_text())
    assert written[0] == written[1]


def test_the_corpus_directories_with_stale_state_files_open(corpus: Path) -> None:
    directories = [each.parent for each in corpus.rglob("checkpoint") if each.is_file()]
    assert directories
    for directory in directories:
        assert management.checkpoint_exists(management.resolved(directory))
