r"""The master equation of a small circuit: exact laws, rates and times without sampling.

On a box of charges N the probabilities obey dp/dt = W p, W[N + S_e, N] = lambda_e(N), jumps that
would leave the box left out; the box is enlarged until the stationary law has less than 1e-10 on
its border. What follows from W is exact up to that and round-off:

    stationary law     W p = 0, every entry to its own round-off however rare the errors of a bit
                       (`elimination`; circuits too large for it by sparse LU)
    heat rate          Qdot_k = sum_N p(N) [lambda_k+(N) Q_k+(N) + lambda_k-(N) Q_k-(N)]
    entropy production sum_k Qdot_k/kT_k, in the stationary law
    slowest decay      the largest eigenvalue of W below zero; for a bit with two equal states the
                       sum of the two error rates, known to 1e-15 of the fastest rate only
    passage time       sum_N' W[N', N] tau(N') = -1 outside a set, tau = 0 in it

With supplies at zero and one temperature the stationary law is exp(-H/kT).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.circuit.jump import ELEMENTARY_CHARGE, JumpDevice
from thermohw.circuit.jump_signal import rest_points
from thermohw.errors import InputError
from thermohw.jumps.elimination import band_cost, passage, stationary
from thermohw.units import amount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MAX_STATES", "MasterEquation", "master_equation", "node_weights"]

Sparse = Any  # scipy.sparse, whose stubs do not know shapes
MAX_STATES = 200_000
_ELIMINATION = 2e9  # multiplications; a few seconds
_BORDER = 1e-10  # probability allowed on the border of the box
_REACH = 8.0  # standard deviations of k T C beyond the extreme rest points, at first


@dataclass(frozen=True, eq=False)
class MasterEquation:
    """The master equation of a device on a box of M states.

    Attributes:
        device: the circuit.
        low: smallest charge of every node, shape (n,).
        shape: states per node; states are numbered row-major.
        generator: W, sparse (M, M), 1/s; its columns sum to zero.
        stationary: the stationary law, shape (M,).
    """

    device: JumpDevice
    low: NDArray[Any]
    shape: tuple[int, ...]
    generator: Sparse
    stationary: NDArray[Any]

    @cached_property
    def states(self) -> NDArray[Any]:
        """Charges of every state, shape (M, n), float64."""
        return _states(self.low, self.shape)

    @cached_property
    def _rates(self) -> NDArray[Any]:
        """Rates of events that stay in the box, weighted with the stationary law, (M, 2K)."""
        inside = np.stack(
            [_inside(self.low, self.shape, self.states + s) for s in self.device.event_jumps], 1
        )
        return self.stationary[:, None] * inside * self.device.event_rates(self.states)

    @property
    def events(self) -> NDArray[Any]:
        """Mean rate of every event in the stationary law, forward ones first, per second, (2K,)."""
        return self._rates.sum(0)

    @cached_property
    def heat_rates(self) -> NDArray[Any]:
        """Mean heat into every bath in the stationary law, shape (K,), watt."""
        events = (self._rates * self.device.event_heat(self.states)).sum(0)
        count = len(self.device.elements)
        return (events[:count] + events[count:]) * self.device.energy_unit

    @cached_property
    def currents(self) -> NDArray[Any]:
        """Mean current of every conductor in the stationary law, shape (K,), ampere."""
        events, count = self.events, len(self.device.elements)
        return (events[:count] - events[count:]) * ELEMENTARY_CHARGE

    @property
    def power(self) -> NDArray[Any]:
        """Mean work per second of every supply in the stationary law, shape (S,), watt."""
        drawn = self.currents @ self.device.drawn
        return drawn * self.device.supply_voltages * self.device.voltage_unit

    @property
    def entropy_production(self) -> float:
        """sum_k Qdot_k/kT_k in the stationary law, nats per second."""
        hot = self.device.temperatures * self.device.energy_unit
        return float((self.heat_rates / hot).sum())

    @property
    def mean_voltages(self) -> NDArray[Any]:
        """Of the stationary law, shape (n,), volt."""
        volts = self.device.voltages(self.states)
        return self.stationary @ volts * self.device.voltage_unit

    @property
    def covariance(self) -> NDArray[Any]:
        """Of the node voltages in the stationary law, shape (n, n), V^2."""
        volts = self.device.voltages(self.states) * self.device.voltage_unit - self.mean_voltages
        return (volts * self.stationary[:, None]).T @ volts

    @cached_property
    def slowest_decay(self) -> float:
        """The smallest rate at which anything but the stationary law decays, 1/s."""
        scale = float(np.abs(self.generator.diagonal()).max())
        values = scipy.sparse.linalg.eigs(
            self.generator, k=2, sigma=1e-9 * scale, return_eigenvectors=False,
            v0=np.ones(self.generator.shape[0]),
        )  # fmt: skip
        return float(-np.sort(np.real(values))[0])

    def index(self, charges: NDArray[Any]) -> NDArray[Any]:
        """Numbers of states (..., n); charges outside the box are refused."""
        if not _inside(self.low, self.shape, charges).all():
            raise InputError("a state lies outside the box of the master equation",
                             where=self.device.name)  # fmt: skip
        moved = np.moveaxis(np.rint(charges - self.low).astype(np.int64), -1, 0)
        return np.asarray(np.ravel_multi_index(tuple(moved), self.shape))

    def log_probability(self, charges: NDArray[Any], law: NDArray[Any] | None = None) -> Any:
        """ln of the probability of states (..., n) in a law (M,), by default the stationary."""
        return np.log((self.stationary if law is None else law)[self.index(charges)])

    def sample(self, paths: int, generator: np.random.Generator) -> NDArray[Any]:
        """Charges drawn from the stationary law, shape (paths, n)."""
        return self.place(generator.random(paths))

    def place(self, u: NDArray[Any]) -> NDArray[Any]:
        """Charges of the stationary law at uniform numbers (paths,), shape (paths, n)."""
        cumulated = np.cumsum(self.stationary)
        chosen = np.searchsorted(cumulated, u * cumulated[-1], side="right")
        return self.states[np.minimum(chosen, len(cumulated) - 1)]

    def evolve(self, law: NDArray[Any], duration: str | float) -> NDArray[Any]:
        """The law (M,) that another becomes after a time."""
        return scipy.sparse.linalg.expm_multiply(
            self.generator * amount(duration, "s", "duration"), law
        )

    def passage_times(self, weights: Mapping[str, float], level: str | float = 0.0) -> NDArray[Any]:
        """Mean time until the weighted sum of voltages is not above a level, from every state.

        Args:
            weights: node -> weight, e.g. {"a": 1.0, "b": -1.0}.
            level: "0 V", or volt.

        Returns:
            Shape (M,), second; 0 where the level is met at once.

        Raises:
            InputError: a node that the circuit does not have, no weight, or a level that is not
                finite.
        """
        form = node_weights(self.device, weights, "weights")
        limit = amount(level, "V", "level")
        if not np.isfinite(limit):
            raise InputError(f"{level!r}: expected a voltage", where="level")
        volts = self.device.voltages(self.states) @ form * self.device.voltage_unit
        above = volts > limit + 1e-9 * self.device.voltage_unit
        times = np.zeros(len(volts))
        if above.any():
            inner = self.generator[above][:, above].T.tocoo()
            into = np.asarray(self.generator[~above][:, above].sum(0)).ravel()
            rates = _off_diagonal(inner)
            if band_cost(rates) <= _ELIMINATION:
                times[above] = passage(rates, into)
            else:
                times[above] = _solve(inner.tocsc(), -np.ones(int(above.sum())))
        return times


def master_equation(device: JumpDevice, *, most: int = MAX_STATES) -> MasterEquation:
    """The master equation of a circuit of few nodes and electrons, and its stationary law.

    Args:
        device: its charges fluctuate within a box of at most `most` states.
        most: largest number of states.

    Raises:
        InputError: too many states, or a device of Gaussian noise, which has none.
    """
    if not isinstance(device, JumpDevice) or device.approximate:
        raise InputError("a master equation needs conductors with Poisson jumps",
                         where=getattr(device, "name", ""))  # fmt: skip
    points = np.array([point.voltages for point in rest_points(device)])
    points = points.reshape(-1, device.dim) / device.voltage_unit
    points = np.concatenate([points, device.rest_voltages[None], np.zeros((1, device.dim))])
    charges = device.charges(points)
    spread = np.sqrt(np.diag(np.linalg.inv(device.hessian)))
    reach = _REACH
    while True:
        low = np.floor(charges.min(0) - reach * spread)
        high = np.ceil(charges.max(0) + reach * spread)
        shape = tuple(int(size) for size in high - low + 1)
        if np.prod([float(size) for size in shape]) > most:
            raise InputError(
                f"{' x '.join(map(str, shape))} states are more than {most:,}; use simulate_jumps, "
                "smaller capacitors or fewer nodes",
                where=device.name,
            )
        generator = _generator(device, low, shape)
        anchor = np.ravel_multi_index(tuple((np.rint(charges[0]) - low).astype(int)), shape)
        law = _stationary(generator, int(anchor))
        if not np.isfinite(law).all():
            raise InputError("rates of this circuit overflow: its voltages are hundreds of kT/q",
                             where=device.name)  # fmt: skip
        found = MasterEquation(device, low, shape, generator, law)
        border = ((found.states == low) | (found.states == high)).any(1)
        if law[border].sum() <= _BORDER:
            return found
        reach *= 1.5


def node_weights(device: JumpDevice, weights: Mapping[str, float], where: str) -> NDArray[Any]:
    """Weights by node name as a vector, shape (n,).

    Raises:
        InputError: a node that the circuit does not have, or no finite weight that is not zero.
    """
    vector = np.zeros(device.dim)
    for name, weight in weights.items():
        if name not in device.nodes:
            raise InputError(f"no node '{name}'; known: {', '.join(device.nodes)}", where=where)
        vector[device.nodes.index(name)] = float(weight)
    if not np.isfinite(vector).all() or not vector.any():
        raise InputError(f"{dict(weights)!r}: expected a weight that is not zero", where=where)
    return vector


def _states(low: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    axes = [start + np.arange(size) for start, size in zip(low, shape, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))


def _inside(low: NDArray[Any], shape: tuple[int, ...], charges: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(((charges >= low) & (charges < low + np.array(shape))).all(-1))


def _generator(device: JumpDevice, low: NDArray[Any], shape: tuple[int, ...]) -> Sparse:
    states = _states(low, shape)
    rates = device.event_rates(states)
    strides = np.array([np.prod(shape[i + 1 :], dtype=np.int64) for i in range(len(shape))])
    size, here = len(states), np.arange(len(states))
    rows, columns, values = [], [], []
    for event, jump in enumerate(device.event_jumps):
        if not jump.any():
            continue  # between supplies: no state changes
        stays = _inside(low, shape, states + jump)
        source, rate = here[stays], rates[stays, event]
        rows += [source + int(jump @ strides), source]
        columns += [source, source]
        values += [rate, -rate]
    entries = (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.csc_matrix((np.concatenate(values), entries), shape=(size, size))


def _stationary(generator: Sparse, anchor: int) -> NDArray[Any]:
    """p with W p = 0 and sum one; by LU from p = 1 at the anchor."""
    rates = _off_diagonal(generator.T.tocoo())
    if band_cost(rates) <= _ELIMINATION:
        return stationary(rates)
    others = np.delete(np.arange(generator.shape[0]), anchor)
    column = generator[:, [anchor]].toarray().ravel()[others]
    law = np.ones(generator.shape[0])
    law[others] = _solve(generator[others][:, others].tocsc(), -column)
    return np.maximum(law, 0.0) / law.sum()


def _off_diagonal(matrix: Sparse) -> Sparse:
    keep = matrix.row != matrix.col
    entries = (matrix.data[keep], (matrix.row[keep], matrix.col[keep]))
    return scipy.sparse.coo_matrix(entries, shape=matrix.shape)


def _solve(matrix: Sparse, right: NDArray[Any]) -> NDArray[Any]:
    # Diagonally dominant: no pivoting, and an ordering for the symmetric pattern.
    factors = scipy.sparse.linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                   options={"SymmetricMode": True})  # fmt: skip
    return factors.solve(right)
