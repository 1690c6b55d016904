"""The simplest valid value of a type: what stubs return and generated tests begin with. The same value every time."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any, cast

from interlock.automation.codec import Codec
from interlock.automation.shape import Shape, shape_of


def sample(type_: Any) -> Any:
    """A value of the type, from its shape: least allowed number, first choice, shortest text, absent where it may be.

    Raises ValidationError where the type has checks of its own that no shape shows.
    """
    codec = Codec(type_)
    return codec.load(sample_plain(shape_of(codec.schema)))


def sample_plain(shape: Shape) -> Any:
    """Plain data of the simplest value."""
    match shape["is"]:
        case "none" | "optional":
            return None
        case "bool":
            return False
        case "int":
            return _least(shape, 1)
        case "float":
            return str(float(_least(shape, 1)))
        case "decimal":
            return str(_least(shape, Decimal(1).scaleb(-int(shape.get("decimal_places", 0)))))
        case "str":
            return "x" * max(1, int(shape.get("min_length", 0))) if shape.get("max_length") != 0 else ""
        case "enum":
            return shape["values"][0]
        case "datetime":
            return "2026-01-01T00:00:00Z"
        case "date":
            return "2026-01-01"
        case "time":
            return "00:00:00"
        case "timedelta":
            return "PT1S"
        case "list" | "set" | "frozenset":
            return [sample_plain(shape["of"])] * int(shape.get("min_length", 0))
        case "tuple":
            return [sample_plain(one) for one in shape["of"]]
        case "dict":
            return {}
        case "payload":
            return {"digest": "0" * 64}
        case "record":
            fields = cast("dict[str, Shape]", shape["fields"])
            return {name: sample_plain(one["type"]) for name, one in fields.items() if "default" not in one}
        case "root":
            return sample_plain(shape["of"])
        case "union":
            return sample_plain(shape["of"][0])
        case other:
            raise ValueError(f"no simplest value of {other}")


def _least(shape: Shape, step: int | Decimal) -> int | Decimal:
    if "ge" in shape:
        least = Decimal(str(shape["ge"]))
    elif "gt" in shape:
        least = Decimal(str(shape["gt"])) + step
    else:
        highest = shape.get("le", shape.get("lt"))
        least = min(Decimal(0), Decimal(str(highest)) - step) if highest is not None else Decimal(0)
    return int(least.to_integral_value(ROUND_CEILING)) if isinstance(step, int) else least
