"""Workflow 1: variables, placeholders, a Saver; train, save with a step, restore in a fresh process.

    python tests/workflows/w1_save_and_restore.py --workdir=/some/where

First as scripts have always written it, with `import legacy_ckpt.v1 as tf` as the one change, then with
`legacy_ckpt.GraphSession`, which is the same in fewer lines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import small_net

import legacy_ckpt
import legacy_ckpt.v1 as tf


def train(directory: Path) -> float:
    """Train 30 steps; returns the last loss."""
    inputs, classes = small_net.examples()
    directory.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        net = small_net.build()
        saver = tf.train.Saver(max_to_keep=3)
        session.run(tf.global_variables_initializer())
        for step in range(1, 31):
            session.run(net["train"], {net["inputs"]: inputs, net["classes"]: classes})
            if step % 10 == 0:
                print("saved", saver.save(session, str(directory / "model.ckpt"), global_step=step))
        return float(session.run(net["loss"], {net["inputs"]: inputs, net["classes"]: classes}))


def restore(directory: Path) -> float:
    """Restore the latest checkpoint; returns the loss."""
    inputs, classes = small_net.examples()
    with tf.Graph().as_default(), tf.Session() as session:
        net = small_net.build()
        tf.train.Saver().restore(session, tf.train.latest_checkpoint(str(directory)))
        return float(session.run(net["loss"], {net["inputs"]: inputs, net["classes"]: classes}))


def go_on(directory: Path) -> float:
    """The same with a GraphSession, and ten steps more; returns the loss."""
    inputs, classes = small_net.examples()
    feed = {"inputs": inputs, "classes": classes}
    with legacy_ckpt.GraphSession(small_net.build, directory, max_to_keep=3) as run:
        print("restored", run.restore_or_initialize())
        while run.step < 40:
            run(run.nodes.train, feed)
        print("saved", run.save())
        return float(run("loss", feed))


def in_a_fresh_process(workdir: Path) -> float:
    """`restore`, run by another Python."""
    command = [sys.executable, __file__, f"--workdir={workdir}", "--stage=restore"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main(workdir: Path) -> tuple[float, float, float]:
    """All of it; returns the loss when saved, when restored, and ten steps on."""
    saved = train(workdir / "run")
    restored = in_a_fresh_process(workdir)
    further = go_on(workdir / "run")
    print(f"loss {saved:.6f} when saved, {restored:.6f} in a fresh process, {further:.6f} ten steps on")
    return saved, restored, further


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--stage", choices=["all", "restore"], default="all")
    arguments = parser.parse_args()
    if arguments.stage == "restore":
        print(repr(restore(arguments.workdir / "run")))
    else:
        main(arguments.workdir)
