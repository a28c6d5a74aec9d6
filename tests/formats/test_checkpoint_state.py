"""The state file: what TensorFlow writes, and what people's editors make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError, InputError
from migration.formats.checkpoint_state import CheckpointState

pytestmark = pytest.mark.quick

TWO = CheckpointState(
    model_checkpoint_path="m-2",
    all_model_checkpoint_paths=("m-1", "m-2"),
    all_model_checkpoint_timestamps=(1.5, 2.25),
    last_preserved_timestamp=1.0,
)
TEXT = """model_checkpoint_path: "m-2"
all_model_checkpoint_paths: "m-1"
all_model_checkpoint_paths: "m-2"
all_model_checkpoint_timestamps: 1.5
all_model_checkpoint_timestamps: 2.25
last_preserved_timestamp: 1.0
"""
STATES = st.builds(
    CheckpointState,
    model_checkpoint_path=st.text(),
    all_model_checkpoint_paths=st.lists(st.text(), max_size=4).map(tuple),
    all_model_checkpoint_timestamps=st.lists(st.floats(allow_nan=False), max_size=4).map(tuple),
    last_preserved_timestamp=st.floats(allow_nan=False),
)


def test_the_text_is_tensorflows() -> None:
    assert TWO.to_text() == TEXT


@given(STATES)
def test_a_state_comes_back(state: CheckpointState) -> None:
    assert CheckpointState.from_text(state.to_text()) == state


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT + 'a_field_of_tomorrow: "x"\nanother { deep: 1 }\n',
        "# written by hand\n" + TEXT.replace('"', "'"),
        TEXT.replace("\n", " "),
    ],
    ids=["crlf", "bom", "unknown fields", "comment and quotes", "one line"],
)
def test_what_is_tolerated(text: str) -> None:
    assert CheckpointState.from_text(text) == TWO


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model_checkpoint_path: 3", ", line 1"),
        ('model_checkpoint_path: "a"\nall_model_checkpoint_paths "b" "c', ", line 2"),
        ('model_checkpoint_path: "a"\n\n\x00\x01', ", line 3"),
        ('all_model_checkpoint_timestamps: "x"', ", line 1"),
        ("<html>", ", line 1"),
        ('model_checkpoint_path: "\\xff"', ", line 1"),
        ("unknown " + "{ a " * 5000, ""),
    ],
)
def test_what_is_no_state_file_is_told_with_its_line(text: str, line: str) -> None:
    with pytest.raises(FormatError, match=rf"^run/checkpoint{line}.*no state file"):
        CheckpointState.from_text(text, "run/checkpoint")


@given(st.text())
def test_any_text_is_a_state_or_told(text: str) -> None:
    try:
        state = CheckpointState.from_text(text, "checkpoint")
    except FormatError:
        return
    assert CheckpointState.from_text(state.to_text()) == state


def test_a_prefix_that_is_no_unicode_is_told() -> None:
    """A file name of other bytes comes from the system with surrogates in it."""
    with pytest.raises(InputError, match="Unicode only"):
        CheckpointState(model_checkpoint_path="run/m\udcff-1").to_text()
    with pytest.raises(FormatError):
        CheckpointState.from_text('model_checkpoint_path: "m\udcff-1"')
