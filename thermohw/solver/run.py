"""What a run of a circuit with active elements left: moments over time, end states, books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.circuit import ActiveDevice

__all__ = ["ActiveRun"]


@dataclass(frozen=True, eq=False)
class ActiveRun:
    """What a run left.

    Attributes:
        device: the circuit.
        duration: second.
        step: second.
        times: of the frames, second, shape (frames,).
        mean: of the efforts over paths (V, A), shape (frames, n).
        variance: of the efforts over paths, shape (frames, n).
        end: efforts of every path at the end, shape (paths, n).
        static: joule from the supplies of the amplifiers, beside what they deliver.
        books: accounts of every path: "heat.<bath>", "work.emf.<element>", "work.<active
            element>", "work.noise.<node>"; None where none were kept.
    """

    device: ActiveDevice
    duration: float
    step: float
    times: NDArray[Any]
    mean: NDArray[Any]
    variance: NDArray[Any]
    end: NDArray[Any]
    static: float
    books: Books | None

    def __str__(self) -> str:
        head = (
            f"{self.device.name}: {len(self.end)} paths for {engineering(self.duration, 's')} in "
            f"steps of {engineering(self.step, 's')}"
        )
        rest = f"  {'supplies, at rest':<28}{self.static / self.device.scale.energy:12.5g} kT = "
        rest += engineering(self.static, "J")
        return head if self.books is None else f"{head}\n{self.books}\n{rest}"
