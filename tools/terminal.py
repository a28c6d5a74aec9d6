"""What every tool shares: flags in, one call, text out, and the exit status.

Results go to standard output; remarks, progress and errors go to standard error. Errors are turned into
one clear text and a status here and nowhere else; names in a line are shown as `printable` shows them.
"""

from __future__ import annotations

import contextlib
import enum
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from absl import flags

from migration.printable import printable

Main = Callable[[Sequence[str]], int]
Progress = Callable[[int, int], None]
PATIENCE = 1.0  # seconds that work may take before it gets a progress bar


class Status(enum.IntEnum):
    """The exit status of every tool."""

    DONE = 0
    ERROR = 1  # usage, input or output
    DIFFERS = 2  # something is left unmapped, or differs
    FAILED = 3  # verification failed


class UsageError(Exception):
    """Flags or arguments that do not go together."""


def run(
    main: Main, values: flags.FlagValues, *, tool: str, required: Sequence[str] = (), arguments: str = ""
) -> NoReturn:
    """Parse the command line into `values`, call `main` with the arguments that are no flags, and exit.

    `required` are the flags that must have a value, from the command line, a flagfile or the --config
    file. `arguments` names the positional ones, such as "A B".
    """
    gc.set_threshold(500_000, 10, 10)  # very many values, hardly a cycle: finding those took a quarter
    values.set_gnu_getopt(True)
    if "config" not in values:
        flags.DEFINE_string(
            "config", None, "A TOML file with paths and defaults for flags.", flag_values=values
        )
        flags.DEFINE_bool("help", False, "Show this text.", short_name="?", flag_values=values)

    flags.FLAGS.mark_as_parsed()  # absl's own flags keep their defaults
    name = f"ckpt-{tool}"
    # Not by absl.app, which would do no more here, and loads a debugger for it.
    argv = _guarded(name, lambda: _parsed(sys.argv, values, tool, required, arguments))
    sys.exit(_guarded(name, lambda: _main(main, argv[1:])))


def _main(main: Main, arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not under every test runner
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    status = main(arguments)
    sys.stdout.flush()
    return int(status)


def _guarded(name: str, call: Callable[[], Any]) -> Any:
    """The one place where an error becomes a text and a status."""
    from migration.errors import MigrationError

    try:
        return call()
    except UsageError as error:
        fail(name, printable(f"{error}; see {name} --help"), Status.ERROR)
    except MigrationError as error:
        fail(name, str(error), status_of(error))
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Status.ERROR)
    except OSError as error:
        fail(name, printable(f"{error.filename or 'the disk'}: {error.strerror or error}"), Status.ERROR)
    except KeyboardInterrupt:
        fail(name, "interrupted; what was not finished is not there", Status.ERROR)


def status_of(error: Exception) -> Status:
    """The status for an error of the package's."""
    from migration.errors import UnmappedError, VerificationError

    if isinstance(error, UnmappedError):
        return Status.DIFFERS
    return Status.FAILED if isinstance(error, VerificationError) else Status.ERROR


def fail(name: str, message: str, status: Status) -> NoReturn:
    """Tell the error, of one line or more that are safe to print, and exit."""
    sys.stdout.flush()
    print(f"{name}: {message}", file=sys.stderr)
    sys.exit(int(status))


def note(message: str) -> None:
    """A remark for a person, in one line."""
    print(printable(message), file=sys.stderr)


def say(message: str) -> None:
    """One line of the result."""
    print(printable(message))


# The command line -----------------------------------------------------------------------------------


def _parsed(
    argv: list[str], values: flags.FlagValues, tool: str, required: Sequence[str], arguments: str
) -> list[str]:
    for name in values:
        values[name].unparse()
    try:
        left: list[str] = values(argv)
        if values["help"].value:
            _show_help(values, tool, arguments)
        _check_arguments(left[1:], arguments)
        if values["config"].value:
            _apply_config(values, tool, values["config"].value)
    except (flags.Error, ValueError) as error:  # absl raises both
        raise UsageError(" ".join(str(error).split())) from None
    missing = [f"--{name}" for name in required if values[name].value in (None, "")]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be given")
    return left


def _check_arguments(given: Sequence[str], arguments: str) -> None:
    wanted = arguments.split()
    if len(given) > len(wanted):
        hint = "" if wanted else "; flags are written --name=value"
        raise UsageError(f"{given[len(wanted)]!r} is one argument too many{hint}")
    if len(given) < len(wanted):
        raise UsageError(f"{' and '.join(wanted[len(given) :])} must be given")


def _apply_config(values: flags.FlagValues, tool: str, file: str) -> None:
    from migration.config import Config, ConfigError
    from migration.errors import Problem

    config = Config.read(file)
    unknown = [name for name in config.tools.get(tool, {}) if name not in values]
    if unknown:
        problems = [
            Problem(kind="key", where=name, message=f"ckpt-{tool} has no such flag") for name in unknown
        ]
        raise ConfigError(f"{file}: [{tool}]", problems)
    for name, value in config.flags_of(tool).items():
        if name in values and values[name].using_default_value:
            values[name].parse(str(value).lower() if isinstance(value, bool) else str(value))


def _show_help(values: flags.FlagValues, tool: str, arguments: str) -> NoReturn:
    main = sys.modules.get("__main__")
    text = (
        getattr(sys.modules.get(_module_of(values)), "__doc__", None) or getattr(main, "__doc__", "")
    ) or ""
    print(f"{text.strip()}\n\nUsage: ckpt-{tool}{f' {arguments}' if arguments else ''} [flags]\n")
    for flag in _own_flags(values):
        print(f"  {_spelling(flag)}\n      {_told(flag)}")
    print("\n  --flagfile=FILE\n      Read flags from a file, one a line.")
    sys.exit(int(Status.DONE))


def _module_of(values: flags.FlagValues) -> str:
    return next(
        (name for name, module in list(sys.modules.items()) if getattr(module, "FLAGS", None) is values), ""
    )


def _own_flags(values: flags.FlagValues) -> list[Any]:
    return list({id(values[name]): values[name] for name in values._flags()}.values())


def _spelling(flag: Any) -> str:
    if flag.boolean:
        return f"--[no]{flag.name}"
    choices = getattr(flag.parser, "enum_values", None)
    return f"--{flag.name}={'|'.join(choices) if choices else flag.name.upper()}"


def _told(flag: Any) -> str:
    default = flag.default
    shown = (
        ""
        if default in (None, False, "")
        else f" (default: {str(default).lower() if flag.boolean else default})"
    )
    return f"{flag.help.partition('>: ')[2] if flag.help.startswith('<') else flag.help}{shown}"


def exclusive(values: flags.FlagValues, one: str, *others: str) -> None:
    """Raises UsageError where the command line has the flag `one` together with any of the others."""
    if values[one].using_default_value:
        return
    given = [f"--{name}" for name in others if not values[name].using_default_value]
    if given:
        raise UsageError(f"--{one} and {', '.join(given)} do not go together")


# Progress -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress(title: str, *, counts: bool = False) -> Iterator[Progress | None]:
    """A callback for bytes (or, with `counts`, things) done and in all, shown as a bar once the work takes
    long; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(title, counts)
    try:
        yield bar.update
    finally:
        bar.stop()


class _Bar:
    def __init__(self, title: str, counts: bool) -> None:
        self._title, self._counts = title, counts
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def update(self, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._started < PATIENCE:
                return
            self._start(total)
        self._bar.update(self._task, completed=done, total=total)

    def _start(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        done = MofNCompleteColumn() if self._counts else DownloadColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), done, TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=total)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
