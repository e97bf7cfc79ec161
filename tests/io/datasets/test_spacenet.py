from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import InputError, UsageError
from geoseg.io import datasets

HEADER = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"


def area(
    root: Path,
    name: str = "AOI_2_Vegas",
    images: int = 3,
    kinds: tuple[str, ...] = ("RGB-PanSharpen",),
) -> Path:
    top = root / f"{name}_Train"
    for folder in (*kinds, "geojson/buildings", "summaryData"):
        (top / folder).mkdir(parents=True)
    for number in range(1, images + 1):
        for kind in kinds:
            (top / kind / f"{kind}_{name}_img{number}.tif").touch()
        (top / "geojson" / "buildings" / f"buildings_{name}_img{number}.geojson").touch()
    return top


def test_the_footprints_of_an_area_belong_to_each_image(tmp_path: Path) -> None:
    area(tmp_path)
    area(tmp_path, "AOI_5_Khartoum", 2)
    (tmp_path / "AOI_2_Vegas_Test_public").mkdir()
    found = datasets.read("spacenet2", tmp_path).pairs
    assert [(pair.name, pair.group, len(pair.labels)) for pair in found] == [
        *((f"AOI_2_Vegas_img{i}", "AOI_2_Vegas", 3) for i in (1, 2, 3)),
        *((f"AOI_5_Khartoum_img{i}", "AOI_5_Khartoum", 2) for i in (1, 2)),
    ]
    assert found[0].labels is found[2].labels
    assert {pair.split for pair in found} == {None}


@pytest.mark.parametrize("below", ["AOI_2_Vegas_Train", ".", "AOI_2_Vegas_Train/.."])
def test_an_area_or_the_folder_of_areas(tmp_path: Path, below: str) -> None:
    area(tmp_path)
    assert len(datasets.read("spacenet2", tmp_path / below).pairs) == 3


def test_an_archive_unpacked_into_a_folder_of_its_name(tmp_path: Path) -> None:
    area(tmp_path / "AOI_2_Vegas_Train")
    assert len(datasets.read("spacenet2", tmp_path).pairs) == 3


def test_imagery_is_chosen_or_the_first_there_is(tmp_path: Path) -> None:
    area(tmp_path, kinds=("MUL-PanSharpen", "MUL"))
    assert datasets.read("spacenet2", tmp_path).pairs[0].image.parent.name == "MUL-PanSharpen"
    dataset = datasets.read("spacenet2", tmp_path, imagery="MUL")
    assert dataset.pairs[0].image.name == "MUL_AOI_2_Vegas_img1.tif"
    assert dataset.size is None
    with pytest.raises(UsageError, match=r"imagery: must be one of .*, not 'SAR'"):
        datasets.read("spacenet2", tmp_path, imagery="SAR")


def test_a_summary_stands_in_for_missing_footprints(tmp_path: Path) -> None:
    top = area(tmp_path)
    (top / "geojson" / "buildings" / "buildings_AOI_2_Vegas_img2.geojson").unlink()
    summary = top / "summaryData" / "AOI_2_Vegas_Train_Building_Solutions.csv"
    summary.write_text(
        HEADER + "".join(f"AOI_2_Vegas_img{i},-1,POLYGON EMPTY,POLYGON EMPTY\n" for i in (1, 2, 3))
    )
    assert {pair.labels for pair in datasets.read("spacenet2", tmp_path).pairs} == {(summary,)}


def test_what_is_missing_in_all_areas_is_one_error(tmp_path: Path) -> None:
    vegas = area(tmp_path)
    (vegas / "geojson" / "buildings" / "buildings_AOI_2_Vegas_img2.geojson").unlink()
    (tmp_path / "AOI_3_Paris_Train" / "PAN").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        datasets.read("spacenet2", tmp_path)
    for what in (
        "footprints in AOI_2_Vegas_Train/geojson/buildings/ or summaryData/ of AOI_2_Vegas_img2",
        "AOI_3_Paris_Train/RGB-PanSharpen/",
        "AOI_3_Paris_Train/geojson/buildings/ or AOI_3_Paris_Train/summaryData/*.csv",
    ):
        assert what in error.value.message
    with pytest.raises(InputError, match="missing: AOI_2_Vegas_Train/, AOI_3_Paris_Train/"):
        datasets.read("spacenet2", tmp_path / "AOI_3_Paris_Train" / "PAN")
