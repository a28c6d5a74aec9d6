"""Two logical CPUs, before anything makes TensorFlow start its devices: for MirroredStrategy."""

from __future__ import annotations

import contextlib

import tensorflow as tf

with contextlib.suppress(RuntimeError):  # they have started: the tests that need two say so
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
