import json

import geopandas as gpd
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from geoseg.errors import InputError, SafetyError, UnsuitableError
from geoseg.io.chip_index import COLUMNS, INDEX, ChipInfo, read_index, write_index
from geoseg.specs import Stretch

UTM = CRS.from_epsg(32737)
INFO = ChipInfo(2, "uint16", 0.3, stretch=Stretch((3.0, 4.0), (500.0, 600.5)))


def row(number, mask="masks/{0}.tif", **values):
    values = {
        "id": f"s_{number}",
        "scene": "s",
        "row": number,
        "col": 7,
        "split": "train",
        "valid_fraction": 0.25,
    } | values
    paths = {"image": f"images/{number}.tif", "mask": mask and mask.format(number)}
    return paths | values | {"geometry": shapely.box(500 + number, 9000, 501 + number, 9003)}


def test_an_index_comes_back(tmp_path):
    write_index(tmp_path, [row(1), row(2, split="val")], INFO, UTM)
    for index in (read_index(tmp_path), read_index(str(tmp_path / INDEX))):
        assert index.folder == tmp_path and index.info == INFO
        assert list(index.table.columns) == list(COLUMNS) and index.table.crs == UTM
        assert index.table["mask"].tolist() == ["masks/1.tif", "masks/2.tif"] and index.table[
            "row"
        ].tolist() == [1, 2]
        assert index.split("val")["id"].tolist() == ["s_2"] and index.split("test").empty
        assert index.table.geometry.iloc[0].equals(shapely.box(501, 9000, 502, 9003))


def test_it_is_geoparquet(tmp_path):
    write_index(tmp_path, [row(1), row(2)], INFO, UTM)
    geo = json.loads(pq.read_schema(tmp_path / INDEX).metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry"
    assert column["encoding"] == "WKB" and column["geometry_types"] == ["Polygon"]
    assert CRS.from_json_dict(column["crs"]) == UTM and column["bbox"] == [501, 9000, 503, 9003]
    table = gpd.read_parquet(tmp_path / INDEX)
    assert table.crs == UTM and table.total_bounds.tolist() == [501, 9000, 503, 9003]
    assert pq.read_schema(tmp_path / INDEX).names == list(COLUMNS)


def test_pictures_without_masks(tmp_path):
    write_index(tmp_path, [row(1, mask=None)], ChipInfo(3, "uint8", None), None)
    index = read_index(tmp_path)
    assert (
        index.table.crs is None
        and index.table["mask"].isna().all()
        and index.info == ChipInfo(3, "uint8", None)
    )
    assert pq.read_schema(tmp_path / INDEX).field("mask").type in ("string", "large_string")
    assert gpd.read_parquet(tmp_path / INDEX).crs is None


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(InputError, match=r"has no index\.parquet \(cut chips"):
        read_index(tmp_path)
    with pytest.raises(InputError, match=r"none: has no index\.parquet"):
        read_index(tmp_path / "none")


@pytest.mark.parametrize("keep", [0, 4, 200, -9])
def test_a_damaged_index(tmp_path, keep):
    write_index(tmp_path, [row(1)], INFO, UTM)
    data = (tmp_path / INDEX).read_bytes()
    (tmp_path / INDEX).write_bytes(data[:keep])
    with pytest.raises(
        InputError, match=r"index\.parquet: cannot be read as a chip index"
    ) as caught:
        read_index(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[]",
        "{}",
        '{"bands": "many"}',
        '{"bands": 1, "dtype": "uint8", "gsd": [], "classes": []}',
        *(
            json.dumps({"bands": 2, "dtype": "uint8", "gsd": 1, "classes": ["a", "b"]} | wrong)
            for wrong in (
                {"bands": 0},
                {"dtype": "complex64"},
                {"gsd": -1},
                {"classes": ["a", "a"]},
                {"classes": [1, 2]},
                {"stretch": {"low": [1], "high": [9]}},
                {"percentiles": [5]},
                {"source_bands": [0, 1]},
            )
        ),
    ],
)
def test_a_malformed_description(tmp_path, metadata):
    write_index(tmp_path, [row(1)], INFO, UTM)
    table = pq.read_table(tmp_path / INDEX)
    pq.write_table(
        table.replace_schema_metadata(table.schema.metadata | {b"geoseg": metadata.encode()}),
        tmp_path / INDEX,
    )
    with pytest.raises(InputError, match="cannot be read as a chip index"):
        read_index(tmp_path)


def test_other_parquet_files_are_no_index(tmp_path):
    gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.box(1, 2, 4, 9)], crs=UTM).to_parquet(
        tmp_path / INDEX
    )
    with pytest.raises(UnsuitableError, match="is not a chip index"):
        read_index(tmp_path)
    write_index(tmp_path, [row(1)], INFO, UTM)
    table = pq.read_table(tmp_path / INDEX)
    pq.write_table(table.drop_columns(["split", "row"]), tmp_path / INDEX)
    with pytest.raises(InputError, match="lacks the columns row, split"):
        read_index(tmp_path)


@pytest.mark.parametrize("name", ["/etc/secret.tif", "../secret.tif", "images/../../secret.tif"])
def test_chips_lie_in_the_folder(tmp_path, name):
    for values in ({"image": name}, {"mask": name}):
        write_index(tmp_path, [row(1), row(2) | values], INFO, UTM)
        with pytest.raises(SafetyError, match=r"secret\.tif, which lies outside"):
            read_index(tmp_path)


@pytest.mark.parametrize(
    "column, value",
    [("image", None), ("scene", None), ("geometry", None), ("geometry", shapely.Point(3, 4))],
)
def test_columns_of_other_kinds(tmp_path, column, value):
    write_index(tmp_path, [row(1), row(2)], INFO, UTM)
    table = gpd.read_parquet(tmp_path / INDEX)
    table.loc[1, column] = value
    written = pq.read_table(tmp_path / INDEX).schema.metadata
    table.to_parquet(tmp_path / INDEX)
    again = pq.read_table(tmp_path / INDEX)
    known = again.schema.metadata | {b"geoseg": written[b"geoseg"]}
    pq.write_table(again.replace_schema_metadata(known), tmp_path / INDEX)
    with pytest.raises(InputError, match=f"its column {column} holds what is no"):
        read_index(tmp_path)
