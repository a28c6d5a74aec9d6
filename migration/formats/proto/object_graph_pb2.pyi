from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ObjectGraph(_message.Message):
    __slots__ = ["nodes"]
    class Object(_message.Message):
        __slots__ = ["attributes", "children", "has_checkpoint_values", "registered_saver", "slot_variables"]
        class Attribute(_message.Message):
            __slots__ = ["checkpoint_key", "full_name", "name"]
            CHECKPOINT_KEY_FIELD_NUMBER: _ClassVar[int]
            FULL_NAME_FIELD_NUMBER: _ClassVar[int]
            NAME_FIELD_NUMBER: _ClassVar[int]
            checkpoint_key: str
            full_name: str
            name: str
            def __init__(self, name: _Optional[str] = ..., full_name: _Optional[str] = ..., checkpoint_key: _Optional[str] = ...) -> None: ...
        class BoolValue(_message.Message):
            __slots__ = ["value"]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            value: bool
            def __init__(self, value: bool = ...) -> None: ...
        class Child(_message.Message):
            __slots__ = ["local_name", "node_id"]
            LOCAL_NAME_FIELD_NUMBER: _ClassVar[int]
            NODE_ID_FIELD_NUMBER: _ClassVar[int]
            local_name: str
            node_id: int
            def __init__(self, node_id: _Optional[int] = ..., local_name: _Optional[str] = ...) -> None: ...
        class RegisteredSaver(_message.Message):
            __slots__ = ["name", "object_name"]
            NAME_FIELD_NUMBER: _ClassVar[int]
            OBJECT_NAME_FIELD_NUMBER: _ClassVar[int]
            name: str
            object_name: str
            def __init__(self, name: _Optional[str] = ..., object_name: _Optional[str] = ...) -> None: ...
        class Slot(_message.Message):
            __slots__ = ["original_variable_node_id", "slot_name", "slot_variable_node_id"]
            ORIGINAL_VARIABLE_NODE_ID_FIELD_NUMBER: _ClassVar[int]
            SLOT_NAME_FIELD_NUMBER: _ClassVar[int]
            SLOT_VARIABLE_NODE_ID_FIELD_NUMBER: _ClassVar[int]
            original_variable_node_id: int
            slot_name: str
            slot_variable_node_id: int
            def __init__(self, original_variable_node_id: _Optional[int] = ..., slot_name: _Optional[str] = ..., slot_variable_node_id: _Optional[int] = ...) -> None: ...
        ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
        CHILDREN_FIELD_NUMBER: _ClassVar[int]
        HAS_CHECKPOINT_VALUES_FIELD_NUMBER: _ClassVar[int]
        REGISTERED_SAVER_FIELD_NUMBER: _ClassVar[int]
        SLOT_VARIABLES_FIELD_NUMBER: _ClassVar[int]
        attributes: _containers.RepeatedCompositeFieldContainer[ObjectGraph.Object.Attribute]
        children: _containers.RepeatedCompositeFieldContainer[ObjectGraph.Object.Child]
        has_checkpoint_values: ObjectGraph.Object.BoolValue
        registered_saver: ObjectGraph.Object.RegisteredSaver
        slot_variables: _containers.RepeatedCompositeFieldContainer[ObjectGraph.Object.Slot]
        def __init__(self, children: _Optional[_Iterable[_Union[ObjectGraph.Object.Child, _Mapping]]] = ..., attributes: _Optional[_Iterable[_Union[ObjectGraph.Object.Attribute, _Mapping]]] = ..., slot_variables: _Optional[_Iterable[_Union[ObjectGraph.Object.Slot, _Mapping]]] = ..., registered_saver: _Optional[_Union[ObjectGraph.Object.RegisteredSaver, _Mapping]] = ..., has_checkpoint_values: _Optional[_Union[ObjectGraph.Object.BoolValue, _Mapping]] = ...) -> None: ...
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[ObjectGraph.Object]
    def __init__(self, nodes: _Optional[_Iterable[_Union[ObjectGraph.Object, _Mapping]]] = ...) -> None: ...
