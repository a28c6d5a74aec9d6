from migration.formats.proto import bundle_pb2 as _bundle_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttrValue(_message.Message):
    __slots__ = ["b", "f", "func", "i", "list", "placeholder", "s", "shape", "tensor", "type"]
    class Func(_message.Message):
        __slots__ = ["attr", "name"]
        class AttrEntry(_message.Message):
            __slots__ = ["key", "value"]
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: AttrValue
            def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttrValue, _Mapping]] = ...) -> None: ...
        ATTR_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        attr: _containers.MessageMap[str, AttrValue]
        name: str
        def __init__(self, name: _Optional[str] = ..., attr: _Optional[_Mapping[str, AttrValue]] = ...) -> None: ...
    class List(_message.Message):
        __slots__ = ["b", "f", "func", "i", "s", "shape", "tensor", "type"]
        B_FIELD_NUMBER: _ClassVar[int]
        FUNC_FIELD_NUMBER: _ClassVar[int]
        F_FIELD_NUMBER: _ClassVar[int]
        I_FIELD_NUMBER: _ClassVar[int]
        SHAPE_FIELD_NUMBER: _ClassVar[int]
        S_FIELD_NUMBER: _ClassVar[int]
        TENSOR_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        b: _containers.RepeatedScalarFieldContainer[bool]
        f: _containers.RepeatedScalarFieldContainer[float]
        func: _containers.RepeatedCompositeFieldContainer[AttrValue.Func]
        i: _containers.RepeatedScalarFieldContainer[int]
        s: _containers.RepeatedScalarFieldContainer[bytes]
        shape: _containers.RepeatedCompositeFieldContainer[_bundle_pb2.Shape]
        tensor: _containers.RepeatedCompositeFieldContainer[_bundle_pb2.Tensor]
        type: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, s: _Optional[_Iterable[bytes]] = ..., i: _Optional[_Iterable[int]] = ..., f: _Optional[_Iterable[float]] = ..., b: _Optional[_Iterable[bool]] = ..., type: _Optional[_Iterable[int]] = ..., shape: _Optional[_Iterable[_Union[_bundle_pb2.Shape, _Mapping]]] = ..., tensor: _Optional[_Iterable[_Union[_bundle_pb2.Tensor, _Mapping]]] = ..., func: _Optional[_Iterable[_Union[AttrValue.Func, _Mapping]]] = ...) -> None: ...
    B_FIELD_NUMBER: _ClassVar[int]
    FUNC_FIELD_NUMBER: _ClassVar[int]
    F_FIELD_NUMBER: _ClassVar[int]
    I_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    PLACEHOLDER_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    S_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    b: bool
    f: float
    func: AttrValue.Func
    i: int
    list: AttrValue.List
    placeholder: str
    s: bytes
    shape: _bundle_pb2.Shape
    tensor: _bundle_pb2.Tensor
    type: int
    def __init__(self, list: _Optional[_Union[AttrValue.List, _Mapping]] = ..., s: _Optional[bytes] = ..., i: _Optional[int] = ..., f: _Optional[float] = ..., b: bool = ..., type: _Optional[int] = ..., shape: _Optional[_Union[_bundle_pb2.Shape, _Mapping]] = ..., tensor: _Optional[_Union[_bundle_pb2.Tensor, _Mapping]] = ..., placeholder: _Optional[str] = ..., func: _Optional[_Union[AttrValue.Func, _Mapping]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ["bytes_list", "node_list"]
    class BytesList(_message.Message):
        __slots__ = ["value"]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        value: _containers.RepeatedScalarFieldContainer[bytes]
        def __init__(self, value: _Optional[_Iterable[bytes]] = ...) -> None: ...
    class NodeList(_message.Message):
        __slots__ = ["value"]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        value: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, value: _Optional[_Iterable[str]] = ...) -> None: ...
    BYTES_LIST_FIELD_NUMBER: _ClassVar[int]
    NODE_LIST_FIELD_NUMBER: _ClassVar[int]
    bytes_list: Collection.BytesList
    node_list: Collection.NodeList
    def __init__(self, node_list: _Optional[_Union[Collection.NodeList, _Mapping]] = ..., bytes_list: _Optional[_Union[Collection.BytesList, _Mapping]] = ...) -> None: ...

class Function(_message.Message):
    __slots__ = ["node_def", "ret", "signature"]
    class RetEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class Signature(_message.Message):
        __slots__ = ["input_arg", "name"]
        class Arg(_message.Message):
            __slots__ = ["name"]
            NAME_FIELD_NUMBER: _ClassVar[int]
            name: str
            def __init__(self, name: _Optional[str] = ...) -> None: ...
        INPUT_ARG_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        input_arg: _containers.RepeatedCompositeFieldContainer[Function.Signature.Arg]
        name: str
        def __init__(self, name: _Optional[str] = ..., input_arg: _Optional[_Iterable[_Union[Function.Signature.Arg, _Mapping]]] = ...) -> None: ...
    NODE_DEF_FIELD_NUMBER: _ClassVar[int]
    RET_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    node_def: _containers.RepeatedCompositeFieldContainer[Node]
    ret: _containers.ScalarMap[str, str]
    signature: Function.Signature
    def __init__(self, signature: _Optional[_Union[Function.Signature, _Mapping]] = ..., node_def: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., ret: _Optional[_Mapping[str, str]] = ...) -> None: ...

class FunctionLibrary(_message.Message):
    __slots__ = ["function"]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    function: _containers.RepeatedCompositeFieldContainer[Function]
    def __init__(self, function: _Optional[_Iterable[_Union[Function, _Mapping]]] = ...) -> None: ...

class Graph(_message.Message):
    __slots__ = ["library", "node", "versions"]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    library: FunctionLibrary
    node: _containers.RepeatedCompositeFieldContainer[Node]
    versions: _bundle_pb2.Versions
    def __init__(self, node: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., library: _Optional[_Union[FunctionLibrary, _Mapping]] = ..., versions: _Optional[_Union[_bundle_pb2.Versions, _Mapping]] = ...) -> None: ...

class MetaGraph(_message.Message):
    __slots__ = ["collection_def", "graph_def", "meta_info_def", "saver_def"]
    class CollectionDefEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Collection
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...
    class Info(_message.Message):
        __slots__ = ["meta_graph_version", "tags", "tensorflow_version"]
        META_GRAPH_VERSION_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        TENSORFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
        meta_graph_version: str
        tags: _containers.RepeatedScalarFieldContainer[str]
        tensorflow_version: str
        def __init__(self, meta_graph_version: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., tensorflow_version: _Optional[str] = ...) -> None: ...
    COLLECTION_DEF_FIELD_NUMBER: _ClassVar[int]
    GRAPH_DEF_FIELD_NUMBER: _ClassVar[int]
    META_INFO_DEF_FIELD_NUMBER: _ClassVar[int]
    SAVER_DEF_FIELD_NUMBER: _ClassVar[int]
    collection_def: _containers.MessageMap[str, Collection]
    graph_def: Graph
    meta_info_def: MetaGraph.Info
    saver_def: Saver
    def __init__(self, meta_info_def: _Optional[_Union[MetaGraph.Info, _Mapping]] = ..., graph_def: _Optional[_Union[Graph, _Mapping]] = ..., saver_def: _Optional[_Union[Saver, _Mapping]] = ..., collection_def: _Optional[_Mapping[str, Collection]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ["attr", "device", "input", "name", "op"]
    class AttrEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttrValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttrValue, _Mapping]] = ...) -> None: ...
    ATTR_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    attr: _containers.MessageMap[str, AttrValue]
    device: str
    input: _containers.RepeatedScalarFieldContainer[str]
    name: str
    op: str
    def __init__(self, name: _Optional[str] = ..., op: _Optional[str] = ..., input: _Optional[_Iterable[str]] = ..., device: _Optional[str] = ..., attr: _Optional[_Mapping[str, AttrValue]] = ...) -> None: ...

class SavedModel(_message.Message):
    __slots__ = ["meta_graphs", "saved_model_schema_version"]
    META_GRAPHS_FIELD_NUMBER: _ClassVar[int]
    SAVED_MODEL_SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    meta_graphs: _containers.RepeatedCompositeFieldContainer[MetaGraph]
    saved_model_schema_version: int
    def __init__(self, saved_model_schema_version: _Optional[int] = ..., meta_graphs: _Optional[_Iterable[_Union[MetaGraph, _Mapping]]] = ...) -> None: ...

class Saver(_message.Message):
    __slots__ = ["filename_tensor_name", "keep_checkpoint_every_n_hours", "max_to_keep", "restore_op_name", "save_tensor_name", "sharded", "version"]
    FILENAME_TENSOR_NAME_FIELD_NUMBER: _ClassVar[int]
    KEEP_CHECKPOINT_EVERY_N_HOURS_FIELD_NUMBER: _ClassVar[int]
    MAX_TO_KEEP_FIELD_NUMBER: _ClassVar[int]
    RESTORE_OP_NAME_FIELD_NUMBER: _ClassVar[int]
    SAVE_TENSOR_NAME_FIELD_NUMBER: _ClassVar[int]
    SHARDED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    filename_tensor_name: str
    keep_checkpoint_every_n_hours: float
    max_to_keep: int
    restore_op_name: str
    save_tensor_name: str
    sharded: bool
    version: int
    def __init__(self, filename_tensor_name: _Optional[str] = ..., save_tensor_name: _Optional[str] = ..., restore_op_name: _Optional[str] = ..., max_to_keep: _Optional[int] = ..., sharded: bool = ..., keep_checkpoint_every_n_hours: _Optional[float] = ..., version: _Optional[int] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ["initial_value_name", "initializer_name", "is_resource", "save_slice_info_def", "snapshot_name", "trainable", "variable_name"]
    class SaveSlice(_message.Message):
        __slots__ = ["full_name", "full_shape", "var_offset", "var_shape"]
        FULL_NAME_FIELD_NUMBER: _ClassVar[int]
        FULL_SHAPE_FIELD_NUMBER: _ClassVar[int]
        VAR_OFFSET_FIELD_NUMBER: _ClassVar[int]
        VAR_SHAPE_FIELD_NUMBER: _ClassVar[int]
        full_name: str
        full_shape: _containers.RepeatedScalarFieldContainer[int]
        var_offset: _containers.RepeatedScalarFieldContainer[int]
        var_shape: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, full_name: _Optional[str] = ..., full_shape: _Optional[_Iterable[int]] = ..., var_offset: _Optional[_Iterable[int]] = ..., var_shape: _Optional[_Iterable[int]] = ...) -> None: ...
    INITIALIZER_NAME_FIELD_NUMBER: _ClassVar[int]
    INITIAL_VALUE_NAME_FIELD_NUMBER: _ClassVar[int]
    IS_RESOURCE_FIELD_NUMBER: _ClassVar[int]
    SAVE_SLICE_INFO_DEF_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_NAME_FIELD_NUMBER: _ClassVar[int]
    TRAINABLE_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_NAME_FIELD_NUMBER: _ClassVar[int]
    initial_value_name: str
    initializer_name: str
    is_resource: bool
    save_slice_info_def: Variable.SaveSlice
    snapshot_name: str
    trainable: bool
    variable_name: str
    def __init__(self, variable_name: _Optional[str] = ..., initializer_name: _Optional[str] = ..., snapshot_name: _Optional[str] = ..., save_slice_info_def: _Optional[_Union[Variable.SaveSlice, _Mapping]] = ..., is_resource: bool = ..., initial_value_name: _Optional[str] = ..., trainable: bool = ...) -> None: ...
