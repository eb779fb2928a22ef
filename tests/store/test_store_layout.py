"""The cutting of a run into units and chunks, and the text that keeps a layout."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.toy import toy_layout

from thermohw.store import Channel, Layout, Result, time_block
from thermohw.store.layout import CHUNK_BYTES


@given(st.integers(1, 200), st.integers(0, 50), st.integers(1, 64), st.integers(1, 60))
def test_units_cover_every_path_and_frame_once_in_order(paths, frames, group, block):
    layout = Layout(paths=paths, steps=range(frames), times=range(frames), group=group, block=block)
    seen = np.zeros((max(1, frames), paths), int)
    last = (-1, -1)
    for unit in layout.all_units():
        seen[unit.frames if frames else slice(None), unit.paths] += 1
        assert (unit.paths.start, unit.frames.start) > last
        last = (unit.paths.start, unit.frames.start)
    assert (seen == 1).all()
    assert len(list(layout.all_units())) == layout.units == layout.groups * layout.blocks


def test_text_gives_back_an_equal_layout():
    layout = toy_layout()
    assert Layout.from_json(layout.to_json()) == layout


@pytest.mark.parametrize(("nodes", "itemsize"), [(1, 4), (8, 4), (64, 4), (64, 8), (3000, 4)])
def test_time_block_makes_chunks_of_one_to_four_mebibytes(nodes, itemsize):
    axes = {"node": tuple(f"n{i}" for i in range(nodes))}
    wide = Channel("voltage", "V", "node", f"float{8 * itemsize}")
    frames = 1000
    block = time_block([wide], axes, frames, group=4096)
    layout = Layout(
        paths=10**5,
        steps=range(frames),
        times=range(frames),
        axes=axes,
        series=(wide,),
        block=block,
    )
    size = prod(layout.chunk(wide)) * itemsize
    assert CHUNK_BYTES // 4 <= size <= CHUNK_BYTES
    # Evenly shared: the last block is short by fewer frames than there are blocks.
    assert layout.blocks * block - frames < layout.blocks


def test_chunks_of_a_large_unit_tile_it():
    axes = {"node": tuple(f"n{i}" for i in range(64))}
    wide = Channel("voltage", "V", "node", "float32")
    layout = Layout(
        paths=8192,
        steps=range(64),
        times=range(64),
        axes=axes,
        series=(wide,),
        block=32,
    )
    frames, paths, nodes = layout.chunk(wide)
    assert (32 % frames, 4096 % paths, nodes) == (0, 0, 64)
    assert frames * paths * nodes * 4 == CHUNK_BYTES


@given(st.integers(1, 300), st.integers(1, 100), st.integers(1, 70), st.integers(0, 2**24))
def test_chunks_never_reach_into_the_next_unit(frames, nodes, block, state):
    axes = {"node": tuple(f"n{i}" for i in range(nodes))}
    series = (Channel("voltage", "V", "node", "float32"), Channel("power", "W"))
    own = time_block(series, axes, frames, group=4096, state_size=state)
    for chosen in (block, own):
        layout = Layout(
            paths=10**4,
            steps=range(frames),
            times=range(frames),
            axes=axes,
            series=series,
            block=chosen,
        )
        for channel in series:
            chunk = layout.chunk(channel)
            assert layout.blocks == 1 or layout.block % chunk[0] == 0
            assert layout.group % chunk[1] == 0
            assert prod(chunk) * channel.itemsize <= CHUNK_BYTES
    if layout.blocks > 1:
        assert 16 * state <= layout.block * 4096 * (4 * nodes + 8), "the state is small beside it"


@pytest.mark.parametrize(
    "change",
    [
        {"steps": (0, 0), "times": (0.0, 1.0)},
        {"steps": (0, 1), "times": (1.0, 0.0)},
        {"series": (Channel("v", "V"), Channel("v", "V")), "steps": (0,), "times": (0.0,)},
        {"series": (Channel("v", "V", "node"),), "steps": (0,), "times": (0.0,)},
        {"series": (Channel("v", "V"),)},
        {"ledger": (Channel("q/r", "J"),)},
        {"ledger": (Channel("q", "J", dtype="float32"),)},
        {"ledger": (Channel("q", "µJ"),)},
        {"axes": {"path": ("a",)}},
        {"results": (Result("a", (2,), dims=("k",)), Result("b", (3,), dims=("k",)))},
        {"results": (Result("a", (7,), dims=("path",)),)},
    ],
)
def test_nonsense_is_refused(change):
    with pytest.raises(AssertionError):
        Layout(**{"paths": 5, **change})
