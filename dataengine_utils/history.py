"""What the earlier rounds of a run say: what each type was given, and how it changed since."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from .allocation import Round
from .artifacts import Run
from .benchmarks.scoring import Judge, judged, tally
from .records import Prediction, Question
from .standing import is_kept, new_rounds
from .weakness import Change, changes


def earlier_predictions(
    run: Run, number: int, questions: Sequence[Question], judge: Judge
) -> dict[str, list[Prediction]]:
    """The diagnose answers of the base and of every iteration up to `number`, judged by today's rule.

    By name: "base", "iteration 1", ...; iterations whose answers are not there are left out.
    """
    found = {}
    for earlier in range(number + 1):
        iteration = run.iteration(earlier)
        if iteration.has("predictions_diagnose"):
            name = f"iteration {earlier}" if earlier else "base"
            found[name] = judged(questions, iteration.load("predictions_diagnose"), judge)
    return found


def earlier_changes(predictions: dict[str, list[Prediction]]) -> dict[str, dict[str, Change]]:
    """How the last of these evaluations differs from the base, and from the one before it."""
    names = list(predictions)
    return (
        {
            name: changes(predictions[name], predictions[names[-1]])
            for name in dict.fromkeys([names[0], names[-2]])
        }
        if len(names) > 1
        else {}
    )


def earlier_rounds(run: Run, predictions: dict[str, list[Prediction]]) -> dict[str, list[Round]]:
    """What every round between two of these evaluations did for each type, oldest first.

    Where the gate kept the student, nothing was measured: there is no round, and its samples count in the
    next one that was promoted, if that was trained on them too.
    """
    rounds: dict[str, list[Round]] = defaultdict(list)
    scores = [tally(given)["types"] for given in predictions.values()]
    for number, (before, after) in enumerate(pairwise(scores)):
        if is_kept(run, number):
            continue
        made = [run.iteration(n) for n in new_rounds(run, number, number + 1)]
        samples = [sample for one in made if one.has("samples") for sample in one.load("samples")]
        n_samples = Counter(sample.question_type for sample in samples)
        for name, row in before.items():
            rounds[name].append(Round(n_samples[name], row["accuracy"], after[name]["accuracy"], row["n"]))
    return dict(rounds)


def last_flips(changed: dict[str, dict[str, Change]]) -> dict[str, float]:
    """The share of each type's answers (0..1) that changed in the last round; empty before the first."""
    last = list(changed.values())[-1] if changed else {}
    return {name: one.flipped for name, one in last.items() if name != "all"}
