"""Two logical CPUs, before anything makes TensorFlow start its devices: for MirroredStrategy."""

from __future__ import annotations

import tensorflow as tf

_ONE = tf.config.LogicalDeviceConfiguration()
_CPU = tf.config.list_physical_devices("CPU")[0]
if tf.config.get_logical_device_configuration(_CPU) in (None, []):
    tf.config.set_logical_device_configuration(_CPU, [_ONE, _ONE])
