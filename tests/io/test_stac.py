"""An asset of a STAC item is read where the item may name it, else refused with its address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pystac")

from geoseg.errors import GeosegError, InputError, SafetyError, UnsuitableError, UsageError
from geoseg.io.formats import kind_of
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import scene_name
from geoseg.io.stac import asset_file
from tests.io.items import item
from tests.io.raster.pictures import picture, save

THUMBNAIL = {"href": "t.png", "type": "image/png", "roles": ["thumbnail"]}


def test_the_asset_by_its_name_or_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    save(tmp_path / "images" / "a.tif", picture())
    meta = {"href": "m.xml", "type": "application/xml"}
    path = item(tmp_path / "i.json", visual="./images/a.tif", thumb=THUMBNAIL, meta=meta)
    for name in (f"{path}#visual", str(path)):
        with open_scene(name) as scene:
            assert scene.path == name and (scene.read().image == picture()).all()
    assert kind_of(f"{path}#visual") == "raster" and kind_of(str(path)) == "vector"
    assert scene_name(f"{path}#visual") == "i"


def test_a_file_of_that_very_name_is_meant_itself(tmp_path: Path) -> None:
    item(tmp_path / "a.json", visual="other.tif")
    name = save(tmp_path / "a.json#visual.tif", picture())
    assert asset_file(str(name)) == str(name)


def test_several_assets_are_listed(tmp_path: Path) -> None:
    path = item(tmp_path / "i.json", red="r.tif", nir="n.tif", thumb=THUMBNAIL)
    with pytest.raises(UnsuitableError, match=r"imagery: red, nir \(name one: .*i\.json#red\)"):
        asset_file(str(path))
    with pytest.raises(InputError, match=r"has no asset blue \(it has red, nir, thumb\)"):
        asset_file(f"{path}#blue")
    with pytest.raises(UnsuitableError, match=r"no asset of imagery \(it has thumb\)"):
        asset_file(str(item(tmp_path / "j.json", thumb=THUMBNAIL)))


@pytest.mark.parametrize(
    "href",
    [
        "../a.tif",
        "images/../../a.tif",
        "/etc/a.tif",
        "https://example.org/a.tif",
        "http://127.0.0.1/a.tif",
        "s3://bucket/a.tif",
        "file:///etc/a.tif",
        "link/a.tif",
    ],
)
def test_an_item_on_disk_names_nothing_elsewhere(tmp_path: Path, href: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    path = item(tmp_path / "in" / "i.json", visual=href)
    with pytest.raises(SafetyError) as caught:
        asset_file(f"{path}#visual")
    assert "its asset visual lies elsewhere" in str(caught.value)
    assert href.removeprefix("../").removeprefix("images/../../") in (caught.value.hint or "")


def test_what_gdal_would_take_for_more_than_a_file_is_refused(tmp_path: Path) -> None:
    for href in ("/vsicurl/https://example.org/a.tif", "vrt://a.tif", "GTI:a.gpkg"):
        with pytest.raises(GeosegError), open_scene(item(tmp_path / "i.json", visual=href)):
            pass


@pytest.mark.parametrize(
    "text", ["{}", '{"type": "Feature"}', '{"type": "Feature", "assets": 3', "{"]
)
def test_other_json_is_no_item(tmp_path: Path, text: str) -> None:
    (tmp_path / "i.json").write_text(text)
    with pytest.raises(InputError, match=r"i\.json: is no STAC item"):
        asset_file(str(tmp_path / "i.json"))


@pytest.mark.parametrize(
    "asset",
    [
        {"href": 5},
        {"href": "a.tif", "type": 5},
        {"href": "a.tif", "roles": 5},
        {"href": "a.tif", "roles": [["data"]]},
        {"href": "http://[bad"},
    ],
)
def test_a_malformed_asset_is_an_error_of_the_item(tmp_path: Path, asset: dict[str, Any]) -> None:
    path = item(tmp_path / "i.json", visual=asset)
    for name in (str(path), f"{path}#visual"):
        with pytest.raises(InputError, match=r"is no STAC item|is no address"):
            asset_file(name)


def test_a_malformed_address_is_an_error_of_the_input() -> None:
    for name in (
        "https://[bad/a.tif",
        "https://localhost:1/a b.json",
        "https://localhost:x/a.json",
    ):
        with pytest.raises(InputError, match=r"is no address|cannot be read"):
            asset_file(name)
    assert scene_name("https://[bad/secret.tif") == "https:"


def test_items_come_from_disk_or_by_https() -> None:
    with pytest.raises(SafetyError, match="plain http is refused"):
        asset_file("http://example.org/i.json#visual")
    with pytest.raises(UsageError, match="from disk or over https"):
        asset_file("s3://bucket/i.json")
    for name in ("https://example.org/a.tif?sig=1", "s3://bucket/a#b.tif", "missing.tif"):
        assert asset_file(name) == name
