"""The independent integrator: sdeint on the same Wiener increments, one path at a time.

Not a production method: it is there to check the others. Given the normals that a torch stepper
used, `itoEuler` must agree with `Euler` and `stratHeun` with `Heun` path by path to rounding. The
state is augmented with the charges through the elements, so that the books can be kept from
sdeint's own integration too. sdeint is imported here only, and only when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.integrate.continuous import Heun

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act, Step
    from thermohw.noise import NoiseSource

__all__ = ["LARGEST", "ReferenceHeun", "sdeint_path"]

LARGEST = 64
"""Most paths that the reference integrator accepts: it takes some 20 microseconds a step for every
single path.
"""


def sdeint_path(
    drift: Callable[[np.ndarray, float], np.ndarray],
    noise: np.ndarray,
    start: np.ndarray,
    *,
    times: np.ndarray,
    increments: np.ndarray,
    method: str = "heun",
) -> np.ndarray:
    """One path of dy = drift(y, t) dt + noise dW by sdeint.

    Args:
        drift: f(y, t) -> shape (d,).
        noise: constant matrix, shape (d, m).
        start: y_0, shape (d,).
        times: equally spaced, increasing, shape (N + 1,).
        increments: Wiener increments, shape (N, m).
        method: "euler" (itoEuler) or "heun" (stratHeun).

    Returns:
        Shape (N + 1, d).

    Raises:
        InputError: times that do not increase, or non-finite input; sdeint itself would return NaN
            silently.
    """
    import sdeint

    if not (np.diff(times) > 0).all() or not all(
        np.isfinite(a).all() for a in (start, noise, increments)
    ):
        raise InputError(
            "the reference integrator needs increasing times and finite input", where="reference"
        )
    integrate = {"euler": sdeint.itoEuler, "heun": sdeint.stratHeun}[method]
    return integrate(drift, lambda y, t: noise, start, times, dW=increments)


class ReferenceHeun(Heun):
    """Stepper whose moves are made by sdeint's stratHeun; float64, a few paths.

    Raises:
        InputError: more than 64 paths.
    """

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        assert control is not None and act is not None
        if len(state) > LARGEST:
            raise InputError(
                f"stepper = 'reference' integrates one path at a time and is refused above "
                f"{LARGEST} paths",
                where="protocol.stepper",
            )
        h, k, n = piece.duration, self.normals, self.device.dim
        kicks = noise.normals(k, piece.tick) * h**0.5
        augmented = np.concatenate([self.device.noise_matrix, -np.diag(
            np.sqrt(2.0 * self.device.temperatures * self.device.coefficients))])  # fmt: skip
        ends, charges, currents = [], [], []
        for row in range(len(state)):
            seen: list[torch.Tensor] = []

            def drift(
                y: np.ndarray, t: float, row: int = row, seen: list[torch.Tensor] = seen
            ) -> np.ndarray:
                z = torch.from_numpy(np.array(y[:n])).to(self.dtype)[None]
                at_start = t <= piece.start + 0.25 * h
                decided = _row(control, row) if at_start else act(z)
                current = self.terminals.current(decided)
                charge = self._flow(
                    self.terminals.voltage(z), self.terminals.emf(decided), 1.0, z.new_zeros(1, k)
                )
                if current is not None:
                    seen.append(current)
                return (
                    torch.cat([self._move(z * 0, charge, current, 1.0), charge], 1)[0]
                    .double()
                    .numpy()
                )

            start = np.concatenate([state[row].double().numpy(), np.zeros(k)])
            times = np.array([piece.start, piece.start + h])
            path = sdeint_path(
                drift,
                augmented,
                start,
                times=times,
                increments=kicks[row : row + 1].double().numpy(),
            )
            ends.append(torch.from_numpy(path[-1, :n]))
            charges.append(torch.from_numpy(path[-1, n:]))
            if seen:
                currents.append(0.5 * (seen[0] + seen[-1])[0])
        end = torch.stack(ends).to(self.dtype)
        charge = torch.stack(charges).to(self.dtype)
        current = torch.stack(currents) if currents else None
        return self._books(
            piece, state, end, control, act(end), charge=charge, current=current, act=act
        )


def _row(control: Control, row: int) -> Control:
    return control._replace(source=control.source[row : row + 1])
