"""The pytest plugin: the fixture `golden_checkpoint`, and --update-goldens to write what it compares with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from migration.testing.golden import GoldenCheckpoint

FOLDER = "goldens"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option and the setting."""
    group = parser.getgroup("ckpt-migration")
    group.addoption(
        "--update-goldens",
        action="store_true",
        help="write the golden files of converted checkpoints instead of comparing with them",
    )
    parser.addini("golden_folder", "folder of golden files, relative to a test's own folder", default=FOLDER)


@pytest.fixture
def golden_checkpoint(request: pytest.FixtureRequest) -> GoldenCheckpoint:
    """Compares a checkpoint with the digests in this test's golden file: `golden_checkpoint.check(prefix)`.

    The file lies in `goldens/` beside the test file and is named after file and test, parameters included.
    Each test has its own, so that tests may run in several processes.
    """
    from migration.testing.golden import GoldenCheckpoint, safe_name

    test: Path = request.path
    owner = f"{request.cls.__name__}." if request.cls is not None else ""
    return GoldenCheckpoint(
        folder=test.parent / request.config.getini("golden_folder"),
        stem=safe_name(f"{test.stem}.{owner}{request.node.name}"),
        update=request.config.getoption("update_goldens"),
    )
