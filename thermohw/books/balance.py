r"""The heat of every single bath by a second route: its conditional mean, tick by tick.

The first law sees only the sum over baths, and the second law has slack. What a held tick puts into
each bath is also known in the mean, given the state z and the input c = (e, i) at its start. With
X_k = b_k.H''z - e_k the force across element k (`thermohw.circuit.heat`, held sources),

    E[Q_k | z, c] = int_0^h gamma_k ( E X_k(s)^2 - T_k b_k.H''b_k ) ds
                  = w^T M_k w + const_k,                  w = (z, c)
    M_k     = gamma_k int l_k(s) l_k(s)^T ds,             E X_k(s) = l_k(s).w
    const_k = gamma_k ( int_0^h (h - s) |b_k.H'' e^{-As} N|^2 ds - h T_k b_k.H''b_k )

(the variance of X_k(s) is an integral over ages of noise; the order of the two integrations is
changed). Responses come from matrix exponentials at Gauss-Legendre nodes, in panels that double in
length, so the integrals are exact to nine digits and more; M_k is kept as the stacked weighted
responses, whose squared products with w are summed, or as their QR factor where that has fewer
rows. None of the stepper's maps enter, no product of force and flow and no noise.

Uncoupled nodes need no matrices (thermal units, C the node's capacitance, phi the decay over the
tick):

    emf      E[Q | v, e] = (C/2) (1 - phi^2) [ (v - e)^2 - T/C ]
    current  E[Q | v, i] = (C/2) [ v^2 - E v'^2 ] + i E[int v dt],   both given (v, i)

Heat less this mean is a sum of martingale differences: its mean vanishes at any tick length, for
any score, converter, latency or start law, in any dimension, so the paired difference tests every
bath of a run on its own. That the ledger of a network books conditional means, too (given the ends
of a tick, where this is given its start) does not matter: their mean is the same.

Networks of more than 16 state variables are watched on a fixed subset of their ticks; on the others
the step's own heat stands for its mean. There a heat that reaches the ledger under another name is
still seen, but not a stepper that attributes it wrongly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import expm

from thermohw.books.ledger import FLUSH
from thermohw.circuit import node_moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.integrate import Carry, Step

__all__ = ["HeatBalance", "NetworkBalance", "heat_balance", "held_responses", "watched_ticks"]

_SMALL = 16  # state variables up to which every tick is watched
_WATCHED = 12  # ticks of a larger network
_PANEL = 8  # nodes of a panel as long as the fastest time constant: 1e-15
_ACCURACY = 1e-9


def heat_balance(device: LinearDevice, wiring: str, ticks: int) -> HeatBalance | NetworkBalance:
    """The observer that fits a device with held control."""
    return HeatBalance(device) if device.uncoupled else NetworkBalance(device, wiring, ticks)


def watched_ticks(device: LinearDevice, ticks: int) -> NDArray[Any]:
    """Which ticks' heats are held against their means: all, or some evenly spread ones."""
    if device.uncoupled or device.dim <= _SMALL or ticks <= _WATCHED:
        return np.arange(ticks)
    return np.unique(np.linspace(0, ticks - 1, _WATCHED).round().astype(int))


class HeatBalance:
    """Observer of clocked runs on uncoupled nodes: the conditional mean of every bath's heat.

    Args:
        device: an uncoupled device.
    """

    name = "balance"
    sums = False

    def __init__(self, device: LinearDevice) -> None:
        assert device.uncoupled
        self.device = device

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing expected yet, shape (paths, K)."""
        carry: Carry = {"expected": torch.zeros(state.shape, dtype=torch.float64)}
        if state.dtype != torch.float64:
            carry["part"] = torch.zeros_like(state)
        carry["constant"] = torch.zeros(state.shape[1], dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Add one tick's expectation."""
        account = carry.get("part", carry["expected"])
        h, device = step.piece.duration, self.device
        warm = step.piece.temperature
        m, stiffness = node_moments(device, h).heated(warm), np.diag(device.hessian)
        voltage = device.efforts(step.start)
        if step.current is None:
            share = 0.5 * (1.0 - np.square(m.decay)) / stiffness
            force = voltage if step.emf is None else voltage - step.emf
            _add(account, force, force, share)
            carry["constant"] -= torch.as_tensor(share * stiffness * device.temperatures * warm)
        else:
            push = stiffness * m.from_current  # of v' by i
            _add(account, voltage, voltage, 0.5 * (1.0 - np.square(m.decay)) / stiffness)
            _add(account, voltage, step.current, (m.sum_state - m.decay * push) / stiffness)
            _add(
                account,
                step.current,
                step.current,
                m.sum_current - 0.5 * np.square(push) / stiffness,
            )
            carry["constant"] -= torch.as_tensor(0.5 * stiffness * np.square(m.spread))
        if "part" in carry and (step.piece.tick + 1) % FLUSH == 0 and step.piece.ends_tick:
            self._flush(carry)

    @staticmethod
    def _flush(carry: Carry) -> None:
        carry["expected"].add_(carry["part"])
        carry["part"].zero_()

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """expected: heat into every bath in the conditional mean, shape (paths, K), k T_ref."""
        if "part" in carry:
            self._flush(carry)
        return {"expected": carry["expected"] + carry["constant"]}


def _add(
    account: torch.Tensor, x: torch.Tensor, y: torch.Tensor, weight: float | np.ndarray
) -> None:
    """account += weight x y; one operation where all nodes share the weight."""
    first = float(np.ravel(weight)[0])
    if (np.asarray(weight) == first).all():
        account.addcmul_(x, y, value=first)
    else:
        account.add_(x * y * x.new_tensor(weight))


class _Form(NamedTuple):
    """The conditional mean heat of a piece: |w @ root|^2 summed over its rows, plus a constant."""

    root: torch.Tensor  # (n + c, rows * K)
    constant: torch.Tensor  # (K,), at T_ref


class NetworkBalance:
    """Observer of clocked runs on any linear network: the conditional mean of every bath's heat.

    Args:
        device: any linear device.
        wiring: "emf" or "current".
        ticks: how many the run has.
    """

    name = "balance"
    sums = False

    def __init__(self, device: LinearDevice, wiring: str, ticks: int) -> None:
        self.device, self.wiring = device, wiring
        self._watched = frozenset(watched_ticks(device, ticks).tolist())
        self._form = lru_cache(maxsize=None)(self._make_form)

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing expected yet, shape (paths, K)."""
        shape = len(state), len(self.device.elements)
        return {"expected": torch.zeros(shape, dtype=torch.float64)}

    def update(self, carry: Carry, step: Step) -> None:
        """Add one piece's expectation."""
        account = carry["expected"]
        if step.piece.tick not in self._watched:
            account.addcmul_(step.force, step.charge)
            if step.heat_correction is not None:
                account.add_(step.heat_correction)
            return
        form = self._form(step.piece.duration, step.start.dtype)
        known = step.start
        if step.current is not None:
            known = torch.cat([known, step.current], 1)
        elif step.emf is not None:
            known = torch.cat([known, step.emf[:, list(self.device.controlled)]], 1)
        root = form.root[: known.shape[1]]  # sources at rest: the state alone
        mean = (known @ root).square_().view(len(known), -1, account.shape[1]).sum(1)
        account.add_(mean).add_(form.constant * step.piece.temperature)

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """expected: heat into every bath in the conditional mean, shape (paths, K), k T_ref."""
        return {"expected": carry["expected"]}

    def _make_form(self, h: float, dtype: torch.dtype) -> _Form:
        device = self.device
        across = device.directions @ device.hessian
        stiffness = np.einsum("ki,ki->k", across, device.directions)
        constant = -h * device.temperatures * stiffness
        rows = []
        for response, aged, weight in held_responses(device, self.wiring, h):
            constant = constant + aged
            rows.append(np.sqrt(weight * device.coefficients)[:, None] * response)
        stacked, total = np.stack(rows), rows[0].shape[1]  # (rows, K, n + c)
        if len(stacked) > total:  # one factor a bath
            factors = [np.linalg.qr(stacked[:, k], mode="r") for k in range(len(across))]
            stacked = np.stack(factors, 1)
        root = np.ascontiguousarray(stacked.reshape(-1, total).T)
        return _Form(
            torch.tensor(root, dtype=dtype), torch.as_tensor(device.coefficients * constant)
        )


def held_responses(
    device: LinearDevice, wiring: str, h: float
) -> Iterator[tuple[NDArray[Any], NDArray[Any], float]]:
    """How the forces across the elements follow state and sources during a held tick.

    Args:
        device: any linear device.
        wiring: "emf" or "current".
        h: duration, R_ref C_ref.

    Yields:
        At every node s of a quadrature over (0, h): response of X_k(s) to (z, c), shape (K, n + c);
        the noise's share of int E X_k^2 that belongs to the age s, weight included, shape (K,); the
        weight.
    """
    n = device.dim
    across = device.directions @ device.hessian  # X_k of charges and fluxes
    inputs = device.port_matrix
    offset = np.zeros((len(across), inputs.shape[1]))
    if wiring == "emf":
        chosen = list(device.controlled)
        inputs = device.source_matrix[:, chosen]
        offset = -np.eye(len(across))[:, chosen]
    total = n + inputs.shape[1]
    driven = np.zeros((total, total))
    driven[:n, :n], driven[:n, n:] = -device.drift_matrix, inputs
    for s, weight in zip(*_quadrature(device, h), strict=True):
        response = across @ expm(driven * s)[:n]
        aged = weight * (h - s) * np.square(response[:, :n] @ device.noise_matrix).sum(1)
        response[:, n:] += offset
        yield response, aged, float(weight)


def _quadrature(device: LinearDevice, h: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Nodes and weights over (0, h) that integrate products of two responses of a device.

    Panels double in length away from 0, where motions have died out that would need short ones;
    none is longer than a radian or two of the fastest motion that rings.
    """
    # Rates bounded where the square of the state is the energy, and charges and fluxes compare.
    root = np.linalg.cholesky(device.hessian)
    turned = root.T @ device.drift_matrix @ np.linalg.inv(root.T)
    rate, ringing = float(np.linalg.norm(turned, 2)), float(np.abs(np.imag(device.rates)).max())
    edges, longest = [0.0], 1.0 / max(ringing, 1e-300)
    while edges[-1] < h:
        edges.append(min(h, edges[-1] + min(max(edges[-1], 1.0 / rate), longest)))
    count = _PANEL
    if len(edges) == 2:  # a short tick: as few nodes as its responses need
        count = next(q for q in range(1, _PANEL + 1) if q == _PANEL or _error(rate * h, q))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = 0.5 * np.diff(edges)[:, None]
    times = np.array(edges[:-1])[:, None] + half * (1.0 + nodes)
    return times.ravel(), (half * weights).ravel()


def _error(x: float, q: int) -> bool:
    """Whether q nodes integrate e^{-2s}, or (x - s) times it, over (0, x) well enough.

    The remainder of the rule over a length x is x^{2q+1} (q!)^4/((2q+1) ((2q)!)^3) f^(2q).
    """
    log = [0.0, *np.cumsum(np.log(np.arange(1, 2 * q + 1)))]
    exponent = 2 * q * np.log(2.0 * x) + 4.0 * log[q] - 3.0 * log[2 * q] - np.log(2 * q + 1)
    return bool(exponent < np.log(_ACCURACY))
