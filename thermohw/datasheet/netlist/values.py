"""Values of R, C and L cards: of the card, of its model, of a film; and what else a card may say.

    R1 a b 1k          R1 a b r=1k          R1 a b fast        .model fast r (r=1k tc1=1m)
    R1 a b film l=10u w=2u                  .model film r (rsh=1k narrow=0.1u short=0.1u)

A parameter that no card of the kind has is refused; ratings are remarked on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.lines import Line
    from thermohw.datasheet.netlist.scope import Model, Scope

__all__ = [
    "BESIDE",
    "VALUES",
    "allowed",
    "defaults_of",
    "film_of",
    "own_of",
    "tolerance_of",
    "value_of",
]

_MODELS = {"r": ("r", "res"), "c": ("c", "cap"), "l": ("l", "ind")}
VALUES = {
    "r": ("r", "resistance"),
    "c": ("c", "capacitance", "cap"),
    "l": ("l", "inductance", "ind"),
}
_RATINGS = ("pwr", "mfg", "pn", "irms", "ipk", "vmax", "type", "v")
_SAME = {"w": "defw", "l": "defl", "dw": "narrow", "dlr": "short"}
BESIDE = ("rser", "lser", "rpar", "cpar")
_PLAIN = (
    "temp",
    "dtemp",
    "m",
    "scale",
    "ic",
    "noisy",
    "noise",
    "tol",
    "tc",
    "tc1",
    "tc2",
    "tce",
    "w",
)


def value_of(
    line: Line, scope: Scope, kind: str, words: list[str], named: dict[str, str]
) -> tuple[str | None, Model | None]:
    """The text of the value (None where a model gives it) and the model, if there is one."""
    text, model = next((named[k] for k in VALUES[kind] if k in named), None), None
    left = list(words)
    for word in list(left):
        kept = scope.find("models", word.lower())
        if kept is not None and scope.parameter(word.lower()) is None:
            model = kept
            left.remove(word)
            break
    if left:
        text = left.pop(0)
    if left:
        raise line.fail(f"'{left[0]}' is not understood; {allowed(kind)} may follow the value")
    if model is not None and model.kind not in _MODELS[kind]:
        raise line.fail(f"a model of kind '{model.kind}' is not understood here")
    if text and model is not None and model.named.get(kind):
        # PSpice and Xyce multiply; ngspice takes the model's where the card has none.
        many = model.scope.value(model.named[kind], model.line)
        if many != 1.0:
            raise line.fail(
                f"its model says {kind}={model.named[kind]}: a factor in PSpice and Xyce, not used "
                "beside a value in ngspice; write the value, and delete it there"
            )
    return (text or (defaults_of(model, kind).get("value") if model else None)), model


def allowed(kind: str) -> str:
    """What may follow the value of a card, for people."""
    words = {"r": "temp=, noisy=, tc1=", "c": "temp=, ic=, tc1=", "l": "temp=, ic=, rser="}
    return f"{words[kind]} and the like"


def defaults_of(model: Model | None, kind: str) -> dict[str, str]:
    """What a model says, its value under "value"."""
    if model is None:
        return {}
    named, line = model.named, model.line
    found = {}
    for key, value in named.items():
        if key in VALUES[kind] or (kind == "r" and key == "res"):
            found["value"] = value
        elif key in _SAME:
            found[_SAME[key]] = value
        elif key in ("dev", "lot"):
            model.scope.notes.say(line.place, f"{key}= of a model (a tolerance) not used; write it "
                                              "behind the card, ; tolerance=0.01")  # fmt: skip
        elif key in (
            "tc1",
            "tc2",
            "tce",
            "tnom",
            "scale",
            "m",
            "rsh",
            "narrow",
            "short",
            "defw",
            "defl",
            "cj",
            "cjsw",
        ):
            found[key] = value
        elif key in ("kf", "af"):
            raise line.fail(
                f"{key}= of a model is flicker noise; write a [[noise]] entry in a datasheet"
            )
        elif key not in ("level", "version"):
            raise line.fail(f"'{key}=' of a model is not understood; its value, tc1, tc2, tnom are")
    return found


def own_of(
    line: Line, scope: Scope, kind: str, named: dict[str, str], defaults: dict[str, str]
) -> dict[str, str]:
    """Parameters of a card that count; remarks on those that do not, refusal of unknown ones."""
    found, unused = {}, []
    for key, value in named.items():
        if key in VALUES[kind] and not (key == "l" and kind == "r"):
            continue
        if key in _PLAIN or (key in BESIDE and kind in "cl"):
            found[key] = value
        elif key == "l" and defaults:
            found[key] = value
        elif key == "ac" and kind == "r":
            continue
        elif key in _RATINGS:
            unused.append(f"{key}=")
        else:
            raise line.fail(
                f"'{key}={value}' is not understood; {allowed(kind)} may follow the value"
            )
    if unused:
        said = "ratings"
        scope.notes.say(
            line.place, f"'{line.text.split()[0]}': {', '.join(unused)} ({said}) not used"
        )
    return found


def film_of(
    line: Line, scope: Scope, kind: str, model: Model | None, defaults: dict[str, str],
    own: dict[str, str],
) -> float:  # fmt: skip
    """The value of a film: rsh (l - 2 short)/(w - 2 narrow), cj area + cjsw circumference with
    both sides less their narrow and short, as ngspice has them.
    """
    needed = {"r": "rsh", "c": "cj"}.get(kind, "")
    if model is None or needed not in defaults or ("l" not in own and "defl" not in defaults):
        raise line.fail("a value is needed, of the card or of its model")

    def film(key: str) -> float:
        return model.scope.value(defaults[key], model.line) if key in defaults else 0.0

    edge = 2.0 if kind == "r" else 1.0
    length = scope.value(own["l"], line) if "l" in own else film("defl")
    length -= edge * film("short")
    width = scope.value(own["w"], line) if "w" in own else film("defw")
    width -= edge * film("narrow")
    if length <= 0.0 or width <= 0.0:
        raise line.fail("its length and width must be larger than what its model takes off")
    if kind == "r":
        return film("rsh") * length / width
    return film("cj") * length * width + 2.0 * film("cjsw") * (length + width)


def tolerance_of(text: str, line: Line, scope: Scope) -> float:
    """A relative tolerance, 1% or 0.01."""
    percent = text.strip().endswith("%")
    value = scope.value(text.strip().removesuffix("%"), line)
    return 0.01 * value if percent else value
