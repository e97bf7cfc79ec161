"""How QGIS draws a layer: its QML, kept inside of the GeoPackage.

QGIS takes the style named in the table ``layer_styles`` when it opens the layer (tried with QGIS
3.22).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

from geoseg.io.provenance import time_now

# From blue, doubtful, to yellow, sure: matplotlib's plasma, which the colour-blind can read too
COLOURS = ("13,8,135", "126,3,168", "204,71,120", "248,149,64", "240,249,33")
UNKNOWN = "150,150,150"
BREAKS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.0)

_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)"""


def graduated(
    field: str = "confidence", breaks: Sequence[float] = BREAKS, colours: Sequence[str] = COLOURS
) -> str:
    """QML of polygons coloured by the class of ``field`` between ``breaks``, grey where it is null;
    colours are "r,g,b".
    """
    # null is in no range, so it is drawn as -1, a class of its own
    root = Xml.Element("qgis", version="3.22.0", styleCategories="Symbology")
    attributes = {
        "type": "graduatedSymbol",
        "attr": f'coalesce("{field}", -1)',
        "graduatedMethod": "GraduatedColor",
    }
    renderer = Xml.SubElement(
        root,
        "renderer-v2",
        attributes | {"symbollevels": "0", "enableorderby": "0", "forceraster": "0"},
    )
    ranges = Xml.SubElement(renderer, "ranges")
    symbols = Xml.SubElement(renderer, "symbols")
    classes = [(f"{low:g} to {high:g}", low, high) for low, high in pairwise(breaks)]
    for i, (label, low, high) in enumerate([(f"no {field}", -1.0, -1.0), *classes]):
        about = {
            "symbol": str(i),
            "label": label,
            "lower": str(low),
            "upper": str(high),
            "render": "true",
        }
        Xml.SubElement(ranges, "range", about)
        _fill(symbols, str(i), (UNKNOWN, *colours)[i])
    return _document(root)


def single(colour: str, filled: bool = True) -> str:
    """QML of polygons in one colour, "r,g,b"; without a fill they have a thicker outline."""
    root = Xml.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = Xml.SubElement(
        root, "renderer-v2", {"type": "singleSymbol", "symbollevels": "0", "enableorderby": "0"}
    )
    _fill(Xml.SubElement(renderer, "symbols"), "0", colour, filled)
    return _document(root)


def _document(root: Xml.Element) -> str:
    Xml.SubElement(root, "layerGeometryType").text = "2"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + Xml.tostring(
        root, "unicode"
    )


def _fill(symbols: Xml.Element, name: str, colour: str, filled: bool = True) -> None:
    """A see-through fill with an outline of the same colour, as wide on every scale."""
    symbol = Xml.SubElement(
        symbols, "symbol", name=name, type="fill", alpha="1", clip_to_extent="1", force_rhr="0"
    )
    layer = Xml.SubElement(
        symbol, "layer", {"class": "SimpleFill", "pass": "0", "locked": "0", "enabled": "1"}
    )
    properties = {
        "color": f"{colour},90",
        "style": "solid" if filled else "no",
        "joinstyle": "miter",
    }
    properties |= {
        "outline_color": f"{colour},255",
        "outline_style": "solid",
        "outline_width": "0.4" if filled else "0.9",
    }
    for key, value in (properties | {"outline_width_unit": "MM"}).items():
        Xml.SubElement(layer, "prop", k=key, v=value)


def embed(path: Path, layer: str, qml: str) -> None:
    """Make ``qml`` the style of ``layer`` in the GeoPackage at ``path``; raises sqlite3.Error where
    it cannot be written.
    """
    with closing(sqlite3.connect(path)) as package, package:
        package.execute(_TABLE)
        (column,) = package.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", [layer]
        ).fetchone()
        package.execute(
            "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, "
            "description, last_change, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
            [time_now()],
        )
        package.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, "
            "styleSLD, useAsDefault, description, owner, update_time) "
            "VALUES ('', '', ?, ?, ?, ?, '', 1, '', '', ?)",
            [layer, column, layer, qml, time_now()],
        )
