"""Workflow 4: a whole training directory migrated; `tf.train.CheckpointManager` goes on from there.

    python tests/workflows/w4_checkpoint_manager.py --workdir=/some/where

On the command line: ckpt-migrate --model_dir=run --output_dir=new --template=template
"""

from __future__ import annotations

import argparse
from pathlib import Path

import small_net
import tensorflow as tf
import w1_save_and_restore

import legacy_ckpt
from migration import migrate_directory


def main(workdir: Path) -> list[str]:
    """Migrate, restore the latest, save twice; returns the names of the checkpoints that are left."""
    w1_save_and_restore.train(workdir / "run")
    model = small_net.keras_model()
    checkpoint = tf.train.Checkpoint(model=model)
    report = migrate_directory(workdir / "run", workdir / "new", legacy_ckpt.template(checkpoint))
    for row in report.rows:
        print(f"{row.target}: {row.outcome.value}")
    manager = tf.train.CheckpointManager(checkpoint, str(workdir / "new"), max_to_keep=3)
    print("restored", manager.restore_or_initialize())
    assert int(model.optimizer.iterations) == 30
    for _ in range(2):
        model.train_on_batch(*small_net.examples())
        print("saved", manager.save())
    return [Path(path).name for path in manager.checkpoints]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
