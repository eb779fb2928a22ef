"""The largest entropy that samples allow."""

import numpy as np
from acceptance import assert_z

from thermohw.audit.entropy import _largest_entropy, gaussian_entropy


def test_gaussian_samples_give_their_own_entropy_without_bias(rng):
    # n = 5 d: the plain log determinant would be d (d + 1)/(4 n), here 0.65 nats a run, too small.
    d, n, runs = 12, 60, 400
    root = rng.normal(size=(d, d))
    truth = gaussian_entropy(root @ root.T)
    found = np.array([_largest_entropy(rng.normal(size=(n, d)) @ root.T) for _ in range(runs)])
    assert_z(found[:, 0], truth)
    # The standard error counts the influence of each sample, first order in 1/n: a fifth here.
    assert abs(found[:, 0].std(ddof=1) / found[:, 1].mean() - 1.0) < 4 / (2 * runs) ** 0.5 + d / n


def test_it_bounds_the_entropy_of_any_law(rng):
    # Uniform on [0, 1): entropy 0, Gaussian bound (1/2) ln(2 pi e/12) = 0.1765.
    value, stderr = _largest_entropy(rng.uniform(size=(20_000, 1)))
    assert_z(value, 0.5 * np.log(2 * np.pi * np.e / 12), stderr=stderr)


def test_states_without_a_volume_have_no_entropy():
    x = np.random.default_rng(0).normal(size=(40, 1))
    for flat in (np.ones((40, 2)), x @ np.ones((1, 2)), 1e31 + np.zeros((40, 1))):
        assert _largest_entropy(flat) == (-np.inf, 0.0)
