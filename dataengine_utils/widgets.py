"""The panel of notebook 04: look at trials one at a time, accept or reject them, choose a template.

Views only: what is right, what is chosen when nobody clicks and what is written to files is decided
elsewhere. No text from a teacher or an annotation is ever HTML here: every piece goes through `plain`.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from html import escape

import ipywidgets as widgets
from PIL.Image import Image

from .errors import KitError
from .prompts import PERSON
from .records import LETTERS, Decision, Template, Trial

PICTURE = 336  # pixels on screen, longer side
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ALL = ""
_CELL = "padding:3px 22px 3px 0; text-align:left; vertical-align:top; overflow-wrap:anywhere"
_SOFT = "color:var(--jp-ui-font-color2, #59636e)"


def plain(text: object) -> str:
    """Any text as HTML that shows just that text: escaped, no control characters, its direction kept in."""
    return f"<bdi>{escape(_CONTROL.sub('', str(text)))}</bdi>"


class PromptPanel(widgets.VBox):
    """Versions of the generation template with their trials: `value` is the decision.

    `decision` stands until a person presses "Use this version"; `trials` carry the person's verdicts.
    `open_picture(query_id)` gives a trial's picture; `now()` is the time written into a person's decision.
    """

    def __init__(
        self,
        templates: Sequence[Template],
        trials: Sequence[Trial],
        decision: Decision,
        open_picture: Callable[[str], Image],
        *,
        now: Callable[[], str] | None = None,
    ):
        self._templates = {template.id: template for template in templates}
        self._trials = {(trial.template_id, trial.query_id): trial for trial in trials}
        self._decision, self._open_picture, self._now = decision, open_picture, now or _utc
        self._position = 0
        self._make_parts()
        self._connect()
        self._show_versions()
        self._show_trial()
        super().__init__(
            [
                _heading("Versions of the template"),
                self.versions,
                self._chooser(),
                _heading("Their trials, one at a time"),
                self._reviewer(),
            ],
            layout=widgets.Layout(max_width="980px"),
        )

    @property
    def value(self) -> Decision:
        """The decision: the one given, or the person's last one."""
        return self._decision

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order given, with the person's verdicts so far."""
        return list(self._trials.values())

    @property
    def verdicts(self) -> dict[tuple[str, str], str]:
        """The person's verdicts so far: (template id, query id) -> "accept" or "reject"."""
        return {key: trial.verdict for key, trial in self._trials.items() if trial.verdict}

    def __repr__(self) -> str:
        return (
            f"<PromptPanel: {len(self._templates)} versions, {len(self._trials)} trials, "
            f"{len(self.verdicts)} looked at; chosen {self.value.template_id} by {self.value.chosen_by}>"
        )

    def _make_parts(self) -> None:
        names = [
            (f"{template.id}  {template.note}"[:90], template.id) for template in self._templates.values()
        ]
        self.versions, self.rules, self.standing = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.template = widgets.Dropdown(
            options=names,
            value=self.value.template_id,
            description="version",
            layout=widgets.Layout(width="430px"),
        )
        self.why = widgets.Text(
            placeholder="why (kept with the decision)", layout=widgets.Layout(width="260px")
        )
        self.use = widgets.Button(description="Use this version", button_style="primary", icon="check")
        self.show = widgets.Dropdown(
            options=[("all versions", _ALL), *names],
            value=_ALL,
            description="trials of",
            layout=widgets.Layout(width="520px"),
        )
        self.place, self.words = widgets.HTML(), widgets.HTML(layout=widgets.Layout(max_width="560px"))
        self.picture = widgets.Image(
            format="png", layout=widgets.Layout(object_fit="contain", flex="0 0 auto")
        )
        self.no_picture = widgets.HTML()
        self.back = widgets.Button(description="Back", icon="arrow-left", layout=widgets.Layout(width="90px"))
        self.next = widgets.Button(
            description="Next", icon="arrow-right", layout=widgets.Layout(width="90px")
        )
        self.accept = widgets.Button(description="Accept", icon="check", button_style="success")
        self.reject = widgets.Button(description="Reject", icon="times", button_style="danger")
        self.reason = widgets.Text(placeholder="why rejected", layout=widgets.Layout(width="220px"))

    def _connect(self) -> None:
        self.use.on_click(lambda _: self._choose())
        self.back.on_click(lambda _: self._go(self._position - 1))
        self.next.on_click(lambda _: self._go(self._position + 1))
        self.accept.on_click(lambda _: self._judge("accept", ""))
        self.reject.on_click(lambda _: self._judge("reject", self.reason.value.strip()))
        self.template.observe(lambda _: self._show_versions(), "value")
        self.show.observe(lambda _: self._go(0), "value")

    def _chooser(self) -> widgets.Widget:
        return widgets.VBox(
            [widgets.HBox([self.template, self.why, self.use], layout=_wrapping()), self.rules, self.standing]
        )

    def _reviewer(self) -> widgets.Widget:
        buttons = widgets.HBox(
            [self.back, self.accept, self.reject, self.reason, self.next], layout=_wrapping()
        )
        picture = widgets.VBox([self.picture, self.no_picture])
        shown = widgets.HBox(
            [picture, self.words], layout=widgets.Layout(min_height=f"{PICTURE + 10}px", grid_gap="22px")
        )
        return widgets.VBox([self.show, self.place, shown, buttons])

    def _choose(self) -> None:
        reason = self.why.value.strip() or "chosen in the panel"
        self._decision = replace(
            self._decision, template_id=self.template.value, chosen_by=PERSON, reason=reason, time=self._now()
        )
        self._show_versions()

    def _judge(self, verdict: str, reason: str) -> None:
        keys = self._shown_keys()
        if keys:
            key = keys[self._position]
            self._trials[key] = replace(self._trials[key], verdict=verdict, verdict_reason=reason)
            self._show_versions()
            self._go(self._position + 1)

    def _go(self, position: int) -> None:
        self._position = max(0, min(position, len(self._shown_keys()) - 1))
        self.reason.value = ""
        self._show_trial()

    def _shown_keys(self) -> list[tuple[str, str]]:
        return [key for key in self._trials if self.show.value in (_ALL, key[0])]

    def _show_versions(self) -> None:
        head = _row("th", ["version", "what is new", "passed the checks", "accepted by you"])
        rows = [self._version_row(template) for template in self._templates.values()]
        self.versions.value = f"<table style='line-height:1.3'>{head}{''.join(rows)}</table>"
        template, decision = self._templates[self.template.value], self.value
        old = self._templates.get(template.parent)
        new = [rule for rule in template.rules if old is not None and rule not in old.rules]
        lines = [
            f"<li>{f'<b>{plain(rule)}</b> (new)' if rule in new else plain(rule)}</li>"
            for rule in template.rules
        ]
        self.rules.value = (
            f"<div style='line-height:1.4'>Its rules:<ol style='margin:2px 0'>{''.join(lines)}</ol></div>"
        )
        self.standing.value = (
            f"In use: <b>{plain(decision.template_id)}</b>, chosen by {plain(decision.chosen_by)}: "
            f"{plain(decision.reason)}"
        )

    def _version_row(self, template: Template) -> str:
        trials = [trial for trial in self._trials.values() if trial.template_id == template.id]
        passed, verdicts = sum(trial.accepted for trial in trials), [t.verdict for t in trials if t.verdict]
        share = f" ({passed / len(trials):.0%})" if trials else ""
        mark = " ◀ in use" if template.id == self.value.template_id else ""
        return _row(
            "td",
            [
                template.id + mark,
                template.note or "–",
                f"{passed} of {len(trials)}{share}",
                f"{verdicts.count('accept')} of {len(verdicts)}",
            ],
        )

    def _show_trial(self) -> None:
        keys = self._shown_keys()
        for button in (self.back, self.accept, self.reject, self.next):
            button.disabled = not keys
        if not keys:
            self.place.value, self.words.value, self.picture.layout.display = (
                "No trials to look at.",
                "",
                "none",
            )
            return
        trial = self._trials[keys[self._position]]
        self.back.disabled, self.next.disabled = self._position == 0, self._position == len(keys) - 1
        self.place.value = (
            f"<b>{self._position + 1} of {len(keys)}</b> · version {plain(trial.template_id)} · "
            f"{plain(trial.question_type)} · {len(self.verdicts)} looked at"
        )
        self.words.value = _trial_html(trial)
        self._show_picture(trial)

    def _show_picture(self, trial: Trial) -> None:
        try:
            image = self._open_picture(trial.query_id)
        except KitError as error:
            self.picture.layout.display, self.no_picture.value = "none", plain(error)
            return
        self.no_picture.value, self.picture.layout.display = "", None
        scale = PICTURE / max(image.size)
        self.picture.width, self.picture.height = (str(max(1, round(scale * side))) for side in image.size)
        self.picture.value = _png(image)


def _trial_html(trial: Trial) -> str:
    draft = trial.draft
    checks = "accept it" if trial.accepted else f"reject it: {plain(trial.reason)}"
    parts = [f"<p style='{_SOFT}; margin:0 0 8px'>No question could be read from the reply.</p>"]
    if draft is not None:
        options = [
            f"<li>{f'<b>{plain(option)}</b> ✓' if letter == draft.choice else plain(option)}</li>"
            for letter, option in zip(LETTERS, draft.options, strict=False)
        ]
        parts = [
            f"<p style='font-size:1.15em; margin:0 0 8px'><b>{plain(draft.instruction)}</b></p>",
            f"<ol type='A' style='margin:0 0 8px'>{''.join(options)}</ol>",
            f"<p style='{_SOFT}; margin:0 0 8px'>Full answer: {plain(draft.answer)}</p>",
        ]
    yours = {"accept": "you accepted it", "reject": "you rejected it", "": "you have not looked yet"}[
        trial.verdict
    ]
    why = f" ({plain(trial.verdict_reason)})" if trial.verdict_reason else ""
    parts.append(
        f"<p style='margin:0'>{'✓' if trial.accepted else '✗'} The checks {checks} · {yours}{why}</p>"
    )
    style = f"line-height:1.4; max-height:{PICTURE}px; overflow:auto; overflow-wrap:anywhere"
    return f"<div style='{style}'>{''.join(parts)}</div>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag} style='{_CELL}'>{plain(cell)}</{tag}>" for cell in cells) + "</tr>"


def _heading(text: str) -> widgets.HTML:
    return widgets.HTML(f"<b style='font-size:1.1em'>{plain(text)}</b>")


def _wrapping() -> widgets.Layout:
    return widgets.Layout(flex_flow="row wrap", align_items="center")


def _png(image: Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((2 * PICTURE, 2 * PICTURE))
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    return buffer.getvalue()


def _utc() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
