from __future__ import annotations

import geopandas as gpd
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.io.vector.read import read_footprints
from geoseg.io.vector.shapefile import index_of
from geoseg.report import Remarks

ROUND = st.tuples(st.integers(0, 500), st.integers(0, 300), st.integers(1, 40), st.integers(3, 9))


@settings(max_examples=30, deadline=None)
@given(discs=st.lists(ROUND, min_size=1, max_size=12))
def test_the_index_that_is_made_is_that_of_gdal(discs, tmp_path_factory):
    path = tmp_path_factory.mktemp("shp") / "roofs.shp"
    shapes = [shapely.Point(x, y).buffer(size, quad_segs=n) for x, y, size, n in discs]
    gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=32633).to_file(path)
    index = path.with_suffix(".shx")
    assert index_of(path) == index.read_bytes()

    whole = read_footprints(path)
    index.unlink()
    remarks = Remarks()
    made = read_footprints(path, remarks=remarks)
    assert shapely.equals_exact(made.geometry, whole.geometry).all()
    assert made.columns["n"].tolist() == list(range(len(shapes)))
    assert len(remarks) == 1 and "index" in remarks[0]
    assert not index.exists()
