import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import OutputError, UnsuitableError, UsageError
from geoseg.geometry.burn import burn
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.targets import Target, Targets
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import Length, MaskSpec, PixelReference, SceneSpec
from geoseg.specs.vectors import VectorFiles
from geoseg.tools import rasterize
from tests.tools.boxes import BOXES, GRID, UTM, covered, ground, layer


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    write_array(path, np.zeros((3, *GRID.shape), np.uint8), GRID)
    return path


def test_a_mask_on_the_scenes_grid(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", MaskSpec(value=200))
    mask, _, grid = read_array(tmp_path / "mask.tif")
    np.testing.assert_array_equal(mask[0], covered(*BOXES) * 200)
    assert grid == GRID and mask.dtype == np.uint8
    assert (report.command, report.footprints, report.pixels) == ("rasterize", 2, 20 * 12 + 12 * 25)
    assert report.inputs == (str(tmp_path / "f.gpkg"), str(scene)) and report.outputs == (
        str(tmp_path / "mask.tif"),
    )
    assert report.warnings == () and report.classes == {}
    with rasterio.open(tmp_path / "mask.tif") as out:
        assert out.nodata is None and out.count == 1 and out.tags()["GEOSEG_VALUE"] == "200"


@pytest.mark.parametrize("epsg", [4326, 3857, 32737])
def test_labels_in_another_crs_are_reprojected_and_the_report_says_so(tmp_path, scene, epsg):
    other = layer(BOXES).to_crs(epsg)
    other.to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert [f"reprojected from EPSG:{epsg} to EPSG:32736" in w for w in report.warnings] == [True]
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert np.count_nonzero(mask != covered(*BOXES)) <= 4


def test_strips_give_the_same_as_the_whole(tmp_path):
    grid = Grid(UTM, GRID.transform, 700, 40)
    write_array(tmp_path / "s.tif", np.zeros((1, *grid.shape), np.uint8), grid)
    rng = np.random.default_rng(8)
    geometry = shapely.buffer(
        shapely.points(rng.uniform((512_000, 9_299_650), (512_020, 9_300_000), (60, 2))), 3
    )
    gpd.GeoDataFrame(geometry=geometry, crs=UTM).to_file(tmp_path / "f.gpkg")
    seen = []
    rasterize.run(
        tmp_path / "f.gpkg",
        tmp_path / "s.tif",
        tmp_path / "m.tif",
        progress=lambda stage, total: seen.append,
        block_size=256,
    )
    np.testing.assert_array_equal(read_array(tmp_path / "m.tif")[0][0], burn(geometry, grid))
    assert seen == [256 * 40, 256 * 40, 188 * 40]


def test_all_touched(tmp_path, scene):
    layer([(100.6, 10.6, 104.4, 12.4)]).to_file(tmp_path / "f.gpkg")
    plain = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "a.tif")
    touched = rasterize.run(
        tmp_path / "f.gpkg", scene, tmp_path / "b.tif", MaskSpec(all_touched=True)
    )
    assert (plain.pixels, touched.pixels) == (3, 15)


def test_an_empty_layer_is_an_empty_mask(tmp_path, scene):
    layer([]).to_file(tmp_path / "f.gpkg", geometry_type="Polygon")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert (
        report.footprints == report.pixels == 0 and not read_array(tmp_path / "mask.tif")[0].any()
    )


def test_labels_elsewhere_are_refused(tmp_path, scene):
    layer([(1000, 10, 1020, 22)]).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match=r"f\.gpkg: no overlap"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")


def test_labels_without_a_crs_are_refused(tmp_path, scene):
    layer(BOXES, crs=None).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match="CRS"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")


def test_invalid_footprints_are_repaired(tmp_path, scene):
    bow_tie = shapely.transform(
        shapely.Polygon([(20, 20), (40, 30), (40, 20), (20, 30)]), lambda xy: xy * [0.5, -0.5]
    )
    gpd.GeoDataFrame(
        geometry=[shapely.affinity.translate(bow_tie, 512_000, 9_300_000)], crs=UTM
    ).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert any("1 invalid footprints repaired" in w for w in report.warnings)
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert mask[25, 22] and mask[25, 37] and not mask[21, 30] and 95 <= report.pixels <= 105


def test_pictures_without_a_crs(tmp_path):
    picture = tmp_path / "photo.png"
    write_array(picture, np.zeros((3, 30, 50), np.uint8))
    gpd.GeoDataFrame(geometry=[shapely.box(40, 3, 48, 9)], crs=UTM).to_file(tmp_path / "f.gpkg")
    args = tmp_path / "f.gpkg", picture, tmp_path / "mask.tif"
    with pytest.raises(UnsuitableError, match=r"photo\.png: has no CRS"):
        rasterize.run(*args)
    pixels = gpd.GeoDataFrame(geometry=[shapely.box(40, -9, 48, -3)])
    pixels.to_file(tmp_path / "p.gpkg")
    own = tmp_path / "p.gpkg", *args[1:]
    rasterize.run(*own, reference=PixelReference(pixel_coords=True))
    mask, _, grid = read_array(tmp_path / "mask.tif")
    assert grid.crs is None and mask[0, 3:9, 40:48].all() and mask.sum() == 48
    with pytest.raises(UnsuitableError, match=r"photo\.png: has no transform, .* no place in"):
        rasterize.run(*args, overwrite=True, scene_spec=SceneSpec(scene_crs="EPSG:32736"))
    picture.with_suffix(".pgw").write_text("1\n0\n0\n-1\n0.5\n29.5\n")
    rasterize.run(*args, overwrite=True, scene_spec=SceneSpec(scene_crs="EPSG:32736"))
    mask, _, grid = read_array(tmp_path / "mask.tif")
    assert grid.crs == UTM and mask[0, 21:27, 40:48].all() and mask.sum() == 48
    with pytest.raises(UsageError, match="nonsense is no CRS"):
        rasterize.run(*args, overwrite=True, scene_spec=SceneSpec(scene_crs="nonsense"))


def test_footprints_in_pixels_on_a_part_of_a_picture(tmp_path):
    picture = tmp_path / "photo.png"
    write_array(picture, np.zeros((3, 30, 50), np.uint8))
    gpd.GeoDataFrame(geometry=[shapely.box(40, -9, 48, -3)]).to_file(tmp_path / "p.gpkg")
    rasterize.run(
        tmp_path / "p.gpkg",
        picture,
        tmp_path / "mask.tif",
        scene_spec=SceneSpec(window=(35, 2, 15, 20)),
        reference=PixelReference(pixel_coords=True),
    )
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert mask.shape == (20, 15) and mask[1:7, 5:13].all() and mask.sum() == 48


def test_options_that_make_no_sense(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UsageError, match="has a CRS"):
        rasterize.run(
            tmp_path / "f.gpkg",
            scene,
            tmp_path / "mask.tif",
            reference=PixelReference(pixel_coords=True),
        )


def test_an_existing_output_is_refused_and_an_input_is_never_replaced(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    (tmp_path / "mask.tif").touch()
    with pytest.raises(OutputError, match="exists already"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    for path in (scene, tmp_path / "x" / ".." / "f.gpkg"):
        with pytest.raises(UsageError, match=f"{path.name}: is an input"):
            rasterize.run(tmp_path / "f.gpkg", scene, path, overwrite=True)


def test_the_layer_that_is_asked_for(tmp_path, scene):
    layer(BOXES[:1]).to_file(tmp_path / "f.gpkg", layer="footprints")
    layer(BOXES[1:]).to_file(tmp_path / "f.gpkg", layer="sheds")
    for name, box in ((None, BOXES[0]), ("sheds", BOXES[1])):
        files = VectorFiles.of(tmp_path / "f.gpkg", name)
        rasterize.run(files, scene, tmp_path / "mask.tif", overwrite=True)
        np.testing.assert_array_equal(read_array(tmp_path / "mask.tif")[0][0], covered(box))
    with pytest.raises(
        UnsuitableError, match=r"has no layer barns \(its layers: footprints, sheds\)"
    ):
        files = VectorFiles.of(tmp_path / "f.gpkg", "barns")
        rasterize.run(files, scene, tmp_path / "other.tif")


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".parquet", ".shp"])
def test_the_same_masks_from_every_format(tmp_path, scene, suffix):
    """Holes, several parts, a bow tie, none, degrees: the same pixels and the same warnings."""
    whole = ground((60, 5, 90, 30), (66, 10, 80, 24), (5, 60, 17, 85), (20, 60, 30, 85))
    bow_tie = shapely.Polygon(
        [(512_005, 9_299_995), (512_015, 9_299_985), (512_015, 9_299_995), (512_005, 9_299_985)]
    )
    shapes = [whole[0] - whole[1], shapely.MultiPolygon(whole[2:]), bow_tie, None]
    table = gpd.GeoDataFrame(
        {"kind": ["shed", "house", "shed", "barn"]}, geometry=shapes, crs=UTM
    ).to_crs(4326)
    options = {"SPATIAL_INDEX": "NO"} if suffix == ".fgb" else {}
    path = tmp_path / f"f{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path, **options)
    spec = MaskSpec(("footprint", "instance"), class_field="kind")
    report = rasterize.run(path, scene, tmp_path / "mask.tif", spec)
    masks = read_array(tmp_path / "mask.tif")[0]
    expected = np.zeros((2, *GRID.shape), np.uint32)
    for value, number, (x0, y0, x1, y1) in (
        (3, 1, (60, 5, 90, 30)),
        (2, 2, (5, 60, 17, 85)),
        (2, 2, (20, 60, 30, 85)),
    ):
        expected[:, y0:y1, x0:x1] = np.array([value, number])[:, None, None]
    expected[:, 10:24, 66:80] = 0
    far = np.ones(GRID.shape, bool)
    far[8:32, 8:32] = False  # where the bow tie is
    # edges on pixel edges, there and back through degrees
    assert np.count_nonzero((masks != expected)[:, far]) <= 8
    assert (
        masks[:, 20, 12].tolist() == masks[:, 20, 28].tolist() == [3, 3] and masks[0, 12, 20] == 0
    )
    assert report.classes == {"barn": 1, "house": 2, "shed": 3} and report.footprints == 3
    assert [warning.partition(": ")[2] for warning in report.warnings] == [
        "left out what is no polygon: 1 without a geometry", "reprojected from EPSG:4326 to EPSG:32736",
        "1 invalid footprints repaired",
    ]  # fmt: skip


CLOSE = [(100, 10, 120, 22), (100, 25, 120, 40), (5, 60, 17, 85)]


def test_several_kinds_at_once(tmp_path, scene):
    """Each band is what the kind gives alone; names and widths stand in the file."""
    layer(CLOSE).to_file(tmp_path / "f.gpkg")
    kinds = ("footprint", "boundary:1", "contact:3m", "distance", "instance")
    report = rasterize.run(
        tmp_path / "f.gpkg",
        scene,
        tmp_path / "all.tif",
        MaskSpec(kinds, Length(8, True), value=5),
    )
    masks, _, grid = read_array(tmp_path / "all.tif")
    assert grid == GRID and masks.dtype == np.float64
    size = pixel_size(GRID)[0]
    targets = [
        Target("footprint"),
        Target("boundary", 1),
        Target("contact", 3),
        Target("distance", 8 * size),
        Target("instance"),
    ]
    whole = Targets(ground(*CLOSE), GRID, targets, value=5).burn(Window(0, 0, 140, 90))
    np.testing.assert_array_equal(masks, whole)
    assert masks[4, 30, 110] == 2 and masks[2, 23, 110] == 5 and masks[1, 30, 110] == 0
    with rasterio.open(tmp_path / "all.tif") as out:
        assert out.descriptions == ("footprint", "boundary", "contact", "distance", "instance")
        assert [out.tags(band).get("GEOSEG_WIDTH") for band in (1, 2, 3, 5)] == [
            None,
            "1",
            "3",
            None,
        ]
        assert out.tags(4)["GEOSEG_KIND"] == "distance" and float(
            out.tags(4)["GEOSEG_WIDTH"]
        ) == pytest.approx(8 * size, 1e-5)
        assert out.tags()["GEOSEG_KIND"] == "footprint,boundary,contact,distance,instance"
    assert report.pixels == 20 * 12 + 20 * 15 + 12 * 25
    assert [band["kind"] for band in report.bands] == [target.kind for target in targets]
    assert report.bands[4] == {"kind": "instance", "width": 0.0, "pixels": report.pixels}
    assert report.bands[2]["pixels"] == np.count_nonzero(masks[2]) > 0


@pytest.mark.parametrize(
    ("kinds", "dtype"),
    [
        (("boundary",), "uint8"),
        (("footprint", "contact"), "uint8"),
        (("instance", "footprint"), "uint32"),
        (("distance", "boundary"), "float32"),
    ],
)
def test_windows_and_dtypes(tmp_path, kinds, dtype):
    """Windows smaller than the scene meet without a seam."""
    grid = Grid(UTM, GRID.transform, 300, 530)
    write_array(tmp_path / "s.tif", np.zeros((1, *grid.shape), np.uint8), grid)
    rng = np.random.default_rng(8)
    geometry = shapely.buffer(
        shapely.points(rng.uniform((512_000, 9_299_850), (512_265, 9_300_000), (150, 2))), 4
    )
    gpd.GeoDataFrame(geometry=geometry, crs=UTM).to_file(tmp_path / "f.gpkg")
    spec = (
        MaskSpec(kinds, Length(6), side="both")
        if kinds != ("instance", "footprint")
        else MaskSpec(kinds)
    )
    rasterize.run(tmp_path / "f.gpkg", tmp_path / "s.tif", tmp_path / "whole.tif", spec)
    rasterize.run(
        tmp_path / "f.gpkg", tmp_path / "s.tif", tmp_path / "parts.tif", spec, block_size=256
    )
    whole, parts = read_array(tmp_path / "whole.tif")[0], read_array(tmp_path / "parts.tif")[0]
    np.testing.assert_array_equal(parts, whole)
    assert whole.dtype == dtype and all((band > 0).any() for band in whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ("roof",)}, "kinds: unknown kind 'roof'"),
        ({"kinds": ()}, "names no mask"),
        ({"kinds": ("instance:3",)}, "kinds: instance has no width"),
        ({"kinds": ("contact:wide",)}, "'wide' is not a length"),
        ({"kinds": ("boundary:0",)}, "width: must be above 0 for boundary"),
        ({"kinds": ("footprint",), "width": Length(3)}, "width: does not apply to footprint"),
        (
            {"kinds": ("boundary",), "class_field": "use"},
            "class_field: applies to the kind footprint only",
        ),
        ({"kinds": ("boundary",), "side": "upper"}, "side: must be one of inner, outer, both"),
        ({"value": 0}, "value: must be at least 1 and at most 254, not 0"),
    ],
)
def test_masks_that_make_no_sense(settings, message):
    with pytest.raises(UsageError, match=message):
        MaskSpec(**settings)


def test_a_class_of_blanks_is_none(tmp_path, scene):
    layer(BOXES, kind=["barn", "  "]).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(
        tmp_path / "f.gpkg", scene, tmp_path / "m.tif", MaskSpec(class_field="kind")
    )
    assert report.classes == {"barn": 1}
    assert report.warnings == (f"{tmp_path / 'f.gpkg'}: 1 footprints without a kind are left out",)
    np.testing.assert_array_equal(read_array(tmp_path / "m.tif")[0][0], covered(BOXES[0]))


def test_a_width_of_too_many_pixels_is_refused(tmp_path, scene):
    layer(CLOSE).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UsageError, match="a distance 600 m wide takes 1200 pixels, 1000 at most"):
        rasterize.run(
            tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", MaskSpec(("distance:600",))
        )


def test_a_png_holds_bytes_alone(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.png")
    np.testing.assert_array_equal(read_array(tmp_path / "mask.png")[0][0], covered(*BOXES))
    with pytest.raises(UsageError, match=r"ids\.png: a PNG does not hold uint32 \(write a \.tif"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "ids.png", MaskSpec(("instance",)))


@pytest.mark.parametrize("name", ["a", "b"])
def test_real_labels_agree_with_the_masks_beside_them(tmp_path, shared_data, name):
    folder = shared_data / "oam_zanzibar"
    footprints, scene = (
        folder / f"labels/oam_zanzibar_{name}.geojson",
        folder / f"images/oam_zanzibar_{name}.tif",
    )
    report = rasterize.run(footprints, scene, tmp_path / "mask.tif")
    assert "reprojected from" in report.warnings[0]
    ours, theirs = (
        read_array(path)[0][0] > 0
        for path in (tmp_path / "mask.tif", folder / f"labels/oam_zanzibar_{name}_mask.tif")
    )
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97
