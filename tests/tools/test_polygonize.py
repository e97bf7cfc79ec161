"""Rasters into footprints: the same for any strips, true on the ground, and written as they were
found.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import shapely.affinity
from affine import Affine
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.core.layer import FOOTPRINTS
from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.geometry.outlines import vertices
from geoseg.io.raster.write import create_raster
from geoseg.specs import Area, Length, PixelReference, PolygonSpec, SceneSpec, VectorTarget
from geoseg.tools.polygonize import run
from tests.layers import read
from tests.probabilities import NONE, UTM, cut, found, probability


def write(path, image, crs=UTM.crs, transform=UTM.transform, **keywords):
    grid = Grid(crs, transform, *image.shape)
    with create_raster(path, grid, dtype=str(image.dtype), **keywords) as out:
        out.write(image, 1)
    return path


def test_run_on_a_mask(tmp_path):
    mask = probability()[0] > 0.6
    raster = write(tmp_path / "mask.tif", mask.astype(np.uint8), nodata=0)
    stages = []
    report = run(
        raster,
        tmp_path / "out.gpkg",
        PolygonSpec(min_hole=NONE),
        progress=lambda name, total: stages.append((name, total)) or stages.append,
    )
    layer = read(tmp_path / "out.gpkg")
    burnt = rasterio.features.rasterize(layer.geometry, mask.shape, transform=UTM.transform)
    np.testing.assert_array_equal(burnt.astype(bool), mask)
    assert report.footprints == len(layer)
    assert report.area_m2 == pytest.approx(mask.sum() * 0.09, rel=2e-3)
    assert report.to_dict()["outputs"] == [str(tmp_path / "out.gpkg")]
    assert layer["confidence"].isna().all()
    assert layer["edge"].sum() < len(layer) / 2
    assert layer["scene"].unique().tolist() == ["mask"]
    assert stages[0] == ("polygonize", 900)
    assert sum(stages[1:]) == 900


def test_run_equals_the_strips_of_any_height(tmp_path):
    p, valid = probability()
    coded = np.where(valid, np.rint(p * 254), 255).astype(np.uint8)
    raster = write(
        tmp_path / "p.tif",
        coded,
        nodata=255,
        tags={"GEOSEG_THRESHOLD": "0.6", "GEOSEG_MIN_AREA": "4"},
    )
    with rasterio.open(raster, "r+") as out:
        out.scales = (1 / 254,)
    expected = found(
        cut(900, (coded / 254).astype(np.float32), valid),
        threshold=0.6 - 1e-6,
        min_area=Area(4.0),
    )
    for pixels in (700, 2**18, 2**23):
        target = VectorTarget(tmp_path / "out.parquet", overwrite=True)
        report = run(raster, target, strip_pixels=pixels)
        layer = read(tmp_path / "out.parquet")
        assert report.threshold == 0.6
        assert layer.geometry.to_wkb().tolist() == expected.geometry.to_wkb().tolist()
        np.testing.assert_allclose(layer["confidence"], expected["confidence"], atol=1.01e-4)
        for column in ("id", "area_m2", "perimeter_m", "edge", "vertices"):
            np.testing.assert_array_equal(layer[column], expected[column])


def test_float_probabilities_with_gaps(tmp_path):
    p, valid = probability()
    raster = write(
        tmp_path / "p.tif", np.where(valid, p, np.nan).astype(np.float32), nodata=float("nan")
    )
    run(raster, tmp_path / "out.fgb", PolygonSpec(threshold=0.7, min_hole=NONE, min_area=NONE))
    layer = read(tmp_path / "out.fgb")
    burnt = rasterio.features.rasterize(layer.geometry, p.shape, transform=UTM.transform).astype(
        bool
    )
    np.testing.assert_array_equal(burnt, (p >= 0.7) & valid)
    assert layer["confidence"].between(0.7, 1).all()
    raster = write(tmp_path / "q.tif", (p * 255).astype(np.float32))
    with pytest.raises(UnsuitableError, match="not probabilities"):
        run(raster, tmp_path / "q.gpkg", PolygonSpec())
    assert not (tmp_path / "q.gpkg").exists()


def test_one_class_of_several(tmp_path):
    image = np.zeros((40, 61), np.uint8)
    image[5:15, 8:20] = 1
    image[5:15, 20:33] = 2
    raster = write(
        tmp_path / "classes.tif", image, tags={"GEOSEG_CLASSES": "background,road,building"}
    )
    run(raster, tmp_path / "out.gpkg", PolygonSpec(), class_value=2)
    layer = read(tmp_path / "out.gpkg")
    assert layer.geometry.item().bounds == pytest.approx((334006, 3056995.5, 334009.9, 3056998.5))
    assert layer["class"].item() == "building"


def fields(shape=(180, 250)):
    """Classes 0 to 3 side by side."""
    rng = np.random.default_rng(8)
    return np.argmax(
        [ndimage.gaussian_filter(rng.standard_normal(shape), 6) for _ in range(4)], axis=0
    ).astype(np.uint8)


@pytest.mark.parametrize("simplify", [0.0, 0.7])
def test_all_classes_that_have_names(tmp_path, simplify):
    """Roads and trees beside buildings: each class by its name, and where they meet one wall for
    both.
    """
    tags = {"GEOSEG_CLASSES": "background,road,building,tree"}
    raster = write(tmp_path / "classes.tif", fields(), tags=tags)
    report = run(raster, tmp_path / "out.gpkg", PolygonSpec(simplify=Length(simplify)))
    layer = read(tmp_path / "out.gpkg")
    assert layer["class"].unique().tolist() == ["road", "building", "tree"]
    assert layer["id"].tolist() == list(range(1, len(layer) + 1))
    assert layer.geometry.is_valid.all()
    shapes = layer.geometry.to_numpy()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(shapes))).all()
    covered = shapely.union_all(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(covered.area, abs=1e-6)
    assert covered.area == pytest.approx((fields() > 0).sum() * 0.09, rel=0.01)
    assert report.area_m2 == pytest.approx(covered.area, rel=2e-3)
    np.testing.assert_allclose(layer["area_m2"], layer.geometry.area, rtol=2e-3, atol=0.01)
    assert layer["vertices"].tolist() == vertices(shapes).tolist()
    alone = run(raster, tmp_path / "tree.gpkg", PolygonSpec(), class_value=3)
    assert alone.footprints == (layer["class"] == "tree").sum()


def test_pictures_without_a_crs(tmp_path):
    image = np.zeros((40, 61), np.uint8)
    image[5:15, 8:20] = 255
    raster = write(tmp_path / "photo.tif", image, None, Affine.identity())
    with pytest.raises(UnsuitableError, match="no CRS"):
        run(raster, tmp_path / "out.gpkg", PolygonSpec())
    run(raster, tmp_path / "pixels.geojson", reference=PixelReference(pixel_coords=True))
    layer = gpd.read_file(tmp_path / "pixels.geojson")
    assert layer.geometry.item().bounds == (8, -15, 20, -5)
    assert layer["area_px"].item() == 120 and layer["perimeter_px"].item() == 44
    assigned = tmp_path / "assigned.gpkg"
    with pytest.raises(UnsuitableError, match="no place in EPSG:32645"):
        run(raster, assigned, scene_spec=SceneSpec(scene_crs="EPSG:32645"))
    raster.with_suffix(".tfw").write_text("0.5\n0\n0\n-0.5\n330000.25\n3060000.25\n")
    run(raster, assigned, scene_spec=SceneSpec(scene_crs="EPSG:32645"))
    layer = read(assigned)
    assert layer.crs.to_epsg() == 32645
    assert layer.geometry.item().bounds == (330004, 3059993, 330010, 3059998)


@pytest.mark.parametrize("worldfile", [False, True])
def test_pixels_of_a_part_are_those_of_the_whole_picture(tmp_path, worldfile):
    image = np.zeros((40, 61), np.uint8)
    image[5:15, 8:20] = 255
    raster = write(tmp_path / "photo.tif", image, None, Affine.identity())
    if worldfile:
        raster.with_suffix(".tfw").write_text("0.5\n0\n0\n-0.5\n1000\n2000\n")
    out = tmp_path / "out.gpkg"
    part = SceneSpec(window=(4, 3, 40, 30))
    run(raster, out, scene_spec=part, reference=PixelReference(pixel_coords=True))
    layer = read(out)
    assert layer.geometry.item().bounds == (8, -15, 20, -5) and layer["area_px"].item() == 120


def test_nothing_found_is_an_empty_layer(tmp_path):
    raster = write(tmp_path / "mask.tif", np.zeros((40, 61), np.uint8))
    report = run(raster, tmp_path / "out.gpkg", PolygonSpec())
    layer = gpd.read_file(tmp_path / "out.gpkg")
    assert (report.footprints, len(layer)) == (0, 0)
    assert list(layer.columns) == [*FOOTPRINTS, "geometry"]
    assert layer.crs.to_epsg() == 32645


def test_refusals_leave_nothing_behind(tmp_path):
    raster = write(tmp_path / "mask.tif", np.eye(40, 61, dtype=np.uint8))
    with pytest.raises(InputError):
        run(tmp_path / "none.tif", tmp_path / "out.gpkg", PolygonSpec())
    with pytest.raises(UsageError, match="extension"):
        run(raster, tmp_path / "out.xyz", PolygonSpec())
    with pytest.raises(UsageError, match="probabilities"):
        run(
            write(tmp_path / "p.tif", np.zeros((40, 61), np.float32)),
            tmp_path / "out.gpkg",
            PolygonSpec(),
            class_value=1,
        )
    with pytest.raises(UsageError, match="finer"):
        run(raster, tmp_path / "out.gpkg", PolygonSpec(outline="subpixel"))
    (tmp_path / "out.gpkg").write_text("mine")
    with pytest.raises(OutputError):
        run(raster, tmp_path / "out.gpkg", PolygonSpec())
    assert (tmp_path / "out.gpkg").read_text() == "mine"
    damaged = tmp_path / "damaged.tif"
    noise = write(
        tmp_path / "noise.tif", np.random.default_rng(0).integers(0, 2, (400, 610), np.uint8)
    ).read_bytes()
    damaged.write_bytes(noise[:20000] + bytes(2000) + noise[22000:])
    with pytest.raises(InputError):
        run(damaged, tmp_path / "new.gpkg", PolygonSpec())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "damaged.tif",
        "mask.tif",
        "noise.tif",
        "out.gpkg",
        "p.tif",
    ]


def test_a_real_town(tmp_path, shared_data):
    """Banepa: the mask of 1,464 surveyed buildings comes back pixel by pixel."""
    raster = shared_data / "oam_banepa_centre" / "labels" / "oam_banepa_centre_train_mask.tif"
    run(raster, tmp_path / "banepa.gpkg", PolygonSpec(min_hole=NONE))
    layer = read(tmp_path / "banepa.gpkg")
    with rasterio.open(raster) as mask:
        burnt = rasterio.features.rasterize(layer.geometry, mask.shape, transform=mask.transform)
        np.testing.assert_array_equal(burnt, mask.read(1) > 0)
    assert layer.geometry.is_valid.all()
    # EPSG:3857 at 27.6 N: the ellipsoid makes it a little less than cos² of the latitude, 0.785
    ratio = (layer["area_m2"] / layer.geometry.area)[layer["area_m2"] > 5]
    np.testing.assert_allclose(ratio, 0.7822, atol=0.001)


def test_map_tiles_replace_map_tiles(tmp_path):
    raster = write(tmp_path / "mask.tif", (probability()[0] > 0.6).astype(np.uint8), nodata=0)
    target = VectorTarget(tmp_path / "tiles", format="parquet-tiles")
    first = run(raster, target)
    with pytest.raises(OutputError, match="exists already"):
        run(raster, target)
    replaced = VectorTarget(tmp_path / "tiles", format="parquet-tiles", overwrite=True)
    second = run(raster, replaced, PolygonSpec(min_area=Area(40)))
    rows = sum(len(gpd.read_parquet(part)) for part in (tmp_path / "tiles").rglob("*.parquet"))
    assert 0 < rows == second.footprints < first.footprints
