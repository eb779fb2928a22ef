"""SPEC files: what is accepted, and one line for whatever is not."""

import json
from pathlib import Path

import pytest

from thermohw.errors import InputError
from thermohw.pipeline import load_spec, read_spec, spec_names
from thermohw.pipeline.build import build_setting

TEXT = load_spec("mixture_rc").text


def played(spec):
    assert spec.tables.protocol is not None
    return spec.tables.protocol


def test_shipped_specs_are_valid():
    assert {"mixture_rc", "digits_rc"} <= set(spec_names())
    for name in spec_names():
        load_spec(name)


def test_overrides_take_toml_values_and_bare_words():
    spec = load_spec(
        "mixture_rc",
        ["protocol.ticks=64", "protocol.wiring=current", 'device.r0.resistance="2 Mohm"'],
    )
    assert played(spec).ticks == 64 and played(spec).wiring == "current"
    assert spec.tables.device["r0.resistance"] == "2 Mohm"
    assert build_setting(spec).device.scale.resistance == 2e6


def test_none_takes_an_entry_out():
    spec = load_spec("mixture_rc", ["protocol.ticks=none", 'protocol.clock="50 MHz"'])
    assert played(spec).ticks is None and played(spec).clock == "50 MHz"


NESTED = TEXT.replace('name = "rc1"', 'name = "rc1"\nr0.resistance = "2 Mohm"')
DOTTED = TEXT.replace('name = "rc1"', 'name = "rc1"\n"r0.resistance" = "2 Mohm"')


@pytest.mark.parametrize("text", [NESTED, DOTTED], ids=["nested", "dotted"])
def test_none_takes_an_override_out(text):
    """The datasheet's own value is back; what was not overridden leaves the datasheet itself."""
    spec = read_spec(text, ["device.r0.resistance=none"])
    assert build_setting(spec).device.scale.resistance == 1e6
    assert spec.canonical == read_spec(TEXT).canonical
    bare = read_spec(TEXT, ["device.limits.rail=none"])
    sheet = build_setting(bare).device.datasheet
    assert sheet is not None and "rail" not in sheet.limits.values()
    with pytest.raises(InputError, match="resistance"):
        build_setting(read_spec(TEXT, ["device.r0.resistance=none"]))


def test_none_takes_a_table_out_and_a_slip_is_told():
    spec = read_spec(TEXT, ["simulate=none", "audit=none", "protocol.clock=none"])
    assert spec.tables.simulate.paths == 4096 and spec.tables.audit.twins
    with pytest.raises(InputError, match="protocol.tick: unknown key; did you mean ticks"):
        read_spec(TEXT, ["protocol.tick=none"])
    with pytest.raises(InputError, match="target.kind is missing"):
        read_spec(TEXT, ["target.kind=none"])


def test_canonical_text_depends_on_meaning_only():
    commented = TEXT + "\n# a remark\n"
    assert read_spec(TEXT).canonical == read_spec(commented).canonical
    assert read_spec(TEXT).canonical != read_spec(TEXT, ["simulate.seed=1"]).canonical
    json.loads(read_spec(TEXT).canonical)


def test_device_overrides_may_be_written_as_tables():
    nested = TEXT.replace('name = "rc1"', 'name = "rc1"\nr0.resistance = "2 Mohm"')
    assert build_setting(read_spec(nested)).device.scale.resistance == 2e6


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("protocol.tick=3", "protocol.tick: unknown key; did you mean ticks"),
        ("protocol.ticks=2.5", "protocol.ticks = 2.5"),
        ("protocol.ticks=0", "protocol.ticks"),
        ("protocol.wiring=norton", "protocol.wiring: 'norton': expected one of emf, current"),
        ("simulate.paths=0", "simulate.paths = 0"),
        ("simulate.dtype=float16", "simulate.dtype = 'float16'"),
        ("score.kind=magic", "score.kind = 'magic'"),
        ("score.steps=10", "score.steps: only a network score is trained"),
        ("target.kind=cats", "'cats' is not a target"),
        ("process.kind=cosine", "'cosine' is not a process"),
        ("process.duration=-1", "duration must be positive"),
        ("process.prior=flat", "process.prior: 'flat'"),
        ("device.name=rc2", "unknown device 'rc2'"),
        ("device.r0.resistance=10", "value without unit"),
        ('device.r0.resistance="-1 Mohm"', "r0.resistance"),
        ('device.r9.resistance="1 Mohm"', "r9"),
        ("device.name=rc64", "has 1 dimensions, device.name = 'rc64' has 64 nodes"),
        ('protocol.clock="10 MHz"', "either ticks or clock"),
        ("protocol.adc_bits=8", "needs control = 'clocked'"),
        ("protocol.adc_range=3", "protocol.adc_range = 3: expected [low, high]"),
        ("protocol.dac_range=100 uV", "protocol.dac_range = '100 uV': expected [low, high]"),
        ("target.means=[[nan]]", "finite"),
        ("protocol.reading_noise=0.1", "protocol.reading_noise: value without unit: 0.1"),
        ("protocol.ticks=100000000", "more than 1000000 ticks"),
        ("protocol.realisation=gain", "protocol.realisation"),
        ("protocol.realisation=injected", "protocol.injected_bandwidth"),
        ('protocol.run_time="1 us"', "protocol.run_time"),
        ("colour=3", "colour: unknown key"),
        ("protocol.stepper..=x", "protocol.stepper. is not a table"),
        ("target.kind.x=1", "target.kind is not a table"),
        ("score.kind.a.b=1", "score.kind.a is not a table"),
        (f"process.duration={10**400}", "process.duration: expected a finite number"),
        ("target.means=[1" + "0" * 400 + "]", "expected numbers"),
        ("device=x", "[device] is missing"),
        ("simulate.paths=1\n[x]", "'1\\n[x]': expected one value; 'x' begins another entry"),
        ("simulate.paths=1\nseed=2", "expected one value; 'seed' begins another entry"),
    ],
)
def test_mistakes_are_named(override, expected):
    with pytest.raises(InputError) as caught:
        spec = load_spec("mixture_rc", [override])
        setting = build_setting(spec)
        from thermohw.control import make_plan
        from thermohw.pipeline.build import prior_kind

        prior_kind(spec)
        make_plan(setting.protocol)
    message = str(caught.value)
    assert expected in message and "\n" not in message


def test_protocol_must_be_complete():
    for line in ('wiring = "emf"', 'control = "continuous"'):
        with pytest.raises(InputError, match="is missing"):
            read_spec(TEXT.replace(line, ""))


def test_not_toml_and_not_there(tmp_path: Path):
    with pytest.raises(InputError, match="not valid TOML"):
        read_spec("format = ")
    with pytest.raises(InputError, match="shipped: "):
        load_spec("nothing_of_that_name")
    with pytest.raises(InputError, match="expected 'thermohw-run/1'"):
        read_spec(TEXT.replace("thermohw-run/1", "thermohw-run/9"))
    with pytest.raises(InputError, match="key=value"):
        load_spec("mixture_rc", ["protocol.ticks"])


def test_too_coarse_a_grid_is_refused_with_the_number():
    from thermohw.control import make_plan

    spec = load_spec("mixture_rc", ["target.stds=0.01", "protocol.ticks=100"])
    with pytest.raises(InputError, match=r"about \d+ ticks are enough"):
        make_plan(build_setting(spec).protocol)


CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto", "protocol.allow_ringing=true"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("process.t_min=2.9999999999999996", "process (ou): 1024 uniform ticks from duration = 3"),
        ("process={kind='ve', sigma=1e30, t_min=1e-3}", "protocol.volts_per_unit: a model unit"),
        ("process={kind='ve', sigma=1e12, t_min=1e-3}", "process (ve): 1024 log-snr ticks"),
        ("protocol.volts_per_unit=1e-300 V", "protocol.volts_per_unit: '1e-300 V'"),
        ("protocol.volts_per_unit=1e-160 V", "protocol.volts_per_unit: '1e-160 V'"),
        ("protocol.volts_per_unit=1e-25 V", "protocol.volts_per_unit: a model unit of 1e-25 V"),
        ("protocol.volts_per_unit=1e15 V", "protocol.volts_per_unit: a model unit of 1e+15 V"),
        ("protocol.volts_per_unit=1e150 V", "protocol.volts_per_unit: '1e150 V'"),
        ("protocol.volts_per_unit=1e300 V", "protocol.volts_per_unit: '1e300 V'"),
        ("protocol.run_time=1e-29 s", "protocol.run_time: a run of"),
        ("protocol.score_noise=1e200", "protocol.score_noise: 1e+200"),
        ("protocol.score_noise=1e20", "protocol.score_noise: 1e+20 is 1e+20 of its thermal unit"),
        ("protocol.reading_noise=1e-200 V", "protocol.reading_noise: '1e-200 V'"),
        ("protocol.reading_noise=1e-20 V", "protocol.reading_noise: '1e-20 V' is 1.55e-16 of its"),
        ("protocol.reading_noise=1e29 V", "protocol.reading_noise: '1e29 V'"),
        ("protocol.node_leakage=1e-29 ohm", "protocol.node_leakage: '1e-29 ohm'"),
        ("protocol.node_resistance=1e20", "protocol.node_resistance: 1e+20"),
        ("target.stds=1e-30", "target.stds: expected standard deviations of 1e-09"),
        ("target={kind='gaussian', covariance=1e-30}", "target.covariance: its narrowest"),
        ("protocol.dac_inl=1e160", "protocol.dac_inl: 1e+160"),
        ("target.means=[[1e150], [1.0]]", "target.means: expected numbers up to 1e+15"),
        (f"target={{kind='gaussian_mixture', means={[[float(i)] for i in range(513)]}}}",
         "target.means: a mixture of 513 modes: at most 512"),
    ],
)  # fmt: skip
def test_numbers_that_doubles_cannot_follow(override, expected):
    """One line with the key, where an overflow or an assertion would have ended the run."""
    from thermohw.control import make_plan

    extra = CLOCKED
    if "run_time" in override:
        extra = ["protocol.realisation=resistance"]
    if "dac" in override:
        extra = [*CLOCKED, "protocol.dac_bits=8"]
    if "'ve'" in override:
        extra = [*CLOCKED, "protocol.grid=log-snr"]
    with pytest.raises(InputError) as caught:
        make_plan(build_setting(load_spec("mixture_rc", [*extra, override])).protocol)
    assert str(caught.value).partition(".toml: ")[2].startswith(expected) or str(
        caught.value
    ).startswith(expected)


def test_the_smallest_reading_noise_still_tells_finitely_much():
    """A hundred-trillionth of the thermal voltage: above the rounding of doubles, 2e-16."""
    from thermohw.control import make_plan

    spec = load_spec("mixture_rc", [*CLOCKED, "protocol.reading_noise=1e-18 V"])
    noise = make_plan(build_setting(spec).protocol).reading_noise
    assert 2.2e-16 < noise < 1e-13 and noise**2 > 0.0


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path):
    path = tmp_path / "spec.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_spec(path).canonical == read_spec(TEXT).canonical
