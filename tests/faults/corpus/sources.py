"""More texts and mosaics that would read other files or ask hosts, or hide part of what they hold."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.faults.case import EXTRACT, PREDICT, Case, geojson
from tests.faults.corpus.hostile import DERIVED, SIMPLE, vrt
from tests.faults.corpus.hostile import text as vrt_text
from tests.faults.corpus.layers import (
    BOX,
    BURN,
    HEAD,
    LEFT,
    TOP,
    footprints_of,
    text,
)

RING = [list(corner) for corner in BOX.exterior.coords]
FEATURE = {
    "type": "Feature",
    "properties": {},
    "geometry": {"type": "Polygon", "coordinates": [RING]},
}
CRS = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
# Nobody listens there: whoever asks waits, or is refused
HOST = "http://127.0.0.1:9/a"


def collection(**more: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "crs": CRS, "features": [FEATURE]} | more)


def crs(value: Any) -> str:
    return collection(crs=value)


def many_sources(folder: Path) -> None:
    source = SIMPLE.format("scene.tif", 1)
    (folder / "odd.vrt").write_text(vrt(inside=source * 2000))


def source_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.tif")
    (folder / "odd.vrt").write_text(vrt("pipe.tif"))


COMMAND = {
    "type": "gdal_streamed_alg",
    "command_line": "gdal vector filter --output-format=stream footprints.geojson streamed",
}
KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
PLACEMARK = (
    "<Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>"
    "14.4,50.1 14.5,50.1 14.5,50.2 14.4,50.1</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
)
GML = (
    '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" xmlns:gml="http://www.opengis.net/gml" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:o="http://o"><gml:featureMember><o:roof gml:id="a"><o:geom>{}'
    "</o:geom></o:roof></gml:featureMember></wfs:FeatureCollection>"
)
FROM = "/etc/passwd"
VRTS = {
    "path_with_a_question": vrt("scene.tif?a=1"),
    "path_of_vrt_protocol": vrt("vrt://scene.tif"),
    "path_of_a_driver": vrt("GTIFF_RAW:scene.tif"),
    "path_with_a_nul": vrt("scene.tif&#0;"),
    "path_of_spaces": vrt("   "),
    "path_of_a_folder": vrt("inside/"),
    "kernel": vrt(inside="<KernelFilteredSource/>" + SIMPLE.format("scene.tif", 1)),
    "array": vrt(inside="<ArraySource/>" + SIMPLE.format("scene.tif", 1)),
    "group": vrt(head='<Group name="/"/>'),
    "expression": vrt(
        band=DERIVED,
        inside="<PixelFunctionType>expression</PixelFunctionType>" + SIMPLE.format("scene.tif", 1),
    ),
    "mask_elsewhere": vrt(
        head='<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource><SourceFilename '
        'relativeToVRT="0">/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></MaskBand>'
    ),
    "name_in_capitals": vrt(
        inside='<SIMPLESOURCE><SOURCEFILENAME RELATIVETOVRT="0">/etc/passwd</SOURCEFILENAME></SIMPLESOURCE>'
    ),
    "name_of_a_space": vrt(
        inside='<o:SimpleSource xmlns:o="o"><o:SourceFilename relativeToVRT="1">scene.tif</o:SourceFilename></o:SimpleSource>'
    ),
    "gcps_of_others": vrt(head='<GCPList Projection="/etc/passwd"/>'),
    "srs_of_a_file": vrt(head="<SRS>/etc/passwd</SRS>"),
    "srs_of_a_host": vrt(head=f"<SRS>{HOST}</SRS>"),
}
CODES = {"srs_of_a_file": 0, "srs_of_a_host": 0, "path_with_a_nul": 3}
CASES = [
    *(
        Case(f"vrt_{name}", "tile odd.vrt -o new", CODES.get(name, 8), "", vrt_text(content))
        for name, content in VRTS.items()
    ),
    Case(
        "vrt_source_absent",
        "tile odd.vrt -o new",
        3,
        r"none\.tif|odd\.vrt",
        vrt_text(vrt("none.tif")),
    ),
    Case("vrt_source_a_pipe", "tile odd.vrt -o new", 3, r"pipe\.tif", source_is_a_pipe),
    Case("vrt_of_many_sources", "tile odd.vrt -o new", make=many_sources),
    Case(
        "scene_is_a_pipe",
        EXTRACT.format("odd.tif"),
        3,
        r"odd\.tif: is a device or a pipe",
        lambda f: os.mkfifo(f / "odd.tif"),
    ),
    Case("scene_is_a_device", EXTRACT.format("/dev/zero"), 3, "/dev/zero: "),
    Case("scene_is_the_memory", EXTRACT.format("/proc/self/mem"), 3, "/proc/self/mem: "),
    Case(
        "scene_is_a_link_in_a_circle",
        PREDICT.format("odd.tif"),
        3,
        r"odd\.tif",
        lambda f: (f / "odd.tif").symlink_to("odd.tif"),
    ),
    Case(
        "footprints_are_a_pipe",
        BURN.format("odd.gpkg"),
        3,
        r"odd\.gpkg: ",
        lambda f: os.mkfifo(f / "odd.gpkg"),
    ),
    Case("footprints_are_a_device", BURN.format("/dev/zero"), 3, "/dev/zero: "),
    # JSON that GDAL takes for a command, or for a service
    *(
        Case(
            f"json_of_a_command_{suffix}_{verb}",
            line.format(f"odd.{suffix}"),
            8,
            rf"odd\.{suffix}: describes other sources",
            text(f"odd.{suffix}", json.dumps(COMMAND)),
        )
        for suffix in ("json", "geojson", "gdalg.json", "moaw")
        for verb, line in (("rasterize", BURN), ("info", "info {}"))
    ),
    Case(
        "json_of_a_service",
        BURN.format("odd.moaw"),
        0,
        "",
        text("odd.moaw", collection(Service=HOST, links=[{"rel": "self", "href": HOST}])),
        footprints_of(1),
    ),
    # text of GeoJSON
    *(
        Case(
            f"geojson_crs_{name}",
            BURN.format("odd.geojson"),
            code,
            r"odd\.geojson",
            text("odd.geojson", crs(value)),
        )
        for name, value, code in (
            ("of_a_file", {"type": "name", "properties": {"name": FROM}}, 4),
            ("of_a_host", {"type": "name", "properties": {"name": HOST}}, 4),
            ("by_link", {"type": "link", "properties": {"href": HOST, "type": "proj4"}}, 4),
            ("by_file_link", {"type": "link", "properties": {"href": "file:///etc/passwd"}}, 4),
            ("a_number", 7, 4),
            ("deep", json.loads("[" * 400 + "]" * 400), 4),
            ("a_list", [], 4),
        )
    ),
    Case(
        "geojson_of_lines",
        BURN.format("odd.geojson"),
        4,
        r"cannot be those of EPSG:4326",
        text("odd.geojson", "\n".join([json.dumps(FEATURE)] * 3)),
    ),
    Case(
        "geojson_of_records",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", "".join(f"\x1e{json.dumps(FEATURE)}\n" for _ in range(3))),
    ),
    Case(
        "geojson_twice",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", collection() * 2),
    ),
    Case(
        "geojson_and_more",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", collection() + "]]"),
    ),
    Case(
        "geojson_in_utf_16",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", collection().encode("utf-16")),
    ),
    Case(
        "geojson_with_a_mark",
        BURN.format("odd.geojson"),
        0,
        "",
        text("odd.geojson", b"\xef\xbb\xbf" + collection().encode()),
        footprints_of(1),
    ),
    Case(
        "geojson_of_one_feature",
        BURN.format("odd.geojson"),
        0,
        "",
        text("odd.geojson", json.dumps({**FEATURE, "crs": CRS})),
        footprints_of(1),
    ),
    Case(
        "geojson_of_one_geometry",
        BURN.format("odd.geojson"),
        0,
        "",
        text("odd.geojson", json.dumps({**FEATURE["geometry"], "crs": CRS})),
        footprints_of(1),
    ),
    Case(
        "geojson_without_features",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson",
        text("odd.geojson", '{"type": "FeatureCollection", "crs": ' + json.dumps(CRS) + "}"),
    ),
    Case(
        "geojson_features_twice",
        BURN.format("odd.geojson"),
        0,
        "",
        text("odd.geojson", collection()[:-1] + ', "features": ' + json.dumps([FEATURE]) + "}"),
    ),
    Case(
        "geojson_beyond_all_numbers",
        BURN.format("odd.geojson"),
        3,
        r"odd\.geojson: ",
        text("odd.geojson", collection().replace(str(RING[0][0]), "1e999")),
    ),
    Case(
        "geojson_of_3_dimensions",
        BURN.format("odd.geojson"),
        0,
        "",
        text("odd.geojson", geojson([[[*xy, 9.5] for xy in RING]], "urn:ogc:def:crs:EPSG::32633")),
        footprints_of(1),
    ),
    Case(
        "geojson_of_deep_properties",
        BURN.format("odd.geojson"),
        0,
        "",
        text(
            "odd.geojson",
            collection().replace(
                '"properties": {}', '"properties": {"a": ' + "[" * 300 + "]" * 300 + "}"
            ),
        ),
        footprints_of(1),
    ),
    # XML
    Case(
        "kml_of_ground_overlay",
        BURN.format("odd.kml"),
        0,
        r"odd\.kml",
        text(
            "odd.kml",
            KML.format(f"<GroundOverlay><Icon><href>{HOST}</href></Icon></GroundOverlay>"),
        ),
    ),
    Case(
        "kml_and_a_network_link",
        BURN.format("odd.kml"),
        4,
        r"odd\.kml",
        text(
            "odd.kml",
            KML.format(PLACEMARK + f"<NetworkLink><Link><href>{HOST}</href></Link></NetworkLink>"),
        ),
    ),
    Case(
        "kml_cut",
        BURN.format("odd.kml"),
        3,
        r"odd\.kml",
        text("odd.kml", KML.format(PLACEMARK)[:-30]),
    ),
    Case(
        "gml_by_link",
        BURN.format("odd.gml"),
        4,
        r"odd\.gml",
        text("odd.gml", GML.format(f'<gml:Polygon xlink:href="{HOST}"/>')),
    ),
    Case(
        "gml_with_a_schema_of_a_host",
        BURN.format("odd.gml"),
        4,
        r"odd\.gml",
        text(
            "odd.gml",
            GML.replace(
                "<wfs:FeatureCollection",
                "<wfs:FeatureCollection "
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://o '
                + HOST
                + '"',
            ).format(""),
        ),
    ),
    Case(
        "gml_crs_of_a_file",
        BURN.format("odd.gml"),
        4,
        r"odd\.gml",
        text(
            "odd.gml",
            GML.format(
                f'<gml:Polygon srsName="{FROM}"><gml:exterior><gml:LinearRing><gml:posList>'
                f"{LEFT} {TOP} {LEFT + 9} {TOP} {LEFT + 9} {TOP - 5} {LEFT} {TOP}"
                "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>"
            ),
        ),
    ),
    # tables
    Case(
        "csv_in_one_quote",
        BURN.format("odd.csv"),
        3,
        r"odd\.csv",
        text("odd.csv", HEAD + 'scene,1,"POLYGON (('),
    ),
    Case(
        "csv_of_3_dimensions",
        BURN.format("odd.csv"),
        0,
        "",
        text("odd.csv", HEAD + 'scene,1,"POLYGON Z ((1 1 0,20 1 0,20 20 0,1 1 0))",\n'),
    ),
    Case(
        "csv_of_nothing",
        BURN.format("odd.csv"),
        0,
        "",
        text("odd.csv", HEAD + "scene,-1,POLYGON EMPTY,POLYGON EMPTY\n"),
    ),
    Case(
        "csv_of_windows",
        BURN.format("odd.csv"),
        0,
        "",
        text(
            "odd.csv",
            b"\xef\xbb\xbf"
            + (HEAD + 'scene,1,"POLYGON ((1 1,20 1,20 20,1 1))",\n').replace("\n", "\r\n").encode(),
        ),
    ),
    Case(
        "csv_with_a_nul",
        BURN.format("odd.csv"),
        3,
        r"odd\.csv",
        text("odd.csv", HEAD + "scene,1,\0,\0\n"),
    ),
]
