"""Settings: three profiles, files and overrides on top, every value of the right type."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils.errors import KitError
from dataengine_utils.profiles import (
    FIELDS,
    PROFILES,
    PROJECT,
    Profile,
    differences,
    load_profile,
    origins,
    override,
    parse_overrides,
)
from dataengine_utils.records import from_json, to_json


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_loads_and_survives_json(name):
    profile = load_profile(name)
    assert profile.name == name
    assert from_json(Profile, json.loads(json.dumps(to_json(profile)))) == profile


def test_the_defaults_are_the_papers_and_the_small_run_is_its_difference():
    paper, small = load_profile("llava15"), load_profile("picturebook")
    assert (paper.lora_r, paper.lora_alpha, paper.learning_rate, paper.in_context) == (128, 256, 1e-4, 10)
    assert (paper.iterations, paper.budget, paper.strategy, paper.start_from) == (3, 80_000, "paper", "base")
    assert {text.split(":")[0] for text in differences(paper, small)} == {"name", *PROFILES["picturebook"]}


@pytest.mark.parametrize("text, value", [
    ("epochs=2", 2.0), ("learning_rate=1e-5", 1e-5), ("budget=80_000", 80_000),
    ("strategy=uniform", "uniform"),
    ("forms=direct, choice", ("direct", "choice")), ("forms=[short]", ("short",)), ("quantise=none", "none"),
    ("train_projector=no", False), ("train_projector=True", True),
    ("teacher_options.model=m", {"model": "m"}),
    ('teacher_options={"model": "m"}', {"model": "m"}),
    ("benchmark_options.sealed=3", {"diagnose": 900, "sealed": 3}),
])
def test_text_is_read_by_the_fields_type(text, value):
    overrides = parse_overrides([text])
    profile = load_profile("picturebook", overrides)
    assert getattr(profile, text.split("=")[0].split(".")[0]) == value


@pytest.mark.parametrize("field, value, told", [
    ("epochs", "many", "expected float, got 'many'"), ("epochs", True, "expected float"),
    ("epochs", 0, "expected a number above 0, got 0"), ("epochs", "-1", "above 0"),
    ("epochs", float("nan"), "expected float"), ("epochs", "inf", "expected float"),
    ("iterations", 1.5, "expected int, got 1.5"), ("iterations", "0", "expected at least 1, got 0"),
    ("quantise", "int8", "expected 'nf4' or 'none', got 'int8'"),
    ("train_projector", "maybe", "expected bool"),
    ("forms", "", "expected a list of names"), ("forms", [1], "expected a list of names"),
    ("teacher_options", "model", "expected options as NAME: VALUE"), ("lora_dropout", 1.5, "at most 1"),
    ("epoch", 1, "unknown profile field 'epoch'; known: "), ("name", "x", "unknown profile field"),
    ("epochs.x", 1, "unknown profile field 'epochs.x'"),
])
def test_a_value_that_does_not_fit_says_what_would(field, value, told):
    with pytest.raises(KitError) as error:
        load_profile("picturebook", {field: value})
    assert told in str(error.value) and "loop show" in str(error.value)


@given(st.text(max_size=20),
       st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.text())))
def test_whatever_is_given_is_a_profile_or_one_clear_error(field, value):
    for key in (field, "epochs", "forms", "teacher_options", "replay"):
        try:
            profile = load_profile("picturebook", {key: value})
        except KitError as error:
            assert "picturebook" in str(error)
        else:
            assert from_json(Profile, json.loads(json.dumps(to_json(profile)))) == profile


def test_unknown_profile_and_setting_without_a_value():
    with pytest.raises(KitError, match="unknown profile 'llava'; known: llava15, minigpt4_v2, picturebook"):
        load_profile("llava")
    with pytest.raises(KitError, match="write FIELD=VALUE"):
        parse_overrides(["epochs"])


def test_a_yaml_file_is_a_profile(tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    file.write_text("base: picturebook\nepochs: 2\nlearning_rate: 1e-4\nforms: [short, choice]\n"
                    "benchmark: jsonl\nbenchmark_options:\n  path: questions.jsonl\n")
    profile = load_profile(file, {"epochs": "5"})
    assert (profile.name, profile.student) == ("mine", "picturebook")
    assert (profile.epochs, profile.learning_rate) == (5.0, 1e-4)
    assert profile.benchmark_options == {"path": str(tmp_path / "questions.jsonl")}
    told = {field: origin for field, _, origin in origins(file, {"epochs": "5"})}
    assert (told["epochs"], told["forms"], told["budget"], told["seed"]) == (
        "override", "mine.yaml", "picturebook", "llava15")
    assert set(told) == set(FIELDS)


@pytest.mark.parametrize("text, told", [
    ("epochs: [", "cannot be read"), ("- a", "expected lines of FIELD"), ("base: mine", "unknown base"),
    ("epoch: 2", "unknown profile field"), ("epochs: two", "expected float"), ("", "expected lines of FIELD"),
])
def test_a_bad_yaml_file_is_one_clear_error(tmp_path, text, told):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(KitError, match=told):
        load_profile(tmp_path / "mine.yaml")
    with pytest.raises(KitError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")


def test_paths_count_from_where_they_were_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/mine").mkdir(parents=True)
    built_in = load_profile("llava15").benchmark_options["path"]
    assert built_in == str(PROJECT / "data/seed_bench")
    here = {"image_options.path": "vg", "student": "models/mine", "replay": "r.json"}
    given_here = load_profile("llava15", here)
    assert given_here.image_options["path"] == str(tmp_path / "vg")
    hub = {"benchmark_options.path": "hub:", "benchmark_options.images": "jpg", "benchmark_options.types": ""}
    options = load_profile("llava15", hub).benchmark_options
    assert options == {"path": "hub:", "images": str(tmp_path / "jpg"), "types": ""}
    assert given_here.student == str(tmp_path / "models/mine")
    assert given_here.replay == str(tmp_path / "r.json")
    assert load_profile("llava15").student == "llava-hf/llava-1.5-7b-hf"


def test_another_class_does_not_get_the_options_of_the_one_below(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: llava15\nteacher_options.temperature: 1\nteacher: rules\nimage_source: folder\n")
    profile = load_profile(file, {"benchmark": "mine:Own"})
    assert profile.teacher_options == {"temperature": 1}, "reset first, whatever the order"
    assert (profile.image_options, profile.benchmark_options) == ({}, {})
    told = {field: origin for field, _, origin in origins(file, {"benchmark": "mine:Own"})}
    assert (told["image_options"], told["benchmark_options"]) == ("mine.yaml", "override")
    assert load_profile("llava15", {"teacher": "rules"}).teacher_options == {}
    kept = load_profile("picturebook", {"seed": 3, "benchmark": "picturebook"})
    assert kept.benchmark_options == {"diagnose": 900, "sealed": 1800}


def test_none_means_from_the_profile():
    profile = load_profile("picturebook")
    assert override(profile, epochs=None, budget=None) == profile
    assert differences(profile, override(profile, epochs=1, budget=None)) == ["epochs: 3.0 / 1.0"]
    with pytest.raises(KitError, match="unknown profile field"):
        override(profile, epoch=1)


def test_settings_and_artifacts_open_without_torch():
    code = ("import sys, dataengine_utils.loop, dataengine_utils.artifacts; "
            "sys.exit(bool({'torch', 'pandas', 'matplotlib', 'papermill'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(PROJECT), check=False).returncode == 0
