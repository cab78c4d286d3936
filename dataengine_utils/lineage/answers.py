"""What was said: the student's replies in words, and the teacher's as the run's ledger has them."""

from contextlib import closing
from pathlib import Path

from ..artifacts import LEDGER_FILE, Run
from ..records import LETTERS, BadCase, Generated, Sample
from ..teachers.ledger import Answer, Ledger


def replied(case: BadCase) -> str:
    """What the student replied to a bad case, raw; a lone letter with the option that it names."""
    reply = case.reply.strip()
    option = dict(zip(LETTERS, case.options, strict=False)).get(reply)
    return f"{reply} {option}" if option else reply or "(nothing)"


class LedgerAnswers:
    """The answers that the ledger of a run holds, read once each; a run without a ledger has none.

    `model` is the teacher's model, or its name where it has no models.
    """

    def __init__(self, run: Run):
        options = run.profile.teacher_options
        self.model = str(options.get("model", run.profile.teacher))
        self._path = Path(options.get("ledger") or run.path / LEDGER_FILE)
        self._reuse = [Path(other) for other in options.get("reuse", ()) if Path(other).exists()]
        self._known: dict[str, Answer | None] = {}

    def __call__(self, key: str) -> Answer | None:
        """The answer to the request with this key; None for "" and where the ledger has none."""
        if key not in self._known:
            self.read([key])
        return self._known[key]

    def read(self, keys: list[str]) -> None:
        """Read the answers to many requests while the ledger is open once."""
        self._known.update(dict.fromkeys(keys))
        wanted = [key for key in keys if key]
        if wanted and self._path.exists():
            with closing(Ledger(self._path, reuse=self._reuse, for_reading=True)) as ledger:
                self._known.update({key: ledger.answer(key) for key in wanted})

    def usd(self, one: Generated | Sample) -> float:
        """What the reply behind a record cost (USD), by the ledger, else as the record has it."""
        answer = self(one.request)
        return answer.usd if answer else one.usd
