"""Fields: the specialised forms against the general one, far tails, and every regime of the box."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from thermohw.score.base import _ScaledField
from thermohw.score.mixture_fields import (
    GaussianField,
    GeneralField,
    PairField,
    SharedField,
    mixture_field,
)
from thermohw.score.uniform import UniformField
from thermohw.target import MixtureLaw

WEIGHTS = np.array([0.2, 0.5, 0.3])
POINTS = np.array([[-1.0, 0.5], [1.0, 0.0], [0.3, -2.0]])
FULL = np.array([[1.0, 0.3], [0.3, 0.5]])
LAWS = {
    "line": (GaussianField, MixtureLaw(np.ones(1), np.array([[0.7]]), np.array([[0.3]]))),
    "full": (GaussianField, MixtureLaw(np.ones(1), POINTS[:1], FULL[None])),
    "pair": (PairField, MixtureLaw(np.array([0.3, 0.7]), POINTS[:2, :1], np.full((2, 1), 0.4))),
    "uneven": (
        PairField,
        MixtureLaw(np.array([0.3, 0.7]), POINTS[:2, :1], np.array([[0.4], [0.05]])),
    ),
    "pair in matrix form": (
        PairField,
        MixtureLaw(np.array([0.3, 0.7]), POINTS[:2, :1], np.array([[[0.4]], [[0.05]]])),
    ),
    "triple": (SharedField, MixtureLaw(WEIGHTS, POINTS[:, :1], np.full((3, 1), 0.2))),
    "shared": (SharedField, MixtureLaw(WEIGHTS, POINTS, np.full((3, 2), 0.2))),
    "shared full": (SharedField, MixtureLaw(WEIGHTS, POINTS, np.stack([FULL] * 3))),
    "general": (GeneralField, MixtureLaw(WEIGHTS, POINTS, np.stack([FULL, 2 * FULL, np.eye(2)]))),
}


@pytest.mark.parametrize("name", LAWS)
def test_specialised_fields_equal_the_general_one(name: str, generator: torch.Generator) -> None:
    """The dispatcher picks the form meant for the law; all forms agree, 40 deviations out too."""
    kind, law = LAWS[name]
    field, general = mixture_field(law), GeneralField(law)
    assert type(field) is kind
    for size in (1.0, 40.0):
        x = size * torch.randn(200, law.dim, dtype=torch.float64, generator=generator)
        score, divergence = field.with_divergence(x)
        exact, exact_divergence = general.with_divergence(x)
        scale = float(exact.abs().max())
        torch.testing.assert_close(score, exact, rtol=1e-11, atol=1e-13 * scale)
        # the general form cancels |y_k|^2 against |s|^2
        torch.testing.assert_close(
            divergence, exact_divergence, rtol=0.0, atol=1e-14 * scale**2 + 1e-12
        )


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("form", [mixture_field, GeneralField])
def test_weighted_divergence(name: str, form: Any, generator: torch.Generator) -> None:
    """tr(W grad s), W without symmetry, by Jacobian-vector products through the field."""
    law = LAWS[name][1]
    field = form(law)
    weight = torch.randn(law.dim, law.dim, dtype=torch.float64, generator=generator)
    for size in (1.0, 40.0):
        x = size * torch.randn(200, law.dim, dtype=torch.float64, generator=generator)
        columns = []
        for unit in torch.eye(law.dim, dtype=torch.float64):
            columns.append(torch.func.jvp(field, (x,), (unit.expand_as(x),))[1])
        jacobian = torch.stack(columns, dim=2)  # (paths, score, state)
        assert field.symmetric
        torch.testing.assert_close(jacobian, jacobian.mT, rtol=0.0, atol=1e-11 * size)
        exact = torch.einsum("ij,nji->n", weight, jacobian)
        # rounding of r (y - s) y, of which y grows with the distance
        found = field.weighted_divergence(x, weight)
        torch.testing.assert_close(found, exact, rtol=1e-11, atol=1e-11 * size)
        single = field.weighted_divergence(x.float(), weight)
        assert single is not None and single.dtype == torch.float32
        twice = _ScaledField(field, 2.0)
        assert twice.symmetric
        torch.testing.assert_close(twice.weighted_divergence(x, weight), 2.0 * exact,
                                   rtol=1e-11, atol=2e-11 * size)  # fmt: skip


def test_tails_do_not_overflow() -> None:
    """A million deviations out: finite, and governed by the widest component (float32 as well)."""
    _, law = LAWS["uneven"]
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([[-1e6], [1e6]], dtype=dtype)
        score, divergence = mixture_field(law).with_divergence(x)
        expected = (law.means[0, 0] - x) / 0.4
        torch.testing.assert_close(score, expected, rtol=1e-6, atol=0)
        torch.testing.assert_close(divergence, torch.full((2,), -2.5, dtype=dtype))
        assert torch.isfinite(GeneralField(law).log_prob(x)).all()


def box(y: float, half: float) -> tuple[float, float, float]:
    """ln(sigma p), sigma s and sigma^2 s' of a box of half width H in 400 digits."""
    with mpmath.workdps(400):
        y, half = mpmath.mpf(y), mpmath.mpf(half)
        mass = (
            mpmath.erfc((y - half) / mpmath.sqrt(2)) - mpmath.erfc((y + half) / mpmath.sqrt(2))
        ) / 2
        near, far = mpmath.npdf(y - half), mpmath.npdf(y + half)
        score = (far - near) / mass
        slope = ((y - half) * near - (y + half) * far) / mass - score**2
        return float(mpmath.log(mass / (2 * half))), float(score), float(slope)


@pytest.mark.parametrize("half", [1e-9, 1e-3, 0.0499, 0.0501, 0.5, 1.0, 3.0, 50.0, 3e4])
def test_box_against_multiple_precision(half: float) -> None:
    """All regimes and their seams, at the centre, across the edge and far outside."""
    far = [half * f for f in (0.0, 1e-3, 0.3, 0.999)]
    far += [half + z for z in (-3.0, -1.001, -0.999, 0.0, 1.0, 6.0, 30.0)]
    y = np.array(sorted({abs(v) for v in far}))
    y = np.concatenate([-y[1:], y])
    field = UniformField(-half, half, 1.0)
    x = torch.as_tensor(y[:, None])
    log_p = field.log_prob(x)
    score, slope = field.with_divergence(x)
    exact = np.array([box(v, half) for v in y])
    size = 1.0 + np.abs(y)  # each result rounds relative to the arguments it is made of
    # a narrow box: eight nodes leave 2e-18 (y H)^16, 1e-15 at thirty deviations
    np.testing.assert_allclose(log_p.numpy(), exact[:, 0], rtol=1e-14, atol=1e-12)
    assert np.abs(score[:, 0].numpy() - exact[:, 1]).max() < 1e-12 * size.max()
    outside = np.maximum(np.abs(y) - half, 0.0)
    assert (np.abs(slope.numpy() - exact[:, 2]) < 2e-13 * (1.0 + outside) ** 2 + 1e-12).all()


def test_box_coordinates_of_both_kinds() -> None:
    """A narrow and a wide box side by side: each coordinate is worked out its own way."""
    half = np.array([0.01, 2.0])
    both = UniformField(-half, half, np.ones(2))
    x = torch.linspace(-4, 4, 9, dtype=torch.float64)[:, None].expand(-1, 2).contiguous()
    parts = [UniformField(-h, h, 1.0) for h in half]
    expected = torch.cat([part(x[:, i : i + 1]) for i, part in enumerate(parts)], dim=1)
    torch.testing.assert_close(both(x), expected, rtol=1e-15, atol=0)
    total = sum(part.log_prob(x[:, i : i + 1]) for i, part in enumerate(parts))
    torch.testing.assert_close(both.log_prob(x), torch.as_tensor(total), rtol=1e-15, atol=0)
    slopes = sum(part.divergence(x[:, i : i + 1]) for i, part in enumerate(parts))
    torch.testing.assert_close(both.divergence(x), torch.as_tensor(slopes), rtol=1e-14, atol=0)


def test_box_far_out_in_single_precision() -> None:
    """A thousand deviations outside: the score points back with the distance to the edge."""
    field = UniformField(0.0, 1.0, 0.01)
    x = torch.tensor([[11.0], [-10.0]], dtype=torch.float32)
    torch.testing.assert_close(field(x), torch.tensor([[-1e5], [1e5]]), rtol=1e-3, atol=0)
    assert torch.isfinite(field.log_prob(x)).all() and math.isfinite(field.divergence(x).sum())
