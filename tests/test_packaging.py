"""The house: pins, commands and files that belong together."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dataengine_utils

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = (ROOT / "requirements.txt").read_text().splitlines()
PINS = [line for line in REQUIREMENTS if line and not line.startswith("#")]
PACKAGE_OF = {"jupyter_client": "papermill", "nbclient": "papermill", "IPython": "ipykernel",
              "yaml": "pyyaml", "PIL": "pillow", "traitlets": "ipywidgets", "sklearn": "scikit-learn",
              "huggingface_hub": "transformers", "httpx2": "openai"}
# commands, what transformers loads on our behalf, and what the CI looks at pages with
NOT_IMPORTED = {"jupyterlab", "ruff", "accelerate", "bitsandbytes", "openpyxl", "playwright",
                "protobuf", "sentencepiece"}
# named in a comment of requirements.txt: package -> what it is imported as
OPTIONAL = {"datasets": {"datasets", "pyarrow"}, "tiktoken": {"tiktoken"}, "trl": {"trl"},
            "fastapi": {"fastapi"}, "uvicorn": {"uvicorn"}, "bespokelabs-curator": {"bespokelabs"},
            "gepa": {"gepa"}}


def pinned() -> set[str]:
    return {re.split(r"[=;\[]", line)[0].strip().lower() for line in PINS[:-1]}


def imported() -> set[str]:
    modules = set()
    for path in [*ROOT.glob("dataengine_utils/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.split(".")[0])
    return modules


def test_every_pin_is_exact_and_the_package_comes_last():
    assert PINS[-1] == "-e ."
    for line in PINS[:-1]:
        pin = re.sub(r"\[[a-z]+\]", "", line.split("#")[0].strip())  # with or without an extra
        assert re.fullmatch(r'[A-Za-z0-9_-]+==[0-9.]+(; python_version (<|>=) "3.11")?', pin), line


def test_python_3_10_and_later_each_get_one_pin_a_package():
    for name in pinned():
        lines = [line for line in PINS if re.match(rf"{name}(\[[a-z]+\])?==", line.lower())]
        markers = [re.search('(<|>=) "3.11"', line) for line in lines]
        sides = {match.group(1) for match in markers if match}
        assert (len(lines) == 1 and not sides) or (len(lines) == 2 and sides == {"<", ">="})


def test_what_is_imported_is_pinned_and_what_is_pinned_is_used():
    ours = {path.stem for path in ROOT.glob("tests/**/*.py")} | {"dataengine_utils", "tests"}
    outside = imported() - set(sys.stdlib_module_names) - ours
    used = {PACKAGE_OF.get(name, name).lower() for name in outside}
    assert used - pinned() - set().union(*OPTIONAL.values()) == set()
    assert all(f"# {name}==" in "\n".join(REQUIREMENTS) for name in OPTIONAL)
    assert pinned() - used - NOT_IMPORTED == set()


def test_the_version_is_the_packages():
    assert re.fullmatch(r"\d+\.\d+\.\d+", dataengine_utils.__version__)
    assert 'attr = "dataengine_utils.__version__"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("target", ["loop", "test", "lab", "bench", "lint"])
def test_make_knows_its_targets(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    module = re.findall(r"python -m ((?:dataengine_utils|tests)[.\w]*)", done.stdout)
    for name in module:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_the_ci_script_and_the_licence_are_whole():
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111 and "set -euo pipefail" in script.read_text()
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence


def test_products_are_ignored_and_sources_are_not():
    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0

    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert all(ignored(path) for path in (
        "outputs/run/run.json", ".venv/x", "data/x", "notebooks/.ipynb_checkpoints/x"))
    assert not any(ignored(path) for path in (
        "outputs/.gitkeep", "notebooks/01_evaluate.ipynb", "dataengine_utils/picturebook/build/steps.py",
        "dataengine_utils/picturebook/student/model.safetensors"))
