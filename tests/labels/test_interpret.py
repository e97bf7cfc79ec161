"""The table of :mod:`geoseg.labels.interpret`, row by row, and what holds of any values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.windows import Window

from geoseg.core.encoding import VOID, RasterTags
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import create_raster
from geoseg.labels.interpret import MOST_CLASSES, interpret
from geoseg.labels.interpretation import Interpretation
from tests.scenes import grid

HEIGHT, WIDTH = 13, 29
NO_TAGS = RasterTags()


def write(
    path: Path,
    image: np.ndarray,
    names: tuple[str, ...] = (),
    tags: RasterTags = NO_TAGS,
    **keywords: Any,
) -> Path:
    """A GeoTIFF of ``image`` (band, row, col) whose bands have ``names``."""
    keywords = {"count": len(image), "dtype": str(image.dtype), "overwrite": True} | keywords
    with create_raster(path, grid(*image.shape[1:]), tags=tags.to_dict(), **keywords) as out:
        out.write(image)
        if names:
            out.descriptions = names
    return path


def meaning_of(path: Path, threshold: float | None = None) -> Interpretation:
    with open_scene(path) as scene:
        return interpret(scene, threshold)


def holding(*values: float, dtype: str = "uint8", bands: int = 1) -> np.ndarray:
    """An image in which each of the values occurs, the first most of all."""
    image = np.full((bands, HEIGHT, WIDTH), values[0], dtype)
    for place, value in enumerate(values[1:], 1):
        image[:, place % HEIGHT, (7 * place) % WIDTH : (7 * place) % WIDTH + 3] = value
    return image


MANY = tuple(range(0, 250, 3))
NAMED = RasterTags(kind="classes", classes={0: "background", 3: "meadow", 7: "field"})


class Row(NamedTuple):
    """A raster, and what it is taken for: ``expected`` a kind with what else matters, or the words
    of a refusal.
    """

    image: np.ndarray
    expected: tuple[Any, ...] | str
    tags: RasterTags = NO_TAGS
    names: tuple[str, ...] = ()
    threshold: float | None = None
    more: dict[str, Any] = {}  # noqa: RUF012


MASK_01 = ("mask", {0: 0, 1: 1}, VOID)
TABLE = {
    # ours
    "probability": Row(holding(0, 254), ("probability", 254.0), RasterTags(kind="probability")),
    "probability of floats": Row(
        holding(0, 0.4, dtype="float32"), ("probability", 1.0), RasterTags(kind="probability")
    ),
    "exclusive probabilities": Row(
        holding(0, 100, bands=3),
        ("probability", 254.0),
        RasterTags(kind="probability", classes={0: "ground", 1: "roof", 2: "water"}),
        names=("ground", "roof", "water"),
    ),
    "multilabel probabilities": Row(
        holding(0, 100, bands=2),
        ("multilabel", 254.0),
        RasterTags(kind="probability"),
        names=("roof", "pool"),
    ),
    "mask": Row(holding(0, 1), MASK_01, RasterTags(kind="mask", value=1)),
    "mask of 200": Row(
        holding(0, 200), ("mask", {0: 0, 200: 1}, VOID), RasterTags(kind="mask", value=200)
    ),
    "mask without a building": Row(holding(0, 255), MASK_01, RasterTags(kind="mask")),
    "boundary": Row(holding(0, 1), MASK_01, RasterTags(kind="boundary", value=1)),
    "classes": Row(holding(0, 3, 7), ("classes", {0: 0, 3: 1, 7: 2}, VOID), NAMED),
    "one class": Row(
        holding(0, 4),
        ("mask", {0: 0, 4: 1}, VOID),
        RasterTags(kind="classes", classes={0: "background", 4: "shed"}),
    ),
    "instance": Row(
        holding(0, 1, 900, dtype="uint32"), ("instance", {}, None), RasterTags(kind="instance")
    ),
    "distance": Row(
        holding(-3, 9, dtype="float32"), "holds distances", RasterTags(kind="distance")
    ),
    # of others
    "floats": Row(holding(0, 0.7, dtype="float32"), ("probability", 1.0)),
    "scaled": Row(holding(0, 100), ("probability", 100.0), more={"scale": 0.01}),
    "scaled as ours": Row(holding(0, 200), ("probability", 254.0), more={"scale": 1 / 254}),
    "bands of masks": Row(holding(0, 1, bands=2), ("multilabel", None), names=("roof", "pool")),
    "bands of floats": Row(
        holding(0, 1, dtype="float32", bands=2), ("multilabel", 1.0), names=("roof", "pool")
    ),
    "bands with a background": Row(
        holding(0, 1, dtype="float32", bands=2),
        ("probability", 1.0),
        names=("Background", "roof"),
    ),
    "bands without names": Row(holding(0, 1, bands=3), "has 3 bands; a mask has one"),
    "named classes without a kind": Row(
        holding(0, 3, 7), ("classes", {0: 0, 3: 1, 7: 2}, VOID), RasterTags(classes=NAMED.classes)
    ),
    "a mask that JPEG blurred": Row(
        holding(0, 255),
        ("probability", 255.0),
        more={"options": {"compress": "jpeg"}},
    ),
    "classes that JPEG blurred": Row(
        holding(0, 30, 90), "JPEG, which changes labels", more={"options": {"compress": "jpeg"}}
    ),
    "0 and 1": Row(holding(0, 1), MASK_01),
    "0, 1 and 255": Row(holding(0, 1, 255), MASK_01),
    "1 alone": Row(holding(1), MASK_01),
    "0 alone": Row(holding(0), MASK_01),
    "0 and 255": Row(holding(0, 255), ("mask", {0: 0, 255: 1}, None)),
    "0 and 255 in 16 bits": Row(
        holding(0, 255, dtype="int16"), ("mask", {0: 0, 255: 1}, None)
    ),
    "0 and 65535": Row(holding(0, 65535, dtype="uint16"), ("mask", {0: 0, 65535: 1}, None)),
    "unnamed classes": Row(
        holding(0, 1, 2, 3), ("classes", {0: 0, 1: 1, 2: 2, 3: 3}, VOID)
    ),
    "unnamed classes of 16 bits": Row(
        holding(0, 3, 7, dtype="int16"), ("classes", {0: 0, 3: 3, 7: 7}, VOID)
    ),
    "unnamed classes and unknown": Row(holding(0, 2, 255), ("classes", {0: 0, 2: 2}, VOID)),
    "unnamed classes and a threshold": Row(
        holding(0, 1, 2), ("classes", {0: 0, 1: 1, 2: 2}, VOID), threshold=0.5
    ),
    "a mask and a threshold": Row(holding(0, 255), ("mask", {0: 0, 255: 1}, None), threshold=0.5),
    "few scores and a threshold": Row(holding(20, 230), ("probability", 255.0), threshold=0.5),
    "scores": Row(holding(*MANY), "scores of 0 to 255"),
    "scores and a threshold": Row(holding(*MANY), ("probability", 255.0), threshold=0.5),
    "scores of 16 bits": Row(
        holding(*(257 * value for value in MANY), dtype="uint16"), "scores of 0 to 65535"
    ),
    "scores of 16 bits and a threshold": Row(
        holding(*(257 * value for value in MANY), dtype="uint16"),
        ("probability", 65535.0),
        threshold=0.5,
    ),
    "percent": Row(holding(*range(101)), "more than 64 different values up to 100", threshold=0.5),
    "below 0": Row(holding(-1, 1, dtype="int16"), r"labels from -1 to 1.*nodata"),
    "numbers": Row(
        holding(0, 1, 900, dtype="uint16"), r"labels from 0 to 900.*GEOSEG_KIND=instance"
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.values(), ids=list(TABLE))
def test_the_table(tmp_path: Path, row: Row) -> None:
    path = write(tmp_path / "r.tif", row.image, row.names, row.tags, **row.more)
    if isinstance(row.expected, str):
        with pytest.raises(UnsuitableError, match=rf"r\.tif: .*{row.expected}"):
            meaning_of(path, row.threshold)
        return
    found = meaning_of(path, row.threshold)
    labels = (found.ids, found.void)
    values = labels if found.unit is None and found.kind != "multilabel" else (found.unit,)
    assert (found.kind, *values) == row.expected


def test_names_threshold_and_area_come_from_the_tags(tmp_path: Path) -> None:
    tags = RasterTags(
        kind="probability",
        classes={0: "soil", 1: "roof"},
        threshold=0.35,
        min_area=4,
        min_confidence=0.6,
    )
    found = meaning_of(write(tmp_path / "p.tif", holding(0, 9), tags=tags))
    assert (found.threshold, found.min_area, found.min_confidence) == (0.35, 4, 0.6)
    assert found.surfaces()[0].name == "roof"
    found = meaning_of(write(tmp_path / "c.tif", holding(0, 3), tags=NAMED))
    assert found.class_names == {0: "background", 1: "meadow", 2: "field"}
    broken = tmp_path / "b.tif"
    with create_raster(broken, grid(3, 5), tags={"GEOSEG_THRESHOLD": "half"}) as out:
        out.write(np.zeros((1, 3, 5), "uint8"))
    with pytest.raises(InputError, match=r"b\.tif: its tag GEOSEG_THRESHOLD is not a number"):
        meaning_of(broken)


@pytest.mark.parametrize(
    ("kinds", "kind", "bands", "left_out"),
    [
        ("footprint,boundary,contact", "multilabel", (1, 2, 3), ()),
        ("distance,boundary,footprint", "multilabel", (2, 3), ("distance",)),
        ("distance,footprint", "mask", (2,), ("distance",)),
        ("footprint,instance", "mask", (1,), ("instance",)),
        ("boundary,edges", "classes", (2,), ("boundary",)),
        ("distance,instance,contact", "instance", (2,), ("distance", "contact")),
        ("boundary,contact", "multilabel", (1, 2), ()),
    ],
)
def test_several_kinds_as_bands(
    tmp_path: Path, kinds: str, kind: str, bands: tuple[int, ...], left_out: tuple[str, ...]
) -> None:
    names = tuple(kinds.split(","))
    image = holding(0, 1, dtype="float64", bands=len(names))
    found = meaning_of(write(tmp_path / "k.tif", image, names, RasterTags(kind=kinds, value=1)))
    assert (found.kind, found.bands, found.left_out) == (kind, bands, left_out)


def test_classes_of_a_band_beside_others(tmp_path: Path) -> None:
    tags = RasterTags(kind="distance,footprint", classes=NAMED.classes)
    found = meaning_of(write(tmp_path / "k.tif", holding(0, 3, 7, bands=2), tags=tags))
    assert (found.kind, found.bands, found.left_out) == ("classes", (2,), ("distance",))


def test_values_in_a_part_say_what_those_of_the_whole_mean(tmp_path: Path) -> None:
    """A sample is enough for `info`; nodata is no label."""
    path = write(tmp_path / "m.tif", holding(0, 1, 9), nodata=9)
    assert meaning_of(path).kind == "mask"
    with open_scene(path) as scene:
        assert interpret(scene, windows=[Window(0, 0, 4, 1)]).labels == (0,)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "r.tif"


@given(
    labels=st.sets(st.integers(0, 255), min_size=1, max_size=100),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int32"]),
    threshold=st.sampled_from([None, 0.3]),
)
def test_labels_are_kept_apart_or_refused(
    scratch: Path, labels: set[int], dtype: str, threshold: float | None
) -> None:
    """Whatever the values of one band are, no two become one class, except by a threshold."""
    values = np.array(sorted(labels), dtype)
    path = write(scratch, np.resize(values, (1, 4, 37)))
    try:
        found = meaning_of(path, threshold)
    except UnsuitableError:
        assert len(labels) > MOST_CLASSES
        return
    if found.unit is not None:
        assert threshold is not None and max(labels) > 127
        return
    ids = found.class_ids(values)
    assert len(set(ids.tolist())) == len(labels)
    assert all(number == 0 for label, number in zip(values, ids, strict=True) if label == 0)
    assert (ids[values == 255] == (1 if labels <= {0, 255} else VOID)).all()


@given(
    image=arrays(np.uint8, (2, 5, 7)),
    names=st.sampled_from([("roof", "pool"), ("roof", "roof"), ("", "pool"), ("background", "a")]),
)
def test_bands_of_integers_are_masks_with_names_or_refused(
    scratch: Path, image: np.ndarray, names: tuple[str, str]
) -> None:
    path = write(scratch, image, names)
    if names != ("roof", "pool"):
        with pytest.raises(UnsuitableError, match="has 2 bands"):
            meaning_of(path)
        return
    found = meaning_of(path)
    if ((image > 1) & (image < 255)).any():
        with pytest.raises(UnsuitableError, match="is no mask"):
            found.masks(image)
    else:
        np.testing.assert_array_equal(found.masks(image), image)


@given(
    scores=arrays(np.uint16, (1, 6, 23), elements=st.integers(0, 65535)),
    eight=st.booleans(),
    threshold=st.floats(0.05, 0.95),
)
def test_scores_are_scaled_by_the_range_of_their_type(
    scratch: Path, scores: np.ndarray, eight: bool, threshold: float
) -> None:
    scores[0, :3] = np.linspace(0, 65535, 69, dtype=np.uint16).reshape(3, 23)
    image = (scores >> 8).astype(np.uint8) if eight else scores
    found = meaning_of(write(scratch, image), threshold)
    expected = image / (255 if eight else 65535)
    assert found.kind == "probability"
    np.testing.assert_allclose(found.probabilities(image), expected, atol=1e-6)


texts = st.text(st.characters(blacklist_characters=",", blacklist_categories=("C",)), min_size=1)


@given(
    kind=st.sampled_from(["", "mask", "footprint,instance"]),
    classes=st.dictionaries(st.integers(0, 254), texts.filter(lambda text: text == text.strip())),
    threshold=st.none() | st.floats(0, 1),
    value=st.none() | st.integers(1, 254),
)
def test_tags_come_back(
    kind: str, classes: dict[int, str], threshold: float | None, value: int | None
) -> None:
    tags = RasterTags(kind=kind, classes=classes, threshold=threshold, value=value)
    assert RasterTags.parse(tags.to_dict(), "r.tif") == tags


def test_a_comma_in_a_name_does_not_part_it() -> None:
    tags = RasterTags(classes={0: "ground", 1: "road, paved"})
    assert RasterTags.parse(tags.to_dict(), "").classes == {0: "ground", 1: "road paved"}
