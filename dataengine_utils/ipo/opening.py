"""Opening the session of an iteration: with the run's teacher under its own budget, or from a recording."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .. import teachers
from ..artifacts import Run
from ..errors import KitError
from ..images import ImageSource
from ..profiles import Profile
from ..records import ImageRecord, Query, Template
from ..teachers import Reply, Request, Teacher
from .journal import Journal, last_session, read_acts
from .outcome import cost_of
from .policies import REPLAY, policy_name
from .session import Session
from .spending import Meter
from .state import PERSON, replay


class NoTeacher:
    """Stands in for the teacher of a session that is replayed: whatever is asked of it was not recorded."""

    name = "recording"

    def __init__(self, recording: Path):
        self._recording = recording

    def can_write(self, record: ImageRecord, question_type: str) -> bool:
        """Nothing is written."""
        return False

    def replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """Raises `KitError` where anything is asked."""
        if requests:
            raise KitError(f"the recording {str(self._recording)!r} lacks {len(requests)} replies that are "
                           "wanted now, and a replayed session asks nobody; record them, or choose another "
                           "policy (--set prompt_policy=keep)")
        return iter(())


def open_session(run: Run, profile: Profile, journal: Path, *, incumbent: Template, probe: Sequence[Query],
                 source: ImageSource, who: str = PERSON) -> Session:
    """The session in an iteration's journal, as far as it is; begun where it is not.

    Its teacher stops before it has cost `profile.prompt_usd` here; the last comparison is not part of that.
    With the policy `replay:FILE` the recorded session is the session, act for act, and nothing is asked of
    anybody: `KitError` is raised where it began with another template or other queries, or does not have what
    is wanted.
    """
    if policy_name(profile.prompt_policy) == REPLAY:
        recording = _recording_of(Path(profile.prompt_policy.partition(":")[2]), journal)
        _lay_down(recording, journal, incumbent, probe)
        teacher: Teacher = NoTeacher(recording)
        tester = teacher
    else:
        tester = teachers.of_run(run, profile)
        teacher = _under_budget(run, profile, Meter(tester).now().usd - cost_of(read_acts(journal)).usd)
    return Session(journal, incumbent, probe, source, teacher, who=who, seed=profile.seed,
                   show=hasattr(teacher, "progress"), tester=tester)


def _under_budget(run: Run, profile: Profile, elsewhere: float) -> Teacher:
    """The run's teacher, its budget what the run has spent elsewhere, and `prompt_usd`."""
    most = max(0.0, elsewhere) + profile.prompt_usd
    given = profile.teacher_options.get("budget_usd")
    options = profile.teacher_options if given is None else {**profile.teacher_options,
                                                             "budget_usd": min(given, most)}
    capped = replace(profile, teacher_options=options, budget_usd=min(profile.budget_usd, most))
    return teachers.of_run(run, capped)


def _recording_of(path: Path, journal: Path) -> Path:
    """The file itself, or of a run's folder the journal of the same iteration."""
    return path / journal.parent.name / journal.name if path.is_dir() else path


def _lay_down(recording: Path, journal: Path, incumbent: Template, probe: Sequence[Query]) -> None:
    """Write the recorded session to the journal, where its last session is not this one already."""
    acts, what = last_session(read_acts(recording)), f"the session in {str(recording)!r}"
    replay(acts)
    queries = [made.query_id for made in acts[0].samples]
    if acts[0].template_id != incumbent.id:
        raise KitError(f"{what} began with the template {acts[0].template_id}, here it is {incumbent.id}; a "
                       "replay needs the same one")
    if queries != [query.id for query in probe]:
        raise KitError(f"{what} was recorded on other queries ({len(queries)}; here {len(probe)}); replay it "
                       "in a run with the same profile, seed and student")
    if last_session(read_acts(journal))[: len(acts)] != acts:
        with Journal(journal).locked() as (_, write):
            for act in acts:
                write(act)


