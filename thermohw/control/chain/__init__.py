"""Imperfections between a node and its source, one stage each, in one declared order.

    sense -> ADC -> delay -> score -> DAC -> hold -> amplifier -> node

Every stage is a small frozen class with its equation, ideal unless told otherwise;
`protocol.ideal("adc")` switches one off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.control.chain.adc import ADC
    from thermohw.control.chain.amplifier import OutputAmplifier
    from thermohw.control.chain.chain import Chain, make_chain
    from thermohw.control.chain.dac import DAC, code_curve
    from thermohw.control.chain.delay import Delay
    from thermohw.control.chain.hold import Hold
    from thermohw.control.chain.keys import ORDER, STAGES, Imperfections, describe_keys
    from thermohw.control.chain.lag import Lag
    from thermohw.control.chain.node import NodeErrors, node_errors
    from thermohw.control.chain.score import ScoreErrors
    from thermohw.control.chain.sense import Sense

__all__ = [
    "ADC",
    "DAC",
    "ORDER",
    "STAGES",
    "OutputAmplifier",
    "Chain",
    "Delay",
    "Hold",
    "Imperfections",
    "Lag",
    "NodeErrors",
    "ScoreErrors",
    "Sense",
    "code_curve",
    "describe_keys",
    "make_chain",
    "node_errors",
]

on_demand(
    __name__,
    {
        "ADC": "adc",
        "Chain": "chain",
        "DAC": "dac",
        "Delay": "delay",
        "Hold": "hold",
        "Imperfections": "keys",
        "Lag": "lag",
        "NodeErrors": "node",
        "ORDER": "keys",
        "OutputAmplifier": "amplifier",
        "STAGES": "keys",
        "ScoreErrors": "score",
        "Sense": "sense",
        "code_curve": "dac",
        "describe_keys": "keys",
        "make_chain": "chain",
        "node_errors": "node",
    },
)
