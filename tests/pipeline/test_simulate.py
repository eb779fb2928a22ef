"""The main job from Python: what is stored can be rebuilt, in memory equals on file."""

import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError
from thermohw.run.setting import rebuild


@pytest.fixture(scope="module")
def mixture():
    target = th.targets.gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5)
    return target, target.score(th.OU(duration=3.0))


def protocol(score, **options):
    settings = {"wiring": "emf", "control": "clocked", "ticks": 64} | options
    return th.Protocol(th.load_device("rc1"), score.process, score, **settings)


def test_in_memory_equals_on_file(mixture, tmp_path):
    _, score = mixture
    options = {"paths": 5000, "seed": 3, "dtype": "float64"}
    loose = th.simulate(protocol(score), **options)
    # every = 8 brings the recorder along; the numbers must not notice.
    th.simulate(protocol(score), **options, store=tmp_path / "run.h5", test=0)
    with th.RunReader.open(tmp_path / "run.h5") as run:
        assert set(run.ledger_names) == set(loose.channels)
        for name, values in loose.channels.items():
            assert np.array_equal(run.ledger(name), values), name
    assert "heat.r0" in str(loose.ledger) and "kT" in str(loose.ledger)


def test_recorded_frames_agree_with_the_ends(mixture, tmp_path):
    _, score = mixture
    th.simulate(
        protocol(score), paths=300, dtype="float64", store=tmp_path / "r.h5", every=5, test=0
    )
    with th.RunReader.open(tmp_path / "r.h5") as run:
        voltage = run.series("voltage")
        assert list(voltage.step) == [*range(0, 64, 5), 64]
        frames = voltage.read()
        assert np.array_equal(frames[0], run.ledger("voltage.start"))
        assert np.array_equal(frames[-1], run.ledger("voltage.end"))
        # The source is 2 (v + V0 s) for ou at the thermal voltage.
        v0 = run.parameters["units"]["volts_per_unit"]
        source = 2.0 * (frames + v0 * run.series("score").read())[:-1]
        assert np.allclose(run.series("control").read()[:-1], source, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("factor", [1.0, 0.95])
def test_altered_scores_and_foreign_laws_are_rebuilt(mixture, tmp_path, factor):
    """A score may be scaled, and may belong to another law than the data's."""
    data, _ = mixture
    other = th.targets.gaussian(mean=[0.0], std=[1.2])
    score = other.score(th.OU(duration=3.0)).scaled(factor)
    path = tmp_path / "run.h5"
    th.simulate(protocol(score), paths=50, store=path, target=data, test=0, start="prior")
    with th.RunReader.open(path) as run:
        setting = rebuild(run.parameters)
    assert setting.scale == factor and setting.target is not None
    assert setting.target.to_dict() == data.to_dict()
    import torch

    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    assert torch.equal(setting.score(x, 0.7), score(x, 0.7))


def test_a_hot_bath_is_summed_up_in_the_same_kt(tmp_path):
    """One kT, that of T_ref, on every line of the ledger, the audit and the page: they add up."""
    device = th.load_device("rc8-chain")
    process = th.relaxation(device, 0.5)
    score = th.targets.gaussian(mean=[0.0] * 8, std=[1.0] * 8).score(process)
    settings = {"wiring": "emf", "control": "clocked", "ticks": 8}
    hot = th.Protocol(device, process, score, **settings)
    run = th.simulate(hot, paths=200, store=tmp_path / "hot.h5", test=0)
    audit = th.audit(tmp_path / "hot.h5").quantities["heat.r0.kT"]
    mean, _ = run.ledger.rows["heat.r0"]
    assert run.ledger.baths["heat.r0"] == pytest.approx(2.0 * run.ledger.energy)  # 600 K, 300 K
    assert mean / run.ledger.energy == pytest.approx(audit.value)
    words = f"{mean / run.ledger.energy:+.5g}"
    assert words in next(line for line in str(run.ledger).splitlines() if "heat.r0" in line)
    page = th.report(tmp_path / "hot.h5", tmp_path / "hot.html").read_text()
    assert f"{audit.value:.3f}".replace("-", "−") in page


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"paths": 0}, "simulate.paths"),
        ({"paths": 10, "dtype": "half"}, "simulate.dtype"),
        ({"paths": 10, "start": "middle"}, "simulate.start"),
    ],
)
def test_refused(mixture, options, expected):
    with pytest.raises(InputError, match=expected):
        th.simulate(protocol(mixture[1]), **options)


def test_no_more_than_one_decision_a_tick_can_wait(mixture, tmp_path):
    # On a log-SNR grid the shortest tick is far shorter than the latency; their ratio once sized
    # the resume state, and so the file.
    target = th.targets.gaussian(mean=[0.0], std=1.0)
    score = target.score(th.VP(beta_min=0.1, beta_max=20.0, t_min=1e-7))
    late = protocol(score, ticks=64, grid="log-snr", latency="1 us")
    th.simulate(late, paths=8, store=tmp_path / "late.h5", test=0)
    assert (tmp_path / "late.h5").stat().st_size < 2_000_000
