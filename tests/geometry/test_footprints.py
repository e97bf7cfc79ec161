"""Strips into footprints: whatever stages are asked for and wherever the seams lie, feature by
feature as if done whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.geometry.footprints import FootprintLabels, trace_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.specs import Area, Length, PolygonSpec
from tests.layers import table
from tests.scenes import buildings

HEIGHTS = (256, 512, 777)


def grid_of(shape: tuple[int, int]) -> Grid:
    return Grid(CRS.from_epsg(32645), Affine(0.3, 0, 334000, 0, -0.3, 3057000), *shape)


def found(
    rows: MaskStrip, height: int, spec: PolygonSpec, min_area: float = 0.0, level: float = 0.5
) -> pd.DataFrame:
    """All footprints of ``rows`` cut into strips of ``height``, geometries as WKB."""
    cut = [
        MaskStrip(*(a if a is None else a[top : top + height] for a in rows))
        for top in range(0, len(rows.mask), height)
    ]
    batches = list(
        trace_footprints(
            cut, grid_of(rows.mask.shape), FootprintLabels("town"), spec, Area(min_area), level
        )
    )
    if not batches:
        return pd.DataFrame()
    whole = pd.concat(map(table, batches), ignore_index=True)
    geometry = whole.geometry.to_numpy()
    assert shapely.is_valid(geometry).all() and (shapely.area(geometry) > 0).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(geometry))).all()
    return pd.DataFrame(whole).assign(geometry=shapely.to_wkb(geometry))


def town(height: int, width: int) -> MaskStrip:
    """Blurred buildings with courtyards on every seam, a boundary around each, and a hole in the
    data.
    """
    mask = buildings(height, width, 53)
    noise = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal(mask.shape), 1.5)
    scores = (
        (ndimage.gaussian_filter(mask.astype(np.float32), 1.2) + 0.06 * noise / noise.std())
        .clip(0, 1)
        .astype(np.float32)
    )
    valid = np.ones_like(mask)
    valid[height // 3 : height // 3 + 70, width // 2 : width // 2 + 90] = False
    inside = ndimage.distance_transform_edt(scores >= 0.35)
    boundary_margin = (20 * (3 - inside)).astype(np.int16)
    return MaskStrip((scores >= 0.35) & valid, valid, scores, boundary_margin)


SPECS = {
    "pixel": PolygonSpec(open=Length(0.3), close=Length(0.6)),
    "subpixel": PolygonSpec(outline="subpixel", close=Length(0.3), separate="none"),
    "simplified": PolygonSpec(outline="subpixel", simplify=Length(0.4), connectivity=8),
    "necks": PolygonSpec(outline="subpixel", regularize="orthogonal", separate="watershed"),
    "boundaries": PolygonSpec(regularize="orthogonal", simplify=Length(0.6)),
}
SPECS = {name: replace(spec, min_hole=Area(1.0)) for name, spec in SPECS.items()}


@pytest.mark.parametrize("name", SPECS)
def test_strips_of_a_town(name: str) -> None:
    rows, spec = town(1600, 260), SPECS[name]
    rows = rows._replace(boundary_margin=None) if name == "necks" else rows
    whole = found(rows, 1600, spec, 4.0, 0.35)
    assert len(whole) > 60
    assert (
        shapely.get_num_interior_rings(shapely.get_parts(shapely.from_wkb(whole["geometry"]))) > 0
    ).sum() > 20
    for height in HEIGHTS:
        pd.testing.assert_frame_equal(found(rows, height, spec, 4.0, 0.35), whole, check_exact=True)


@st.composite
def cases(draw: st.DrawFn) -> tuple[MaskStrip, PolygonSpec, float, int]:
    shape = draw(st.tuples(st.integers(3, 40), st.integers(2, 23)))
    coarse = arrays(
        np.float32,
        (-(-shape[0] // 3), -(-shape[1] // 3)),
        elements=st.sampled_from([0.0, 0.4, 0.5, 0.6, 0.9, 1.0]),
    )
    scores = np.kron(draw(coarse), np.ones((3, 3), np.float32))[: shape[0], : shape[1]]
    scores = ndimage.uniform_filter(scores, draw(st.sampled_from([1, 2, 3])))
    valid = draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(True)))
    boundary_margin = draw(st.none() | arrays(np.int16, shape, elements=st.integers(-3, 3)))
    spec = PolygonSpec(
        open=Length(draw(st.sampled_from([0, 1])), True),
        close=Length(draw(st.sampled_from([0, 1])), True),
        min_hole=Area(draw(st.sampled_from([0, 3])), True),
        simplify=Length(draw(st.sampled_from([0.0, 0.4]))),
        connectivity=draw(st.sampled_from([4, 8])),
        outline=draw(st.sampled_from(["pixel", "subpixel"])),
        regularize=draw(st.sampled_from(["none", "orthogonal"])),
        separate=draw(st.sampled_from(["auto", "none", "watershed"])),
    )
    return (
        MaskStrip((scores >= 0.5) & valid, valid, scores, boundary_margin),
        spec,
        draw(st.sampled_from([0.0, 0.3])),
        draw(st.integers(1, 12)),
    )


@settings(max_examples=50)
@given(cases())
def test_any_surface_any_stages_any_strips(case: tuple[MaskStrip, PolygonSpec, float, int]) -> None:
    rows, spec, min_area, height = case
    whole = found(rows, len(rows.mask), spec, min_area)
    pd.testing.assert_frame_equal(found(rows, height, spec, min_area), whole, check_exact=True)


def test_finer_outlines_are_of_the_same_footprints() -> None:
    """Which footprints and holes there are, how sure they are and whether they are cut is decided
    by the pixels.
    """
    rows = town(600, 410)
    pixel, fine = (
        found(rows, 256, PolygonSpec(outline=outline), 4.0, 0.35)
        for outline in ("pixel", "subpixel")
    )
    for column in ("id", "scene", "class", "confidence", "edge"):
        assert fine[column].tolist() == pixel[column].tolist()
    one, other = (shapely.from_wkb(layer["geometry"].to_numpy()) for layer in (pixel, fine))
    assert (
        shapely.get_num_interior_rings(one).tolist()
        == shapely.get_num_interior_rings(other).tolist()
    )
    assert (shapely.hausdorff_distance(one, other) < 0.3 * 0.75).all()
    np.testing.assert_allclose(fine["area_m2"], shapely.area(other), rtol=2e-3)


@pytest.mark.parametrize("outline", ["pixel", "subpixel"])
@pytest.mark.parametrize("simplify", [0.5, 1.5])
def test_simplified_neighbours_do_not_overlap(simplify: float, outline: str) -> None:
    """Lanes a pixel wide between houses, and outlines that may move by more than that."""
    rows = town(500, 330)._replace(boundary_margin=None)
    narrow = rows.mask & (np.add.outer(np.arange(500), np.arange(330)) % 23 > 0)
    spec = PolygonSpec(simplify=Length(simplify), outline=outline, min_hole=Area(0.0))
    layer = found(rows._replace(mask=narrow), 128, spec, 0.0, 0.35)
    shapes = shapely.from_wkb(layer["geometry"].to_numpy())
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    apart = one < other
    assert (
        shapely.area(shapely.intersection(shapes[one[apart]], shapes[other[apart]])).max(initial=0)
        < 0.002
    )
    assert (
        layer["vertices"].sum()
        < found(rows._replace(mask=narrow), 128, PolygonSpec(), 0.0, 0.35)["vertices"].sum() / 2
    )
