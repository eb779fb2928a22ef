"""What a run's finite tick and its imperfections do to the samples, measured beside the run.

A few paths are run again on one noise (`thermohw.integrate.twins`): as the protocol says, with
ticks half as long, and with one thing ideal at a time:

    as_is         the protocol
    halved        twice the ticks; where something else is not ideal, of the ideal twin
    ideal         everything below ideal at once, where there is more than one
    sense, adc, delay, score, dac, hold, amplifier, node     that stage of the chain ideal
    true_score    the data's own score in place of a learned or altered one, where it is known
    marginal      start from p_T in place of the prior or a rest state, where it is known

The audit takes a deviation of the samples for explained only by the size of what it finds here. The
paths are beyond those of the run, at most 2,048, and so many that their evaluations of the score
are a tenth of the run's; on up to eight nodes, where ticks of few paths cost the same, 256 or as
many as make 2,048 numbers a tick (a quarter of the run's at most); none at all where a tenth leaves
too few for a standard error. None of it enters the run.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control import halved, make_plan
from thermohw.errors import InputError
from thermohw.estimate import FEWEST
from thermohw.integrate import play_twins
from thermohw.run.setting import Setting
from thermohw.worlds.played.channels import ledger_values
from thermohw.worlds.played.observers import build_engine

if TYPE_CHECKING:
    import torch

    from thermohw.integrate import Engine, TileRun
    from thermohw.score import ExactScore

__all__ = ["twin_tree"]

_MOST, _SHARE = 2048, 0.1
_ENOUGH, _NUMBERS, _FEW_NODES = 256, 2048, 8  # where they cost next to nothing
_WATCH = ("ledger", "pumping", "fluctuation")
_LEFT_OUT = ("voltage.", "inductor_current.", "first_law.")


def twin_tree(
    setting: Setting, played: Engine, *, paths: int, prior: str, dtype: str
) -> dict[str, Any]:
    """Run the twins of a setting.

    Args:
        setting: what is run.
        played: the engine of the run: its plan, seed and start are the twins'.
        paths: of the run.
        prior: "schedule" or "matched".
        dtype: of its states.

    Returns:
        A tree for /parameters/twins: `settings` (JSON), and for every twin its end states in model
        units, shape (paths, n), and its ledger channels; empty where nothing could be compared.
    """
    if setting.target is None or paths < FEWEST:
        return {}
    start = played.start.kind
    causes = _causes(setting, start)
    names = ["as_is", *(causes if len(causes) > 1 else ()), *(["ideal"] if causes else [])]

    def engine(without: list[str], *, half: bool = False) -> Engine:
        changed = _without(setting, without)
        plan = make_plan(changed.protocol) if without else played.plan
        law = "marginal" if "marginal" in without else start
        made = build_engine(
            changed,
            seed=played.seed,
            start=law,
            prior=prior,
            dtype=dtype,
            every=0,
            plan=halved(plan) if half else plan,
        )
        made.observers = tuple(o for o in made.observers if o.name in _WATCH)
        return made

    sets = {name: causes if name == "ideal" else [name] for name in names} | {"as_is": []}
    engines = [engine(sets[name]) for name in names] + [engine(causes, half=True)]
    names.append("halved")
    ticks = sum(made.plan.schedule.ticks for made in engines)
    share = int(_SHARE * paths * engines[0].plan.schedule.ticks / ticks)
    if setting.device.dim <= _FEW_NODES:
        cheap = min(_NUMBERS // setting.device.dim, paths // 4)
        share = min(max(share, _ENOUGH, cheap), paths)
    count = min(share, _MOST)
    if count < FEWEST:
        return {}
    tree: dict[str, Any] = {}
    try:
        for name, made, (first, run) in zip(
            names, engines, play_twins(engines, count), strict=True
        ):
            tree[name] = _outcome(made, first, run)
    except InputError as error:  # an ideal twin that diverges explains nothing
        return {"settings": json.dumps({"paths": count, "causes": causes, "refused": str(error)})}
    return tree | {"settings": json.dumps({"paths": count, "causes": causes})}


def _causes(setting: Setting, start: str) -> list[str]:
    """What could be ideal and is not, beside the tick."""
    causes = list(setting.protocol.imperfect)
    truth = _truth(setting)
    if truth is not None and not setting.score.exact:
        causes.append("true_score")
    if start != "marginal" and setting.target is not None and setting.target.analytic:
        causes.append("marginal")
    return causes


def _truth(setting: Setting) -> ExactScore | None:
    """The data's own score, where it is known."""
    assert setting.target is not None
    try:
        return setting.target.score(setting.process)
    except InputError:
        return None


def _without(setting: Setting, causes: list[str]) -> Setting:
    """The setting with some of its causes ideal."""
    stages = [name for name in causes if name in setting.protocol.imperfect]
    protocol = replace(setting.protocol, allow_ringing=True)
    if stages:
        protocol = protocol.ideal(*stages)
    if "true_score" in causes:
        truth = _truth(setting)
        assert truth is not None
        protocol = replace(protocol, score=truth, grid=setting.protocol.chosen_grid)
    return Setting(protocol, setting.target)


def _outcome(engine: Engine, first: torch.Tensor, run: TileRun) -> dict[str, np.ndarray]:
    """End states in model units, and the ledger's channels."""
    protocol = engine.plan.protocol
    device = protocol.board
    values = ledger_values(engine, first, run.state, run.results())
    kept = {name: x for name, x in values.items() if not name.startswith(_LEFT_OUT)}
    end = protocol.to_model(device.efforts(run.state.double()))
    return kept | {"state": end.numpy().astype(np.float32)}
