import pytest
from matplotlib.figure import Figure
from PIL import Image

from geoseg.errors import OutputError, UsageError
from geoseg.io.figures import write_figure

FIRST = {
    "png": b"\x89PNG",
    "jpg": b"\xff\xd8\xff",
    "jpeg": b"\xff\xd8\xff",
    "pdf": b"%PDF",
    "svg": b"<?xml",
}


def figure():
    figure = Figure(figsize=(3, 2), dpi=120)
    figure.subplots().plot([1, 3, 2])
    return figure


@pytest.mark.parametrize("kind", FIRST)
def test_each_format_is_what_it_says_and_the_same_each_time(tmp_path, kind):
    for name in "ab":
        write_figure(tmp_path / f"{name}.{kind}", figure())
    content = (tmp_path / f"a.{kind}").read_bytes()
    assert content.startswith(FIRST[kind]) and content == (tmp_path / f"b.{kind}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_png_has_the_size_and_the_tags(tmp_path):
    write_figure(tmp_path / "a.png", figure(), tags={"GEOSEG_SOURCE": "scene.tif"})
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (360, 240) and image.info["GEOSEG_SOURCE"] == "scene.tif"


def test_what_is_no_picture(tmp_path):
    with pytest.raises(
        UsageError, match=r"a\.tif: is not a figure by its extension \(png, jpg, pdf or svg\)"
    ):
        write_figure(tmp_path / "a.tif", figure())
    (tmp_path / "a.png").touch()
    with pytest.raises(OutputError, match="exists already"):
        write_figure(tmp_path / "a.png", figure())
