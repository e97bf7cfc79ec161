"""Strips of probabilities into measured footprints: the same for any strips, true on the ground."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio.features
import shapely
import shapely.affinity
from affine import Affine
from pyproj import CRS, Transformer
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.core.layer import FOOTPRINTS
from geoseg.geometry.footprints import footprints
from geoseg.parallel.threads import limited
from geoseg.specs import Area, Length, PolygonSpec
from tests.probabilities import NONE, UTM, cut, found, probability


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
    # on one processor, and shared out to four threads
    for height, threads in ((7, 1), (256, 8), (777, 8)):
        with limited(threads):
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
