"""The model twin of a run: the entropy bound where it is known, on a law like the data's.

A run may store the likelihood terms of a second network, trained as its own was on a mixture fitted
to its data (`thermohw.pipeline.known_law`). There S0, S1 and the true score are known, and the
theorem NLL_marg >= B, with its gap made of prior mismatch and score error, is held against the
twin's terms as it is against a run's own (`thermohw.audit.likelihood`). Its terms are called
twin.<name of the term>.
"""

from __future__ import annotations

from dataclasses import replace

from thermohw.audit.likelihood import bound_marginal, likelihood_quantities
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.intake import parse_json
from thermohw.run.setting import Setting, readable
from thermohw.score.weights import score_from_bytes
from thermohw.target import lift
from thermohw.target.registry import stored_target

__all__ = ["known_law", "known_law_quantities", "twin_bound"]

_STORED = "known_law"


def twin_bound(recorded: Recorded) -> Check:
    """NLL_marg >= B on the twin, and its gap adds up."""
    name = "twin_bound"
    terms = _terms(recorded)
    if terms is None:
        known = recorded.setting.target is not None and recorded.truth is not None
        reason = "made without a twin: [likelihood] twin = 10"
        if known or recorded.setting.target is None:
            what = "the law of the data is known: see bound_marginal" if known else "no data"
            reason = f"a twin is for data sets; {what}"
        return not_applicable(name, reason, relation=">=")
    found = bound_marginal(terms)
    s0, count = terms.term("entropy.data"), len(recorded.parameters[_STORED]["arrays"]["weights"])
    known = "" if s0 is None else f", S0 = {s0.text('.4f')} nats"
    law = f"on a mixture of {count} Gaussians fitted to the data{known}: "
    return replace(found, name=name, detail=law + found.detail)


def known_law_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """Every term of the twin as twin.<name>; nothing without one."""
    terms = _terms(recorded)
    if terms is None:
        return {}
    return {f"twin.{name}": found for name, found in likelihood_quantities(terms).items()}


def _terms(recorded: Recorded) -> Recorded | None:
    """The run with its twin's likelihood terms in place of its own; None without a twin."""
    stored = recorded.parameters.get(_STORED)
    if stored is None:
        return None
    return replace(recorded, parameters={**recorded.parameters, "likelihood": stored})


def known_law(recorded: Recorded) -> Recorded | None:
    """The same with the twin's law and network in place of data and score, rebuilt.

    Raises:
        InputError: they cannot be read.
    """
    terms, setting = _terms(recorded), recorded.setting
    if terms is None:
        return None
    stored = recorded.parameters[_STORED]
    with readable(str(recorded.path)):
        definition = parse_json(stored["definition"], "target")
        law = lift(stored_target(definition, stored["arrays"]), setting.process)
        score = score_from_bytes(stored["weights"], setting.process).scaled(float(stored["scale"]))
        return replace(terms, setting=Setting(replace(setting.protocol, score=score), law))
