"""Several layers in one GeoPackage: all of them or nothing."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import OutputError
from geoseg.io.vector.layers import write_layers
from geoseg.io.vector.qgis_style import single

UTM = CRS.from_epsg(32736)
HOUSES = Layer(
    np.array(
        [
            shapely.box(500_000, 9_300_000, 500_020, 9_300_007),
            shapely.box(500_050, 9_300_000, 500_060, 9_300_004),
        ]
    ),
    UTM,
    {
        "parts": np.array([2, 3]),
        "iou": np.array([0.5, np.nan]),
        "image": np.array(["a", "b"], object),
    },
)


def test_layers_come_back(tmp_path):
    nothing = HOUSES.take(np.zeros(2, bool))
    path = tmp_path / "out.gpkg"
    write_layers(
        path,
        {"one": HOUSES, "none": nothing},
        {"one": single("1,2,3")},
        metadata={"GEOSEG_SOURCE": "p.gpkg"},
    )
    one, none = (gpd.read_file(path, layer=name) for name in ("one", "none"))
    assert one["parts"].tolist() == [2, 3] and one["iou"].isna().tolist() == [False, True]
    assert one["image"].tolist() == ["a", "b"]
    assert one.geometry.bounds.to_numpy().tolist() == shapely.bounds(HOUSES.geometry).tolist()
    assert (
        len(none) == 0 and none.crs.to_epsg() == 32736 and list(none.columns) == list(one.columns)
    )
    assert [name for name, _ in pyogrio.list_layers(path)] == ["one", "none", "layer_styles"]
    assert pyogrio.read_info(path, layer="one")["layer_metadata"]["GEOSEG_SOURCE"] == "p.gpkg"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.gpkg"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_layers(tmp_path / "out.gpkg", {"one": HOUSES}, {"two": single("1,2,3")})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.gpkg").write_text("kept")
    with pytest.raises(OutputError, match="exists already"):
        write_layers(tmp_path / "out.gpkg", {"one": HOUSES}, {})
    assert (tmp_path / "out.gpkg").read_text() == "kept"
