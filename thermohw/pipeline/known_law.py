r"""A model twin: the same network on a law that is known, evaluated beside the one on the data.

Of real data neither the entropy S0 nor the true score is known, so the entropy bound, its gap and
the score error of a network cannot be had. They can be of a law like the data: a mixture of
Gaussians with full covariances fitted to the training images (`thermohw.target.fitted`), of which
as many images train a network of the same trunk, steps and rates. Its likelihood terms, with
everything that a known law adds, are stored under /parameters/known_law, with the law and the
weights, so that an audit can compute them again; the audit names them twin.<term>.

What is not the same is the read-out of a network that knows grey levels: a mixture has none, and
its twin reads out as networks on continuous data do ("gaussian"). The twin says what such a network
and so many images cost on a law of these moments and modes; it is no bound on what they cost on the
data.

Random numbers are of a stream of their own, so that no number of the run depends on its twin. (The
half-tick companions of `thermohw.pipeline.twins` play the run's own protocol; this one plays none.)
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.noise import Stream, block_generator, block_rng
from thermohw.pipeline.terms import as_tree, evaluated, points_asked
from thermohw.score.weights import score_to_bytes
from thermohw.target import DataSet, fitted_mixture, lift

if TYPE_CHECKING:
    from thermohw.run.setting import Setting
    from thermohw.score import Score
    from thermohw.target import FittedMixture, Target

__all__ = ["known_law_tree", "require_known_law", "twin_score"]

_WHERE = "likelihood.twin"
_OPTIONS = ("steps", "learning_rate", "states", "times", "weight_decay", "entropy_weight",
            "precision")  # fmt: skip


def require_known_law(target: Target | None, components: int) -> FittedMixture:
    """The mixture that stands beside a data set; fitted once.

    Raises:
        InputError: the law of the data is known already, or no mixture of so many components can
            be fitted to them.
    """
    data = getattr(target, "base", target)
    whole(components, 1, _WHERE)
    if not isinstance(data, DataSet):
        what = "the run has no data" if data is None else f"the law of the {data.name} is known"
        raise InputError(f"{what}: a twin is for data sets; leave it out", where=_WHERE)
    try:
        return _fitted(data, components)
    except InputError as error:
        raise InputError(error.problem, where=_WHERE) from None


@lru_cache(maxsize=2)
def _fitted(data: DataSet, components: int) -> FittedMixture:
    return fitted_mixture(data, components)


def twin_score(score: Score, law: Target, *, progress: bool = True) -> Score:
    """A network trained on another law as this one was on its data, and multiplied as it is.

    Args:
        score: a network, perhaps multiplied by a number.
        law: what to train on, without momenta.
        progress: show a bar.

    Raises:
        InputError: the score is no network, or does not say how it was trained.
    """
    from thermohw.score.network import NetworkScore
    from thermohw.score.training import fit_score

    base = getattr(score, "base", score)
    settings = dict(base.record.get("training", {})) if isinstance(base, NetworkScore) else {}
    if not isinstance(base, NetworkScore) or "seed" not in settings:
        problem = "the score is no network that was trained: there is nothing to train a twin of"
        raise InputError(problem, where=_WHERE)
    trunk = {key: value for key, value in base.head.trunk.to_dict().items() if key != "picture"}
    kind = trunk.pop("kind", "mlp")
    head = "gaussian" if base.head.kind == "levels" else base.head.kind
    word = block_rng(int(settings["seed"]), 0, Stream.KNOWN_LAW).integers(2**63)
    trained = fit_score(
        law,
        base.process,
        seed=int(word),
        architecture={"head": head, "trunk": kind, **trunk},
        progress=progress,
        **{key: settings[key] for key in _OPTIONS if key in settings},
    )
    return trained.scaled(float(getattr(score, "factor", 1.0)))


def known_law_tree(
    setting: Setting,
    components: int,
    *,
    test: int,
    seed: int,
    prior: str = "schedule",
    progress: bool = True,
    **settings: Any,
) -> dict[str, Any]:
    """Fit the mixture, train the twin and evaluate it.

    Args:
        setting: what is run: data and network.
        components: of the mixture.
        test: held-out points of the run; the twin gets as many fresh samples of its law.
        seed: of the noise and the samples (their own stream).
        prior: "schedule" or "matched".
        progress: show bars.
        **settings: as of `thermohw.pipeline.terms.likelihood_tree`.

    Returns:
        A tree for /parameters/known_law: that of the likelihood, and `definition`, `arrays` (of
        the law), `weights` (of the network) and `scale`.

    Raises:
        InputError: no mixture of so many components, or no network to train a twin of.
    """
    assert setting.target is not None
    law = require_known_law(setting.target, components)
    score = twin_score(setting.score, law, progress=progress)
    whole_law = lift(law, setting.process)
    generator = block_generator(seed, 0, Stream.KNOWN_LAW)
    points = whole_law.held_out(points_asked(setting.target, test), generator)
    found = evaluated(
        score,
        whole_law,
        points,
        generator=generator,
        prior=prior,
        progress=progress,
        **settings,
    )
    return as_tree(found, points) | {
        "definition": json.dumps(law.to_dict()),
        "arrays": law.arrays(),
        "weights": score_to_bytes(getattr(score, "base", score)),
        "scale": float(getattr(score, "factor", 1.0)),
    }
