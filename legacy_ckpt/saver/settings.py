"""Settings of a Saver that a SaverDef has no field for, carried by a MetaGraphDef.

They stand in `meta_info_def.any_info`, which TensorFlow leaves to applications, under a type URL of
this package; and only where they differ from the defaults, so that other files stay as they were.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.any_pb2 import Any as AnyProto
from tensorflow.core.protobuf import meta_graph_pb2

TYPE_URL = "legacy_ckpt/SaverSettings"  # the value is a JSON object, so that text protos can show it


def settings_as_meta_info(pad_step_number: bool, save_relative_paths: bool) -> Any | None:
    """A MetaInfoDef that carries the settings; None where both are at their defaults."""
    if not pad_step_number and not save_relative_paths:
        return None
    settings = {"pad_step_number": bool(pad_step_number), "save_relative_paths": bool(save_relative_paths)}
    packed = AnyProto(type_url=TYPE_URL, value=json.dumps(settings, sort_keys=True).encode())
    return meta_graph_pb2.MetaGraphDef.MetaInfoDef(any_info=packed)


def settings_of(meta_graph_def: Any) -> dict[str, bool]:
    """The settings in a MetaGraphDef; empty where nobody put any."""
    packed = meta_graph_def.meta_info_def.any_info
    if packed.type_url != TYPE_URL:
        return {}
    settings = json.loads(packed.value)
    return {name: bool(settings.get(name)) for name in ("pad_step_number", "save_relative_paths")}
