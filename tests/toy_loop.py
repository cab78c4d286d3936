"""Six throw-away notebooks that write real artifacts in no time, and a loop over them that can be killed.

As a program (`python toy_loop.py OUT NOTEBOOKS MOMENT STEP`) it runs one iteration in OUT; with a MOMENT but
"never" it kills itself with -9 there: "begun", "written" (outputs there, mark not) or "marked" of the step.
"""

import os
import signal
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from dataengine_utils import fingerprints, loop

PARAMETERS = 'RUN_DIR = "."\nITERATION = 0\nPROFILE = "picturebook"'
OPEN = """
import hashlib, json, os, signal, time
from pathlib import Path
from dataengine_utils.artifacts import open_run
from dataengine_utils.records import *
run = open_run(RUN_DIR, PROFILE)
now = run.iteration(ITERATION)
before = run.iteration(ITERATION - 1) if ITERATION else None
def digest(*values):
    return hashlib.sha256(repr(values).encode()).hexdigest()[:8]
"""
BODIES = {
    "01_evaluate": """
start = digest((before.load("adapter") / "weights").read_text()) if before else "base"
right = 5 + 2 * ITERATION
told = [Prediction(f"q{n}", "Colour", start, "A", "right" if n < right else "wrong") for n in range(10)]
now.save("predictions_diagnose", told)
now.save("predictions_sealed", told)
scores = {"n": 10, "right": right, "wrong": 10 - right, "unparsed": 0, "accuracy": right / 10,
          "low": 0.2, "high": 0.8}
now.save("metrics", {"diagnose": {"overall": scores, "types": {"Colour": scores}},
                     "sealed": {"overall": scores, "types": {"Colour": scores}}})""",
    "02_weakness": """
wrong = [p for p in now.load("predictions_diagnose") if p.outcome == "wrong"]
now.save("bad_cases", [BadCase(p.question_id, "Colour", "1", "?", ("a", "b"), "a", p.reply) for p in wrong])
now.save("clusters", [])
now.save("weakness", [TypeWeakness("Colour", 10, 5, 5, 0, 0.5, 0.2, 0.8, 1.0, len(wrong))])""",
    "03_sampling": """
bad = tuple(now.load("bad_cases"))
weak = now.load("weakness")
now.save("queries", [Query(digest(weak, bad, n), "Colour", str(n), bad) for n in range(4)])""",
    "04_prompt_optimization": """
parent = before.load("template").id if before else ""
template = Template(digest(now.load("queries"), parent), parent, "role", ("rule",), {})
now.save("session", [])
now.save("templates", [template])
now.save("trials", [])
now.save("template", template)
now.save("decision", Decision(template.id, "policy keep", "", {}, ""))""",
    "05_generate": """
queries, template = now.load("queries"), now.load("template")
done = now.load_part("generated")
with now.append("generated") as write:
    for query in queries[len(done):]:
        write(Generated(query.id, "Colour", "1", template.id, "toy", digest(query), True, "", None))
        with open(LOG, "a") as log: log.write(query.id + "\\n")
        MIDDLE
now.save("samples", [Sample("?", g.reply, "a", ("a", "b"), "A", "1", 0, "Colour", "1", g.query_id, g.query_id,
                            g.template_id)
                     for g in now.load("generated")])""",
    "06_train": """
samples = [run.iteration(n).load("samples") for n in range(ITERATION + 1)]
work = now.part_of("adapter")
work.mkdir(parents=True, exist_ok=True)
(work / "weights").write_text(digest(samples))
now.save("train_log", [{"step": 1, "loss": 0.5}])
now.save("predictions_candidate", [])
now.save("adapter", work)
now.save("gate", Decided("off", 0.05, 0.05, (), "first", ITERATION, digest(samples)))""",
}
# Kills the loop once. After that the kernel may write nothing: it has to die too.
KILL = """
if not Path(ONCE).exists():
    Path(ONCE).touch()
    os.kill(int((run.path / ".lock").read_text()), signal.SIGKILL)
    time.sleep(2.5)
    Path(ONCE + ".outlived").touch()
"""


def write_notebooks(folder: Path, *, kill: bool = False, **bodies: str) -> Path:
    """The six notebooks; with `kill` each kills its loop once, in the middle. `bodies` replace some."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in {**BODIES, **{f"0{key[1:]}": value for key, value in bodies.items()}}.items():
        once = str(folder / f"killed_{name}_")
        names = f"LOG = {str(folder / 'log')!r}\nONCE = {once!r} + str(ITERATION)\n"
        middle = "if len(done) == 0 and query is queries[2]: exec(KILL)" if kill else "pass"
        last = "" if "MIDDLE" in body or not kill else "exec(KILL)\n"
        code = f"{names}KILL = {KILL!r}\n{last}{body.replace('MIDDLE', middle)}"
        first = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        cells = [first, new_code_cell(OPEN), new_code_cell(code)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")
    return folder


def kill_at(moment: str, title: str) -> None:
    """Have the loop in this process killed at that moment of that step."""
    name = {"begun": "begin", "written": "_execute", "marked": "finish"}[moment]
    act = getattr(loop, name)

    def killed(*args, **options):
        value = act(*args, **options)
        if any(getattr(arg, "title", None) == title for arg in args):
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(loop, name, killed)


def execute_here(run, step, notebooks: Path, server) -> None:
    """Instead of a kernel, which takes most of a second: the cells in this process."""
    cells = nbformat.read(notebooks / step.stage.notebook, as_version=4).cells
    names = {"RUN_DIR": str(run.path), "ITERATION": step.iteration.number, "PROFILE": run.source}
    exec("\n".join(cell.source for cell in cells[1:]), names)


def main(out: str, notebooks: str, moment: str = "never", title: str = "") -> None:
    loop.check_names = loop.check_data = lambda profile: None
    fingerprints.hash_package = lambda: "code"
    if moment != "never":
        loop._execute, loop.check_notebooks = execute_here, lambda folder, stages: None
        kill_at(moment, title)
    loop.run_loop(out, "picturebook", iterations=1, notebooks=Path(notebooks))


if __name__ == "__main__":
    main(*sys.argv[1:])
