"""A setting's values are written once, as its type: the specs check them, the options offer them."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg import specs
from geoseg.cli.main import cli
from geoseg.errors import SettingError, UsageError
from geoseg.specs import Area, Length, PolygonSpec, PredictSpec, TrainSpec
from geoseg.specs.settings import Range, settings

SPECS = [value for value in vars(specs).values() if isinstance(value, type)]
ENDS = st.integers(-3, 3)
ROOT = Path(__file__).resolve().parents[2]
# of a command without a spec
ALLOWED = {frozenset(("stop", "skip"))}


@pytest.mark.parametrize(
    ("make", "field", "reason"),
    [
        (lambda: PredictSpec(tta="all"), "tta", "must be one of none, flips, d4, not 'all'"),
        (
            lambda: PredictSpec(tile_size=31),
            "tile_size",
            "must be at least 32 and at most 16384, not 31",
        ),
        (lambda: PolygonSpec(threshold=1), "threshold", "must be above 0 and below 1, not 1"),
        (lambda: PolygonSpec(connectivity=6), "connectivity", "must be one of 4, 8, not 6"),
        (lambda: PolygonSpec(min_area=Length(3)), "min_area", "must be an Area, not "),
        (lambda: TrainSpec(log=("csv", "paper")), "log", "must be one of csv, tensorboard, mlflow"),
        (lambda: TrainSpec(scale=(0.0, 1.0)), "scale", "must be above 0, not 0"),
        (lambda: TrainSpec(scale=(1.0, 0.5)), "scale", "the lower one first"),
    ],
)
def test_a_value_that_its_type_does_not_allow_is_refused(make, field: str, reason: str) -> None:
    with pytest.raises(SettingError, match="^" + field) as caught:
        make()
    assert caught.value.field == field and reason in caught.value.reason
    again = pickle.loads(pickle.dumps(caught.value))  # it comes out of worker processes
    assert (again.field, str(again)) == (field, str(caught.value))


@given(
    low=ENDS, span=st.integers(0, 4), value=st.floats(-8, 8), opens=st.tuples(*[st.booleans()] * 2)
)
def test_a_range_holds_what_its_words_say(low: int, span: int, value: float, opens) -> None:
    limits = Range(low, low + span, *opens)
    above = value > low if opens[0] else value >= low
    below = value < low + span if opens[1] else value <= low + span
    assert (value in limits) == (above and below)
    words = str(limits).split()
    assert (words[0] == "above", words[-2] == "below") == opens
    assert value in Range() and value in Range(high=8)


@given(value=st.floats(0, 1e7), pixels=st.booleans(), kind=st.sampled_from([Length, Area]))
def test_a_quantity_reads_back_as_written(value: float, pixels: bool, kind) -> None:
    assert kind.parse(str(kind(value, pixels))) == kind(value, pixels)


@pytest.mark.parametrize(
    ("text", "length", "area"),
    [
        ("2.5", Length(2.5), Area(2.5)),
        ("2.5m", Length(2.5), None),
        ("20m2", None, Area(20)),
        (" 40 px ", Length(40, pixels=True), Area(40, pixels=True)),
        ("-1", None, None),
        ("5ha", None, None),
    ],
)
def test_a_length_is_no_area(text: str, length: Length | None, area: Area | None) -> None:
    assert Length(2.5) != Area(2.5)
    for kind, expected in ((Length, length), (Area, area)):
        if expected:
            assert kind.parse(text) == expected
        else:
            with pytest.raises(UsageError, match=f"is not an? {kind.__name__.lower()}"):
                kind.parse(text)


def test_pixels_are_metres_by_the_gsd() -> None:
    assert Length(3, pixels=True).in_metres(0.3) == pytest.approx(0.9)
    assert Length(3).in_metres(0.3) == 3


def test_no_list_of_choices_is_typed_twice() -> None:
    """The command line has none of the lists that the specs have."""
    listed = {
        frozenset(kind.choices)
        for spec in SPECS
        for kind in settings(spec).values()
        if len(kind.choices) > 1
    }
    assert frozenset(("none", "flips", "d4")) in listed
    for path in (ROOT / "geoseg" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.List | ast.Tuple | ast.Set):
                values = [item.value for item in node.elts if isinstance(item, ast.Constant)]
                shared = frozenset(values) in listed - ALLOWED
                assert not shared, f"{path.name}:{node.lineno}: {values}"


def test_options_take_the_values_of_the_type() -> None:
    command = cli.get_command(click.Context(cli), "extract")
    assert command is not None
    types = {option.name: option.type for option in command.params}
    assert tuple(types["connectivity"].choices) == (4, 8)
    assert (types["tile_size"].min, types["threshold"].max_open) == (32, True)
    assert [types[name].name for name in ("min_area", "simplify")] == ["area", "length"]
