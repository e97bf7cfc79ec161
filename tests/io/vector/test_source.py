"""Vector files of many layers and many formats, recognised by their bytes, and nothing left beside."""

from __future__ import annotations

import json
import shutil
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import geopandas as gpd
import pytest
import shapely
from pyproj import CRS

from geoseg.errors import InputError, SafetyError, UnsuitableError
from geoseg.io.formats import kind_of
from geoseg.io.vector.read import describe_layers, read_features, read_footprints

UTM = CRS.from_epsg(32633)
BOX = shapely.box(458_530, 5_548_682, 458_540, 5_548_690)
FAR = shapely.box(458_630, 5_548_682, 458_640, 5_548_690)


def save(path, *geometries, crs=UTM, **keywords):
    table = gpd.GeoDataFrame(
        {"height": range(3, 3 + len(geometries))}, geometry=list(geometries), crs=UTM
    ).to_crs(crs)
    table.to_file(path, **keywords)
    return path


def pack(path, folder, *, inside=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(file, f"{inside}{file.relative_to(folder)}")
            # what macOS adds
            archive.writestr(f"__MACOSX/{inside}._{file.name}", b"\0\5\26\7")
    return path


def formats(folder):
    """A file of each format, named after it."""
    shapes = folder / "shapes"
    shapes.mkdir()
    save(shapes / "roofs.shp", BOX, FAR)
    gdb = folder / "gdb"
    gdb.mkdir()
    save(gdb / "b.gdb", BOX, FAR, driver="OpenFileGDB", layer="roofs")
    made = {
        "zip": pack(folder / "b.zip", shapes),
        "deep zip": pack(folder / "deep.ZIP", shapes, inside="a folder/of it/"),
        "zipped gdb": pack(folder / "gdb.zip", gdb),
        "kml": save(folder / "b.kml", BOX, FAR, driver="KML", crs=4326),
        "gml": save(folder / "b.gml", BOX, FAR, driver="GML"),
        "gdb": gdb / "b.gdb",
    }
    (folder / "b.xsd").unlink()
    kml = folder / "kml"
    kml.mkdir()
    shutil.copy(made["kml"], kml / "doc.kml")
    return made | {"kmz": pack(folder / "b.kmz", kml)}


def test_formats_by_their_bytes(tmp_path):
    """Zipped Shapefile and geodatabase, KML, KMZ, GML without a schema, a geodatabase's folder."""
    made = formats(tmp_path)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*") if each.is_file()}
    for kind, path in made.items():
        assert kind_of(str(path)) == "vector", kind
        found = read_footprints(path)
        assert len(found) == 2 and not shapely.has_z(found.geometry).any(), kind
        crs = 4326 if kind.startswith("km") else 32633
        assert found.crs.to_epsg() == crs, kind
        there = found.to_crs(UTM).geometry
        for polygon, expected in zip(there, (BOX, FAR), strict=True):
            assert shapely.hausdorff_distance(polygon, expected) < 1e-6, kind
        if kind not in ("kml", "kmz"):  # where numbers are text
            tall = read_footprints(path, where="height > 3")
            assert shapely.bounds(tall.geometry)[0][0] == pytest.approx(FAR.bounds[0]), kind
        assert [each["features"] for each in describe_layers(path)] == [2], kind
    assert {
        each: each.stat().st_mtime_ns for each in tmp_path.rglob("*") if each.is_file()
    } == before
    misleading = shutil.copy(made["kml"], tmp_path / "kml.gpkg")
    assert len(read_footprints(misleading)) == 2
    assert kind_of(str(tmp_path / "gdb")) == "chips"


def test_layers_of_other_formats(tmp_path):
    gdb = save(tmp_path / "b.gdb", BOX, driver="OpenFileGDB", layer="parcels")
    save(gdb, BOX, FAR, driver="OpenFileGDB", layer="roofs")
    folder = tmp_path / "shapes"
    folder.mkdir()
    save(folder / "parcels.shp", BOX)
    save(folder / "roofs.shp", BOX, FAR)
    for path in (gdb, pack(tmp_path / "two.zip", folder)):
        with pytest.raises(UnsuitableError, match="has several layers, parcels, roofs"):
            read_footprints(path)
        assert len(read_footprints(path, "roofs")) == 2
        with pytest.raises(UnsuitableError, match=r"no layer walls \(its layers: parcels, roofs\)"):
            read_footprints(path, "walls")
    save(folder / "footprints.shp", FAR)
    found = read_footprints(pack(tmp_path / "three.zip", folder))
    assert found.geometry[0].bounds == FAR.bounds


def test_what_is_none_of_these(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4" + bytes(40))
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'></svg>")
    (tmp_path / "empty.gdb").mkdir()
    for name in ("model.zip", "cut.zip", "a.svg"):
        assert kind_of(str(tmp_path / name)) == "raster"
        with pytest.raises(InputError, match=rf"{name}: is not a vector file we read .*ogr2ogr"):
            read_footprints(tmp_path / name)
    with pytest.raises(InputError, match="is a folder"):
        read_footprints(tmp_path / "empty.gdb")
    (tmp_path / "cut.kml").write_text('<?xml version="1.0"?><kml xmlns="x"><Document><Pla')
    (tmp_path / "cut.gml").write_text(
        '<a:FeatureCollection xmlns:a="http://www.opengis.net/gml"><b'
    )
    for name in ("cut.kml", "cut.gml"):
        with pytest.raises((InputError, UnsuitableError), match=name):
            read_footprints(tmp_path / name)


@pytest.mark.parametrize(
    "head", ["<kml xmlns='k'>", "<gml:FeatureCollection xmlns:gml='opengis.net/gml'>"]
)
def test_xml_that_names_other_files_is_refused(tmp_path, head):
    """GDAL opens what has these words in its head as a list of other sources."""
    save(tmp_path / "secret.gpkg", BOX)
    source = f"<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{tmp_path}/secret.gpkg"
    path = tmp_path / "b.kml"
    path.write_text(f"{head}<!-- {source}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource> -->")
    with pytest.raises(SafetyError, match="describes other sources"):
        read_footprints(path)


def test_a_bomb_is_refused(tmp_path):
    """An archive whose directory says that a file is larger than Shapefiles are."""
    save(tmp_path / "roofs.shp", BOX)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for suffix in (".dbf", ".shx", ".prj", ".shp"):
            archive.write(tmp_path / f"roofs{suffix}", f"roofs{suffix}")
    assert len(read_footprints(tmp_path / "b.zip")) == 1
    content = (tmp_path / "b.zip").read_bytes()
    entry = content.rindex(b"roofs.shp") - 46
    assert content[entry : entry + 4] == b"PK\1\2"
    size = entry + 24
    (tmp_path / "b.zip").write_bytes(content[:size] + b"\xfe\xff\xff\xff" + content[size + 4 :])
    with pytest.raises(SafetyError, match="claims to hold"):
        read_footprints(tmp_path / "b.zip")


def test_a_crs_that_a_geojson_has_from_a_host_is_not_asked_for(tmp_path):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        link = {"href": f"http://127.0.0.1:{server.server_port}/crs", "type": "proj4"}
        content = {
            "type": "FeatureCollection",
            "features": [],
            "crs": {"type": "link", "properties": link},
        }
        (tmp_path / "a.geojson").write_text(json.dumps(content))
        read_features(tmp_path / "a.geojson")
        server.shutdown()
    assert asked == []
