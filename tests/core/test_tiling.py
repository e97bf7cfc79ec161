from collections import Counter

import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.splits import SPLITS, assign_splits, leaking, outline_blocks, sharing
from geoseg.core.tiling import Tile, even_tiles, offsets, outlines, tile_count, tiles
from geoseg.specs import TilingSpec

sides = st.integers(1, 70)


@st.composite
def tilings(draw):
    size = draw(st.integers(1, 30))
    overlap = draw(st.integers(0, size - 1))
    return TilingSpec(size, overlap, draw(st.integers(1, size - overlap)))


def cover(shape, plan):
    """How often each pixel of ``shape`` lies in a tile."""
    count = np.zeros(shape, int)
    for tile in plan:
        w = tile.window
        count[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width] += 1
    return count


@given(sides, sides, tilings(), st.sampled_from(["shift", "pad", "partial"]))
def test_every_pixel_is_covered(height, width, spec, edge):
    plan = list(tiles((height, width), spec, edge))
    assert cover((height, width), plan).min() >= 1
    assert (
        len({tile.id for tile in plan}) == len(plan) == len({(tile.row, tile.col) for tile in plan})
    )
    for tile in plan:
        w = tile.window
        assert 0 <= w.row_off < height and 0 <= w.col_off < width
        if edge == "pad":
            assert (w.height, w.width) == (spec.size, spec.size)
        else:
            assert w.row_off + w.height <= height and w.col_off + w.width <= width
        if edge == "shift":
            for side, length in ((w.height, height), (w.width, width)):
                assert min(spec.size, length) - spec.step < side <= spec.size


@given(sides, sides, tilings(), st.sampled_from(["shift", "pad", "partial", "drop"]))
def test_tiles_are_counted_without_making_them(height, width, spec, edge):
    assert tile_count((height, width), spec, edge) == len(list(tiles((height, width), spec, edge)))


def test_outlines_go_round_their_windows():
    transform = Affine(0.5, 0.1, 300, 0.2, -0.5, 900)
    windows = [Window(4, 6, 10, 20), Window(0, 0, 3, 1)]
    for window, outline in zip(windows, outlines(windows, transform), strict=True):
        assert outline.equals(
            shapely.Polygon(Grid(None, transform, 90, 140).window(window).corners)
        )
        assert outline.exterior.coords[0] == transform * (window.col_off, window.row_off)
    assert len(outlines([], transform)) == 0


@given(sides, sides, tilings())
def test_drop_keeps_whole_tiles_alone(height, width, spec):
    plan = list(tiles((height, width), spec, "drop"))
    for tile in plan:
        w = tile.window
        assert (w.row_off, w.col_off) == (tile.row * spec.stride, tile.col * spec.stride)
        assert w.row_off + spec.size <= height and w.col_off + spec.size <= width
        assert (w.height, w.width) == (spec.size, spec.size)
    whole = [max(0, (side - spec.size) // spec.stride + 1) for side in (height, width)]
    assert len(plan) == whole[0] * whole[1]


@given(sides, sides, tilings(), st.sampled_from(["shift", "pad", "partial", "drop"]))
def test_no_tile_is_superfluous(height, width, spec, edge):
    """Leaving the last tile away along an axis leaves pixels uncovered."""
    for length in (height, width):
        starts = offsets(length, spec, edge)
        assert starts == sorted(set(starts))
        assert all(start % spec.step == 0 for start in starts)
        if len(starts) > 1:
            assert starts[-2] + spec.size < length


def test_a_plan_read_off():
    windows = {tile.id: (*tile.window.flatten(),) for tile in tiles((50, 90), TilingSpec(40, 8))}
    assert windows == {
        "r0000_c0000": (0, 0, 40, 40),
        "r0000_c0001": (32, 0, 40, 40),
        "r0000_c0002": (50, 0, 40, 40),
        "r0001_c0000": (0, 10, 40, 40),
        "r0001_c0001": (32, 10, 40, 40),
        "r0001_c0002": (50, 10, 40, 40),
    }
    assert offsets(90, TilingSpec(40, 8), "pad") == [0, 32, 64]
    assert offsets(90, TilingSpec(40, 8), "drop") == [0, 32]
    assert Tile(12, 34567, Window(0, 0, 1, 2)).id == "r0012_c34567"


fractions = (
    st.tuples(*[st.integers(0, 10)] * 3)
    .filter(any)
    .map(lambda parts: tuple(part / sum(parts) for part in parts))
)
units = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=120)


@given(units, fractions, st.integers(0, 99))
def test_splits_part_no_unit_and_come_near_the_fractions(units, fractions, seed):
    splits = assign_splits(units, fractions, seed)
    assert len(set(zip(units, splits, strict=True))) == len(set(units))
    sizes = Counter(units)
    largest, wanted = max(sizes.values()), [fraction > 0 for fraction in fractions]
    # as far off as one unit, and another where a split would have stayed empty
    for split, fraction in zip(SPLITS, fractions, strict=True):
        assert abs(splits.count(split) - fraction * len(units)) <= 2 * largest * sum(wanted)
        if fraction == 0:
            assert split not in splits
    assert len(set(splits)) == min(len(sizes), sum(wanted))
    assert splits == assign_splits(units, fractions, seed)


def test_splits_of_many_equal_units_are_exact():
    splits = assign_splits([i // 4 for i in range(4000)], (0.7, 0.2, 0.1), 5)
    assert Counter(splits) == {"train": 2800, "val": 800, "test": 400}
    assert splits != assign_splits([i // 4 for i in range(4000)], (0.7, 0.2, 0.1), 6)


def test_units_that_differ_in_size_come_near_the_fractions():
    """Two thirds of all pictures are of one town; it is not the one to test on."""
    units = [
        name
        for name, size in {"a": 30, "b": 4, "c": 5, "d": 3, "e": 4, "f": 3}.items()
        for _ in range(size)
    ]
    for seed in range(20):
        splits = assign_splits(units, (0.8, 0.1, 0.1), seed)
        counts = Counter(splits)
        assert counts["train"] >= 37 and min(counts["val"], counts["test"]) >= 3
    assert len({tuple(assign_splits(units, (0.8, 0.1, 0.1), seed)) for seed in range(20)}) > 3


def test_few_units_still_fill_all_splits():
    for seed in range(20):
        assert sorted(assign_splits(["a", "b", "c"], (0.8, 0.1, 0.1), seed)) == [
            "test",
            "train",
            "val",
        ]
        assert sorted(assign_splits(["a", "b"], (0.9, 0.1, 0), seed)) == ["train", "val"]
    assert (
        assign_splits(["a"], (0.8, 0.1, 0.1)) == ["train"]
        and assign_splits([], (0.8, 0.1, 0.1)) == []
    )


@given(st.integers(1, 300), st.integers(1, 300), st.integers(32, 90))
def test_even_tiles_share_out_every_pixel(height, width, size):
    plan = even_tiles((height, width), size)
    assert (cover((height, width), plan) == 1).all()
    for sides in ({tile.window.height for tile in plan}, {tile.window.width for tile in plan}):
        assert max(sides) <= size and max(sides) - min(sides) <= 1
    assert plan[-1].row == -(-height // size) - 1 and plan[-1].col == -(-width // size) - 1


@given(
    st.integers(20, 70),
    st.integers(20, 70),
    tilings(),
    st.integers(1, 4),
    st.sampled_from(["shift", "pad"]),
    st.integers(0, 9),
)
def test_after_leaking_no_pixel_lies_in_two_splits(height, width, spec, block, edge, seed):
    plan = list(tiles((height, width), spec, edge))
    splits = assign_splits(
        [(tile.row // block, tile.col // block) for tile in plan], (0.6, 0.2, 0.2), seed
    )
    left_out = leaking([tile.window for tile in plan], splits)
    kept = {
        split: cover(
            (height, width),
            [t for t, s, out in zip(plan, splits, left_out, strict=True) if s == split and not out],
        )
        for split in SPLITS
    }
    assert (sum((count > 0).astype(int) for count in kept.values()) <= 1).all()
    assert not any(out for split, out in zip(splits, left_out, strict=True) if split == "test")
    if edge == "pad" and spec.stride == spec.size:
        assert not left_out.any()


def test_leaking_takes_the_least():
    windows = [
        Window(0, 0, 10, 20),
        Window(10, 0, 10, 20),
        Window(5, 3, 10, 20),
        Window(19, 19, 4, 4),
    ]
    assert leaking(windows, ["train", "val", "train", "train"]).tolist() == [
        False,
        False,
        True,
        True,
    ]
    # the val window goes for the test window's sake, so that the train window may stay
    assert leaking(windows[:3], ["train", "test", "val"]).tolist() == [False, False, True]
    assert leaking([], []).tolist() == []


@given(st.integers(0, 999), st.integers(1, 3), st.floats(0, 3))
def test_no_ground_lies_in_two_splits(seed, block, turn):
    """Pictures anyhow: side by side, overlapping and turned."""
    rng = np.random.default_rng(seed)
    beside = [
        shapely.box(x * 0.3, y * 0.2, x * 0.3 + 0.3, y * 0.2 + 0.2)
        for y in range(4)
        for x in range(6)
    ]
    anyhow = [
        shapely.box(x, y, x + 0.31, y + 0.22) for x, y in rng.uniform((0, 0), (3, 2), (15, 2))
    ]
    outlines = np.array(
        [
            shapely.affinity.rotate(box, turn, origin=(0, 0), use_radians=True)
            for box in beside + anyhow
        ]
    )
    splits = np.array(assign_splits(outline_blocks(outlines, block), (0.5, 0.25, 0.25), seed))
    left_out = sharing(outlines, splits)
    ground = [shapely.union_all(outlines[(splits == split) & ~left_out]) for split in SPLITS]
    assert (
        max(shapely.intersection(ground[i], ground[j]).area for i, j in ((0, 1), (0, 2), (1, 2)))
        < 1e-3
    )
    assert not left_out[splits == "test"].any()
    alone = sharing(outlines[: len(beside)], splits[: len(beside)])
    assert not alone.any()


def test_sharing_takes_the_least():
    outlines = np.array(
        [shapely.box(0, 0, 10, 20), shapely.box(10, 0, 20, 20), shapely.box(5, 3, 15, 23)]
    )
    assert sharing(outlines, ["train", "val", "train"]).tolist() == [False, False, True]
    assert sharing(outlines, ["train", "test", "val"]).tolist() == [False, False, True]
    assert sharing(outlines, ["train", "val", "val"]).tolist() == [True, False, False]
    assert sharing(outlines[:0], []).tolist() == []


def test_blocks_are_squares_of_so_many_pictures():
    outlines = np.array(
        [
            shapely.box(7 + x * 30, 5 + y * 20, 37 + x * 30, 25 + y * 20)
            for y in range(3)
            for x in range(4)
        ]
    )
    assert outline_blocks(outlines, 2) == [(y // 2, x // 2) for y in range(3) for x in range(4)]
    assert outline_blocks(outlines, 9) == [(0, 0)] * 12


@pytest.mark.parametrize("edge", ["shift", "pad", "partial", "drop"])
def test_a_raster_of_the_tiles_size_is_one_tile(edge):
    # square: one tile
    assert [tile.window for tile in tiles((32, 32), TilingSpec(32, 5), edge)] == [
        Window(0, 0, 32, 32)
    ]
