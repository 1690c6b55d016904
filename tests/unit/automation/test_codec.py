"""Codecs are strict at every depth, whatever pydantic-core can be told, and releases are named alike under both."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from interlock.automation import codec
from interlock.automation.modules import forget
from interlock.releases import load_release

EXAMPLES = Path(__file__).parents[3] / "examples"


class Inner(BaseModel):
    n: int


class Outer(BaseModel):
    inner: Inner
    several: list[Inner] = []


@pytest.fixture(params=[True, False], ids=["told", "not told"])
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not codec.SAYS_NOT_PREBUILT:
        pytest.skip("this pydantic-core has no such argument")
    monkeypatch.setattr(codec, "SAYS_NOT_PREBUILT", request.param)
    return request.param


@pytest.mark.parametrize(
    "raw",
    [
        {"inner": {"n": 1, "more": 2}},
        {"inner": {"n": "1"}},
        {"inner": {"n": 1}, "several": [{"n": True}]},
    ],
)
def test_nested_models_are_as_strict_as_outer_ones(told: bool, raw: object) -> None:
    with pytest.raises(ValidationError):
        codec.Codec(Outer).accept(raw)
    assert Inner.__pydantic_complete__ and Inner.model_validate({"n": "1"}).n == 1  # the class itself is as it was


def test_a_release_has_one_name_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()
    for told in {codec.SAYS_NOT_PREBUILT, False}:
        monkeypatch.setattr(codec, "SAYS_NOT_PREBUILT", told)
        forget(EXAMPLES / "refunds")
        names.add(load_release(EXAMPLES / "refunds").id)
    assert len(names) == 1
