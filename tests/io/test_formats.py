from pathlib import Path

import pytest

from geoseg.errors import InputError
from geoseg.io.formats import kind_of

HEADS = {
    "raster": [
        b"II*\0",
        b"MM\0+",
        b"\x89PNG\r\n",
        b"<VRTDataset",
        b"",
        b"a text",
        b"ImageId,Mask\nPolygonWKT_Pix",
    ],
    "vector": [
        b"SQLite format 3\0",
        b"PAR1",
        b"fgb\3fgb\0",
        b"\0\0\x27\x0a",
        b'{"type":"FeatureCollection"',
        b"\xef\xbb\xbf \n{",
        b"\xef\xbb\xbfImageId,BuildingId,PolygonWKT_Pix\n",
    ],
    "model": [b"\xe8\x03\0\0\0\0\0\0{", b"\x08\x0a\x12"],
}


@pytest.mark.parametrize(
    ("kind", "head"), [(kind, head) for kind, heads in HEADS.items() for head in heads]
)
def test_the_first_bytes_tell(kind: str, head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "misleading.gpkg"
    path.write_bytes(head)
    assert kind_of(str(path)) == kind


def test_folders_addresses_and_nothing(tmp_path: Path) -> None:
    assert kind_of(str(tmp_path)) == "chips"
    assert kind_of("https://example.org/a.gpkg") == "raster"
    with pytest.raises(InputError, match="does not exist"):
        kind_of(str(tmp_path / "missing.tif"))
