"""The comparison with the stock class once more, in a process that has TensorFlow 1 behaviour switched on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, pytest
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
sys.exit(pytest.main([sys.argv[1], "-q", "-p", "no:cacheprovider", "-k", "var_list or calls or constructor"]))
"""


def test_graph_mode_is_the_same_there() -> None:
    parity = Path(__file__).with_name("test_parity.py")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(parity)],
        cwd=parity.parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "failed" not in ran.stdout
