"""Both trunks under every head: exact divergences, exact preconditioners, checked sizes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import thermohw.score.network.trunk as trunk_module
from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Process
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.score.network.mlp import MLP
from thermohw.score.network.trunk import Trunk
from thermohw.score.network.unet import UNet
from thermohw.target import DataSet, Target, gaussian_pixels, uniform_pixels


def pictures(shape: tuple[int, ...], levels: int = 4) -> DataSet:
    """Rows of whole numbers 0..levels-1, read as pictures."""
    rows = np.random.default_rng(5).integers(0, levels, (60, math.prod(shape)))
    rows[0], rows[1] = 0, levels - 1
    table = {"kind": "grey"}
    return DataSet(rows, np.zeros(60), table=table, name="grey", step=1.0, image_shape=shape)


def network(target: Target, process: Process, *, output: float, **architecture) -> NetworkScore:
    """A network with random weights; output = 0 leaves the preconditioner alone."""
    head = design(target, process, {"bumps": 5, "width": 6} | architecture)
    generator = torch.Generator().manual_seed(2)
    weights = head.trunk.initial(generator)
    for name, value in weights.items():
        if not value.any():
            weights[name] = output * torch.randn(value.shape, generator=generator)
    return NetworkScore(head, weights)


def states(target: Target, process: Process, t: float, n: int) -> Tensor:
    mean, covariance = process.propagate(target.mean, target.covariance, t)
    spread = torch.as_tensor(np.sqrt(np.diagonal(np.asarray(covariance) * np.eye(target.dim))))
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(n, target.dim, dtype=torch.float64, generator=generator)
    return torch.as_tensor(mean) + normal * spread


UNETS = [
    (uniform_pixels(8), VE(25.0), {"head": "gaussian"}),
    (uniform_pixels(5), VP(), {"head": "plain", "depth": 2}),
    (uniform_pixels(16), VE(25.0), {"head": "plain", "width": 3}),
    (pictures((4, 5, 2)), VP(t_min=1e-3), {"head": "levels"}),
    (pictures((4, 5, 2)), OU(3.0), {"head": "gaussian"}),
]


@pytest.mark.parametrize(("target", "process", "extra"), UNETS)
def test_divergence_of_a_u_net(target, process, extra, monkeypatch):
    score = network(target, process, output=0.3, trunk="unet", **extra)
    assert isinstance(score.head.trunk, UNet) and score.divergence_products == target.dim
    t = 0.3 * process.duration
    field, x = score.at(t), states(target, process, t, 3)
    value, divergence = field.with_divergence(x)
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: field(row[None])[0]))(x)
    expected = jacobian.diagonal(dim1=1, dim2=2)
    # round-off of a sum of some hundreds of products, relative to the sizes that are summed
    assert (divergence - expected.sum(1)).abs().max() < 1e-12 * expected.abs().sum(1).max()
    assert (value - field(x)).abs().max() <= 1e-13 * value.abs().max()
    # in other tiles of directions, the same sums in another order
    monkeypatch.setattr(trunk_module, "_TANGENTS", 21)
    again = score.at(t).divergence(x)
    assert (again - divergence).abs().max() < 1e-12 * expected.abs().sum(1).max()


@pytest.mark.parametrize("head", ["gaussian", "plain"])
def test_divergence_of_a_u_net_by_finite_differences(head):
    target, process = uniform_pixels(4), VE(25.0)
    score = network(target, process, output=0.3, trunk="unet", head=head)
    field, x = score.at(0.4), states(target, process, 0.4, 2)
    errors = []
    for step in (4e-2, 2e-2):
        moves = step * float(x.std()) * torch.eye(target.dim, dtype=torch.float64)
        ahead, behind = (field((x[:, None] + s * moves).flatten(0, 1)) for s in (1.0, -1.0))
        slopes = (ahead - behind).unflatten(0, (len(x), -1)) / (2.0 * moves[0, 0])
        errors.append((slopes.diagonal(dim1=1, dim2=2).sum(1) - field.divergence(x)).abs().max())
    # central differences: an error of second order, so a quarter at half the step, up to the fourth
    assert errors[1] > 0.0
    assert 3.5 < errors[0] / errors[1] < 4.5


@pytest.mark.parametrize("kinds", [1, 3])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_traces_of_a_dense_trunk(depth, kinds, generator):
    dim, n = 5, 4
    mlp = MLP(inputs=dim, outputs=kinds * dim, width=7, depth=depth, bumps=4)
    weights = {k: torch.randn(s, generator=generator).double() for k, s in mlp.shapes.items()}
    modulation = mlp.modulate(weights, mlp.features(torch.tensor([0.3, 0.8], dtype=torch.float64)))
    u = torch.randn(2, n, dim, generator=generator).double()
    value, slopes = mlp.with_slopes(weights, modulation, u)
    torch.testing.assert_close(value, mlp(weights, modulation, u), rtol=1e-13, atol=1e-13)
    whole = torch.func.jacfwd(lambda v: mlp(weights, modulation, v).sum(1))
    jacobian = torch.stack(
        [whole(u[:, [i]])[range(2), :, range(2), 0] for i in range(n)], 1
    )  # (times, n, outputs, inputs)
    multipliers = torch.randn(kinds, 2, n, dim, generator=generator).double()
    diagonal = jacobian.unflatten(2, (kinds, dim)).diagonal(dim1=3, dim2=4)
    expected = (diagonal * multipliers.permute(1, 2, 0, 3)).sum((2, 3))
    mixings = [torch.randn(*s, dim, kinds * dim, generator=generator).double() for s in ((), (2,))]
    for one in (mlp, _Tangents(mlp)):
        found = one.varying_trace(weights, slopes, multipliers)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)
        for mixing in mixings:
            exact = torch.einsum("tnoi,tio->tn", jacobian, mixing.expand(2, -1, -1))
            found = one.fixed_trace(weights, slopes, mixing)
            torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-11)
    assert mlp.closed_form == (depth <= 2)


class _Tangents:
    """The traces that every trunk has, for a trunk with better ones."""

    def __init__(self, trunk: Trunk) -> None:
        self.outputs, self.tangents = trunk.outputs, trunk.tangents

    varying_trace = Trunk.varying_trace
    fixed_trace = Trunk.fixed_trace


@pytest.mark.parametrize("process", [OU(3.0), VP(), VE(25.0)], ids=lambda p: p.kind)
def test_gaussian_pictures_are_exact_before_training(process):
    target = gaussian_pixels(4)
    untrained = network(target, process, output=0.0, trunk="unet", head="gaussian")
    exact = target.score(process)
    for t in (0.02, 0.3, process.duration):
        x = states(target, process, t, 20)
        # condition number of p_t's covariance times round-off
        torch.testing.assert_close(untrained.at(t)(x), exact.at(t)(x), rtol=1e-10, atol=1e-11)
    plain = network(target, process, output=0.0, trunk="unet", head="plain")
    assert not plain.at(0.3)(states(target, process, 0.3, 5)).any()


def test_a_u_net_knows_where_it_is():
    # the same picture value everywhere: what differs between inner pixels is the learned map
    score = network(uniform_pixels(8), VE(25.0), output=0.3, trunk="unet", head="plain")
    weights = dict(score.parameters) | {"bias_out": torch.zeros(64, 5)}
    x = torch.full((1, 64), 0.7, dtype=torch.float64)
    inner = NetworkScore(score.head, weights)(x, 0.2).view(8, 8)[3:5, 3:5]
    assert float(inner.std()) > 0.0
    flat = weights | {"map_in": torch.zeros(6, 8, 8)}
    edge = NetworkScore(score.head, flat)(x, 0.2).view(8, 8)
    assert torch.isfinite(edge).all() and not torch.equal(edge[3:5, 3:5], inner)


def test_single_precision_and_bfloat16_follow_double():
    score = network(uniform_pixels(8), VE(25.0), output=0.3, trunk="unet", head="gaussian")
    x = states(uniform_pixels(8), VE(25.0), 0.3, 20)
    head, field = score.head, score.at(0.3)
    value = field(x)
    # a dozen layers of sums over up to 108 products, each rounded to half a unit in the last place
    # with random signs, to be allowed twentyfold
    scale = float(value.abs().max())
    assert (field(x.float()) - value).abs().max() < 20.0 * 12.0 * 2.0**-24 * scale
    modulation = head.trunk.modulate(score.parameters, head.trunk.features(torch.tensor([0.5])))
    u = torch.randn(1, 30, 64, generator=torch.Generator().manual_seed(1))
    single = head.trunk(score.parameters, modulation, u)
    halves = {name: v.bfloat16() for name, v in score.parameters.items()}
    half = head.trunk(halves, modulation, u)
    assert half.dtype == torch.float32
    relative = float((half - single).norm() / single.norm())
    assert 0.0 < relative < math.sqrt(12.0) * 3.0 * 2.0**-8  # three roundings in a layer


def test_default_trunks():
    small, large = uniform_pixels(16), uniform_pixels(17)
    assert isinstance(design(small, VP()).trunk, MLP)
    assert isinstance(design(large, VP()).trunk, UNet)
    assert isinstance(design(large, VP(), {"trunk": "mlp"}).trunk, MLP)
    colour = design(pictures((4, 5, 2)), VP(), {"trunk": "unet", "width": 4}).trunk
    assert isinstance(colour, UNet) and colour.picture == (4, 5, 2) and colour.dropout == 0.1
    for bad in (uniform_pixels(3), pictures((4, 3))):
        with pytest.raises(InputError, match="4 x 4"):
            design(bad, VP(), {"trunk": "unet"})
    with pytest.raises(ValueError, match="numbers"):
        replace(colour, picture=(4, 4, 2))


def test_what_a_divergence_costs():
    target, process = uniform_pixels(4), VP()
    closed = network(target, process, output=0.1, trunk="mlp", head="gaussian")
    deep = network(target, process, output=0.1, trunk="mlp", head="plain", depth=3)
    levels = network(pictures((4, 4)), process, output=0.1, trunk="mlp", head="levels")
    products = [s.divergence_products for s in (closed, deep, levels, target.score(process))]
    assert products == [0, 16, 16, 0]
    assert deep.scaled(0.9).divergence_products == 16


def test_multiply_accumulates_are_what_the_layers_do(monkeypatch):
    trunk = design(pictures((5, 6, 2)), VP(), {"trunk": "unet", "width": 4, "depth": 2}).trunk
    weights = trunk.initial(torch.Generator().manual_seed(0))
    modulation = trunk.modulate(weights, trunk.features(torch.tensor([0.5])))
    convolve, counted = torch.nn.functional.conv2d, [trunk.outputs * 2]

    def counting(h: Tensor, w: Tensor, **options) -> Tensor:
        out = convolve(h, w, **options)
        counted.append(w[0].numel() * out[0].numel())
        return out

    monkeypatch.setattr("thermohw.score.network.unet.conv2d", counting)
    trunk(weights, modulation, torch.zeros(1, 1, 60))
    assert trunk.multiply_accumulates == sum(counted)
    dense = design(uniform_pixels(4), VP(), {"width": 6, "depth": 3}).trunk
    matrices = [math.prod(s) for k, s in dense.shapes.items() if k.startswith("weight")]
    assert dense.multiply_accumulates == sum(matrices)
