"""Weight files: nothing is lost, nothing foreign gets in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.score.network.mlp import MLP
from thermohw.score.weights import load_score, save_score, score_from_bytes, score_to_bytes
from thermohw.target import DataSet, gaussian

DIM = 3
COUPLED = Relaxation(
    np.array([[1.0, 0.2, 0.0], [-0.3, 1.5, 0.1], [0.0, 0.7, 1 / 3]]), np.diag([1.0, 2.0, 0.1]), 4.0
)


def made(process, *, levels: bool) -> NetworkScore:
    """A dense network under the default head, of three numbers."""
    rows = np.random.default_rng(1).integers(0, 4, (100, DIM))
    target = (
        DataSet(rows, np.zeros(100), table={"kind": "grey"}, name="grey", step=1.0)
        if levels
        else gaussian([0.1, 0.2, 0.3], [1.0, 0.5, 0.2])
    )
    head = design(target, process, {"width": 16, "dropout": 0.1})
    generator = torch.Generator().manual_seed(4)
    weights = {
        name: torch.randn(shape, generator=generator) for name, shape in head.trunk.shapes.items()
    }
    record = {"target": target.name, "shift": [0.5] * DIM, "scale": 1.25, "validation": [[50, 1.5]]}
    return NetworkScore(head, weights, record=record)


CASES = [(VP(t_min=4e-4), True), (VE(25.0), True), (OU(3.0), False), (COUPLED, False)]


@pytest.mark.parametrize(("process", "levels"), CASES, ids=lambda v: getattr(v, "kind", str(v)))
def test_round_trip_to_the_last_bit(tmp_path, process, levels):
    score = made(process, levels=levels)
    path = save_score(score, tmp_path / "score.safetensors")
    again = load_score(path, process)
    assert again.process == process and again.record == score.record
    assert again.narrowest == score.narrowest and again.dim == DIM
    assert np.array_equal(again.shift, [0.5] * DIM) and again.scale == 1.25
    x = torch.randn(20, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for t in (0.0, 0.2, process.duration):
        for states in (x, x.float()):
            pairs = zip(
                score.at(t).with_divergence(states),
                again.at(t).with_divergence(states),
                strict=True,
            )
            assert all(torch.equal(a, b) for a, b in pairs)
    assert score_to_bytes(again) == score_to_bytes(score) == path.read_bytes()
    assert torch.equal(score_from_bytes(path.read_bytes()).at(0.2)(x), score.at(0.2)(x))


@pytest.mark.parametrize("head", ["gaussian", "levels", "plain"])
@pytest.mark.parametrize("trunk", [{"trunk": "mlp", "depth": 3}, {"trunk": "unet", "depth": 1}])
def test_every_head_and_trunk_survives(head, trunk):
    process, shape = VP(t_min=1e-3), (4, 5, 2)
    rows = np.random.default_rng(1).integers(0, 4, (60, 40))
    table = {"kind": "grey"}
    target = DataSet(rows, np.zeros(60), table=table, name="grey", step=1.0, image_shape=shape)
    small = {"head": head, "width": 6, "bumps": 5, "dropout": 0.1}
    shaped = design(target, process, small | trunk)
    generator = torch.Generator().manual_seed(4)
    weights = {k: torch.randn(s, generator=generator) for k, s in shaped.trunk.shapes.items()}
    score = NetworkScore(shaped, weights, record={"target": "grey"})
    again = score_from_bytes(score_to_bytes(score))
    assert again.head.kind == head and again.head.trunk == shaped.trunk
    assert again.divergence_products == score.divergence_products == 40
    x = torch.randn(3, 40, dtype=torch.float64, generator=generator)
    pairs = zip(again.at(0.4).with_divergence(x), score.at(0.4).with_divergence(x), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert score_to_bytes(again) == score_to_bytes(score)


def test_files_of_the_first_version_still_load():
    # Written by the code that knew one trunk and two heads: grey levels in three coordinates, a
    # width of 8, 60 steps. The values are what that code printed.
    path = Path(__file__).parents[1] / "data" / "score_v1.safetensors"
    score = load_score(path, VP(t_min=4e-4))
    assert score.head.kind == "levels" and score.head.trunk.to_dict()["width"] == 8
    assert isinstance(score.head.trunk, MLP) and score.head.trunk.depth == 2
    x = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(2, 3)
    value, divergence = score.at(0.2).with_divergence(x)
    expected = [
        [0.6890298243040683, 0.103126724701649, 0.29694797483059254],
        [-0.13102564560094737, -0.3362649815702831, -1.0094206301644963],
    ]
    # round-off of a few hundred operations, should they be done in another order one day
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(divergence, [-2.965560945269657, -3.394830912425457], rtol=1e-12)
    assert score_to_bytes(score) == path.read_bytes()  # what it was, a file of today is


def test_foreign_architectures_are_refused():
    data = score_to_bytes(made(VP(), levels=True))
    for key, value in (("kind", "tree"), ("branches", 3), ("depth", 3), ("kind", "unet")):

        def change(tensors, header, key=key, value=value):
            header["architecture"]["trunk"][key] = value

        with pytest.raises(InputError):
            score_from_bytes(rewritten(data, change))


def test_another_process_is_refused_with_both_names(tmp_path):
    path = save_score(made(VP(t_min=4e-4), levels=True), tmp_path / "w")
    with pytest.raises(InputError) as caught:
        load_score(path, VP(beta_max=19.0, t_min=4e-4))
    message = str(caught.value)
    assert "beta_max=20.0" in message and "beta_max=19.0" in message and str(path) in message
    assert "\n" not in message
    with pytest.raises(InputError, match=r"vp\(.*ou\("):
        load_score(path, OU(3.0))


def test_foreign_and_damaged_files(tmp_path):
    data = score_to_bytes(made(VP(), levels=True))
    file = tmp_path / "w"
    damaged = [b"", b"hello", data[:7], data[:200], data[:-1], data[: len(data) // 2]]
    for piece in damaged:
        file.write_bytes(piece)
        with pytest.raises(InputError, match="safetensors") as caught:
            load_score(file)
        assert str(file) in str(caught.value)
    file.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}, {"format": "pt"}))
    with pytest.raises(InputError, match="not a thermohw score"):
        load_score(file)
    with pytest.raises(InputError, match="cannot be read: no such"):
        load_score(tmp_path / "absent")
    with pytest.raises(InputError, match="is a folder"):
        load_score(tmp_path)


def rewritten(data: bytes, change) -> bytes:
    """The same file with tensors and description changed."""
    length = int.from_bytes(data[:8], "little")
    (key, text), *rest = json.loads(data[8 : 8 + length])["__metadata__"].items()
    assert not rest
    tensors, description = safetensors.torch.load(data), json.loads(text)
    change(tensors, description)
    return safetensors.torch.save(tensors, {key: json.dumps(description)})


def test_incomplete_files_are_refused():
    data = score_to_bytes(made(VP(), levels=True))

    def lost(tensors, header):
        del tensors["weights.weight_2"]

    def cut(tensors, header):
        tensors["weights.bias_1"] = tensors["weights.bias_1"][:-1].clone()

    def bare(tensors, header):
        del tensors["preconditioner.lowest"]

    def mute(tensors, header):
        del header["architecture"]

    def garbled(tensors, header):
        header["architecture"] = 7

    def elsewhere(tensors, header):
        header["process"] = {"kind": "warp"}

    def newer(tensors, header):
        header["format"] = "thermohw-score/9"

    for change in (lost, cut, bare, mute, garbled, elsewhere, newer):
        with pytest.raises(InputError):
            score_from_bytes(rewritten(data, change))
    for key in ("narrowest", "step", "levels"):
        for value in ([], "1", None, True, 0.0, -1.0, float("nan"), 10**400):

            def number(tensors, header, key=key, value=value):
                header["architecture"]["numbers"][key] = value

            with pytest.raises(InputError):
                score_from_bytes(rewritten(data, number))
    for key, values in {"shift": (1.0, [1.0], None, ["x"] * 3), "scale": (0.0, "1", None)}.items():
        for value in values:

            def record(tensors, header, key=key, value=value):
                header["record"][key] = value

            with pytest.raises(InputError):
                score_from_bytes(rewritten(data, record))
    mean, covariance = "preconditioner.mean", "preconditioner.covariance"
    odd = {
        "weights.bias_1": (lambda v: v * torch.nan, lambda v: v.double(), lambda v: v.int()),
        mean: (lambda v: v[None], lambda v: v.float(), lambda v: v[:-1], lambda v: v * torch.inf),
        covariance: (lambda v: v[None], lambda v: v[0], lambda v: -v, lambda v: v.triu() + v),
        "preconditioner.lowest": (lambda v: v[:1], lambda v: v.int()),
        "preconditioner.other": (lambda v: torch.zeros(3),),
    }
    for name, changes in odd.items():
        for change in changes:

            def put(tensors, header, name=name, change=change):
                tensors[name] = change(tensors.get(name)).contiguous()

            with pytest.raises(InputError):
                score_from_bytes(rewritten(data, put))
    assert score_from_bytes(rewritten(data, lambda tensors, header: None)).dim == DIM


def test_a_type_that_torch_has_not():
    """Known to the format's library, but not to its torch reader."""
    head = json.dumps({"x": {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [0, 1]}}).encode()
    with pytest.raises(InputError, match="F8_E8M0"):
        score_from_bytes(len(head).to_bytes(8, "little") + head + b"\0")


def test_what_has_no_weights_and_where_none_can_go(tmp_path):
    with pytest.raises(InputError, match="only a network"):
        score_to_bytes(gaussian([0.0], [1.0]).score(OU(3.0)))
    score = made(VP(), levels=True)
    with pytest.raises(InputError, match="only a network"):
        save_score(score.scaled(0.95), tmp_path / "w")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save_score(score, tmp_path / "file" / "w")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]
