"""The bytes of Sparkplug B payloads (Sparkplug 3.0, section 6.4), by protobuf's own runtime.

The layout of the messages is stated here, field by field as the specification numbers them; what
tonne has no use for is left out, and survives unread when a payload is written again. Templates and
data sets are told apart from other values, and not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from services.ingest.decode.observation import UndecodableError
from services.ingest.quarantine.reasons import Reason

_Field: Final = descriptor_pb2.FieldDescriptorProto

_PACKAGE: Final = "tonne.sparkplug"

#: message -> fields: (number, name, type); one that ends in ``[]`` repeats
_LAYOUT: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "Payload": (
        (1, "timestamp", "uint64"),
        (2, "metrics", "Metric[]"),
        (3, "seq", "uint64"),
    ),
    "Metric": (
        (1, "name", "string"),
        (2, "alias", "uint64"),
        (3, "timestamp", "uint64"),
        (4, "datatype", "uint32"),
        (5, "is_historical", "bool"),
        (6, "is_transient", "bool"),
        (7, "is_null", "bool"),
        (9, "properties", "PropertySet"),
        (10, "int_value", "uint32"),
        (11, "long_value", "uint64"),
        (12, "float_value", "float"),
        (13, "double_value", "double"),
        (14, "boolean_value", "bool"),
        (15, "string_value", "string"),
        (16, "bytes_value", "bytes"),
        (17, "dataset_value", "bytes"),
        (18, "template_value", "bytes"),
        (19, "extension_value", "bytes"),
    ),
    "PropertySet": (
        (1, "keys", "string[]"),
        (2, "values", "PropertyValue[]"),
    ),
    "PropertyValue": (
        (1, "type", "uint32"),
        (2, "is_null", "bool"),
        (3, "int_value", "uint32"),
        (4, "long_value", "uint64"),
        (5, "float_value", "float"),
        (6, "double_value", "double"),
        (7, "boolean_value", "bool"),
        (8, "string_value", "string"),
    ),
}

#: Fields of which one at most is there.
_VALUES: Final = "_value"

_SCALARS: Final = {
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug_b",
        package=_PACKAGE,
        # as proto2, in which a field that is missing differs from 0, and texts must be UTF-8
        syntax="editions",
        edition=descriptor_pb2.EDITION_2023,
    )
    for name, fields in _LAYOUT.items():
        message = file.message_type.add(name=name)
        if any(field.endswith(_VALUES) for _, field, _ in fields):
            message.oneof_decl.add(name="value")
        for number, field_name, kind in fields:
            field = message.field.add(name=field_name, number=number)
            repeats = kind.endswith("[]")
            field.label = _Field.LABEL_REPEATED if repeats else _Field.LABEL_OPTIONAL
            plain = kind.removesuffix("[]")
            if plain in _SCALARS:
                field.type = _SCALARS[plain]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{plain}"
            if field_name.endswith(_VALUES):
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _LAYOUT
    }


#: The message of the specification's section 6.4.1, with ``metrics`` of 6.4.6.
Payload: Final[Any] = _message_classes()["Payload"]


def read(payload: bytes) -> Any:
    """Read a payload; texts in it are UTF-8.

    :raises UndecodableError: the bytes are none.
    """
    try:
        return Payload.FromString(payload)
    except DecodeError:
        detail = f"these {len(payload)} bytes are no payload of Sparkplug B"
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, detail) from None


def value_field(metric: Any) -> str | None:
    """Return the field that a metric's value stands in; None: it has none."""
    name: str | None = metric.WhichOneof("value")
    return name


def properties(metric: Any) -> Iterator[tuple[str, float | str | None]]:
    """Yield the properties of a metric that are numbers, booleans or texts."""
    if not metric.HasField("properties"):
        return
    for key, value in zip(metric.properties.keys, metric.properties.values, strict=False):
        field = value.WhichOneof("value")
        if value.is_null or field is None:
            yield key, None
        elif value.type in SIGNED_BITS and field in INTEGERS:
            yield key, signed(getattr(value, field), SIGNED_BITS[value.type])
        else:
            yield key, getattr(value, field)


#: Types of whole numbers with a sign (section 6.4.16), and their bits.
SIGNED_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}
#: Fields of whole numbers, of which the bytes do not tell whether they have a sign.
INTEGERS: Final = frozenset({"int_value", "long_value"})


def signed(number: int, bits: int) -> int:
    """Return the number that ``bits`` in two's complement are; more significant ones do not count.

    The specification has no field with a sign: -1 of 8 bits comes as 255, or as 4294967295.
    """
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
