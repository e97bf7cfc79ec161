"""Files that would read other files or hosts, run code, or steer a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rasterio

from tests.faults.case import EXTRACT, MASK, PREDICT, Case

HEIGHT, WIDTH = MASK.shape
SIMPLE = (
    '<SimpleSource><SourceFilename relativeToVRT="{1}">{0}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource>"
)


def vrt(
    source: str = "scene.tif",
    *,
    relative: int = 1,
    head: str = "",
    band: str = "",
    root: str = "",
    inside: str | None = None,
) -> str:
    """The text of a VRT over ``source``, with what makes it hostile."""
    inside = SIMPLE.format(source, relative) if inside is None else inside
    return (
        f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"{root}>{head}'
        f'<VRTRasterBand dataType="Byte" band="1"{band}>{inside}</VRTRasterBand></VRTDataset>'
    )


def text(content: str | bytes, name: str = "odd.vrt") -> Callable[[Path], None]:
    held = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(held)


RAW_BAND = (
    '<VRTDataset rasterXSize="9" rasterYSize="5"><VRTRasterBand dataType="Byte" band="1" '
    'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename>'
    "<ImageOffset>0</ImageOffset></VRTRasterBand></VRTDataset>"
)
PYTHON = (
    "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    "<PixelFunctionCode><![CDATA[import os; os.system('touch new.pwned')]]></PixelFunctionCode>"
)
DERIVED = ' subClass="VRTDerivedRasterBand"'
METADATA = '<Metadata domain="{0}"><MDI key="{1}">{2}</MDI></Metadata>'
ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    "<!DOCTYPE a [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]>"
)
VRTS = {
    "absolute": vrt("/etc/passwd.tif", relative=0),
    "absolute_as_relative": vrt("/etc/passwd.tif"),
    "parent": vrt("../scene.tif"),
    "host": vrt("https://example.org/a.tif", relative=0),
    "host_by_vsicurl": vrt("/vsicurl/https://example.org/a.tif"),
    "bucket": vrt("/vsis3/bucket/a.tif", relative=0),
    "archive": vrt("/vsizip/a.zip/a.tif"),
    "memory": vrt("/vsimem/a.tif", relative=0),
    "other_format": vrt("mask.gpkg"),
    "other_driver": vrt("NETCDF:scene.tif"),
    "entity_in_name": ENTITY + vrt("&x;"),
    "cdata": vrt("<![CDATA[../scene.tif]]>"),
    "raw_band": RAW_BAND,
    "python": vrt(band=DERIVED, inside=PYTHON + SIMPLE.format("scene.tif", 1)),
    "pixel_function": vrt(
        band=DERIVED,
        inside="<PixelFunctionType>sum</PixelFunctionType>" + SIMPLE.format("scene.tif", 1),
    ),
    "overviews": vrt(head=METADATA.format("OVERVIEWS", "OVERVIEW_FILE", "/etc/passwd")),
    "geolocation": vrt(head=METADATA.format("GEOLOCATION", "X_DATASET", "/etc/passwd")),
    "warped": vrt(root=' subClass="VRTWarpedDataset"'),
    "pansharpened": vrt(root=' subClass="VRTPansharpenedDataset"'),
    "processed": vrt(root=' subClass="VRTProcessedDataset"'),
    "open_options": vrt(
        inside='<SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename><OpenOptions><OOI key="GEOREF_SOURCES">/etc</OOI></OpenOptions></SimpleSource>'
    ),
    "nested": vrt("other.vrt"),
    "itself": vrt("odd.vrt"),
    "no_sources": vrt(inside=""),
    "laughs": LAUGHS + vrt("&j;"),
}
TAGGED = {
    "overviews": ("OVERVIEWS", "OVERVIEW_FILE"),
    "geolocation": ("GEOLOCATION", "X_DATASET"),
}


def tagged(domain: str, key: str) -> Callable[[Path], None]:
    """A TIFF whose own metadata name another file."""

    def make(folder: Path) -> None:
        with rasterio.open(folder / "scene.tif", "r+") as scene:
            scene.update_tags(ns=domain, **{key: "/etc/passwd"})

    return make


def secret(folder: Path) -> None:
    """A raster outside of the folder, to which links in it lead."""
    (folder / "inside").mkdir()
    (folder / "inside" / "link.tif").symlink_to(folder / "scene.tif")
    (folder / "inside" / "odd.vrt").write_text(vrt("link.tif"))


def beside(suffix: str, content: str) -> Callable[[Path], None]:
    return text(content, f"scene.tif{suffix}")


def comment_of_jpeg(folder: Path) -> None:
    """A JPEG whose comment is the text of a VRT, which GDAL alone would take it for."""
    from rasterio import shutil

    with rasterio.open(folder / "scene.tif") as scene:
        shutil.copy(scene, folder / "odd.jpg", driver="JPEG", COMMENT=RAW_BAND)
    (folder / "odd.jpg.aux.xml").unlink(missing_ok=True)


def band_called(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with rasterio.open(folder / "scene.tif", "r+") as scene:
            scene.set_band_description(1, name)
            scene.update_tags(note=name)

    return make


ESCAPES = "\x1b]0;title\x07\x1b[31mred\x1b[0m\r\n\u202eabc"
ADDRESSES = {
    "http": "http://example.org/a.tif",
    "http_in_capitals": "HTTP://example.org/a.tif",
    "ftp": "ftp://example.org/a.tif",
    "file": "file:///etc/passwd",
    "vsicurl": "/vsicurl/http://example.org/a.tif",
    "vsizip": "/vsizip/a.zip/a.tif",
    "vsistdin": "/vsistdin/",
    "vsisubfile": "/vsisubfile/0_100,scene.tif",
    "gs": "gs://bucket/a.tif",
}
DRIVERS = (
    "GTIFF_DIR:1:scene.tif",
    "NETCDF:scene.tif:a",
    "WMS:http://example.org",
    "<VRTDataset/>",
    "PG:host=localhost",
    "vrt:scene.tif",
)


def environment(name: str, value: str) -> Case:
    """The environment of whoever starts geoseg names plugins, data and drivers of their own."""

    def check(folder: Path, _: Any) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "geoseg", "tile", "scene.tif", "-o", "new2", "-q"],
            env=os.environ | {name: value.format(folder)},
            cwd=folder,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        for each in ("index.parquet",):
            assert (folder / "new" / each).read_bytes() == (folder / "new2" / each).read_bytes()

    return Case(f"environment_{name.lower()}", "tile scene.tif -o new", check=check)


ENVIRONMENT = {
    "GDAL_DATA": "{}/none",
    "GDAL_DRIVER_PATH": "{}",
    "GDAL_CONFIG_FILE": "{}/scene.tif",
    "GDAL_SKIP": "GTiff",
    "OGR_SKIP": "GPKG",
    "PROJ_DATA": "{}/none",
    "PROJ_LIB": "{}/none",
    "GDAL_VRT_ENABLE_PYTHON": "YES",
    "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
    "CPL_DEBUG": "ON",
}
XML_FOOTPRINTS = {
    "kml_entities": (
        ENTITY + '<kml xmlns="http://www.opengis.net/kml/2.2"><Document/></kml>',
        "odd.kml",
    ),
    "gml_entities": (
        ENTITY
        + '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" xmlns:gml="http://www.opengis.net/gml"/>',
        "odd.gml",
    ),
    "ogr_vrt": (
        '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>',
        "odd.gml",
    ),
    "ogr_vrt_in_kml": (
        '<kml xmlns="http://www.opengis.net/kml/2.2"><!--<OGRVRTDataSource>--></kml>',
        "odd.kml",
    ),
    "network_link": (
        '<kml xmlns="http://www.opengis.net/kml/2.2"><NetworkLink><Link><href>http://example.org</href></Link></NetworkLink></kml>',
        "odd.kml",
    ),
}
BURN = "rasterize {} --like scene.tif -o new.tif"

CASES = [
    *(
        Case(
            f"vrt_{name}",
            "tile odd.vrt -o new",
            8,
            r"odd\.vrt: ",
            text(content),
        )
        for name, content in VRTS.items()
    ),
    Case("vrt_by_link", "tile inside/odd.vrt -o new", 8, r"odd\.vrt: names link\.tif", secret),
    Case("vrt_called_tif", "tile odd.tif -o new", 8, r"odd\.tif: ", text(RAW_BAND, "odd.tif")),
    Case("vrt_called_png", EXTRACT.format("odd.png"), 8, r"odd\.png: ", text(RAW_BAND, "odd.png")),
    Case("vrt_in_utf_16", "tile odd.vrt -o new", 3, r"odd\.vrt: ", text(RAW_BAND.encode("utf-16"))),
    Case("vrt_broken", "tile odd.vrt -o new", 3, r"odd\.vrt: is no valid XML", text(vrt()[:-20])),
    Case(
        "vrt_deep",
        "tile odd.vrt -o new",
        8,
        r"odd\.vrt: ",
        text("<VRTDataset>" + "<a>" * 50_000 + "</a>" * 50_000 + "</VRTDataset>"),
    ),
    Case("vrt_in_a_comment_of_a_jpeg", "tile odd.jpg -o new", make=comment_of_jpeg),
    *(
        Case(
            f"tiff_names_{name}_{verb}",
            line.format("scene.tif"),
            8,
            r"scene\.tif: names other files",
            tagged(*where),
        )
        for name, where in TAGGED.items()
        for verb, line in (("predict", PREDICT), ("tile", "tile {} -o new"))
    ),
    Case(
        "mask_beside_is_a_vrt",
        "tile scene.tif -o new",
        0,
        r"scene\.tif\.msk: is not looked at",
        beside(".msk", RAW_BAND),
    ),
    Case(
        "overviews_beside_are_a_vrt",
        "tile scene.tif -o new",
        0,
        r"scene\.tif\.ovr: is not looked at",
        beside(".ovr", RAW_BAND),
    ),
    Case(
        "aux_xml_names_files",
        "tile scene.tif -o new",
        0,
        r"aux\.xml: is not looked at",
        beside(
            ".aux.xml",
            '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/passwd</MDI></Metadata></PAMDataset>',
        ),
    ),
    Case(
        "aux_xml_of_laughs",
        "tile scene.tif -o new",
        0,
        r"aux\.xml: is not looked at",
        beside(".aux.xml", LAUGHS + "<PAMDataset>&j;</PAMDataset>"),
    ),
    *(
        Case(
            f"address_{name}_{verb}",
            line.format(address),
            8,
            "refused|neither a path",
        )
        for name, address in ADDRESSES.items()
        for verb, line in (("extract", EXTRACT), ("info", "info {}"))
    ),
    *(
        Case(
            f"driver_{number}",
            f"tile {address} -o new",
            8 if "://" in address else 3,
            "",
        )
        for number, address in enumerate(DRIVERS)
    ),
    Case("tags_with_escapes", "info scene.tif", make=band_called(ESCAPES)),
    Case(
        "name_with_escapes",
        "tile no\x1b[31mne\u202e.tif -o new",
        3,
        r"no \[31mne \.tif: matches no file",
    ),
    Case("name_of_thousands", f"tile {'n' * 3000} -o new", 3, "nnn"),
    *(environment(name, value) for name, value in ENVIRONMENT.items()),
    *(
        Case(
            f"footprints_{name}",
            BURN.format(file),
            3 if name in ("network_link", "ogr_vrt") else 8,
            r"odd\.[kg]ml: ",
            text(content, file),
        )
        for name, (content, file) in XML_FOOTPRINTS.items()
    ),
]
