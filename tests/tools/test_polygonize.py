"""Rasters into footprints: the same for any strips, true on the ground, and written as they were
found.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import shapely
import shapely.affinity
from affine import Affine
from pyproj import CRS, Transformer
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.core.layer import FOOTPRINTS
from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.geometry.footprints import footprints
from geoseg.geometry.outlines import vertices
from geoseg.io.raster.write import create_raster
from geoseg.labels import traceable
from geoseg.specs import Area, Length, PixelReference, PolygonSpec, VectorTarget
from geoseg.tools.polygonize import run
from tests.layers import read, table

UTM = Grid(CRS.from_epsg(32645), Affine(0.3, 0, 334000, 0, -0.3, 3057000), 900, 700)
NONE = Area(0.0)


def probability(grid=UTM, seed=7):
    """Smooth blobs around the threshold and a patch without data."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(grid.shape), 6)
    valid = np.ones(grid.shape, bool)
    valid[400:460, 300:420] = False
    return (0.5 + field / field.std() / 5).clip(0, 1).astype(np.float32), valid


def cut(height, *arrays):
    return [
        tuple(a[top : top + height] for a in arrays) for top in range(0, len(arrays[0]), height)
    ]


def found(strips, grid=UTM, spec=None, threshold=0.5, min_area=NONE):
    batches = footprints(
        strips,
        grid,
        scene="town",
        spec=spec or PolygonSpec(),
        threshold=threshold,
        min_area=min_area,
    )
    return pd.concat(map(table, batches), ignore_index=True)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_strips_of_any_height_give_the_same(connectivity):
    p, valid = probability()
    spec = PolygonSpec(
        open=Length(0.6),
        close=Length(2, pixels=True),
        simplify=Length(0.4),
        connectivity=connectivity,
    )

    def by(height):
        return found(cut(height, p, valid), spec=spec, threshold=0.6, min_area=Area(1.0))

    whole = by(900)
    assert len(whole) > 100
    assert list(whole.columns) == [*FOOTPRINTS, "geometry"]
    assert whole["id"].tolist() == list(range(1, len(whole) + 1))
    for height in (1, 256, 512, 777):
        frame = by(height)
        assert frame.geometry.to_wkb().tolist() == whole.geometry.to_wkb().tolist()
        pd.testing.assert_frame_equal(frame, whole, check_exact=True)


def houses(grid=UTM, seed=11):
    """Probabilities of blocks and L-shapes at all angles, some of them touching, with walls that
    waver.
    """
    rng = np.random.default_rng(seed)
    shapes = []
    for y in range(45, grid.height, 72):
        for x in range(45, grid.width, 78):
            w, h = rng.uniform(36, 66, 2)
            block = shapely.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            wing = (
                shapely.box(x, y, x + w / 2 + 1, y + h / 2 + 1)
                if rng.random() < 0.4
                else shapely.Polygon()
            )
            shapes.append(shapely.affinity.rotate(block.difference(wing), rng.uniform(0, 90)))
    mask = rasterio.features.rasterize(shapes, grid.shape).astype(np.float32)
    noise = ndimage.gaussian_filter(rng.standard_normal(grid.shape), 2)
    return (
        (ndimage.gaussian_filter(mask, 1.5) + 0.1 * noise / noise.std())
        .clip(0, 1)
        .astype(np.float32)
    )


@pytest.mark.parametrize("connectivity", [4, 8])
def test_strips_leave_no_trace_in_straight_outlines(connectivity):
    p = houses()
    valid = np.ones_like(p, bool)
    spec = PolygonSpec(
        regularize="orthogonal",
        separate="watershed",
        simplify=Length(0.3),
        connectivity=connectivity,
    )

    def by(height):
        return found(cut(height, p, valid), spec=spec, min_area=Area(5.0))

    whole = by(900)
    assert list(whole.columns) == [*FOOTPRINTS, "regularized", "regularized_iou", "geometry"]
    assert whole["regularized"].mean() > 0.8
    assert whole["regularized_iou"].isna().tolist() == (~whole["regularized"]).tolist()
    assert whole["regularized_iou"].min() >= 0.85
    for height in (7, 256, 777):
        frame = by(height)
        assert frame.geometry.to_wkb().tolist() == whole.geometry.to_wkb().tolist()
        pd.testing.assert_frame_equal(frame, whole, check_exact=True)


def test_straight_outlines_are_measured_as_they_are_written():
    p = houses()
    frame = found(
        cut(300, p, np.ones_like(p, bool)),
        spec=PolygonSpec(regularize="orthogonal"),
        min_area=Area(5.0),
    )
    raw = found(cut(300, p, np.ones_like(p, bool)), min_area=Area(5.0))
    assert frame["confidence"].tolist() == raw["confidence"].tolist()
    assert frame["vertices"].sum() < raw["vertices"].sum() / 5
    np.testing.assert_allclose(frame["area_m2"], frame.geometry.area, rtol=2e-3, atol=0.01)
    common = frame.geometry.intersection(raw.geometry).area
    iou = common / (frame.geometry.area + raw.geometry.area - common)
    straight = frame["regularized"]
    np.testing.assert_allclose(frame["regularized_iou"][straight], iou[straight], atol=1e-3)
    assert (frame.geometry[~straight].to_wkb() == raw.geometry[~straight].to_wkb()).all()
    assert frame.geometry.is_valid.all()
    overlaps = frame.geometry.area.sum() - frame.geometry.union_all().area
    assert overlaps < 1e-4 * frame.geometry.area.sum()


def test_touching_houses_are_parted():
    mask = np.zeros((70, 130), np.float32)
    mask[12:52, 9:53] = mask[14:54, 60:104] = 0.9
    mask[28:40, 50:62] = 0.8
    valid = np.ones_like(mask, bool)
    grid = Grid(UTM.crs, UTM.transform, *mask.shape)
    assert len(found([(mask, valid)], grid)) == 1
    two = found([(mask, valid)], grid, PolygonSpec(separate="watershed"))
    assert len(two) == 2
    assert two.geometry.iloc[0].distance(two.geometry.iloc[1]) == pytest.approx(0.3)


def test_radii_in_metres_and_in_pixels():
    p, valid = probability()
    for metres, pixels in ((0.6, 2), (0.9, 3)):
        one, other = (
            PolygonSpec(open=Length(*v), close=Length(*v)) for v in ((metres,), (pixels, True))
        )
        pd.testing.assert_frame_equal(
            found(cut(300, p, valid), spec=one), found(cut(300, p, valid), spec=other)
        )


def test_confidence_edge_and_measures():
    p, valid = probability()
    frame = found(cut(100, p, valid), spec=PolygonSpec(min_hole=NONE))
    mask = (p >= 0.5) & valid
    labels, count = ndimage.label(mask)
    assert len(frame) == count
    missing = ndimage.binary_dilation(~valid) | np.pad(
        np.zeros((898, 698), bool), 1, constant_values=True
    )
    inside = frame.geometry.representative_point()
    cols, rows = ((inside.x - 334000) / 0.3).astype(int), ((3057000 - inside.y) / 0.3).astype(int)
    label = labels[rows, cols]
    assert sorted(label) == list(range(1, count + 1))
    np.testing.assert_allclose(
        frame["confidence"], np.round(ndimage.mean(p.astype(float), labels, label), 4), atol=1.01e-4
    )
    np.testing.assert_array_equal(frame["edge"], ndimage.maximum(missing, labels, label))
    assert 3 < frame["edge"].sum() < count / 2
    np.testing.assert_allclose(frame["area_m2"], frame.geometry.area, rtol=2e-3, atol=0.01)
    np.testing.assert_allclose(frame["perimeter_m"], frame.geometry.length, rtol=1e-3, atol=0.01)
    corners = [sum(len(r.coords) - 1 for r in (g.exterior, *g.interiors)) for g in frame.geometry]
    np.testing.assert_array_equal(frame["vertices"], corners)
    assert frame.geometry.is_valid.all()
    assert shapely.is_ccw(shapely.get_exterior_ring(frame.geometry.to_numpy())).all()
    burnt = rasterio.features.rasterize(frame.geometry, UTM.shape, transform=UTM.transform)
    np.testing.assert_array_equal(burnt.astype(bool), mask)


def strip_of(mask):
    return [(mask.astype(np.float32), np.ones_like(mask))]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        # Tromsø: a metre of the map is 0.35 on the ground
        ("EPSG:3857", Affine(0.5, 0, 2103920, 0, -0.5, 10945000)),
        ("EPSG:4326", Affine(4e-6, 0, 18.9, 0, -2e-6, 69.6)),
        ("EPSG:2236", Affine(1.0, 0, 900000, 0, -1.0, 500000)),  # US survey feet
        ("EPSG:32633", Affine(0.2, 0.1, 4e5, 0.1, -0.2, 6e6)),  # rotated
        ("EPSG:3413", Affine(0.5, 0, -210000, 0, -0.4, -2260000)),  # polar
        (
            "+proj=laea +lat_0=10 +lon_0=40 +ellps=GRS80 +units=m",
            Affine(0.5, 0, 650000, 0, -0.4, -2750000),
        ),
    ],
)
def test_areas_are_square_metres_everywhere(crs, transform):
    """A block of 13 x 21 pixels with a hole of 3 x 4: kept or filled by its true area."""
    grid = Grid(CRS.from_user_input(crs), transform, 60, 45)
    mask = np.zeros(grid.shape, bool)
    mask[20:33, 10:31] = True
    mask[24:27, 15:19] = False
    local = CRS.from_dict({"proj": "aeqd", "lat_0": 0, "lon_0": 0})
    corners = shapely.transform(
        shapely.box(10, 20, 31, 33), lambda xy: np.array([transform * tuple(p) for p in xy])
    )
    lonlat = shapely.transform(
        corners, Transformer.from_crs(grid.crs, 4326, always_xy=True).transform, interleaved=False
    )
    true = abs(local.get_geod().geometry_area_perimeter(lonlat)[0])
    pixel = true / (13 * 21)
    keep, fill = (
        found(strip_of(mask), grid, PolygonSpec(min_hole=Area(12 * pixel * f)))
        for f in (0.99, 1.01)
    )
    assert keep["area_m2"].item() == pytest.approx(true - 12 * pixel, rel=1e-3, abs=0.01)
    assert fill["area_m2"].item() == pytest.approx(true, rel=1e-3, abs=0.01)
    assert fill["vertices"].item() == 4
    assert (
        len(
            list(
                footprints(
                    strip_of(mask),
                    grid,
                    scene="",
                    spec=PolygonSpec(),
                    threshold=0.5,
                    min_area=Area(true * 0.9),
                )
            )
        )
        == 1
    )
    assert not list(
        footprints(
            strip_of(mask),
            grid,
            scene="",
            spec=PolygonSpec(),
            threshold=0.5,
            min_area=Area(true * 1.1),
        )
    )
    by_pixels = found(
        strip_of(mask), grid, PolygonSpec(min_hole=Area(13, True)), min_area=Area(270, True)
    )
    assert by_pixels["vertices"].item() == 4


@pytest.mark.parametrize("height", [1, 7, 50])
def test_a_hole_is_not_filled_over_a_footprint_in_it(height):
    mask = np.ones((50, 31), bool)
    mask[3:12, 5:14] = False
    mask[6:9, 8:11] = True
    mask[20:29, 5:14] = False
    frame = found(
        cut(height, mask.astype(np.float32), np.ones_like(mask)),
        spec=PolygonSpec(min_hole=Area(90, True)),
    )
    assert len(frame) == 2
    assert frame.geometry.iloc[0].disjoint(frame.geometry.iloc[1])
    assert [len(g.interiors) for g in frame.geometry] == [0, 1]
    swallowed = found(
        cut(height, mask.astype(np.float32), np.ones_like(mask)),
        spec=PolygonSpec(min_hole=Area(90, True)),
        min_area=Area(10, True),
    )
    assert [len(g.interiors) for g in swallowed.geometry] == [0]


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


def test_run_equals_the_strips_of_any_height(tmp_path, monkeypatch):
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
        monkeypatch.setattr(traceable, "STRIP_PIXELS", pixels)
        report = run(raster, VectorTarget(tmp_path / "out.parquet", overwrite=True), PolygonSpec())
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
    assert layer.geometry.item().bounds == (8, 5, 20, 15)
    assert layer["area_m2"].item() == 120
    run(raster, tmp_path / "assigned.gpkg", reference=PixelReference(crs="EPSG:32645"))
    assert read(tmp_path / "assigned.gpkg").crs.to_epsg() == 32645


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
