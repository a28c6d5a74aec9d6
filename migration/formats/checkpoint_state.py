"""The text file named `checkpoint` that tells a directory's latest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import text_format

from migration.errors import FormatError, InputError
from migration.formats.proto import checkpoint_state_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointState:
    """The latest prefix, all kept prefixes (oldest first) and when each was written, in seconds since 1970.

    Prefixes are absolute, or relative to the directory of the file.
    """

    model_checkpoint_path: str
    all_model_checkpoint_paths: tuple[str, ...] = ()
    all_model_checkpoint_timestamps: tuple[float, ...] = ()
    last_preserved_timestamp: float = 0.0

    @classmethod
    def from_text(cls, text: str, where: str = "checkpoint") -> CheckpointState:
        """The state of a file's text, whichever line ends it has; fields unknown here are passed over.

        Raises FormatError, with the line, for text that is no state file.
        """
        message = checkpoint_state_pb2.CheckpointState()
        try:
            text_format.Parse(text.removeprefix("\ufeff"), message, allow_unknown_field=True)
        except text_format.ParseError as error:
            line = f", line {error.GetLine()}" if error.GetLine() else ""
            raise FormatError(f"{where}{line}: this is no state file of checkpoints ({error})") from None
        except (RecursionError, ValueError) as error:
            raise FormatError(f"{where}: this is no state file of checkpoints ({error})") from None
        return cls(
            model_checkpoint_path=message.model_checkpoint_path,
            all_model_checkpoint_paths=tuple(message.all_model_checkpoint_paths),
            all_model_checkpoint_timestamps=tuple(message.all_model_checkpoint_timestamps),
            last_preserved_timestamp=message.last_preserved_timestamp,
        )

    def to_text(self) -> str:
        """The file's text, as TensorFlow writes it. Raises InputError where a prefix is no Unicode."""
        try:
            message = checkpoint_state_pb2.CheckpointState(
                model_checkpoint_path=self.model_checkpoint_path,
                all_model_checkpoint_paths=self.all_model_checkpoint_paths,
                all_model_checkpoint_timestamps=self.all_model_checkpoint_timestamps,
                last_preserved_timestamp=self.last_preserved_timestamp,
            )
        except ValueError:  # UnicodeEncodeError, but protobuf without its C part raises the plain one
            raise InputError(
                f"{self.model_checkpoint_path!r}: a state file holds Unicode only: rename the checkpoint"
            ) from None
        return text_format.MessageToString(message)
