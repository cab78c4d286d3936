"""What the README says is so: its commands, files, links, notebooks and examples are the ones there."""

import json
import re
from pathlib import Path

import pytest

from dataengine_utils import images, teachers
from dataengine_utils.benchmarks.jsonl import read_questions
from dataengine_utils.loop import main
from dataengine_utils.profiles import load_profile
from dataengine_utils.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_make_target_and_its_plain_form_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `make (\w+)` \| `\.venv/bin/python (.+?)` \|$", README, re.MULTILINE)
    assert {target for target, _ in rows} == {"loop", "test", "lab", "bench", "lint"}
    for target, command in rows:
        recipe = re.search(rf"^{target}: .*\n\t\$\(RUN\) (.+)$", makefile, re.MULTILINE)[1]
        said = command.replace("outputs/picturebook", "$(OUT)")
        assert recipe.startswith(said), (target, recipe, said)


def test_files_and_links_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_modules_that_are_run_exist():
    for module in set(re.findall(r"python -m (dataengine_utils[.\w]*)", README)):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_notebooks_and_their_files_are_those_of_the_loop():
    rows = dict(re.findall(r"^\| `(\d\d_\w+)` \|.*\| (.+?) \|$", README, re.MULTILINE))
    assert set(rows) == {"00_run_loop", "07_ablation", *(stage.name for stage in STAGES)}
    for stage in STAGES:
        for name in stage.outputs:
            assert name in rows[stage.name], (stage.name, name)


def test_the_yaml_example_is_a_profile(tmp_path):
    example = re.search(r"```yaml\n(# my_.+?)```", README, re.DOTALL)[1]
    file = tmp_path / "my_experiment.yaml"
    file.write_text(example, encoding="utf-8")
    profile = load_profile(file)
    assert (profile.benchmark, profile.teacher, profile.budget) == ("jsonl", "rules", 2000)
    assert teachers.load(profile.teacher, **profile.teacher_options).name == "rules"


def test_the_lines_of_the_users_own_files_are_read(tmp_path):
    question, record = re.findall(r"```json\n(.+?)```", README, re.DOTALL)
    (tmp_path / "my_questions.jsonl").write_text(question, encoding="utf-8")
    (tmp_path / "annotations.jsonl").write_text(json.dumps(json.loads(record)), encoding="utf-8")
    assert read_questions(tmp_path / "my_questions.jsonl")[0].choice == "A"
    assert images.load("folder", path=str(tmp_path)).record("1").objects[0].name == "cat"


def test_every_module_has_its_place():
    tree = re.search(r"## Where everything lies\n\n```\n(.+?)```", README, re.DOTALL)[1]
    parts = {path.stem for path in (ROOT / "dataengine_utils").iterdir()
             if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} <= set(re.findall(r"\w+", tree))


def test_the_study_is_quoted_as_it_was_printed():
    study = (ROOT / "docs" / "ablation" / "ablation.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `(\w+)`(?: \(scores\))? \| (.+) \|$", README, re.MULTILINE)
    for strategy, cells in [row for row in quoted if row[0] in ("uniform", "paper", "shrunk", "gain")]:
        rows = "\n".join(re.findall(rf"^\| {strategy} \|.+$", study, re.MULTILINE))
        for cell in cells.split(" | "):
            assert cell.removesuffix(" %") in rows, (strategy, cell)
    command = re.search(r"Made by `(.+)`\.", study)[1]
    assert command in README and sum(row[0] == "gain" for row in quoted) == 1


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README


def test_the_printed_table_has_the_form_that_the_loop_prints():
    printed = re.search(r"```\n(.*?sealed questions right.*?)```", README, re.DOTALL)[1]
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("iter_00")] == [
        stage.name for stage in STAGES]


@pytest.mark.parametrize("command", [["show", "picturebook"], ["show", "llava15"]])
def test_show_works(command, capsys):
    assert main(command) == 0
    assert "student" in capsys.readouterr().out
