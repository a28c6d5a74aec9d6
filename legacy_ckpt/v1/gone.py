"""What TensorFlow 2 removed for good, and what to use instead."""

from __future__ import annotations

_CONTRIB = {
    "batching": "tf.nondifferentiable_batch_function",
    "crf": "tensorflow_addons.text or a CRF layer of your own",
    "cudnn_rnn": "tf.keras.layers.LSTM and GRU; `ckpt-migrate` splits the weights of a cuDNN checkpoint",
    "data": "tf.data, tf.data.experimental",
    "distribute": "tf.distribute",
    "eager": "tf.train.Checkpoint (eager.Saver), tf.Variable",
    "estimator": "a training loop or Keras; estimators themselves were removed in TensorFlow 2.16",
    "factorization": "scikit-learn",
    "hparams": "a dataclass, or ml_collections.ConfigDict",
    "image": "tf.image, tensorflow_addons.image",
    "keras": "tf.keras",
    "layers": "tf.layers (needs the package tf_keras) or the package tf_slim, which holds the same layers",
    "learn": "a training loop or Keras; estimators themselves were removed in TensorFlow 2.16",
    "lookup": "tf.lookup",
    "losses": "tf.losses, tf_slim.losses",
    "lite": "tf.lite",
    "metrics": "tf.metrics, tf_slim.metrics",
    "model_pruning": "the package tensorflow-model-optimization",
    "opt": "tf.train's optimizers, tf.keras.optimizers",
    "predictor": "tf.saved_model.load",
    "quantize": "the package tensorflow-model-optimization",
    "rnn": "tf.nn.rnn_cell (needs the package tf_keras), tf.nn.dynamic_rnn",
    "seq2seq": "tensorflow_addons.seq2seq",
    "slim": "the package tf_slim (`import tf_slim as slim`)",
    "summary": "tf.summary",
    "tensorboard": "the package tensorboard",
    "tensorrt": "tf.experimental.tensorrt",
    "tpu": "tf.distribute.TPUStrategy",
    "training": "tf.train, tf_slim.training",
}
_TOP = {
    "estimator": "estimators were removed in TensorFlow 2.16: move the model function into a graph of your "
    "own (legacy_ckpt.GraphSession runs one) or into Keras; their checkpoints migrate like any other",
    "learn": "tf.learn became tf.contrib.learn and was removed with estimators in TensorFlow 2.16",
    "examples": "the tutorials are no longer packaged: tf.keras.datasets.mnist has the same digits",
    "models": "the models live in the package tf-models-official",
}
_FRAMEWORK = (
    "of tf.contrib.framework only the checkpoint functions are here "
    "(list_variables, load_variable, assign_from_checkpoint, init_from_checkpoint, ...); "
    "the package tf_slim has the rest"
)


def gone(module: str, name: str) -> AttributeError:
    """The error for the attribute `name` that `legacy_ckpt.v1.<module>` does not have."""
    full = ".".join(part for part in ("tf", module, name) if part)
    if name.startswith("__"):
        advice = ""
    elif module == "contrib":
        instead = f": use {_CONTRIB[name]}" if name in _CONTRIB else ""
        left = "only tf.contrib.framework's checkpoint functions are here"
        advice = f": tf.contrib was removed from TensorFlow 2 ({left}){instead}"
    elif module == "contrib.framework":
        advice = f": {_FRAMEWORK}"
    elif not module and name in _TOP:
        advice = f": {_TOP[name]}"
    else:
        advice = ": tf.compat.v1 of the installed TensorFlow does not have it either"
    return AttributeError(f"legacy_ckpt.v1 has no {full}{advice}", name=name)
