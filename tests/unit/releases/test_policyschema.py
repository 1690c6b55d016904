"""What policies see of a user's types: bounded fields by type, the rest invisible with the missing bound named."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.automation.policyschema import derive_schema
from interlock.policy.schema import (
    DecimalType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    RecordType,
    StringType,
)
from interlock.releases import load_folder
from tests.unit.automation.written import write

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def case_field(tmp_path: Path, declaration: str) -> Field:
    text = (
        "from typing import Annotated\nfrom decimal import Decimal\nfrom datetime import timedelta\n"
        "from pydantic import AwareDatetime, BaseModel, Field\nfrom interlock import Count, Picture, Sensitive\n"
    )
    folder = write(
        tmp_path / "tickets",
        {
            "automation.py": (
                "    total: Money | None = None\n",
                f"    total: Money | None = None\n    x: {declaration}\n",
            )
        },
    )
    file = folder / "automation.py"
    file.write_text(text + file.read_text())
    return derive_schema(load_folder(folder).definition).case.fields["x"]


@pytest.mark.parametrize(
    ("declaration", "type_"),
    [
        ("bool = False", "BoolType"),
        ("Count = 0", IntType(0, 1000)),
        ("Annotated[int, Field(gt=0, lt=10)] = 1", IntType(1, 9)),
        ("Money = Decimal(0)", DecimalType(2, 0, 100_000_000)),
        ("Annotated[Decimal, Field(gt=0, lt=1, decimal_places=1)] = Decimal('0.5')", DecimalType(1, 1, 9)),
        ("Literal['a', 'b'] = 'a'", EnumType(("a", "b"))),
        ("Name = ''", StringType(80)),
        ("AwareDatetime | None = None", "TimestampType"),
        ("timedelta = timedelta(0)", "DurationType"),
        ("Annotated[list[Name], Field(max_length=5)] = Field(default_factory=list)", ListType(StringType(80), 5)),
    ],
)
def test_visible(tmp_path: Path, declaration: str, type_: object) -> None:
    found = case_field(tmp_path, declaration)
    assert (type(found.type).__name__ if isinstance(type_, str) else found.type) == type_
    assert found.optional == ("None" in declaration)


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("float = 0", "float: use Decimal"),
        ("int = 0", "int without ge and le"),
        ("Annotated[int, Field(ge=0)] = 0", "int without le"),
        ("Decimal = Decimal(0)", "Decimal without ge and le and decimal_places"),
        ("str = ''", "str without max_length"),
        ("list[Name] = Field(default_factory=list)", "list without max_length"),
        (
            "Annotated[list[str], Field(max_length=3)] = Field(default_factory=list)",
            "its items: str without max_length",
        ),
        ("Picture | None = None", "a picture or document"),
        ("Sensitive[Name] = ''", "personal data"),
        ("int | str = 0", "a union"),
    ],
)
def test_invisible(tmp_path: Path, declaration: str, reason: str) -> None:
    found = case_field(tmp_path, declaration).type
    assert isinstance(found, InvisibleType)
    assert reason in found.reason


def test_records_arguments_and_facts() -> None:
    schema = load_folder(EXAMPLES / "refunds").schema
    order = schema.case.fields["order"]
    assert order.optional
    assert isinstance(order.type, RecordType)
    assert isinstance(order.type.fields["total"].type, DecimalType)
    assert order.type.fields["delivered_at"].optional
    assert schema.actions["refund"].irreversible
    assert not schema.actions["close"].irreversible
    assert set(schema.case.fields) >= {"in_doubt", "count", "first_event_at", "release", "status"}
    assert "payments" in schema.breaker.fields
    assert type(schema).from_data(schema.to_data()) == schema
