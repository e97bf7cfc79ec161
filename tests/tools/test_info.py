"""What `info` says of each kind of file, and whether a model fits a scene."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import InputError
from geoseg.inference.session import LoadedModel
from geoseg.io.chip_index import ChipInfo, write_index
from geoseg.io.raster.write import write_array
from geoseg.io.vector.write import create_vector
from geoseg.models.store import bundled
from geoseg.specs import ModelSpec, PredictSpec
from geoseg.tools import info

GRID = Grid(CRS(32637), Affine(0.5, 0, 500_000, 0, -0.5, 3_000_000), 200, 300)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Three bands, the left quarter without data."""
    image = np.full((3, *GRID.shape), 9, "uint8")
    image[:, :, :75] = 0
    path = tmp_path / "scene.tif"
    write_array(
        path, image, GRID, nodata=0, tags={"GEOSEG_KIND": "probability", "AUTHOR": "someone"}
    )
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    from geoseg.models.modelfile import save
    from geoseg.models.registry import build

    spec = ModelSpec("cnn", gsd=0.5, threshold=0.4)
    save(tmp_path / "model.safetensors", spec, build(spec).state_dict())
    return tmp_path / "model.safetensors"


def test_a_raster(scene: Path) -> None:
    report = info.run(str(scene))
    about = report.about
    assert (report.kind, report.fit) == ("raster", None)
    assert (about["height"], about["width"], about["bands"], about["dtype"], about["nodata"]) == (
        200,
        300,
        3,
        "uint8",
        0,
    )
    assert about["crs"] == "EPSG:32637"
    assert about["gsd"] == pytest.approx(0.5, rel=1e-3)
    assert about["bounds"] == (500_000, 3_000_000 - 100, 500_000 + 150, 3_000_000)
    assert about["valid_fraction"] == pytest.approx(0.75, abs=0.06)
    assert about["tags"] == {"GEOSEG_KIND": "probability"}


def test_a_raster_smaller_than_a_sample(tmp_path: Path) -> None:
    write_array(tmp_path / "small.tif", np.ones((1, 3, 5), "float32"))
    about = info.run(str(tmp_path / "small.tif")).about
    assert (
        about["height"],
        about["width"],
        about["crs"],
        about["gsd"],
        about["valid_fraction"],
    ) == (3, 5, None, None, 1)


def test_footprints(tmp_path: Path) -> None:
    boxes = [shapely.box(30, 5, 31, 7), shapely.box(33, 5, 34, 9)]
    gpd.GeoDataFrame({"floors": [1, 4]}, geometry=boxes, crs=4326).to_file(tmp_path / "a.gpkg")
    report = info.run(str(tmp_path / "a.gpkg"))
    assert report.kind == "vector"
    assert report.about == {
        "features": 2,
        "geometries": {"Polygon": 2},
        "columns": ["floors"],
        "crs": "EPSG:4326",
        "bounds": (30, 5, 34, 9),
    }


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    with create_vector(tmp_path / "a.gpkg", CRS(32637), metadata={"GEOSEG_VERSION": "1"}):
        pass
    assert info.run(str(tmp_path / "a.gpkg")).about["features"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]


def test_chips_by_folder_and_by_index(tmp_path: Path) -> None:
    row = {
        "scene": "a",
        "row": 0,
        "image": "images/a.tif",
        "mask": None,
        "valid_fraction": 1.0,
        "geometry": shapely.box(0, 0, 2, 1),
    }
    rows = [
        row | {"id": f"a{i}", "col": i, "split": split}
        for i, split in enumerate(("train", "train", "val"))
    ]
    write_index(tmp_path, rows, ChipInfo(3, "uint8", 0.3), CRS(32637))
    report = info.run(str(tmp_path))
    assert report.kind == "chips"
    assert report.about == info.run(str(tmp_path / "index.parquet")).about
    assert report.about["splits"] == {"train": 2, "val": 1}
    assert (report.about["chips"], report.about["scenes"], report.about["with_mask"]) == (3, 1, 0)
    assert (report.about["bands"], report.about["gsd"], report.about["crs"]) == (
        3,
        0.3,
        "EPSG:32637",
    )


def test_a_model(model: Path) -> None:
    report = info.run(str(model))
    assert report.kind == "model"
    assert (report.about["architecture"], report.about["gsd"], report.about["threshold"]) == (
        "cnn",
        0.5,
        0.4,
    )
    assert len(report.about["sha256"]) == 16


def test_whether_a_model_fits(scene: Path, model: Path, tmp_path: Path) -> None:
    fit = info.run(str(scene), model=model).fit
    assert fit and fit.fits and fit.why == () and fit.tiles == 1
    write_array(tmp_path / "one.tif", np.ones((1, *GRID.shape), "uint8"), GRID)
    fit = info.run(str(tmp_path / "one.tif"), model=model).fit
    assert (
        fit and not fit.fits and "has 1 band; the model needs 3" in fit.why[0] and fit.tiles is None
    )
    coarse = Grid(GRID.crs, GRID.transform * Affine.scale(20), *GRID.shape)
    write_array(tmp_path / "coarse.tif", np.ones((3, *GRID.shape), "uint8"), coarse)
    fit = info.run(str(tmp_path / "coarse.tif"), model=model).fit
    assert fit and not fit.fits and "too coarse" in fit.why[0]
    fine = Grid(GRID.crs, GRID.transform * Affine.scale(0.5), *GRID.shape)
    write_array(tmp_path / "fine.tif", np.ones((3, *GRID.shape), "uint8"), fine)
    fit = info.run(str(tmp_path / "fine.tif"), model=model).fit
    assert fit and fit.fits and "is read at 0.5 m" in fit.why[0]


def test_what_cannot_be_told(scene: Path, model: Path, tmp_path: Path) -> None:
    report = info.run(str(model), model=model)
    assert report.fit is None and "is not a raster, so" in report.warnings[0]
    (tmp_path / "a.tif").write_text("text")
    with pytest.raises(InputError, match=r"a\.tif"):
        info.run(str(tmp_path / "a.tif"))


def test_the_bundled_model_has_one_name(sample_scene: Path) -> None:
    report = info.run(str(sample_scene), model=bundled())
    assert report.fit is not None and report.fit.model == "bundled"
    assert info.run("bundled").inputs == ("bundled",)
    assert info.run("bundled").about == info.run(str(bundled())).about
    loaded = LoadedModel(None, PredictSpec())
    assert loaded.name == "bundled"
    assert loaded.provenance("a.tif")["GEOSEG_MODEL"].startswith("bundled ")
