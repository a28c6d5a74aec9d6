"""How every tool takes its flags, and what it says of wrong ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.running import NAMES, Tools

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", NAMES)
def test_help_is_a_result(tool: Tools, name: str) -> None:
    ran = tool(name, "--help")
    assert (ran.status, ran.err) == (0, "")
    assert f"Usage: {name}" in ran.out
    assert "--flagfile=FILE" in ran.out


WRONG = {
    "an unknown flag": ("ckpt-inspect", ["--chekpoint=x"], "Did you mean: checkpoint"),
    "a flag without its value": ("ckpt-inspect", ["--checkpoint"], "Missing value for flag"),
    "a missing flag": ("ckpt-inspect", [], "--checkpoint must be given"),
    "two missing flags": ("ckpt-verify", [], "--checkpoint and --migrated must be given"),
    "a value that is none of the choices": ("ckpt-inspect", ["--format=xml"], "<table|json>"),
    "an argument too many": ("ckpt-inspect", ["model.ckpt"], "'model.ckpt' is one argument too many"),
    "an argument too few": ("ckpt-diff", ["a"], "B must be given"),
    "no argument": ("ckpt-doctor", [], "PATH must be given"),
    "no output": ("ckpt-migrate", ["--checkpoint=x"], "--output must be given"),
    "a directory without a target": ("ckpt-migrate", ["--model_dir=x"], "--model_dir needs --output_dir"),
    "a directory and a checkpoint": (
        "ckpt-migrate",
        ["--model_dir=x", "--checkpoint=y", "--output_dir=z"],
        "--model_dir and --checkpoint do not go together",
    ),
    "steps of a single checkpoint": (
        "ckpt-migrate",
        ["--checkpoint=x", "--output=y", "--only=1"],
        "--model_dir",
    ),
    "a flag off with a value": ("ckpt-migrate", ["--nooverwrite=1"], "does not take an argument"),
    "a plan and rules": ("ckpt-migrate", ["--plan=x", "--rules=y"], "--plan and --rules do not go together"),
    "a learning rate that is none": ("ckpt-plan", ["--learning_rate=fast"], "learning_rate=fast"),
    "a flagfile that is absent": ("ckpt-inspect", ["--flagfile=/nowhere"], "/nowhere"),
    "a config that is absent": ("ckpt-inspect", ["--config=/nowhere"], "/nowhere: cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_usage_errors(tool: Tools, case: str) -> None:
    name, arguments, told = WRONG[case]
    ran = tool(name, *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"{name}: ")
    assert len(ran.err.splitlines()) == 1
    assert told in ran.err


def test_a_flagfile(tool: Tools, source: str, tmp_path: Path) -> None:
    (tmp_path / "flags").write_text(f"# paths\n--checkpoint={source}\n--format=json\n")
    assert tool("ckpt-inspect", f"--flagfile={tmp_path}/flags").json["prefix"] == source


def test_a_config_serves_every_tool(tool: Tools, source: str, tmp_path: Path) -> None:
    config = tmp_path / "paths.toml"
    config.write_text(
        '[paths]\ncheckpoint = "old/model.ckpt-1000"\noutput = "new/ckpt-1"\nmigrated = "new/ckpt-1"\n'
        '[migrate]\ndata = "link"\nmanifest = false\n[inspect]\nformat = "json"\n'
    )
    flag = f"--config={config}"
    assert tool("ckpt-inspect", flag).json["prefix"] == source
    assert tool("ckpt-migrate", flag, "--format=json").json["bytes"]["linked"] == 323
    assert tool("ckpt-verify", flag).status == 0
    # what the command line says goes before the file
    assert tool("ckpt-inspect", flag, "--format=table", f"--checkpoint={tmp_path}/new/ckpt-1").out.startswith(
        str(tmp_path / "new")
    )


def test_the_command_line_says_which_of_a_config_s_paths_is_meant(
    tool: Tools, source: str, tmp_path: Path
) -> None:
    config = tmp_path / "paths.toml"
    config.write_text(
        '[paths]\ncheckpoint = "old/model.ckpt-1000"\noutput = "new/ckpt-1"\n'
        'model_dir = "old"\noutput_dir = "all"\n'
    )
    assert "say --checkpoint or --model_dir" in tool("ckpt-migrate", f"--config={config}").err
    assert tool("ckpt-migrate", f"--config={config}", f"--checkpoint={source}").status == 0
    assert tool("ckpt-migrate", f"--config={config}", f"--model_dir={tmp_path}/old").status == 0
    assert (tmp_path / "new" / "ckpt-1.index").exists()
    assert (tmp_path / "all" / "model.ckpt-1000.index").exists()


BAD_CONFIGS = {
    "no TOML": ("[paths\n", "this is no TOML"),
    "an unknown table": ("[path]\n", "line 1: path: unknown"),
    "an unknown path": ('[paths]\ncheckpoints = "x"\n', "line 2: checkpoints: unknown"),
    "a path that is a number": ("[paths]\noutput = 3\n", "line 2: output: must be a path in quotes"),
    "an unknown flag": ("[inspect]\nvalue = true\n", "ckpt-inspect has no such flag"),
    "a list": ("[inspect]\nvalues = [1]\n", "line 2: values: must be a string"),
    "a value out of its choices": ('[inspect]\nformat = "xml"\n', "<table|json>"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_configs(tool: Tools, source: str, tmp_path: Path, case: str) -> None:
    text, told = BAD_CONFIGS[case]
    (tmp_path / "config.toml").write_text(text)
    ran = tool("ckpt-inspect", f"--checkpoint={source}", f"--config={tmp_path}/config.toml")
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err


def test_every_problem_of_a_config_is_told_at_once(tool: Tools, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[paths]\na = "x"\nb = 1\n[other]\n')
    err = tool("ckpt-inspect", f"--config={tmp_path}/config.toml").err
    assert "3 problems" in err
    assert [line in err for line in ("line 2", "line 3", "line 4")] == [True] * 3


@pytest.mark.parametrize("module", ["numpy", "google.protobuf", "rich", "tensorflow"])
def test_help_loads_nothing_heavy(module: str) -> None:
    program = (
        "import sys; from ckpt_tools import inspect_checkpoint as tool\n"
        "sys.argv = ['ckpt-inspect', '--help']\n"
        "try: tool.run()\n"
        f"except SystemExit: sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def test_a_reader_that_has_seen_enough_gets_no_traceback(source: str) -> None:
    command = f"{sys.executable} -m ckpt_tools.inspect_checkpoint --checkpoint={source} | true"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
