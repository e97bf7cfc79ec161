import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geoseg.core.blend import Axis, StripBlender, window_weights
from geoseg.core.tiling import offsets, tiles
from geoseg.io.scratch import scratch
from geoseg.specs import TilingSpec


def cut(scene, spec, edge="shift"):
    for tile in tiles(scene.shape[1:], spec, edge):
        w = tile.window
        chip = scene[:, w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]
        missing = w.height - chip.shape[1], w.width - chip.shape[2]
        yield tile, np.pad(chip, ((0, 0), (0, missing[0]), (0, missing[1])), constant_values=1e9)


def blend(windows, shape, spec, **keywords):
    blender = StripBlender(shape, spec, **keywords)
    for tile, array in windows:
        while blender.row < tile.row:
            yield from blender.finish_row()
        blender.add(tile, array)
    while not blender.done:
        yield from blender.finish_row()


def mosaic(windows, shape, spec, **keywords):
    out, at = [], 0
    for row, strip in blend(windows, shape, spec, **keywords):
        assert row == at and strip.dtype == np.float32
        out.append(strip)
        at += strip.shape[1]
    return np.concatenate(out, axis=1)


@st.composite
def tilings(draw):
    size = draw(st.integers(1, 24))
    overlap = draw(st.integers(0, size - 1))
    return TilingSpec(size, overlap, draw(st.integers(1, size - overlap)))


tiling_cases = given(
    st.integers(1, 60),
    st.integers(1, 60),
    tilings(),
    st.integers(0, 12),
    st.sampled_from(["hann", "mean"]),
    st.sampled_from(["shift", "pad", "partial"]),
)


@settings(max_examples=150, deadline=None)
@tiling_cases
@example(17, 5, TilingSpec(8, 7), 3, "hann", "shift")
def test_constant_in_constant_out(height, width, spec, margin, kind, edge):
    assume(height != width)
    scene = np.full((2, height, width), 0.7, np.float32)
    scene[1] = 1
    out = mosaic(
        cut(scene, spec, edge),
        (height, width),
        spec,
        channels=2,
        margin=margin,
        kind=kind,
        edge=edge,
    )
    np.testing.assert_allclose(out, scene, rtol=1e-6, atol=0)


@settings(max_examples=60, deadline=None)
@tiling_cases
def test_windows_that_agree_give_the_scene_back(height, width, spec, margin, kind, edge):
    assume(height != width)
    scene = np.random.default_rng(height * 61 + width).random((1, height, width), np.float32)
    out = mosaic(cut(scene, spec, edge), (height, width), spec, margin=margin, kind=kind, edge=edge)
    np.testing.assert_allclose(out, scene, rtol=1e-6, atol=0)


def _weights(length, start, spec, edge, **keywords):
    """Of the window that starts there, by the pixels it shares with the one before and after."""
    covered = [set(range(at, min(at + spec.size, length))) for at in offsets(length, spec, edge)]
    index = offsets(length, spec, edge).index(start)
    own = covered[index]
    before = len(own & covered[index - 1]) if index else 0
    after = len(own & covered[index + 1]) if index + 1 < len(covered) else 0
    return window_weights(len(own), spec.overlap, before=before, after=after, **keywords)


@settings(max_examples=60, deadline=None)
@tiling_cases
def test_strips_agree_with_a_mosaic_of_whole_arrays(height, width, spec, margin, kind, edge):
    """Every window says something else: the answer is the sum of weight times value over the sum of
    weights.
    """
    assume(height != width)
    rng = np.random.default_rng(width * 61 + height)
    windows = [
        (tile, rng.random((1, *chip.shape[1:]), np.float32))
        for tile, chip in cut(np.zeros((1, height, width)), spec, edge)
    ]
    total, norm = np.zeros((height, width)), np.zeros((height, width))
    for tile, array in windows:
        w = tile.window
        h, v = min(w.height, height - w.row_off), min(w.width, width - w.col_off)
        weight = np.outer(
            _weights(height, w.row_off, spec, edge, margin=margin, kind=kind),
            _weights(width, w.col_off, spec, edge, margin=margin, kind=kind),
        )
        part = slice(w.row_off, w.row_off + h), slice(w.col_off, w.col_off + v)
        total[part] += weight * array[0, :h, :v]
        norm[part] += weight
    assert (norm > 0).all()
    out = mosaic(windows, (height, width), spec, margin=margin, kind=kind, edge=edge)
    np.testing.assert_allclose(out[0], total / norm, rtol=1e-5, atol=1e-6)


def test_weights():
    hann = window_weights(12, 4)
    np.testing.assert_allclose(hann[:4] + hann[-4:], 1)
    np.testing.assert_allclose(hann[4:8], 1)
    assert (hann > 0).all() and (np.diff(hann[:4]) > 0).all()
    np.testing.assert_array_equal(window_weights(9, 4, kind="mean"), np.ones(9))
    np.testing.assert_array_equal(window_weights(9, 0), np.ones(9))
    np.testing.assert_array_equal(window_weights(9, 4, before=0, after=0), np.ones(9))
    with pytest.raises(ValueError, match="unknown blend 'cosine'"):
        window_weights(9, 4, kind="cosine")


@pytest.mark.parametrize("kind", ["hann", "mean"])
def test_the_margin_is_not_trusted_where_a_neighbour_knows_better(kind):
    spec, shape = TilingSpec(20, 8), (44, 68)
    scene = np.random.default_rng(3).random((1, *shape), np.float32)
    windows = []
    for tile, chip in cut(scene, spec):
        w, spoilt = tile.window, chip.copy()
        if w.row_off > 0:
            spoilt[:, :3] = 99
        if w.row_off + 20 < shape[0]:
            spoilt[:, -3:] = 99
        if w.col_off > 0:
            spoilt[..., :3] = 99
        if w.col_off + 20 < shape[1]:
            spoilt[..., -3:] = 99
        windows.append((tile, spoilt))
    np.testing.assert_allclose(mosaic(windows, shape, spec, margin=3, kind=kind), scene, rtol=1e-6)


def test_a_margin_wider_than_half_the_overlap_still_covers_every_pixel():
    axis = Axis.of(50, TilingSpec(16, 5), margin=9)
    total = np.zeros(50)
    for start, share in zip(axis.offsets, axis.shares, strict=True):
        total[start : start + len(share)] += share
    np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_the_seam_is_a_smooth_ramp():
    spec = TilingSpec(16, 8)
    windows = [
        (tile, np.full_like(chip, tile.col))
        for tile, chip in cut(np.zeros((1, 13, 24), np.float32), spec)
    ]
    row = mosaic(windows, (13, 24), spec)[0, 5]
    assert (row[:8] == 0).all() and (row[16:] == 1).all()
    assert (np.diff(row[7:17]) > 0).all() and np.diff(row).max() < 0.25


def test_the_seam_lies_in_the_middle_of_what_two_windows_share():
    """The last window is moved back: away from the borders of both, which know the least."""
    axis = Axis.of(50, TilingSpec(32, 8), margin=2)
    assert axis.offsets == (0, 18)  # 14 pixels are shared, 18 to 31
    left = axis.shares[0]
    assert (left[:23] == 1).all() and (left[27:] == 0).all()
    np.testing.assert_allclose(left[23:27] + axis.shares[1][5:9], 1)
    np.testing.assert_allclose(left[:50], axis.shares[1][::-1])


def test_rows_come_as_soon_as_no_window_can_change_them():
    spec, shape = TilingSpec(10, 4), (23, 31)
    fed = []

    def windows():
        for tile, chip in cut(np.ones((1, *shape), np.float32), spec):
            fed.append(tile.row)
            yield tile, chip

    strips = blend(windows(), shape, spec)
    for row, strip in strips:
        following = min(
            (t.window.row_off for t in tiles(shape, spec) if t.window.row_off > row), default=23
        )
        assert row + strip.shape[1] == following
        assert sorted(set(fed))[-1] <= sum(o <= row for o in (0, 6, 12, 13))
    assert len(fed) == len(list(tiles(shape, spec)))


def test_windows_may_be_left_out():
    spec, shape = TilingSpec(10, 4), (40, 31)
    windows = [
        (t, c)
        for t, c in cut(np.ones((1, *shape), np.float32), spec)
        if t.row != 2 and t.id != "r0000_c0001"
    ]
    out = mosaic(windows, shape, spec)
    assert out.shape == (1, *shape)
    assert out[0, 3, 3] == 1 and out[0, 3, 11] == 0 and out[0, 17, 20] == 0 and out[0, 38, 2] == 1
    assert (mosaic([], shape, spec) == 0).all()


@settings(max_examples=60, deadline=None)
@tiling_cases
@example(41, 60, TilingSpec(16, 15), 2, "hann", "shift")
def test_strips_and_files_change_nothing(height, width, spec, margin, kind, edge):
    """The same bits for any height of the strips, and where the rows lie in files."""
    assume(height != width)
    rng = np.random.default_rng(height * 61 + width)
    windows = [
        (tile, rng.random((2, spec.size, spec.size), np.float32))
        for tile in tiles((height, width), spec, edge)
        if rng.random() < 0.8
    ]
    keywords = {"channels": 2, "margin": margin, "kind": kind, "edge": edge}
    whole = mosaic(windows, (height, width), spec, **keywords)
    for strip_rows, held in ((1, 0), (3, 1000), (7, 10**6)):
        keywords |= {"strip_rows": strip_rows, "allocate": scratch(None, held)}
        np.testing.assert_array_equal(mosaic(windows, (height, width), spec, **keywords), whole)


def test_columns_in_any_order_but_rows_in_order():
    spec, shape = TilingSpec(8, 2), (14, 26)
    scene = np.random.default_rng(5).random((1, *shape), np.float32)
    windows = sorted(cut(scene, spec), key=lambda w: (w[0].row, -w[0].col))
    np.testing.assert_allclose(mosaic(windows, shape, spec), scene, rtol=1e-6)
    blender = StripBlender(shape, spec)
    with pytest.raises(ValueError, match="r0001_c0000 came while row 0"):
        blender.add(next(t for t in tiles(shape, spec) if t.row == 1), np.ones((1, 8, 5)))


def test_a_tiling_with_gaps_is_refused():
    with pytest.raises(ValueError, match="without a window"):
        StripBlender((15, 26), TilingSpec(8, 2), edge="drop")
