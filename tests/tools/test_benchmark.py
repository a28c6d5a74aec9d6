"""The benchmark script: small, without TensorFlow, to its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_it_prints_one_table(tmp_path: Path) -> None:
    sizes = ["--gigabytes=0.002", "--sparse_gigabytes=0.02", "--tensors=4", "--keys=50", "--runs=1"]
    command = [sys.executable, "-m", "ckpt_tools.benchmark_conversion", *sizes]
    ran = subprocess.run(
        [*command, "--notensorflow", f"--directory={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    head, rule, *rows = ran.stdout.splitlines()
    assert head == "| process | seconds | peak memory, MB | to reach | reached |"
    assert rule.startswith("|---")
    told = " ".join(row.split("|")[1].split(",")[0].strip() for row in rows)
    assert told == "link link copy cp cp ckpt-inspect ckpt-inspect --help import migration python -c pass"
    assert list(tmp_path.iterdir()) == []
