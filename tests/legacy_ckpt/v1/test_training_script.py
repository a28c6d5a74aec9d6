"""A TensorFlow 1 script runs with only its import changed, is killed, resumes, and TF2 reads the result."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tensorflow as tf

import legacy_ckpt
from migration import Options

SCRIPT = Path(__file__).with_name("training_script.py")
WAS, IS = "import tensorflow as tf\n", "import legacy_ckpt.tf1 as tf\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[str]]:
    """The directory, and the lines that the script printed before it was killed and after it went on."""
    folder = tmp_path_factory.mktemp("script")
    script, directory = folder / "ported.py", folder / "train"
    original = SCRIPT.read_text()
    assert original.count(WAS) == 1
    script.write_text(original.replace(WAS, IS))
    first = _killed_after(script, directory, "saved 30")
    second = _run(script, directory, _last(first, "saved") + 25)
    return directory, first, second


def _command(script: Path, directory: Path, steps: int) -> list[str]:
    return [sys.executable, str(script), f"--train_dir={directory}", f"--max_steps={steps}"]


def _killed_after(script: Path, directory: Path, line: str) -> list[str]:
    lines: list[str] = []
    with subprocess.Popen(_command(script, directory, 10**6), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for each in process.stdout:
            lines.append(each.strip())
            if each.strip() == line:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, lines[-20:]
    return lines


def _run(script: Path, directory: Path, steps: int) -> list[str]:
    done = subprocess.run(_command(script, directory, steps), stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0
    return [each.strip() for each in done.stdout.splitlines()]


def _last(lines: list[str], word: str) -> int:
    return [int(each.split()[1]) for each in lines if each.startswith(word + " ")][-1]


def test_it_resumes_where_it_was_saved_last(trained: tuple[Path, list[str], list[str]]) -> None:
    _, first, second = trained
    assert f"start {_last(first, 'saved')}" in second
    assert "start 0" in first
    assert _last(second, "step") == _last(first, "saved") + 25


def test_the_loss_and_the_schedule_go_on_without_a_seam(trained: tuple[Path, list[str], list[str]]) -> None:
    _, first, second = trained
    losses = [float(each.split()[3]) for each in (*first, *second) if each.startswith("step")]
    assert losses[0] > 1.2  # about log(4), untrained
    resumed = [float(each.split()[3]) for each in second if each.startswith("step")]
    assert max(resumed) < losses[0]
    rates = {int(each.split()[1]): float(each.split()[5]) for each in second if each.startswith("step")}
    assert rates == {step: pytest.approx(0.05 * 0.7 ** ((step - 1) // 50), rel=0.3) for step in rates}


def test_retention_and_state_file_go_on_too(trained: tuple[Path, list[str], list[str]]) -> None:
    directory, _, second = trained
    kept = sorted(int(re.sub(r"\D", "", each.stem)) for each in directory.glob("*.index"))
    state = tf.train.get_checkpoint_state(directory)
    assert len(state.all_model_checkpoint_paths) == 3
    assert kept[-1] == _last(second, "step")
    assert second[-1] == f"done model.ckpt-{kept[-1]}"
    assert list(directory.glob("events.out.tfevents*"))


def test_every_kind_of_variable_is_in_the_checkpoint(trained: tuple[Path, list[str], list[str]]) -> None:
    shapes = dict(tf.train.list_variables(str(trained[0])))
    assert shapes["embedding"] == [24, 8]  # partitioned in the graph
    assert {
        "embedding/Adam",
        "embedding/Adam_1",
        "hidden/weights/ExponentialMovingAverage",
        "beta1_power",
    } <= set(shapes)
    reader = tf.train.load_checkpoint(str(trained[0]))
    weights, average = (
        reader.get_tensor(f"hidden/weights{end}") for end in ("", "/ExponentialMovingAverage")
    )
    assert not np.array_equal(weights, average)
    assert np.isfinite(average).all()
    assert reader.get_tensor("global_step") == _last(trained[2], "step")


class Classifier(tf.Module):
    """The script's net for inference, in TensorFlow 2."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = tf.Variable(tf.zeros([24, 8]))
        self.hidden, self.logits = _dense(8, 16), _dense(16, 4)
        self.norm = tf.Module()
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            setattr(self.norm, name, tf.Variable(tf.zeros([16])))

    def __call__(self, words: np.ndarray) -> tf.Tensor:
        net = tf.reduce_mean(tf.gather(self.embedding, words), axis=1)
        net = tf.nn.relu(net @ self.hidden.weights + self.hidden.biases)
        norm = self.norm
        net = tf.nn.batch_normalization(
            net, norm.moving_mean, norm.moving_variance, norm.beta, norm.gamma, 1e-3
        )
        return net @ self.logits.weights + self.logits.biases


def _dense(inputs: int, units: int) -> tf.Module:
    layer = tf.Module()
    layer.weights, layer.biases = tf.Variable(tf.zeros([inputs, units])), tf.Variable(tf.zeros([units]))
    return layer


@pytest.mark.parametrize("averages", ["keep", "promote"])
def test_its_checkpoint_opens_in_tensorflow_2(
    trained: tuple[Path, list[str], list[str]], averages: Literal["keep", "promote"]
) -> None:
    net = Classifier()
    report = legacy_ckpt.restore(net, trained[0], options=Options(averages=averages))
    assert not report.missing
    names = {f"hidden/weights{end}" for end in ("", "/ExponentialMovingAverage")}
    used = {source.key for step in report.restored for source in step.sources}
    assert len(names & used) == 1
    assert ("hidden/weights" in used) == (averages == "keep")
    labels = np.arange(64) % 4
    words = labels[:, np.newaxis] * 6 + np.arange(64 * 6).reshape(64, 6) % 6
    assert np.mean(np.argmax(net(words), axis=1) == labels) > 0.9
