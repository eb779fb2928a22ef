"""What the arithmetic of a score counts as, whatever its network and whatever wraps it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import VP
from thermohw.score import CalibratedScore, Score
from thermohw.score.network import NetworkScore
from thermohw.score.network.counts import Counts, counts_of, multiply_accumulates
from thermohw.score.network.design import design
from thermohw.score.weights import score_from_bytes, score_to_bytes
from thermohw.target import gaussian, uniform_pixels

PROCESS = VP(0.1, 20.0, t_min=1e-3)


def untrained(trunk: str, side: int, **numbers: int) -> NetworkScore:
    """A network with its first weights."""
    target = uniform_pixels(side)
    head = design(target, PROCESS, {"head": "plain", "trunk": trunk, **numbers})
    weights = head.trunk.initial(torch.Generator().manual_seed(0))
    record = {"shift": [0.0] * target.dim, "scale": 1.0}
    return NetworkScore(head, weights, record=record)


def test_a_dense_network_counts_its_matrices() -> None:
    score = untrained("mlp", 4, width=10, depth=3)
    assert multiply_accumulates(score) == 10 * 16 + 2 * 10 * 10 + 16 * 10


def test_a_convolution_counts_at_every_pixel() -> None:
    # 8 x 8, one colour, 4 channels above and 8 below, a block each way and one at the bottom
    score, top, low = untrained("unet", 8, width=4, depth=1), 64, 16
    blocks = 2 * (2 * 4 * 4 * 9) * top + 2 * 8 * 8 * 9 * low
    between = 4 * 8 * 9 * low + 8 * 4 * low
    ends = 9 * 4 * top + 9 * 4 * top + 64  # the first map, the last, and what skips them all
    assert multiply_accumulates(score) == blocks + between + ends


@pytest.mark.parametrize("trunk", ["mlp", "unet"])
def test_wrapped_and_stored_scores_count_alike(trunk: str) -> None:
    score = untrained(trunk, 4, width=4)
    count = score.head.trunk.multiply_accumulates
    table = np.array([-1.0, 1.0]), np.ones(2), np.zeros(2)
    tuned = CalibratedScore(score, *table)
    again = score_from_bytes(score_to_bytes(score), PROCESS)
    for made in (score, score.scaled(0.9), tuned, tuned.scaled(0.9), again):
        assert multiply_accumulates(made) == count


def test_formulas_are_not_counted() -> None:
    exact = gaussian([0.0, 0.0]).score(PROCESS)
    assert multiply_accumulates(exact) is None
    assert multiply_accumulates(exact.scaled(0.9)) is None


class Own(Score):
    """A score that nobody but its author knows."""

    exact = False

    def at(self, t: float) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("says", "counts"),
    [({}, None), ({"weights": 7}, None), ({"multiply_accumulates": 9}, Counts(9, None)),
     ({"multiply_accumulates": np.int64(9), "weights": 7}, Counts(9, 7))],
)  # fmt: skip
def test_a_score_of_ones_own_says_what_it_takes(
    says: dict[str, Any], counts: Counts | None
) -> None:
    """Weights that it does not tell are not made up."""
    assert counts_of(type("Said", (Own,), says)()) == counts


@pytest.mark.parametrize(
    "says",
    [{"multiply_accumulates": 9, "weights": -5}, {"multiply_accumulates": 9, "weights": "x"},
     {"multiply_accumulates": 0}, {"multiply_accumulates": "many"}],
)  # fmt: skip
def test_counts_that_are_none(says: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"score\.(weights|multiply_accumulates)"):
        counts_of(type("Said", (Own,), says)())
