"""Decks in each dialect: what we import against what ngspice makes of the same file.

No resistor has a temperature of its own: ngspice 39 gives all of them the circuit's in .noise.
"""

import pytest

from benchmarks.decks import judge

pytestmark = pytest.mark.spice

DECKS = {
    "ladder": """a ladder with resistive nodes, tc1, m, scale and two sources
.param r=1k
V1 in 0 dc 2 sin(2 1 20k 5u)
R1 in x {r} tc1=1m
R2 x y 'r*2' m=2
R3 y 0 5k scale=2
C1 y 0 1n tc1=1m tc2=1e-5 dtemp=20 m=3
C2 y z 2n
R4 z 0 3k
I1 0 x dc 1m exp(1m 2m 10u 5u 60u 10u)
.options temp=50 tnom=30
.tran 1u 200u
.end
""",
    "cells": """sub-circuits
X1 in mid cell r=1k c=1n
X2 mid out cell params: r=2k
V1 in 0 pulse(0 1 1u 1u 1u 10u 30u) dc 0.5
.subckt cell a b r=5 c=2n
R1 a n {r/2}
R2 n b {r/2}
C1 b 0 {c}
L1 b t 1m
R3 t 0 50
.ends
.tran 1u 100u
.end
""",
    "coils": """inductors in series, coupled, one with m
V1 1 0 ac 1
R1 1 2 50
L1 2 3 10u
L2 3 4 20u m=2
K1 L1 L2 k=0.3
C1 4 0 1n
R2 4 0 1k
L3 5 0 5u
K2 L1 L3 0.5
R3 5 0 200
C3 5 0 100p
.end
""",
    "bridge": """a floating capacitor in a chain, an ammeter, a floating source
V1 1 0 1
L1 1 2 1u
Vm 2 3 0
C1 3 4 1n
R1 4 0 10
V2 1 5 pwl(0 0 1u 1 3u -1)
R2 5 6 100
C2 6 0 1n
C3 6 1 500p
R3 6 0 1k noisy=1
.tran 10n 5u
.end
""",
    "copies": """copies in parallel, m of a source, a PWL that repeats
X1 in mid cell m=3
R1 mid \\\\
0 2k tc1=1m
I1 0 mid 10u m=2
V1 in 0 pwl(0 0 2u 1 5u 0) r=0 td=3u
C1 mid 0 1n
.subckt cell a b
X1 a b part
.ends
.subckt part a b
R1 a n 1k
R2 n b 1k
C1 n 0 300p
L1 b t 1m
R3 t 0 500
L2 s 0 2m
R4 s 0 1k
C2 s 0 1n
I1 n 0 5u
.ends
.options temp=40
.tran 100n 40u
.end
""",
    "models": """models of R and C, an ideal divider of sources, .if
.model rm r rsh=1k narrow=0.1u tc1=2m defw=2u
.model cm c cap=2n tc1=1m
.temp 77
R1 in a rm l=11u w=2u
R2 a 0 rm l=5u
C1 a 0 cm
C2 a 0 cm m=2
V1 in 0 1
.if (1 > 2)
R9 a 0 1
.else
R9 a 0 10k
.endif
.end
""",
}


@pytest.mark.parametrize("name", DECKS)
def test_ngspice_agrees(tmp_path, name):
    path = tmp_path / f"{name}.cir"
    path.write_text(DECKS[name])
    verdict = judge(path)
    assert verdict.kind == "imports" and verdict.nodes > 0, verdict
    assert verdict.rms is not None and verdict.rms < 1e-4, verdict
    assert verdict.op is not None and verdict.op < 1e-6, verdict
    assert verdict.tran is None or verdict.tran < 1e-4, verdict


def test_an_active_deck_is_compared_too(tmp_path):
    """Resistors without noise make an active device, which has a law of its own."""
    path = tmp_path / "quiet.cir"
    path.write_text("t\nC1 a 0 1p\nR1 a 0 1k\nR2 a b 3k noisy=0\nC2 b 0 2p\nR3 b 0 2k\n.end\n")
    verdict = judge(path)
    assert verdict.kind == "imports" and verdict.nodes == 2, verdict
    assert verdict.rms is not None and verdict.rms < 1e-4, verdict
