"""The resume state as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from thermohw.store.state import pack, state_bytes, unpack

numbers = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.uint8, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, min_side=0),
)
states = st.dictionaries(
    st.text(max_size=8), st.one_of(numbers, st.binary(), st.integers()), max_size=5
)


@given(states, st.integers(0, 2**40))
def test_a_state_survives_bit_by_bit(state, commit):
    slot = pack(state, commit) + b"left over from a longer state"
    back = unpack(slot, commit)
    assert back is not None and list(back) == list(state)
    for name, value in state.items():
        other = back[name]
        if isinstance(value, np.ndarray):
            assert isinstance(other, np.ndarray)
            assert (other.dtype, other.shape) == (value.dtype, value.shape)
            assert other.tobytes() == value.tobytes()
        else:
            assert type(other) is type(value) and other == value


def test_a_slot_that_is_not_whole_is_not_a_state():
    slot = pack({"x": np.arange(9.0), "rng": b"abc", "n": 5}, 7)
    assert unpack(slot, 7) is not None
    assert unpack(slot, 6) is None, "another commit's state"
    assert unpack(b"", 7) is None and unpack(bytes(100), 0) is None
    for position in range(len(slot)):
        torn = bytearray(slot)
        torn[position] ^= 1
        assert unpack(bytes(torn), 7) is None, f"byte {position} flipped"
        assert unpack(slot[:position], 7) is None, f"cut at {position}"


def test_reserved_size_covers_grown_integers():
    size = state_bytes({"n": 0, "x": np.zeros(4)})
    assert len(pack({"n": -(2**127), "x": np.ones(4)}, 2**60)) <= size


def test_objects_are_refused():
    with pytest.raises(AssertionError):
        pack({"x": np.array([object()])}, 0)
