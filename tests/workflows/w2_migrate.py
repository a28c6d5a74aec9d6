"""Workflow 2: the checkpoint of workflow 1, migrated, and restored with `tf.train.Checkpoint`.

    python tests/workflows/w2_migrate.py --workdir=/some/where

On the command line the migration is: save a template once with the new code,

    python -c "... tf.train.Checkpoint(model=model).write('template')"
    ckpt-migrate --checkpoint=run --template=template --output=new/ckpt-30
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import small_net
import tensorflow as tf
import w1_save_and_restore

import legacy_ckpt
from migration import Checkpoint, execute, make_plan


def main(workdir: Path) -> float:
    """Migrate and restore; returns the greatest difference between the two nets' outputs."""
    w1_save_and_restore.train(workdir / "run")
    source = Checkpoint.open(workdir / "run")
    model = small_net.keras_model()
    plan = make_plan(source, legacy_ckpt.template(tf.train.Checkpoint(model=model)))
    receipt = execute(plan, source, workdir / "new" / "ckpt-30")
    print(f"{receipt.tensors} tensors written to {receipt.prefix}")
    tf.train.Checkpoint(model=model).restore(receipt.prefix).assert_consumed()
    difference = float(np.abs(model(small_net.examples()[0]) - _old_outputs(workdir)).max())
    print(f"greatest difference of the outputs: {difference}")
    return difference


def _old_outputs(workdir: Path) -> np.ndarray:
    with legacy_ckpt.GraphSession(small_net.build, workdir / "run") as run:
        run.restore()
        outputs: np.ndarray = run("logits", {"inputs": small_net.examples()[0]})
    return outputs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
