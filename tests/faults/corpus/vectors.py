"""Footprints that are cut short, empty, odd, or bombs."""

from __future__ import annotations

import shapely

from tests.faults.case import Case
from tests.faults.corpus.layers import (
    BOX,
    BURN,
    HEAD,
    LEFT,
    TOP,
    blobs_of_noise,
    bomb,
    footprints_of,
    in_geojson,
    layer,
    no_geopackage,
    odd_pandas,
    statement,
    table,
    text,
    zipped,
)

POLYGON = '{{"type": "Polygon", "coordinates": {}}}'
BROKEN_GEOMETRIES = {
    "coordinates_of_words": POLYGON.format('[[["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]]]'),
    "coordinates_deep": POLYGON.format("[" * 2000 + "]" * 2000),
    "ring_of_two": POLYGON.format("[[[1, 2], [3, 4]]]"),
    "ring_empty": POLYGON.format("[[]]"),
    "nan": POLYGON.format("[[[NaN, 1], [2, 1], [2, 2], [NaN, 1]]]"),
    "null": "null",
    "unknown_type": '{"type": "Sphere", "coordinates": []}',
}
CASES = [
    *(
        Case(
            f"footprints_cut_{suffix}_{words}",
            BURN.format(f"odd.{suffix}"),
            3,
            rf"odd\.{suffix}: ",
            layer(f"odd.{suffix}", BOX, part=part),
        )
        for suffix in ("gpkg", "geojson", "fgb", "parquet", "shp")
        for words, part in {"nothing": 0, "a_tenth": 0.1, "most": 0.9}.items()
    ),
    *(
        Case(
            f"geojson_{name}",
            BURN.format("odd.geojson"),
            code,
            r"odd\.geojson: ",
            in_geojson(BROKEN_GEOMETRIES[name]),
        )
        for name, code in {
            "coordinates_of_words": 0,
            "coordinates_deep": 3,
            "ring_of_two": 0,
            "ring_empty": 0,
            "nan": 3,
            "null": 0,
            "unknown_type": 0,
        }.items()
    ),
    Case(
        "geojson_a_list",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", "{}"),
    ),
    Case(
        "geojson_deep",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", '{"a":' * 50_000 + "1" + "}" * 50_000),
    ),
    Case(
        "geojson_no_utf_8",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", b'{"type": "FeatureCollection", "features": [\xff\xfe'),
    ),
    Case(
        "geojson_topology",
        BURN.format("odd.json"),
        4,
        r"odd\.json: ",
        text(
            "odd.json",
            '{"type": "Topology", "objects": {"a": {"type": "GeometryCollection", "geometries": []}}, "arcs": []}',
        ),
    ),
    Case(
        "geojson_esri",
        BURN.format("odd.json"),
        4,
        r"odd\.json: ",
        text(
            "odd.json",
            '{"esriGeometryType": "esriGeometryPolygon", "geometryType": "esriGeometryPolygon", "features": [{"geometry": {"rings": []}}]}',
        ),
    ),
    Case(
        "geojson_stac_of_hosts",
        BURN.format("odd.json"),
        0,
        r"odd\.json: ",
        text(
            "odd.json",
            '{"type": "FeatureCollection", "stac_version": "1.0.0", "stac_extensions": [], "features": [], "links": [{"rel": "next", "href": "http://example.org"}]}',
        ),
    ),
    Case(
        "points_alone",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg: holds a Point",
        layer("odd.gpkg", shapely.Point(LEFT, TOP)),
    ),
    Case(
        "points_among",
        BURN.format("odd.geojson"),
        0,
        "left out",
        layer("odd.geojson", BOX, shapely.Point(LEFT, TOP)),
        footprints_of(1),
    ),
    Case(
        "nothing_in_it",
        BURN.format("odd.gpkg"),
        0,
        "",
        layer("odd.gpkg", crs="EPSG:32633"),
        footprints_of(0),
    ),
    Case(
        "far_away",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg",
        layer("odd.gpkg", shapely.box(0, 0, 9, 5)),
    ),
    Case(
        "coordinates_beyond_crs",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg",
        layer("odd.gpkg", shapely.box(5e5, 5e6, 5.1e5, 5.2e6), crs="EPSG:4326"),
    ),
    Case(
        "infinite_coordinates",
        BURN.format("odd.gpkg"),
        0,
        "",
        layer("odd.gpkg", shapely.Polygon([(1e308, 0), (2, 1e308), (-1e308, 3)])),
    ),
    Case(
        "bow_tie",
        BURN.format("odd.gpkg"),
        0,
        "",
        layer(
            "odd.gpkg",
            shapely.Polygon([(LEFT, TOP), (LEFT + 9, TOP - 9), (LEFT + 9, TOP), (LEFT, TOP - 9)]),
        ),
    ),
    Case(
        "layer_named_oddly",
        BURN.format("odd.gpkg"),
        0,
        "",
        lambda folder: table(BOX).to_file(folder / "odd.gpkg", layer="a\"'; DROP TABLE x;--"),
    ),
    Case(
        "layers_without_a_choice",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg: has several layers",
        lambda folder: [
            table(BOX).to_file(folder / "odd.gpkg", layer=f"l{n}", mode="a" if n else "w")
            for n in range(2)
        ],
    ),
    Case(
        "layers_of_long_names",
        BURN.format("odd.gpkg"),
        4,
        "has several layers",
        lambda folder: [
            table(BOX).to_file(
                folder / "odd.gpkg", layer=f"l{n}" + "n" * 900, mode="a" if n else "w"
            )
            for n in range(2)
        ],
    ),
    Case(
        "layer_absent",
        BURN.format("odd.gpkg") + " --layer none",
        4,
        r"odd\.gpkg: has no layer none",
        layer("odd.gpkg", BOX),
    ),
    Case(
        "where_of_no_sql",
        BURN.format("odd.gpkg") + " --where DROP",
        2,
        r"odd\.gpkg: cannot be filtered",
        layer("odd.gpkg", BOX),
    ),
    Case(
        "gpkg_of_a_view",
        BURN.format("odd.gpkg"),
        0,
        "",
        statement("CREATE VIEW v AS SELECT load_extension('/tmp/x.so');"),
    ),
    Case(
        "gpkg_with_a_trap",
        BURN.format("odd.gpkg"),
        0,
        "",
        statement(
            "CREATE TRIGGER t AFTER INSERT ON odd BEGIN SELECT writefile('new.pwned', 'x'); END;"
        ),
    ),
    Case(
        "gpkg_without_contents",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg",
        statement("DELETE FROM gpkg_contents; DELETE FROM gpkg_geometry_columns;"),
    ),
    Case("gpkg_of_no_tables", BURN.format("odd.gpkg"), 3, r"odd\.gpkg", no_geopackage),
    Case(
        "gpkg_of_noise",
        BURN.format("odd.gpkg"),
        3,
        r"odd\.gpkg",
        text("odd.gpkg", b"SQLite format 3\0" + bytes(range(256)) * 40),
    ),
    Case("gpkg_blobs_of_noise", BURN.format("odd.gpkg"), 0, "left out", blobs_of_noise),
    Case(
        "parquet_without_geometry",
        BURN.format("odd.parquet"),
        4,
        r"odd\.parquet: holds no geometries",
        lambda folder: (
            table(BOX, a=[1]).drop(columns="geometry").to_parquet(folder / "odd.parquet")
        ),
    ),
    Case(
        "parquet_of_noise",
        BURN.format("odd.parquet"),
        3,
        r"odd\.parquet",
        text("odd.parquet", b"PAR1" + bytes(900) + b"PAR1"),
    ),
    Case("parquet_of_odd_pandas", BURN.format("odd.parquet"), 3, r"odd\.parquet: ", odd_pandas),
    Case("csv_without_rows", BURN.format("odd.csv"), 0, "", text("odd.csv", HEAD)),
    Case(
        "csv_of_words",
        BURN.format("odd.csv"),
        3,
        r"odd\.csv",
        text("odd.csv", HEAD + "scene,1,POLYGON ((a b)),POLYGON ((a b))\n"),
    ),
    Case(
        "csv_of_bytes",
        BURN.format("odd.csv"),
        3,
        r"odd\.csv",
        text("odd.csv", HEAD.encode() + b"\xff\xfe,1,x,y\n"),
    ),
    Case(
        "csv_of_one_long_cell",
        BURN.format("odd.csv"),
        3,
        r"odd\.csv",
        text("odd.csv", HEAD + "scene,1," + "9" * 2_000_000),
    ),
    Case("zip_of_nothing", BURN.format("odd.zip"), 3, r"odd\.zip", zipped(a=b"")),
    Case(
        "zip_upwards",
        BURN.format("odd.zip"),
        3,
        r"odd\.zip",
        zipped(**{"../a.shp": b"x", "/etc/a.shp": b"x"}),
    ),
    Case("zip_cut", BURN.format("odd.zip"), 3, r"odd\.zip", text("odd.zip", b"PK\3\4" + bytes(99))),
    Case("zip_bomb", BURN.format("odd.zip"), 8, r"odd\.zip: claims", bomb),
    Case("footprints_of_a_scene", BURN.format("scene.tif"), 3, r"scene\.tif: is not a vector file"),
    Case(
        "footprints_of_a_model", BURN.format("model.onnx"), 3, r"model\.onnx: is not a vector file"
    ),
    Case("footprints_absent", BURN.format("none.gpkg"), 3, r"none\.gpkg: does not exist"),
    Case(
        "area_is_scene",
        "extract scene.tif -o new.gpkg --aoi mask.tif -m hollow.onnx",
        3,
        r"mask\.tif",
    ),
    Case(
        "area_elsewhere",
        "tile scene.tif -o new --aoi odd.gpkg",
        4,
        r"odd\.gpkg",
        layer("odd.gpkg", shapely.box(0, 0, 9, 5)),
    ),
    Case(
        "index_of_noise",
        "info odd",
        3,
        "odd",
        lambda folder: (
            (folder / "odd").mkdir(),
            (folder / "odd" / "index.parquet").write_bytes(b"PAR1" + bytes(99) + b"PAR1"),
        ),
    ),
]
