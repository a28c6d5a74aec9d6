"""Workflow 6: back to an earlier step, or to the best one, not only to the latest.

python tests/workflows/w6_going_back.py --workdir=/some/where
"""

from __future__ import annotations

import argparse
from pathlib import Path

import small_net

import legacy_ckpt


def main(workdir: Path) -> dict[str, tuple[int, float]]:
    """Train 6 steps, the loss being worse and worse judged; returns step and loss after each way back."""
    inputs, classes = small_net.examples()
    feed = {"inputs": inputs, "classes": classes}
    reached = {}
    with legacy_ckpt.GraphSession(small_net.build, workdir / "run", max_to_keep=3, best_metric="loss") as run:
        run.initialize()
        for penalty in (0.5, 0.0, 1.0, 2.0, 3.0, 4.0):  # as if a validation set got worse from step 3 on
            run(run.nodes.train, feed)
            run.save(metrics={"loss": float(run("loss", feed)) + penalty})
        for name, which in (("latest", "latest"), ("step 4", 4), ("best", "best")):
            print(name, run.restore(which))
            reached[name] = (run.step, float(run("loss", feed)))
        run(run.nodes.train, feed)  # from the best on
        print("saved", run.save())
    return reached


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
