"""Multi-label classes all the way: burnt as bands, cut, predicted, traced, compared, drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from matplotlib.image import imread

pytest.importorskip("onnx")

from geoseg.drawing.colours import rgb
from geoseg.drawing.pictures import class_colours
from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.labels.class_raster import open_class_raster
from geoseg.labels.scene_labels import classes, open_labels
from geoseg.report import no_progress
from geoseg.reports.chip_sheet import sheet_of_chips
from geoseg.reports.scene_view import view_of
from geoseg.specs import (
    EvaluateSpec,
    EvaluationOutput,
    Length,
    ModelSpec,
    PolygonSpec,
    PreviewSpec,
    RasterTarget,
)
from geoseg.tools import (
    evaluate,
    extract,
    polygonize,
    predict,
    preview,
    tile,
)
from tests.scenes import red_model
from tests.tools.multilabel_town import CUT, KINDS, WEIGHTS, make_town
from tests.tools.test_boundaries import ALL, GRID, SPEC, matched


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_town(tmp_path_factory.mktemp("town"))


def footprints(path: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(path, layer="footprints")


def test_masks_keep_their_bands(town: Path) -> None:
    index = read_index(town / "chips")
    assert index.info.classes == KINDS and index.info.multilabel
    whole = read_array(town / "kinds.tif")[0] > 0
    with rasterio.open(town / "kinds.tif") as scene:
        for name in index.table["mask"]:
            mask, _, grid = read_array(index.folder / name)
            col, row = map(round, ~scene.transform @ (grid.transform.c, grid.transform.f))
            np.testing.assert_array_equal(mask, whole[:, row : row + 96, col : col + 96])
    assert mask.shape == (3, 96, 96)


def test_a_mask_that_overlaps_the_grid_in_part_is_ignored_beyond(town: Path) -> None:
    wider = replace(GRID, width=GRID.width + 20)
    with open_labels(town / "kinds.tif", wider, []) as read:
        labels = read(rasterio.windows.Window(300, 4, 50, 61))
    assert (
        labels.shape == (3, 61, 50)
        and (labels[..., 30:] == 255).all()
        and (labels[..., :30] < 2).all()
    )


def test_what_is_no_mask_of_several_classes(town: Path, tmp_path: Path) -> None:
    bands = np.zeros((3, *GRID.shape), np.uint8)
    bands[1, 20:40, 5:90], bands[2, :9] = 1, 255

    def written(name: str, image: np.ndarray, *names: str) -> Path:
        write_array(tmp_path / name, image, GRID)
        with rasterio.open(tmp_path / name, "r+") as file:
            file.descriptions = names
        return tmp_path / name

    good = written("good.tif", bands, "roof", "pool", "tree")
    assert classes(good) == (("roof", "pool", "tree"), True)
    with open_labels(good, GRID, []) as read:
        assert np.array_equal(read(rasterio.windows.Window(0, 0, 330, 260)), bands)
    for path, why in (
        (written("unnamed.tif", bands, "roof", "", "tree"), "has 3 bands; a mask has one"),
        (written("twice.tif", bands, "roof", "Roof", "tree"), "has 3 bands; a mask has one"),
        (
            written("softmax.tif", bands, "background", "roof", "tree"),
            "has 3 bands; a mask has one",
        ),
        (
            written("floats.tif", bands.astype("float32"), "roof", "pool", "tree"),
            "has 3 bands; a mask has one",
        ),
        (written("picture.tif", bands + 90, "red", "green", "blue"), "is no mask"),
    ):
        with pytest.raises(UnsuitableError, match=why), open_labels(path, GRID, []) as read:
            read(rasterio.windows.Window(0, 0, 330, 260))
    with pytest.raises(UnsuitableError, match="is no mask"):
        polygonize.run(tmp_path / "picture.tif", tmp_path / "b.gpkg", ALL)
    with pytest.raises(UnsuitableError, match="is no mask"):
        evaluate.run(tmp_path / "picture.tif", tmp_path / "picture.tif")
    with pytest.raises(UnsuitableError, match="PNG"):
        tile.run(
            [str(town / "scene.tif")],
            tmp_path / "chips",
            replace(CUT, format="png"),
            labels=town / "kinds.tif",
        )


def test_multilabel_classes_have_no_background() -> None:
    with pytest.raises(UsageError, match="background"):
        ModelSpec("cnn", classes=("Background", "building"), multilabel=True)
    assert ModelSpec("cnn", classes=("building", "pool"), multilabel=True).channels == 2


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_each_class_has_its_band(dtype: str, town: Path, tmp_path: Path) -> None:
    predict.run(
        [str(town / "scene.tif")],
        RasterTarget(tmp_path / "p.tif", dtype=dtype),
        SPEC,
        model=town / "model.onnx",
    )
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.descriptions == KINDS and "GEOSEG_CLASSES" not in file.tags()
        found = file.read() * file.scales[0]
    for band, truth in zip(found[:2], read_array(town / "kinds.tif")[0], strict=False):
        np.testing.assert_array_equal(band > 0.5, truth > 0)
    assert found[:2].sum(axis=0).max() > 1.9  # they do not exclude each other
    polygonize.run(tmp_path / "p.tif", tmp_path / "b.gpkg", ALL)
    layer = footprints(tmp_path / "b.gpkg")
    assert len(layer) == 36 and matched(layer).min() > 0.85 and set(layer["class"]) == {"footprint"}
    with pytest.raises(UsageError, match="this model is multi-label"):
        predict.run(
            [str(town / "scene.tif")],
            RasterTarget(tmp_path / "c.tif", classes=True),
            SPEC,
            model=town / "model.onnx",
        )
    with pytest.raises(UsageError, match="does not name its bands"):
        predict.run([str(town / "scene.tif")], tmp_path / "p.png", SPEC, model=town / "model.onnx")


def test_extract_parts_by_the_boundary(town: Path, tmp_path: Path) -> None:
    for separate, count in (("auto", 36), ("none", 3)):
        spec = replace(ALL, separate=separate)
        extract.run(
            [str(town / "scene.tif")],
            tmp_path / f"{separate}.gpkg",
            SPEC,
            spec,
            model=town / "model.onnx",
        )
        assert len(footprints(tmp_path / f"{separate}.gpkg")) == count
    assert matched(footprints(tmp_path / "auto.gpkg")).min() > 0.85


def test_masks_in_bands_are_traced_too(town: Path, tmp_path: Path) -> None:
    polygonize.run(town / "kinds.tif", tmp_path / "b.gpkg", PolygonSpec(regularize="orthogonal"))
    layer = footprints(tmp_path / "b.gpkg")
    assert len(layer) == 36 and matched(layer).min() > 0.85 and set(layer["class"]) == {"footprint"}
    with rasterio.open(town / "kinds.tif") as file:
        bands, profile = (file.read() > 0).astype("uint8"), file.profile
    # one over the other
    with rasterio.open(tmp_path / "two.tif", "w", **profile | {"count": 2}) as out:
        out.write(np.stack([bands[0], np.roll(bands[0], 5, axis=1)]))
        out.descriptions = ("house", "shadow")
    polygonize.run(tmp_path / "two.tif", tmp_path / "c.gpkg", PolygonSpec(simplify=Length(0.5)))
    both = footprints(tmp_path / "c.gpkg")
    assert both["class"].value_counts().to_dict() == {"house": 3, "shadow": 3}
    assert (
        polygonize.run(
            tmp_path / "two.tif", tmp_path / "d.gpkg", PolygonSpec(), class_value=1
        ).footprints
        == 3
    )
    with pytest.raises(UsageError, match="no footprints in class 2"):
        polygonize.run(town / "kinds.tif", tmp_path / "e.gpkg", PolygonSpec(), class_value=2)


@pytest.mark.parametrize("names", [("shed", "pool"), ("shed", "pool", "tree", "house")])
def test_any_number_of_classes(names: tuple[str, ...], town: Path, tmp_path: Path) -> None:
    """Two are no background and building, the fourth is no transparency."""
    weights = (*WEIGHTS, (25, -25, 10))[-len(names) :]
    red_model(
        tmp_path / "m.onnx", ModelSpec("red", classes=names, multilabel=True, margin=0), weights
    )
    predict.run([str(town / "scene.tif")], tmp_path / "p.tif", SPEC, model=tmp_path / "m.onnx")
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.descriptions == names and file.read().shape == (len(names), *GRID.shape)
        expected = file.read(len(names)) > 127
    polygonize.run(tmp_path / "p.tif", tmp_path / "b.gpkg", ALL)
    layer = footprints(tmp_path / "b.gpkg")
    assert names[-1] in set(layer["class"]) <= set(names)
    assert layer.area[layer["class"] == names[-1]].sum() == pytest.approx(
        expected.sum() * 0.09, rel=0.02
    )
    with open_class_raster(str(tmp_path / "p.tif"), GRID, 0.6, []) as seen:
        labels, probability = seen.read(0, GRID.height), read_array(tmp_path / "p.tif")[0] / 254
    assert dict(seen.names) == dict(enumerate(("background", *names))) and seen.present == tuple(
        range(len(names) + 1)
    )
    np.testing.assert_array_equal(
        labels, np.where(probability.max(axis=0) >= 0.6, probability.argmax(axis=0) + 1, 0)
    )
    assert (labels == 0).any() and (labels > 0).any()
    with pytest.raises(UnsuitableError, match="classes of footprints"):
        extract.run(
            [str(town / "scene.tif")], tmp_path / "e.gpkg", SPEC, ALL, model=tmp_path / "m.onnx"
        )


def test_bands_are_compared_with_those_of_their_names(town: Path, tmp_path: Path) -> None:
    predict.run([str(town / "scene.tif")], tmp_path / "p.tif", SPEC, model=town / "model.onnx")
    masks = read_array(town / "kinds.tif")[0]
    write_array(tmp_path / "truth.tif", (masks[[1, 0]] > 0).astype("uint8"), GRID)
    with rasterio.open(tmp_path / "truth.tif", "r+") as file:
        file.descriptions = ("Boundary", "footprint")
    for truth in ("truth.tif", town / "kinds.tif"):
        scores = evaluate.run(tmp_path / "p.tif", tmp_path / truth).pixel
        for band, name in ((0, "footprint"), (1, "boundary")):
            row = scores["classes"][name]
            assert (row["tp"], row["fp"], row["fn"]) == (np.count_nonzero(masks[band]), 0, 0)
    assert scores["classes"]["contact"]["recall"] == 0  # the model knows of none
    assert scores["recall"] == pytest.approx(2 / 3)
    swept = evaluate.run(tmp_path / "p.tif", town / "kinds.tif", EvaluateSpec(sweep=True)).pixel[
        "classes"
    ]
    assert swept["footprint"]["best_iou"] == 1
    higher = evaluate.run(
        tmp_path / "p.tif", tmp_path / "truth.tif", EvaluateSpec(threshold=0.99)
    ).pixel
    # walls are less certain than roofs
    assert higher["classes"]["footprint"]["fn"] == np.count_nonzero(masks[1])
    objects = evaluate.run(tmp_path / "p.tif", town / "truth.gpkg").object
    assert (objects["tp"], objects["fp"], objects["fn"]) == (36, 0, 0)
    with rasterio.open(tmp_path / "truth.tif", "r+") as file:
        file.descriptions = ("pool", "tree")
    with pytest.raises(UnsuitableError, match="pool, tree"):
        evaluate.run(tmp_path / "p.tif", tmp_path / "truth.tif")
    with pytest.raises(UsageError, match="no page"):
        evaluate.run(
            tmp_path / "p.tif",
            town / "kinds.tif",
            output=EvaluationOutput(page=tmp_path / "page.html"),
        )


def test_chips_show_each_class(town: Path) -> None:
    sheet, _ = sheet_of_chips(str(town / "chips"), PreviewSpec(size=300, count=3), no_progress)
    assert list(sheet.keys) == list(KINDS) and len(set(sheet.keys.values())) == 3
    plain, _ = sheet_of_chips(
        str(town / "chips"), PreviewSpec(size=300, count=3, opacity=0.0), no_progress
    )
    assert any(
        (one.image != two.image).any() for one, two in zip(sheet.panels, plain.panels, strict=True)
    )


def test_masks_in_bands_are_drawn_over_each_other(town: Path, tmp_path: Path) -> None:
    masks = read_array(town / "kinds.tif")[0] > 0
    expected = np.where(masks[2], 3, np.where(masks[1], 2, masks[0]))
    view = view_of(str(town / "scene.tif"), 900, PreviewSpec())
    with view.classes(str(town / "kinds.tif"), PreviewSpec(), [], stacked=True) as seen:
        assert np.array_equal(seen.read(0, GRID.height), expected) and seen.present == (0, 1, 2, 3)
    for scene, *overlays in ((town / "scene.tif", town / "kinds.tif"), (town / "kinds.tif",)):
        preview.run(
            str(scene),
            [*map(str, overlays)],
            tmp_path / "p.png",
            PreviewSpec(size=500),
            overwrite=True,
        )
        drawn = {
            tuple(map(int, pixel))
            for pixel in np.rint(imread(tmp_path / "p.png")[..., :3] * 255).reshape(-1, 3)
        }
        # the keys
        assert drawn >= {rgb(colour) for colour in class_colours(seen.names, seen.present).values()}
    with pytest.raises(UnsuitableError, match="3 bands"):
        evaluate.run(town / "kinds.tif", town / "like.tif")
