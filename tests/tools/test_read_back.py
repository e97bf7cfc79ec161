"""What geoseg writes it reads back as what it is: every kind of mask, classes and probabilities,
by every verb.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geoseg.cli.main import run
from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import open_scene, read_array
from geoseg.io.raster.write import write_array
from geoseg.labels.interpret import interpret
from geoseg.specs import (
    Area,
    ChipSpec,
    MaskSpec,
    ModelSpec,
    PolygonSpec,
    PredictSpec,
    PreviewSpec,
    RasterTarget,
)
from geoseg.tools import evaluate, info, polygonize, predict, preview, rasterize, tile
from tests.scenes import GROUND, ROOF, grid, red_model

GRID = grid(96, 150)
# two that touch, one of two parts, one alone; in pixels, left top right bottom
HOUSES = [
    [(10, 8, 40, 30)],
    [(40, 8, 66, 36)],
    [(90, 10, 110, 30), (118, 12, 140, 40)],
    [(20, 60, 70, 84)],
]
USES = ["home", "shop", "home", "barn"]
SPEC = PredictSpec(tile_size=96, overlap=16, precision="fp32")
ALL = PolygonSpec(min_area=Area(0.0))


class Raster(NamedTuple):
    """How a raster is burnt and what it is read as: ``footprints`` of polygonize by class (words of
    a refusal), ``classes`` to train on, ``kind`` of info, ``counts`` the true positives, false
    positives and false negatives of evaluate.
    """

    spec: MaskSpec
    footprints: dict[str, int] | str
    classes: tuple[str, ...] | str
    kind: str | None
    counts: tuple[int, int, int] | None = None
    values: set[int] = {0, 1}  # noqa: RUF012


BOTH = ("background", "building")
RASTERS = {
    "footprint": Raster(MaskSpec(), {"building": 4}, BOTH, "mask", (3, 1, 1)),
    "value": Raster(MaskSpec(value=200), {"building": 4}, BOTH, "mask", (3, 1, 1)),
    "edges": Raster(
        MaskSpec(("edges",)), {"building": 5}, (*BOTH, "boundary"), "classes", (4, 1, 0), {0, 1, 2}
    ),
    "boundary": Raster(
        MaskSpec(("boundary",)), "no footprints", ("background", "boundary"), "mask"
    ),
    "contact": Raster(MaskSpec(("contact:12px",)), "no footprints", ("background", "contact"), "mask"),
    "distance": Raster(MaskSpec(("distance",)), "holds distances", "holds distances", None),
    "instance": Raster(MaskSpec(("instance",)), {"building": 4}, BOTH, "instance", (4, 0, 0)),
    "bands": Raster(
        MaskSpec(("footprint", "boundary")),
        {"footprint": 5},
        ("footprint", "boundary"),
        "multilabel",
    ),
    "all": Raster(
        MaskSpec(("distance", "footprint", "boundary", "instance")),
        {"footprint": 5},
        ("footprint", "boundary"),
        "multilabel",
    ),
    "footprint and distance": Raster(
        MaskSpec(("footprint", "distance")), {"building": 4}, BOTH, "mask", (3, 1, 1)
    ),
    "names": Raster(
        MaskSpec(class_field="use"),
        {"barn": 1, "home": 3, "shop": 1},
        ("background", "barn", "home", "shop"),
        "classes",
        None,
        {0, 1, 2, 3},
    ),
    "integers": Raster(
        MaskSpec(class_field="code"),
        {"3": 2, "7": 3},
        ("background", "3", "7"),
        "classes",
        None,
        {0, 1, 2},
    ),
    "with a 0": Raster(
        MaskSpec(class_field="storeys"),
        {"0": 1, "2": 4},
        ("background", "0", "2"),
        "classes",
        None,
        {0, 1, 2},
    ),
    "true and false": Raster(
        MaskSpec(class_field="flat"),
        {"false": 4, "true": 1},
        ("background", "false", "true"),
        "classes",
        None,
        {0, 1, 2},
    ),
}  # fmt: skip


def shape(boxes: list[tuple[int, int, int, int]]) -> shapely.Geometry:
    parts = [
        shapely.box(*GRID.transform @ (x0, y1), *GRID.transform @ (x1, y0))
        for x0, y0, x1, y1 in boxes
    ]
    return shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with footprints, the scene they lie on, and all rasters burnt of them."""
    folder = tmp_path_factory.mktemp("town")
    columns: dict[str, Any] = {
        "use": USES,
        "code": [7, 3, 7, 3],
        "storeys": [2, 0, 2, 2],
        "flat": [False, True, False, False],
    }
    gpd.GeoDataFrame(columns, geometry=[shape(boxes) for boxes in HOUSES], crs=GRID.crs).to_file(
        folder / "truth.gpkg"
    )
    write_array(folder / "like.tif", np.zeros((1, *GRID.shape), "uint8"), GRID)
    for name, raster in RASTERS.items():
        rasterize.run(
            folder / "truth.gpkg", folder / "like.tif", folder / f"{name}.tif", raster.spec
        )
    roofs = read_array(folder / "footprint.tif")[0][0]
    colours = np.array([GROUND, ROOF], "uint8")[roofs].transpose(2, 0, 1)
    write_array(folder / "scene.tif", np.ascontiguousarray(colours), GRID)
    return folder


def traced(raster: Path, output: Path) -> dict[str, int]:
    polygonize.run(raster, output, ALL)
    counts = gpd.read_file(output, layer="footprints")["class"].value_counts()
    return {str(name): int(count) for name, count in counts.items()}


named = pytest.mark.parametrize("name", RASTERS)


@named
def test_polygonize(name: str, town: Path, tmp_path: Path) -> None:
    expected = RASTERS[name].footprints
    if isinstance(expected, str):
        with pytest.raises(UnsuitableError, match=expected):
            traced(town / f"{name}.tif", tmp_path / "f.gpkg")
    else:
        assert traced(town / f"{name}.tif", tmp_path / "f.gpkg") == expected


@named
def test_tile(name: str, town: Path, tmp_path: Path) -> None:
    expected = RASTERS[name].classes
    cut = ChipSpec(size=64, split=(1.0, 0.0, 0.0))
    scenes, labels = [str(town / "scene.tif")], town / f"{name}.tif"
    if isinstance(expected, str):
        with pytest.raises(UnsuitableError, match=expected):
            tile.run(scenes, tmp_path / "chips", cut, labels=labels)
        return
    tile.run(scenes, tmp_path / "chips", cut, labels=labels)
    index = read_index(tmp_path / "chips")
    assert index.info.classes == expected
    assert index.info.multilabel == (RASTERS[name].kind == "multilabel")
    masks = [read_array(index.folder / mask)[0] for mask in index.table["mask"]]
    assert {len(mask) for mask in masks} == {len(expected) if index.info.multilabel else 1}
    assert {int(value) for mask in masks for value in np.unique(mask)} == RASTERS[name].values
    with open_scene(index.folder / index.table["mask"].iloc[0]) as chip:
        meaning = interpret(chip)
    assert (meaning.kind == "multilabel") == index.info.multilabel
    assert tuple(meaning.names.values()) == expected


@named
def test_evaluate(name: str, town: Path) -> None:
    """Each against itself is perfect, and its footprints are the true ones where it parts them."""
    raster = town / f"{name}.tif"
    if name == "distance":
        with pytest.raises(UnsuitableError, match="holds distances"):
            evaluate.run(raster, raster)
        return
    scores = evaluate.run(raster, raster).pixel
    wanted = set(RASTERS[name].classes) - {"boundary" if name == "edges" else ""}
    assert set(scores["classes"]) == wanted
    assert all(row["iou"] == 1 for row in scores["classes"].values())
    if RASTERS[name].counts is not None:
        found = evaluate.run(raster, town / "truth.gpkg").object
        assert (found["tp"], found["fp"], found["fn"]) == RASTERS[name].counts


@named
def test_preview_and_info(name: str, town: Path, tmp_path: Path) -> None:
    values = info.run(str(town / f"{name}.tif")).about["values"]
    assert (values and values["kind"]) == RASTERS[name].kind
    overlay = [str(town / f"{name}.tif")]
    if name == "distance":
        with pytest.raises(UnsuitableError, match="holds distances"):
            preview.run(str(town / "scene.tif"), overlay, tmp_path / "p.png", PreviewSpec(size=300))
        return
    sheets = []
    for scene, layers in ((str(town / "scene.tif"), overlay), (overlay[0], [])):
        preview.run(scene, layers, tmp_path / "p.png", PreviewSpec(size=300), overwrite=True)
        sheets.append((tmp_path / "p.png").read_bytes())
    assert sheets[0] != sheets[1]


@pytest.mark.parametrize(
    ("output", "more", "kind"),
    [
        ("p.tif", {}, "probability"),
        ("f.tif", {"dtype": "float32"}, "probability"),
        ("p.png", {}, "probability"),
        ("c.tif", {"classes": True}, "mask"),
        ("c.png", {"classes": True}, "mask"),
    ],
)
def test_predictions(
    output: str, more: dict[str, Any], kind: str, town: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    red_model(tmp_path / "m.onnx", ModelSpec("red", classes=("soil", "roof"), margin=0))
    raster = tmp_path / output
    scene = str(town / "scene.tif")
    predict.run([scene], RasterTarget(raster, **more), SPEC, model=tmp_path / "m.onnx")
    assert info.run(str(raster)).about["values"]["kind"] == kind
    if raster.suffix == ".tif":
        assert traced(raster, tmp_path / "f.gpkg") == {"roof": 4}
        assert evaluate.run(raster, town / "truth.gpkg").object["tp"] == 3
    assert evaluate.run(raster, town / "footprint.tif").pixel["iou"] == 1
    tile.run([scene], tmp_path / "chips", ChipSpec(size=64, split=(1.0, 0.0, 0.0)), labels=raster)
    index = read_index(tmp_path / "chips")
    truth = tmp_path / "truth"
    tile.run(
        [scene], truth, ChipSpec(size=64, split=(1.0, 0.0, 0.0)), labels=town / "footprint.tif"
    )
    for mask in index.table["mask"]:
        np.testing.assert_array_equal(
            read_array(index.folder / mask)[0], read_array(truth / mask)[0]
        )


def test_unknown_pixels_are_no_building(town: Path, tmp_path: Path) -> None:
    mask = read_array(town / "footprint.tif")[0]
    mask[:, 60:90, 100:140] = VOID
    write_array(tmp_path / "m.tif", mask, GRID)
    assert traced(tmp_path / "m.tif", tmp_path / "f.gpkg") == {"building": 4}


def test_a_command_says_what_is_left_out_and_what_is_refused(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["polygonize", str(town / "all.tif"), "-o", str(tmp_path / "a.gpkg")]) == 0
    assert "only footprint, boundary (band 2, 3) is traced" in capsys.readouterr().err
    assert run(["polygonize", str(town / "distance.tif"), "-o", str(tmp_path / "b.gpkg")]) == 4
    assert "distance.tif: holds distances to outlines, not labels" in capsys.readouterr().err
    assert not (tmp_path / "b.gpkg").exists()
