"""Between versions of TensorFlow: what one writes the others read."""
