"""The form of the notebooks: lab pages whose cells name, call and show; the package does the work."""

import ast
import json
import re
import statistics
from pathlib import Path

import nbformat
import papermill
import pytest

from dataengine_utils.artifacts import ARTIFACTS
from dataengine_utils.profiles import FIELDS
from dataengine_utils.stages import PARAMETERS, STAGES

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("[0-9]*.ipynb"))
PAGES = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
NOT_FIELDS = {
    "RUN_DIR", "ITERATION", "PROFILE", "ITERATIONS", "N_QUERIES", "BATCH_SIZE", "PREDICTIONS", "REVIEWER",
    "STRATEGIES", "SEEDS", "RUN_CELLS", "JOBS",
}
SHOWS = re.compile(r"^\w*(?:_grid|_bars|_table|_counts|progress|heatmap|loss_curves?)\(", re.MULTILINE)
HEAVY = ("models", "training")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def sources(path):
    return [cell.source for cell in cells(path, "code")]


def parameters(path):
    return sources(path)[0]


def names_of(path):
    return [node.targets[0].id for node in ast.parse(parameters(path)).body]


def test_there_is_one_notebook_for_every_stage_and_one_for_the_loop():
    assert [path.stem for path in NOTEBOOKS] == [
        "00_run_loop", *(stage.name for stage in STAGES), "07_ablation"
    ]


@PAGES
def test_is_valid_stripped_and_of_the_python_kernel(path):
    page = nbformat.read(path, as_version=4)
    nbformat.validate(page)
    assert page.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(path, "code"))
    assert set(page.metadata) == {"kernelspec", "language_info"}, "no widget states or editor settings"
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


@PAGES
def test_cells_are_few_short_and_define_nothing(path):
    lengths = [len(source.splitlines()) for source in sources(path)]
    assert 10 <= len(lengths) <= 20
    assert statistics.median(lengths) <= 5 and max(lengths) <= 15
    for source in sources(path):
        tree = ast.parse(source)
        forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.While)
        assert not any(isinstance(node, forbidden) for node in ast.walk(tree)), source


@PAGES
def test_opens_with_title_and_files_and_closes_with_the_next_page(path):
    words = [cell.source for cell in cells(path, "markdown")]
    assert words[0].startswith(f"# {path.stem[:2]} · ")
    assert "read" in words[0] and "writes" in words[0]
    following = [*NOTEBOOKS[1:-1], NOTEBOOKS[1], NOTEBOOKS[1]]
    assert words[-1].startswith("**Next:**") and following[NOTEBOOKS.index(path)].name in words[-1]
    first, last = (nbformat.read(path, as_version=4).cells[i].cell_type for i in (0, -1))
    assert first == last == "markdown"


@PAGES
def test_parameters_are_tagged_literals_with_a_comment(path):
    first, *others = cells(path, "code")
    assert first.metadata.tags == ["parameters"]
    assert not any("parameters" in cell.metadata.get("tags", []) for cell in others)
    for line, node in zip(first.source.splitlines(), ast.parse(first.source).body, strict=True):
        value = ast.literal_eval(node.value)
        assert node.targets[0].id.isupper() and not isinstance(value, (tuple, dict, list))
        _, _, comment = line.partition("  # ")
        assert comment and "=" not in comment, line
        assert not isinstance(value, str) or "{" not in value
    assert list(papermill.inspect_notebook(str(path))) == names_of(path), "papermill sees them all"


@PAGES
def test_parameters_are_those_of_the_loop_and_of_the_profile(path):
    names = names_of(path)
    expected = {"RUN_DIR", "PROFILE"} if path.stem.startswith(("00", "07")) else set(PARAMETERS)
    assert expected <= set(names)
    assert all(name in NOT_FIELDS or name.lower() in FIELDS for name in names)
    rest = "\n".join(sources(path)[1:])
    assert all(re.search(rf"\b{name}\b", rest) for name in names), "every parameter is used"
    assert not re.findall(r"^([A-Z_]{3,})\s*=", rest, re.MULTILINE), "parameters are set in one cell only"


@PAGES
def test_settings_in_use_are_shown_before_anything_is_done(path):
    assert any("settings_table(run," in source for source in sources(path)[1:3])


@PAGES
def test_only_evaluation_and_training_import_torch(path):
    text = "\n".join(sources(path))
    imported = {name for name in HEAVY if re.search(rf"import .*\b{name}\b|\.{name} import", text)}
    assert imported == {"01_evaluate": {"models"}, "06_train": {"training"}}.get(path.stem, set())
    assert "torch" not in text and "transformers" not in text


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_reads_and_writes_what_the_loop_says(stage):
    path = next(path for path in NOTEBOOKS if path.stem == stage.name)
    text = "\n".join(sources(path))
    saved = set(re.findall(r'iteration\.(?:save|append|path_of)\("(\w+)"', text))
    read = set(re.findall(r'(?:iteration\.load|run\.previous|run\.gather)\("(\w+)"', text))
    assert saved == set(stage.outputs)
    assert read - set(stage.outputs) <= {source.artifact for source in stage.inputs}
    title = cells(path, "markdown")[0].source
    for name in saved:
        assert ARTIFACTS[name].file in title, f"the title names {ARTIFACTS[name].file}"


@PAGES
def test_every_figure_and_table_has_a_sentence_before_it(path):
    page = nbformat.read(path, as_version=4).cells
    for n, cell in enumerate(page):
        if cell.cell_type == "code" and SHOWS.search(cell.source):
            sentences = [before.source for before in page[n - 2 : n] if before.cell_type == "markdown"]
            assert sentences and len(sentences[-1].split()) >= 5, cell.source
