"""Held ticks of circuits with inductors: law, books of each bath, quiet directions, arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from problems import F64, quadratic_mean, sigma_points
from rlc import cell, first_law_residual, heat_of, held, network, pair, quadrature_heat, tangle

from thermohw.circuit import LinearDevice, load_device, steady_heat, tick_moments
from thermohw.integrate import Cells, HeldNetwork, HeldNodes, make_stepper
from thermohw.noise import TickNoise


def line(length: int = 8, ends: int = 2) -> LinearDevice:
    """A line of inductors and capacitors with a resistor at one end or both: inside it is quiet."""
    names = [f"n{i}" for i in range(length)]
    resistors = [(names[0], "gnd", 1.0, 1.0), (names[-1], "gnd", 1.0, 2.0)][:ends]
    links = [(a, b, 0.5) for a, b in zip(names[:-1], names[1:], strict=True)]
    return network(dict.fromkeys(names, 1.0), resistors, links)


DEVICES = {
    "cell": cell,
    "overdamped": lambda: cell(0.3),
    "pair": pair,
    "tangle": tangle,
    "series": lambda: network({"a": 1.0}, (), [("a", "gnd", 0.5, 1.0, 1.5)]),
    "line": line,
    "long line": lambda: line(14, ends=1),
    "spu8": lambda: load_device("spu8"),
}


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("h", [1e-3, 0.2])
@pytest.mark.parametrize("name", DEVICES)
def test_law_and_mean_heat_of_a_tick(name: str, h: float, wiring: str) -> None:
    """State law and heat of every bath from a random Gaussian with a random held input.

    Everything a tick books is quadratic in (state, normals), so sigma points give exact means; the
    first law holds for every one of them. Under current wiring the inputs are node currents and
    branch emfs, under emf wiring volts in series with resistors and amperes beside series ones.
    """
    device = DEVICES[name]()
    n, k = device.dim, len(device.elements)
    rng = np.random.default_rng(8)
    root = rng.normal(size=(n, n)) * 0.4 + np.eye(n)
    mean, covariance = rng.normal(size=n), root @ root.T
    source = rng.normal(size=n if wiring == "current" else len(device.controlled))
    stepper = HeldNetwork(device, wiring, dtype=F64)
    if stepper.pieces(h) > 1:
        h = 0.9 * h / stepper.pieces(h)
    states, normals = sigma_points(mean, covariance, stepper.normals)
    inputs = torch.tensor(source).expand(len(states), len(source))
    step = held(stepper, h, states, inputs, normals[None])
    emf, current = np.zeros(k), np.zeros(n)
    if wiring == "emf":
        emf[list(device.controlled)] = source
    else:
        current[:] = source
    moments = tick_moments(device, h)
    exact = moments.propagator @ mean + moments.input @ np.concatenate([emf, current])
    np.testing.assert_allclose(step.end[0].numpy(), exact, rtol=0, atol=1e-12)
    half = (len(states) - 1) // 2
    spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
    after = moments.propagator @ covariance @ moments.propagator.T + moments.end_covariance
    np.testing.assert_allclose(spread.T @ spread, after, rtol=0, atol=1e-12 * np.abs(after).max())
    wanted = quadrature_heat(device, h, mean, covariance, emf=emf, current=current)
    found = quadratic_mean(heat_of(step))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())
    assert first_law_residual(device, step) < 1e-13


@pytest.mark.parametrize("name", ["pair", "tangle", "line"])
def test_steady_heat_of_every_bath(name: str) -> None:
    """A steady state stays, and its tick books Lyapunov's heat: circulating heat included."""
    device, h = DEVICES[name](), 0.1
    stepper = HeldNetwork(device, "emf", dtype=F64)
    covariance = device.stationary_covariance
    states, normals = sigma_points(np.zeros(device.dim), covariance, stepper.normals)
    step = held(stepper, h, states, None, normals[None])
    half = (len(states) - 1) // 2
    spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
    np.testing.assert_allclose(spread.T @ spread, covariance, rtol=0, atol=1e-11)
    heat = quadratic_mean(heat_of(step)) / h
    np.testing.assert_allclose(heat, steady_heat(device), rtol=0, atol=1e-11)


def test_non_normal_motion() -> None:
    """The cell's A is far from normal; the exact covariance after a tick is no shortcut's.

    A is [[1, 25], [-1, 0]]: the formula through its symmetric part would be wrong by an O(1) share.
    """
    device, h = cell(5.0), 0.1
    a = device.drift_matrix
    assert np.abs(a @ a.T - a.T @ a).max() > 100.0
    fine = 20000  # midpoint sum of the defining integral: relative error (h/fine)^2 of order one
    times = (np.arange(fine) + 0.5) * h / fine
    w, alpha = np.sqrt(25.0 - 0.25), 0.5
    # Response of (q, phi) to a kick of charge, from s^2 + s + 25 = 0.
    q = np.exp(-alpha * times) * (np.cos(w * times) - alpha / w * np.sin(w * times))
    phi = np.exp(-alpha * times) * np.sin(w * times) / w
    exact = 2.0 * h / fine * np.array([[q @ q, q @ phi], [q @ phi, phi @ phi]])
    found = tick_moments(device, h).end_covariance
    np.testing.assert_allclose(found, exact, rtol=1e-7)


def test_conditional_mean_heat() -> None:
    """Booked heat of a tick minus that of its eight sub-ticks is uncorrelated with what was drawn.

    Both are conditional means, the finer one knowing more: by the tower rule the coarse one is the
    finer one's mean given the coarse draws. Five baths, so the heat of each is no function of them.
    """
    device, h, cuts, paths = tangle(), 0.2, 8, 12000
    stepper = HeldNetwork(device, "emf", dtype=F64)
    assert stepper.pieces(h) == 1
    n, k = device.dim, len(device.elements)
    generator = torch.Generator().manual_seed(20260101)
    state = torch.randn(paths, n, generator=generator, dtype=F64)
    source = torch.randn(paths, len(device.controlled), generator=generator, dtype=F64)
    z, fine = state, torch.zeros(paths, k, dtype=F64)
    charge, flux = torch.zeros(paths, k, dtype=F64), torch.zeros(paths, n, dtype=F64)
    for _ in range(cuts):
        normals = torch.randn(1, paths, stepper.normals, generator=generator, dtype=F64)
        step = held(stepper, h / cuts, z, source, normals)
        fine, charge, z = fine + heat_of(step), charge + step.charge, step.end
        assert step.flux is not None
        flux = flux + step.flux
    moments = tick_moments(device, h)
    emf = torch.zeros(paths, k, dtype=F64)
    emf[:, list(device.controlled)] = source
    inputs = torch.cat([emf, torch.zeros(paths, n, dtype=F64)], 1)
    mean = state @ torch.tensor(moments.flow_state.T) + inputs @ torch.tensor(moments.flow_input.T)
    drawn = (torch.cat([charge, flux], 1) - mean).T
    factor = stepper.maps(h).flows[-(n + k) :].T  # what the stepper itself draws with
    torch.testing.assert_close(factor @ factor.T, torch.tensor(moments.factor @ moments.factor.T))
    xi = torch.linalg.solve(factor, drawn).T
    assert_z(xi, 0.0, max_z=4.5)
    assert_z(xi.square(), 1.0, max_z=4.5)
    booked = held(stepper, h, state, source, xi[None])
    torch.testing.assert_close(booked.end, z, rtol=0, atol=1e-9)
    gap = heat_of(booked) - fine
    assert float(gap.sum(1).abs().max()) < 1e-7  # first law, through an ill-conditioned L^-1
    assert float(gap.std(0).min()) > 1e-3  # the heat of each bath does fluctuate inside a tick
    probes = [torch.ones(paths, dtype=F64), *xi.T, *(xi.T * xi[:, 0]), *(state.T * xi[:, 1])]
    for probe in probes:
        assert_z(gap * probe[:, None], 0.0, max_z=5.0)  # 145 products: chance 8e-5


def test_long_ticks_are_cut_by_the_turn() -> None:
    """A cell of Q = 40 turns by a radian in 1/40 RC; a tick of one RC is cut accordingly."""
    device = cell(40.0)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    assert 40 <= stepper.pieces(1.0) <= 60
    generator = torch.Generator().manual_seed(20260101)
    normals = torch.randn(stepper.pieces(8.0), 4000, stepper.normals, generator=generator,
                          dtype=F64)  # fmt: skip
    step = held(stepper, 8.0, torch.zeros(4000, 2, dtype=F64), None, normals)
    decayed = np.exp(-8.0)  # the energy's rate is 1 per RC
    efforts = device.efforts(step.end) * torch.tensor([1.0, 1.0 / 40.0])
    # Var - kT oscillates by at most decayed / (2 Q) around -decayed.
    assert_z(efforts.square(), 1.0 - decayed, max_z=4.5)
    assert first_law_residual(device, step) < 1e-12


@pytest.mark.parametrize("method", ["exact", "euler", "heun", "splitting"])
@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_an_array_is_its_cells(method: str, wiring: str) -> None:
    """Stepped cell by cell or as one matrix, the same normals give the same paths and books."""
    from laws import at_rest

    from thermohw.control import Control, Piece
    from thermohw.integrate import Rotating
    from thermohw.integrate.choice import _CONTINUOUS
    from thermohw.noise import Recording

    lossy = ("gnd", "a{}", 0.3, 0.5, 1.7)
    nodes = {f"a{i}": 1.0 for i in range(3)}
    resistors = [(name, "gnd", 1.0, 2.0) for name in nodes]
    coils = [(a, b.format(i), *rest) for i in (2, 0, 1) for a, b, *rest in [lossy]]
    device = network(nodes, resistors, coils)
    cells = make_stepper(device, wiring, method, dtype=F64)
    assert isinstance(cells, Cells) and cells.count == 3
    if method == "exact":
        whole = HeldNetwork(device, wiring, dtype=F64)
    else:
        whole = Rotating(device, lambda d: _CONTINUOUS[method](d, wiring, dtype=F64), dtype=F64)
    assert whole.normals == cells.normals
    generator = torch.Generator().manual_seed(20260101)
    paths, width = 20, device.dim if wiring == "current" else len(device.controlled)
    state = torch.randn(paths, device.dim, generator=generator, dtype=F64)
    feedback = torch.randn(device.dim, width, generator=generator, dtype=F64)

    def act(state: torch.Tensor, *, middle: bool = False) -> Control:
        return at_rest(state, width)._replace(source=torch.tanh(state @ feedback) + float(middle))

    # Deal the normals out alike: the whole draws [all y, all I] or twice all elements, a cell its.
    rows = torch.randn(paths * 3, cells.inner.normals, generator=generator, dtype=F64)
    dealt = torch.zeros(paths, whole.normals, dtype=F64)
    k = 2  # elements of a cell: its resistor, its series resistance
    order = [[0, 4], [1, 5], [2, 3]]  # coils were listed 2, 0, 1
    for i, places in enumerate(order):
        block = rows.view(paths, 3, -1)[:, i]
        dealt[:, places] = block[:, :k]
        if method == "splitting":
            dealt[:, [6 + p for p in places]] = block[:, k:]
    piece = Piece(0, 0.0, 0.05, True, 0, True)
    if method == "exact":
        # Its joint factor mixes the cells' rows in another order: compare laws by the mean only.
        rows, dealt = torch.zeros_like(rows), torch.zeros_like(dealt)
    one = whole.step(piece, state, act(state), noise=Recording(dealt[None]), act=act)
    noise = Recording(rows.view(1, paths, -1))
    other = cells.step(piece, state, act(state), noise=noise, act=act)
    for name in ("start", "end", "force", "charge", "emf", "current", "flux"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(heat_of(one), heat_of(other), rtol=1e-9, atol=1e-12)
    assert one.next_control is not None and other.next_control is not None
    torch.testing.assert_close(one.next_control.source, other.next_control.source)
    assert other.control is not None and other.control.source.shape == (paths, width)


def test_which_stepper() -> None:
    """Arrays of RC nodes keep their own path, joined or unequal RLC cells the matrices."""
    f32 = torch.float32
    assert isinstance(make_stepper(load_device("rc784"), "emf", "exact", dtype=f32), HeldNodes)
    cells = make_stepper(load_device("rlc64"), "emf", "exact", dtype=f32)
    assert isinstance(cells, Cells) and cells.count == 64 and cells.normals == 64 * 3
    for name in ("rlc1", "spu8", "rc8-chain"):
        stepper = make_stepper(load_device(name), "emf", "exact", dtype=f32)
        assert isinstance(stepper, HeldNetwork)
    coils = [("a", "gnd", 0.2), ("b", "gnd", 0.3)]
    unequal = network({"a": 1.0, "b": 1.0}, [(x, "gnd", 1.0, 1.0) for x in "ab"], coils)
    assert isinstance(make_stepper(unequal, "emf", "exact", dtype=f32), HeldNetwork)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["exact", "splitting"])
@pytest.mark.parametrize("name", ["rlc64", "spu8"])
def test_blocks_of_paths_are_bit_identical(name: str, method: str, dtype: torch.dtype) -> None:
    """Two groups of 4096 paths, or the second alone; and again: the same bits."""
    from laws import at_rest

    from thermohw.control import Piece

    device = load_device(name)
    stepper = make_stepper(device, "emf", method, dtype=dtype)

    def run(block: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = TickNoise(2**33 + 7, 4096 * block, 4096, dtype=dtype)
        state = torch.zeros(4096, device.dim, dtype=dtype)
        heat = torch.zeros(4096, len(device.elements), dtype=dtype)
        rest = at_rest(state, len(device.controlled))
        for tick in range(2):
            piece = Piece(tick, 0.01 * tick, 0.01, True, 0, True)
            step = stepper.step(
                piece, state, rest, noise=noise, act=lambda state, middle=False: rest
            )
            state, heat = step.end, heat + heat_of(step)
        return state, heat

    first, second, again = run(0), run(1), run(1)
    assert torch.equal(second[0], again[0]) and torch.equal(second[1], again[1])
    assert not torch.equal(first[0], second[0])
