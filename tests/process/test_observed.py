"""What a circuit with inductors tells of the data: noise, clock, laying and reading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from rlc import cell, pair

from thermohw.circuit import langevin
from thermohw.process import Langevin, Observed, process_from_dict

PROCESSES = {
    "ringing": langevin(cell(5.0), 8.0, momentum=0.5),
    "critical": langevin(cell(0.5), 8.0),
    "pair": langevin(pair(), 8.0),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_noise_grows_at_the_rate_of_its_diffusion(name: str) -> None:
    """d(I^-1)/dt = g g^T, central differences: error h^2 times a third derivative that with
    frequencies up to 10 is below 1e3 of the rate."""
    process = Observed(PROCESSES[name])
    for t in (0.05, 0.6, 3.0):
        h = 1e-4 * t
        before, after = (np.asarray(process.transition(s)[1]) for s in (t - h, t + h))
        rate, strength = (after - before) / (2.0 * h), np.asarray(process.diffusion(t))
        size = float(np.abs(process.transition(t)[1]).max()) / t
        assert np.abs(rate - strength).max() < 1e-5 * size


@pytest.mark.parametrize("name", PROCESSES)
def test_clock_has_an_inverse(name: str) -> None:
    """To round-off of the level over its slope; where the level stands still time is free."""
    process = Observed(PROCESSES[name])
    for t in (1e-3, 0.05, 0.6, 3.0, 8.0):
        level = process.log_snr(t)
        assert abs(process.log_snr(process.time_at_log_snr(level)) - level) < 1e-9


def test_the_cell_sees_what_the_table_of_the_whole_says() -> None:
    """1/noise is the tabulated signal-to-noise ratio at its entries."""
    whole = PROCESSES["ringing"]
    process = Observed(whole)
    assert process.isotropic and not Observed(_two_kinds()).isotropic
    for level in whole._levels[0][::32]:
        t = float(np.exp(level))
        assert abs(np.log(process.transition(t)[1]) + whole.log_snr(t)) < 1e-8


def _two_kinds() -> Langevin:
    """Cells of two qualities side by side."""
    ends = [langevin(cell(q), 4.0) for q in (5.0, 1.0)]
    blocks = [np.zeros((4, 4)) for _ in range(2)]
    for k, one in enumerate(ends):
        places = np.ix_([k, 2 + k], [k, 2 + k])
        blocks[0][places], blocks[1][places] = one.A, one.B2
    return Langevin(blocks[0], blocks[1], 4.0, positions=[2, 3])


def test_cells_of_two_kinds_keep_their_own_noise() -> None:
    """The noise of each is that of the cell alone."""
    process = Observed(_two_kinds())
    for t in (0.1, 2.0):
        noise = process.transition(t)[1]
        alone = [Observed(langevin(cell(q), 4.0)).transition(t)[1] for q in (5.0, 1.0)]
        assert np.allclose(noise, np.diag(alone), rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("t", [0.0, 0.02, 1.0])
def test_laid_states_read_the_data_and_keep_the_law_of_the_rest(t: float) -> None:
    """read(lay(y)) = y to round-off; -ln of the rest averages to its entropy."""
    process = PROCESSES["ringing"]
    y = torch.linspace(-2.0, 2.0, 4000, dtype=torch.float64)[:, None]
    w = process.lay(y, t, torch.Generator().manual_seed(1))
    assert (process.read(w, t) - y).abs().max() < 1e-9
    assert_z(process.rest_nll(w, t).numpy(), process.rest_entropy(t))
    assert abs(process.rest_entropy(0.0) - process.rest_entropy(1e-7)) < 1e-5


def test_plain_numbers() -> None:
    """to_dict holds the whole process."""
    process = Observed(PROCESSES["ringing"])
    assert process_from_dict(process.to_dict()["of"]) == process.of
    assert process.dim == 1 and process.duration == 8.0 and process.t_min == 0.0
