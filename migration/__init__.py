"""Name-based and object-based TensorFlow checkpoints, read, mapped and converted without TensorFlow."""
