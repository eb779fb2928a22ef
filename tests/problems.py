"""Problems with known answers, and two exact ways of asking the engine what it expects.

The OU mixture (weights 1/2, means +-1, variance 0.4, duration 3) on one RC node is the package's
reference problem. `rates` integrates its continuous-time accounts from the density alone, with
none of the package's code.

Monte Carlo knows a mean to 1/sqrt(paths). Where more digits are wanted the engine itself is asked
exactly. One tick of any stepper is a map (state, normals) -> (state', what the observers booked),
so expectations can be propagated instead of sampled:

    one node       U_n(x) = E_xi[ booked(x, xi) + U_{n+1}(x'(x, xi)) ],   U_N = 0,
                   U on a fine grid (quintic spline), the normals by Gauss-Hermite nodes
    linear loop    z' and every charge are affine in (z, xi), every heat and work quadratic: the
                   mean of a quadratic form over N(m, P) is exact on the 2d + 1 points m, m +- L_i

Both drive `TileRun` with the real controller, stepper and observers, one tick at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.interpolate import make_interp_spline

from thermohw.books import Ledger
from thermohw.circuit import LinearDevice, Scale, load_device, node_moments
from thermohw.control import Protocol
from thermohw.integrate import Engine, Tile, TileRun, make_engine, tiles
from thermohw.noise import Recording
from thermohw.process import OU, VE, Process
from thermohw.score import ExactScore
from thermohw.target import gaussian, gaussian_mixture

F64 = torch.float64

# Continuous-time accounts of the OU mixture to six digits (quadrature; `rates` repeats it).
REFERENCE = {
    "emf continuous heat": 0.017577,
    "emf clocked heat": -0.164350,
    "current heat": 0.199504,
    "current work": 0.399008,
    "pumping": 0.181927,
    "production": 0.108541,
    "entropy change": 0.090963,
}


# ---------------------------------------------------------------------------------- problems


def rc1(**overrides: Any) -> LinearDevice:
    """The one-node device."""
    return load_device("rc1", {k.replace("__", "."): v for k, v in overrides.items()})


def chain(*, hot: bool) -> LinearDevice:
    """Eight coupled nodes, with the left end at 600 K or all at 300 K."""
    return load_device("rc8-chain", {} if hot else {"r0.temperature": "300 K"})


def unequal_nodes() -> LinearDevice:
    """Three uncoupled nodes that differ in C, R and T."""
    return LinearDevice(
        name="unequal", scale=Scale(1e-12, 1e6, 300.0), nodes=("a", "b", "c"),
        elements=("ra", "rb", "rc"), hessian=np.diag([1.0, 0.5, 4.0]),
        structure=np.zeros((3, 3)), directions=np.eye(3), coefficients=np.array([1.0, 2.0, 0.3]),
        temperatures=np.array([1.0, 2.0, 0.7]), controlled=(0, 1, 2),
    )  # fmt: skip


def mixture_score(process: Process | None = None) -> ExactScore:
    """Exact score of the OU mixture's data under a process (default OU over 3 RC)."""
    target = gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5, weights=[0.5, 0.5])
    return target.score(process or OU(duration=3.0))


def mixture_protocol(wiring: str, control: str, ticks: int, **settings: Any) -> Protocol:
    """The OU mixture on rc1."""
    score = mixture_score()
    return Protocol(rc1(), score.process, score, wiring=wiring, control=control, ticks=ticks,
                    **settings)  # fmt: skip


def quadrupling() -> VE:
    """The VE process that takes variance 1 to variance 4."""
    from scipy.optimize import brentq

    def excess(sigma: float) -> float:
        return (sigma * sigma - 1.0) / (2.0 * np.log(sigma)) - 3.0

    return VE(sigma=float(brentq(excess, 1.5, 10.0, xtol=1e-14)))  # type: ignore[arg-type]


def quadrupling_protocol(
    wiring: str, control: str, ticks: int, theta: float, **settings: Any
) -> Protocol:
    """One Gaussian, variance 1 -> 4 under VE, with the thermal variance theta in model units."""
    device, process = rc1(), quadrupling()
    score = gaussian([0.0], 1.0).score(process)
    return Protocol(device, process, score, wiring=wiring, control=control, ticks=ticks,
                    volts_per_unit=device.scale.voltage / theta**0.5, **settings)  # fmt: skip


def device_from(
    conductance: np.ndarray,
    capacitance: np.ndarray,
    temperatures: Any = 1.0,
    *,
    structure: np.ndarray | None = None,
) -> LinearDevice:
    """A device made by hand: one element along every eigenvector of a conductance matrix.

    Args:
        conductance: symmetric positive definite, shape (n, n).
        capacitance: symmetric positive definite, shape (n, n).
        temperatures: of the elements, eigenvalues ascending: float or shape (n,).
        structure: skew J, default none.
    """
    n = len(conductance)
    values, vectors = np.linalg.eigh(conductance)
    return LinearDevice(
        name="by hand",
        scale=Scale(1e-12, 1e6, 300.0),
        nodes=tuple(f"n{i}" for i in range(n)),
        elements=tuple(f"r{i}" for i in range(n)),
        hessian=np.linalg.inv(capacitance),
        structure=np.zeros((n, n)) if structure is None else structure,
        directions=vectors.T.copy(),
        coefficients=values,
        temperatures=np.broadcast_to(np.asarray(temperatures, dtype=float), (n,)).copy(),
        controlled=tuple(range(n)),
    )


# ------------------------------------------------------------- continuous time, by quadrature


def rates(means: Any, variances: Any, weights: Any, duration: float) -> dict[str, float]:
    """Accounts of the exactly controlled OU generation of a 1-D mixture in the limit of no ticks.

    b = x + 2 s is the reverse drift, u = 2 x + 2 s what the controller adds (D = 1, times in RC):

        emf continuous  int E b^2 + E b'          emf held     minus int E u'
        current         int E[-x (-x - s)],       work int E x u,    pumping int E u'

    Times by Gauss-Legendre, states by the trapezoidal rule, both converged to 1e-9.
    """
    m0, v0, w = (np.asarray(a, dtype=float) for a in (means, variances, weights))
    x = np.linspace(-12.0, 12.0, 4801)
    step = x[1] - x[0]

    def law(t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        m, v = m0 * np.exp(-t), v0 * np.exp(-2 * t) - np.expm1(-2 * t)
        parts = w * np.exp(-((x[:, None] - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
        p = parts.sum(1)
        pull = -(x[:, None] - m) / v
        s = (parts * pull).sum(1) / p
        slope = (parts * (pull**2 - 1 / v)).sum(1) / p - s**2
        return p, s, slope

    total = dict.fromkeys(REFERENCE, 0.0)
    total["production"] = 0.0
    # Panels that shrink towards the data, where a narrow mode changes fast.
    edges = duration * np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 24)])
    nodes, shares = np.polynomial.legendre.leggauss(12)
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        for node, share in zip(nodes, shares, strict=True):
            weight = 0.5 * (right - left) * share
            p, s, slope = law(left + 0.5 * (right - left) * (1 + node))
            values = {
                "emf continuous heat": (x + 2 * s) ** 2 + 1 + 2 * slope,
                "emf clocked heat": (x + 2 * s) ** 2 + 1 + 2 * slope - 2 - 2 * slope,
                "current heat": x * (x + s),
                "current work": 2 * x * (x + s),
                "pumping": 2 + 2 * slope,
                "production": (x + s) ** 2,
            }
            for name, value in values.items():
                total[name] += weight * float((p * value).sum() * step)
    entropy = [-float((p * np.log(p)).sum() * step) for p, _, _ in (law(0.0), law(duration))]
    total["entropy change"] = entropy[0] - entropy[1]
    return total


# ------------------------------------------------------- one tick, asked of the engine itself


def one_tick(
    engine: Engine, tick: int, state: torch.Tensor, normals: torch.Tensor
) -> tuple[torch.Tensor, dict[str, dict[str, torch.Tensor]]]:
    """(states after, what every observer booked) of tick `tick` for given states and normals.

    Args:
        engine: without latency and reading noise.
        tick: which.
        state: thermal units, shape (paths, n).
        normals: shape (paths, stepper.normals).
    """
    carries = {observer.name: observer.init(state) for observer in engine.observers}
    tile = Tile(0, len(state))
    tape = Recording(normals[None])
    run = TileRun(engine, tile, tape, tape, state, carries, position=tick)
    run.advance(tick + 1)
    return run.state, run.results()


def hermite(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for the mean over a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


def normal_rule(counts: tuple[int, ...]) -> tuple[torch.Tensor, np.ndarray]:
    """Product rule over several standard normals: nodes (q, len(counts)), weights (q,)."""
    rules = [hermite(count) for count in counts]
    grids = np.meshgrid(*(nodes for nodes, _ in rules), indexing="ij")
    shares = np.meshgrid(*(weights for _, weights in rules), indexing="ij")
    nodes = np.stack([grid.reshape(-1) for grid in grids], axis=1)
    return torch.tensor(nodes), np.prod([share.reshape(-1) for share in shares], axis=0)


Booked = Callable[[dict[str, dict[str, torch.Tensor]]], dict[str, torch.Tensor]]


def accounts(results: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Heat, work and (where watched) pumping of every path."""
    ledger = results["ledger"]
    booked = {"heat": ledger["heat"].sum(1), "work": ledger["work"].sum(1)}
    if "pumping" in results:
        booked["pumping"] = results["pumping"]["pumping"]
    return booked


def expected(
    engine: Engine,
    *,
    reach: float = 6.5,
    points: int = 321,
    counts: tuple[int, ...] | None = None,
    booked: Booked = accounts,
    final: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None,
) -> dict[str, float]:
    """Exact means over a one-node run, by backward propagation.

    Args:
        engine: any continuous or held run of one node with ideal readings.
        reach: the grid is [-reach, reach], thermal volts.
        points: of the grid.
        counts: Gauss-Hermite nodes for every normal of a tick.
        booked: what to take from the observers' results.
        final: functions of the end state whose means are wanted too.
    """
    grid = np.linspace(-reach, reach, points)
    nodes, shares = normal_rule(counts or (8,) + (4,) * (engine.stepper.normals - 1))
    states = torch.tensor(np.repeat(grid, len(nodes)))[:, None]
    normals = nodes.repeat(points, 1)
    ends_with = final(grid) if final is not None else {}
    names: list[str] = list(ends_with)
    value = np.stack([*ends_with.values()], axis=1) if ends_with else np.zeros((points, 0))
    for tick in reversed(range(engine.plan.schedule.ticks)):
        ends, results = one_tick(engine, tick, states, normals)
        increments = booked(results)
        if len(names) < len(ends_with) + len(increments):
            names += list(increments)
            value = np.pad(value, ((0, 0), (0, len(increments))))
        table = make_interp_spline(grid, value, k=5)(ends[:, 0].numpy())
        added = [increment.double().numpy() for increment in increments.values()]
        if added:
            table[:, len(ends_with) :] += np.stack(added, axis=1)
        value = np.einsum("pqc,q->pc", table.reshape(points, len(nodes), -1), shares)
    density = start_density(engine)(grid)
    return {
        name: float(np.trapezoid(density * value[:, column], grid))
        for column, name in enumerate(names)
    }


def start_density(engine: Engine) -> Callable[[np.ndarray], np.ndarray]:
    """Density of the engine's start law on thermal volts of one node."""
    root = engine.plan.protocol.theta**0.5

    def density(v: np.ndarray) -> np.ndarray:
        assert engine.start.log_prob is not None
        return root * engine.start.log_prob(torch.tensor(root * v)[:, None]).exp().numpy()

    return density


def theorem(engine: Engine, *, reach: float = 6.0, points: int = 241) -> dict[str, float]:
    """<e^{-Sigma}> of a one-node run for the even and the odd chain, exactly.

    u_n(x) = E[(K~/K) u_{n+1}(x')] with u_N = rho = p_{t_min}; the start density cancels against
    ln q_0, so the average is int u_0 dx. K~/K can be a steep Gaussian in xi, which defeats
    Gauss-Hermite nodes; the normals are therefore chosen such that x' runs over the grid itself,
    where the trapezoidal rule converges geometrically.
    """
    grid = np.linspace(-reach, reach, points)
    step = grid[1] - grid[0]
    width = engine.stepper.normals
    nodes, shares = hermite(8) if width == 2 else (np.zeros(1), np.ones(1))
    protocol = engine.plan.protocol
    root = protocol.theta**0.5
    rho = protocol.score.log_prob(torch.tensor(root * grid)[:, None], protocol.process.t_min)  # type: ignore[attr-defined]
    values: dict[str, np.ndarray] = {name: root * rho.exp().numpy() for name in ("even", "odd")}
    start = torch.tensor(grid)[:, None]
    for tick in reversed(range(engine.plan.schedule.ticks)):
        quiet = torch.zeros(points, width, dtype=F64)
        loud = quiet.clone()
        loud[:, 0] = 1.0
        centre = one_tick(engine, tick, start, quiet)[0][:, 0].numpy()
        spread = (one_tick(engine, tick, start, loud)[0][:, 0].numpy() - centre)[:, None]
        xi = (grid[None, :] - centre[:, None]) / spread
        i, j = np.nonzero(np.abs(xi) <= 9.0)
        weight = np.exp(-0.5 * xi[i, j] ** 2) / np.sqrt(2 * np.pi) / np.abs(spread[i, 0]) * step
        normals = np.zeros((len(i), len(nodes), width))
        normals[..., 0] = xi[i, j][:, None]
        if width == 2:
            normals[..., 1] = nodes
        states = torch.tensor(np.repeat(grid[i], len(nodes)))[:, None]
        _, results = one_tick(engine, tick, states, torch.tensor(normals.reshape(-1, width)))
        for name, value in values.items():
            ratio = np.exp(-results["fluctuation"][name].numpy()).reshape(len(i), -1) @ shares
            values[name] = np.bincount(i, weight * ratio * value[j], minlength=points)
    return {name: float(value.sum() * step) for name, value in values.items()}


@dataclass
class Moments:
    """Mean and covariance of the end state and mean of everything booked."""

    mean: np.ndarray
    covariance: np.ndarray
    booked: dict[str, np.ndarray]


def sigma_points(
    mean: np.ndarray, covariance: np.ndarray, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """States and normals: the centre, then + and - along every direction of (z, xi)."""
    n = len(mean)
    root = np.zeros((n + width, n + width))
    root[:n, :n] = np.linalg.cholesky(covariance)
    root[n:, n:] = np.eye(width)
    offsets = np.concatenate([np.zeros((1, n + width)), root.T, -root.T])
    return torch.tensor(mean + offsets[:, :n]), torch.tensor(offsets[:, n:])


def quadratic_mean(values: torch.Tensor) -> np.ndarray:
    """Mean of a quadratic function from its values on `sigma_points`, shape (...)."""
    table = values.double().numpy()
    half = (len(table) - 1) // 2
    up, down = table[1 : half + 1], table[half + 1 :]
    return table[0] + (0.5 * (up + down) - table[0]).sum(0)


def linear_run(
    engine: Engine, booked: Booked | None = None, covariance: np.ndarray | None = None
) -> Moments:
    """Exact means of a run whose closed loop is linear (one Gaussian), for any device.

    Args:
        engine: ideal readings.
        booked: what to take from the observers; default heat (K,) and work (sources,).
        covariance: of the start charges; default the start law's.
    """
    protocol = engine.plan.protocol
    c = protocol.device.capacitance
    mean = c @ protocol.to_thermal(engine.start.mean)
    if covariance is None:
        covariance = c @ protocol.covariance_to_thermal(engine.start.covariance) @ c.T
    totals: dict[str, np.ndarray] = {}
    for tick in range(engine.plan.schedule.ticks):
        states, normals = sigma_points(mean, covariance, engine.stepper.normals)
        ends, results = one_tick(engine, tick, states, normals)
        taken = booked(results) if booked else {k: results["ledger"][k] for k in ("heat", "work")}
        for name, value in taken.items():
            totals[name] = totals.get(name, 0.0) + quadratic_mean(value)
        half = (len(ends) - 1) // 2
        spread = 0.5 * (ends[1 : half + 1] - ends[half + 1 :]).numpy()
        mean, covariance = ends[0].numpy(), spread.T @ spread
    return Moments(mean, covariance, totals)


# --------------------------------------------------------------------------- shared noise


def halved(engine: Engine, normals: torch.Tensor) -> torch.Tensor:
    """Normals of a held run with half the ticks on the same Brownian path.

    A uniform held tick of 2h ends where two ticks of h with the same input end; its charge noise
    and its int v dt noise follow from theirs, and are whitened again with its own moments.

    Args:
        engine: the finer one; an uncoupled device, uniform grid.
        normals: shape (2 n, paths, 1 or 2) for one node.

    Returns:
        Shape (n, paths, same), independent standard normals.
    """
    device, h = engine.plan.protocol.device, float(engine.plan.schedule.durations[0])
    fine, coarse = node_moments(device, h), node_moments(device, 2.0 * h)
    first, second = normals[0::2], normals[1::2]
    kick = [fine.spread * part[..., :1] for part in (first, second)]
    xi = (fine.decay * kick[0] + kick[1]) / coarse.spread
    if normals.shape[-1] == 1:
        return xi
    area = [fine.follow * part[..., :1] + fine.rest * part[..., 1:] for part in (first, second)]
    total = area[0] + area[1] + fine.sum_state * kick[0]
    return torch.cat([xi, (total - coarse.follow * xi) / coarse.rest], dim=-1)


# ------------------------------------------------------------------------------- sampling


@dataclass
class Sample:
    """A simulated ensemble: first and last states (paths, n) and the observers' channels."""

    start: torch.Tensor
    end: torch.Tensor
    results: dict[str, dict[str, torch.Tensor]]

    def total(self, channel: str) -> np.ndarray:
        """Heat or work of every path, over all baths or sources."""
        return self.results["ledger"][channel].sum(1).numpy()


def simulate(
    engine: Engine, paths: int, *, tile: int = 16384, first: int = 0, **replay: Any
) -> Sample:
    """Run an ensemble tile by tile.

    Args:
        engine: what to run.
        paths: how many.
        tile: paths per tile.
        first: index of the first path.
        replay: `noise` and `state` for `Engine.open`; then there must be one tile.
    """
    starts, ends, parts = [], [], []
    for one in tiles(paths, tile, first=first):
        run = engine.open(one, **replay)
        starts.append(run.state.clone())
        run.advance(engine.plan.schedule.ticks)
        ends.append(run.state)
        parts.append(run.results())
    results = {
        name: {key: torch.cat([part[name][key] for part in parts]) for key in parts[0][name]}
        for name in parts[0]
    }
    return Sample(torch.cat(starts), torch.cat(ends), results)


def make(protocol: Protocol, *observers: Any, **options: Any) -> Engine:
    """An engine in float64 with the ledger in front."""
    books = Ledger(protocol.device, protocol.wiring)
    return make_engine(protocol, [books, *observers], **{"dtype": F64, **options})
