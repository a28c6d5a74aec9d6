"""Workflow 7: all paths in one TOML file, which the tools read and the script as well.

    python tests/workflows/w7_paths_in_one_place.py --workdir=/some/where

Paths are relative to the file, so that the directory can move; `--flagfile` does the same without TOML.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import small_net
import tensorflow as tf
import w1_save_and_restore

from migration.config import Config

PATHS = """
[paths]
model_dir = "run"
output_dir = "new"
template = "template"
"""


def migrate(*flags: str) -> str:
    """Run ckpt-migrate; returns what it printed."""
    code = "import sys; from ckpt_tools.migrate_checkpoint import run; sys.exit(run())"
    command = [sys.executable, "-c", code, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(workdir: Path) -> list[str]:
    """Migrate by the config, move the directory, migrate by a flag file; returns the latest of both."""
    project = workdir / "project"
    w1_save_and_restore.train(project / "run")
    (project / "paths.toml").write_text(PATHS)
    checkpoint = tf.train.Checkpoint(model=small_net.keras_model())
    checkpoint.write(str(project / "template"))
    print(migrate(f"--config={project / 'paths.toml'}"))
    moved = Path(shutil.move(project, workdir / "moved"))
    paths = Config.read(moved / "paths.toml").paths
    latest = [tf.train.latest_checkpoint(paths["output_dir"])]
    checkpoint.restore(latest[0]).assert_consumed()
    lines = (f"--model_dir={moved}/run", f"--output_dir={moved}/again", f"--template={moved}/template")
    (moved / "flags.txt").write_text("\n".join(lines))
    print(migrate(f"--flagfile={moved / 'flags.txt'}"))
    return [*latest, tf.train.latest_checkpoint(str(moved / "again"))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
