"""Named scalar terms: estimates, and reasons where a term cannot be had.

A term that needs something unknown (the data's entropy, the true score) is stored as None with
the reason beside it, never as a number that means something else. A term that is only
approximately what its name says carries a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from thermohw.likelihood.estimate import Estimate, estimate

__all__ = ["Terms"]


@dataclass
class Terms:
    """A growing table of terms.

    Attributes:
        values: name -> estimate in nats, or None.
        notes: name -> why it is None, or what qualifies it.
        densities: names that contain ln(density) once and so shift with the unit of the data.
    """

    values: dict[str, Estimate | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    densities: set[str] = field(default_factory=set)

    def add(
        self,
        name: str,
        samples: Tensor,
        *independent: Estimate | None,
        density: bool = False,
        note: str = "",
        reason: str = "",
    ) -> None:
        """Add mean(samples) + sum(independent); None if any of those is None.

        Args:
            name: dotted name.
            samples: values per path, shape (paths,) or (1,), nats.
            independent: estimates with their own errors; None stands for an unknown one.
            density: the term shifts with the unit of the data.
            note: a qualification of the value.
            reason: why an independent term may be unknown; kept only if one is.
        """
        known = [term for term in independent if term is not None]
        complete = len(known) == len(independent)
        value = estimate(samples.numpy(), *known) if complete else None
        self.put(name, value, density=density, note=note, reason=reason)

    def put(
        self,
        name: str,
        value: Estimate | None,
        *,
        density: bool = False,
        note: str = "",
        reason: str = "",
    ) -> None:
        """Add a finished estimate, or None with its reason; arguments as `add`."""
        assert value is not None or reason, f"{name} is unknown without a reason"
        self.values[name] = value
        text = note if value is not None else reason
        if text:
            self.notes[name] = text
        if density:
            self.densities.add(name)
