"""What a run file says about itself: objects rebuilt, settings, small results, provenance.

Nothing here grows with the number of paths or of ticks beyond the schedule itself. The score is not
rebuilt: a page needs the law of the data where that is known, never the network that learned it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit import LinearDevice, build_device, model_units
from thermohw.datasheet import read_datasheet
from thermohw.errors import StoreError
from thermohw.intake import parse_json
from thermohw.process import Langevin, process_from_dict
from thermohw.target.registry import stored_target

if TYPE_CHECKING:
    from pathlib import Path

    from thermohw.datasheet import Datasheet
    from thermohw.process import Process
    from thermohw.store import RunReader
    from thermohw.target import Target

__all__ = ["Facts", "read_facts"]


@dataclass(frozen=True, eq=False)
class Facts:
    """A run without its paths.

    Attributes:
        path: the file.
        paths: number of samples.
        sheet: the device's datasheet.
        process: the forward process.
        target: the data, without the momenta of a Langevin process; None for a run of a score
            alone.
        protocol: settings of the protocol by name, None where left out.
        score: kind and scale.
        simulate: paths, seed, start, dtype, prior, every.
        units: SI size of thermal energy, time, voltage, current; volts_per_unit; theta.
        schedule: grid, stepper, model_time, physical_time (s), profile_edges (ticks), duration (s).
        start: kind, entropy (nats), preparation (k T).
        likelihood: terms name -> (value, stderr), notes, settings, points, profile; {} without.
        twin_components: Gaussians of the known law on which a twin was trained; 0 without one.
        profile: sums over paths of heat (k T), work (k T), int div u per bin; None if not written.
        peaks: largest voltage, source, current, rate of change, SI; None if not written.
        baths: names, in the order of the file.
        nodes: names.
        information: what the readings told: acquired, bound, per_reading (nats); {} where none.
        provenance: versions, platform, time of creation.
        hashes: what was hashed -> sha256.
        texts: what is stored verbatim: the spec as written, the datasheet.
    """

    path: Path
    paths: int
    sheet: Datasheet
    process: Process
    target: Target | None
    protocol: dict[str, Any]
    score: dict[str, Any]
    simulate: dict[str, Any]
    units: dict[str, float]
    schedule: dict[str, Any]
    start: dict[str, Any]
    likelihood: dict[str, Any]
    profile: np.ndarray | None
    peaks: dict[str, float] | None
    baths: tuple[str, ...]
    nodes: tuple[str, ...]
    information: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    twin_components: int = 0

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        return len(self.schedule["model_time"]) - 1

    @property
    def clocked(self) -> bool:
        """Control held between ticks."""
        return self.protocol["control"] == "clocked"

    @property
    def wiring(self) -> str:
        """emf or current."""
        return str(self.protocol["wiring"])

    @property
    def source_unit(self) -> str:
        """Unit of the controlled sources."""
        return "A" if self.wiring == "current" else "V"

    @property
    def inductors(self) -> bool:
        """States are node voltages and inductor currents, data on some of them."""
        return isinstance(self.process, Langevin)

    @property
    def on_currents(self) -> bool:
        """The data lie on inductor currents."""
        return isinstance(self.process, Langevin) and self.process.positions[0] >= len(self.nodes)

    def to_data(self, voltage: np.ndarray) -> np.ndarray:
        """Node voltages (..., dim) in volt -> data units (model units without a target)."""
        return self._from_model(voltage / self.units["volts_per_unit"])

    def positions(self, voltage: np.ndarray, current: np.ndarray) -> np.ndarray:
        """What a circuit with inductors has on its data coordinates, data units, (..., d)."""
        assert isinstance(self.process, Langevin)
        return self._from_model(self._model(voltage, current)[..., list(self.process.positions)])

    def read(self, voltage: np.ndarray, current: np.ndarray) -> np.ndarray:
        """The samples of a circuit with inductors, from final states (paths, .) in volt and ampere:
        what both together tell of the data (`Langevin.read`), data units.
        """
        assert isinstance(self.process, Langevin)
        state = torch.as_tensor(self._model(voltage, current))
        return self._from_model(self.process.read(state, self.process.t_min).numpy())

    def _model(self, voltage: np.ndarray, current: np.ndarray) -> np.ndarray:
        device = build_device(self.sheet)
        assert isinstance(device, LinearDevice)
        volts, amperes = voltage / self.units["voltage"], current / self.units["current"]
        thermal = np.concatenate([volts, amperes], -1).astype(np.float64)
        return thermal / model_units(device, self.units["theta"])

    def _from_model(self, x: np.ndarray) -> np.ndarray:
        return x if self.target is None else self.target.shift + self.target.scale * x


def read_facts(run: RunReader) -> Facts:
    """Read everything but the paths.

    Raises:
        StoreError: the file is a run of another program, or lacks what a report needs.
    """
    where = str(run.path)
    tree = run.parameters
    try:
        sheet = tree["datasheet"]
        overrides = parse_json(sheet["overrides"]) or None
        stored = tree.get("target")
        _require_schedule(tree["schedule"], where)
        units = {name: float(value) for name, value in tree["units"].items()}
        return Facts(
            path=run.path,
            paths=run.paths,
            sheet=read_datasheet(sheet["text"], sheet["name"], overrides),
            process=process_from_dict(parse_json(tree["process"])),
            target=None if stored is None else _data(stored),
            protocol=parse_json(tree["protocol"]),
            score={"kind": str(tree["score"]["kind"]), "scale": float(tree["score"]["scale"])},
            simulate=parse_json(tree["simulate"]),
            units=units,
            schedule=tree["schedule"],
            start=tree["start"],
            likelihood=_likelihood(tree.get("likelihood")),
            profile=run.result("profile") if "profile" in run.result_names else None,
            peaks=_peaks(run, units),
            baths=tuple(n.removeprefix("heat.") for n in run.channel_names if n[:5] == "heat."),
            nodes=tuple(run.layout.axes["node"]),
            information=tree.get("information", {}),
            provenance=run.provenance,
            hashes={"spec": run.spec_hash, "datasheet": str(sheet["content_hash"])},
            texts={
                "spec": str(tree.get("source", tree["spec"])),
                "datasheet": str(sheet["text"]),
            },
            twin_components=len(tree["known_law"]["arrays"]["weights"])
            if "known_law" in tree
            else 0,
        )
    except KeyError as error:
        raise StoreError(
            f"lacks {error}: it holds no run that a report can be made of", where=where
        ) from error


def _require_schedule(schedule: dict[str, Any], where: str) -> None:
    """The ticks of the schedule must be as many in model time, in seconds and in its profile, and
    time must go one way in each.
    """
    model, seconds, edges = (
        np.asarray(schedule[name]) for name in ("model_time", "physical_time", "profile_edges")
    )
    fits = model.ndim == 1 and model.shape == seconds.shape and len(model) > 1
    fits = fits and edges.ndim == 1 and edges[0] == 0 and edges[-1] == len(model) - 1
    falls = fits and (np.diff(model) < 0).all() and np.isfinite(model).all()
    grows = fits and (np.diff(seconds) > 0).all() and np.isfinite(seconds).all()
    if not (falls and grows and (np.diff(edges) >= 0).all()):
        raise StoreError("its schedule contradicts itself: run anew", where=where)


def _data(stored: dict[str, Any]) -> Target:
    target = stored_target(parse_json(stored["definition"]), stored.get("arrays"))
    return getattr(target, "base", target)


def _likelihood(tree: dict[str, Any] | None) -> dict[str, Any]:
    if tree is None:
        return {}
    return {
        "terms": {name: (float(pair[0]), float(pair[1])) for name, pair in tree["terms"].items()},
        "notes": parse_json(tree["notes"]),
        "settings": parse_json(tree["settings"]),
        "points": tree["points"],
        "profile": tree["profile"],
    }


def _peaks(run: RunReader, units: dict[str, float]) -> dict[str, float] | None:
    if "peaks" not in run.result_names:
        return None
    voltage, source, current, rate = (float(peak) for peak in run.result("peaks"))
    wiring = parse_json(run.parameters["protocol"])["wiring"]
    return {
        "voltage": voltage * units["voltage"],
        "source": source * units["current" if wiring == "current" else "voltage"],
        "current": current * units["current"],
        "rate": rate * units["voltage"] / units["time"],
    }
