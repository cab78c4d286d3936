"""Questions and answers about one image in one sequence: each sees the image, its question and itself only.

A row is a tree: image -> questions -> answers. Positions go on along each branch as if the branch stood
alone, so the packed forward pass equals separate passes to rounding, while the image's tokens are computed
once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from .wording import Encoded

SHARED = -1
PADDING = 1 << 30


@dataclass(frozen=True)
class Row:
    """One image and the questions asked about it; `keys` are the questions' places in the caller's list."""

    image: str
    questions: tuple[Encoded, ...]
    keys: tuple[int, ...]

    def n_tokens(self) -> int:
        """Tokens of the row, counting the image as one."""
        own = sum(len(item.tail) + sum(len(answer) - 1 for answer in item.answers) for item in self.questions)
        return len(self.questions[0].head) + own

    def n_answers(self) -> int:
        """Answers to score in the row."""
        return sum(len(item.answers) for item in self.questions)


@dataclass(frozen=True)
class Packed:
    """A batch of rows as tensors; `scored` counts the answer tokens of all rows, S.

    input_ids, position_ids (rows, tokens); attention_mask (rows, 1, tokens, tokens), True = may attend;
    keep (rows, tokens), True where logits are needed; sources (S,) index the kept logits that predict each
    answer token; labels (S,) those tokens; owners (S,) the running number of the answer a token belongs to.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    keep: torch.Tensor
    sources: torch.Tensor
    labels: torch.Tensor
    owners: torch.Tensor

    def to(self, device: torch.device) -> "Packed":
        """The same batch on a device."""
        return Packed(**{name: value.to(device) for name, value in vars(self).items()})


def make_rows(images: Sequence[str], encoded: Sequence[Encoded], *, max_questions: int) -> list[Row]:
    """Gather questions about one image (with the same text before it) in rows of at most `max_questions`."""
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for key, (image, item) in enumerate(zip(images, encoded, strict=True)):
        groups.setdefault((image, item.head), []).append(key)
    return [
        Row(image, tuple(encoded[key] for key in part), tuple(part))
        for (image, _), keys in groups.items()
        for part in _chunks(keys, max_questions)
    ]


def make_batches(rows: Sequence[Row], batch_size: int) -> Iterator[list[Row]]:
    """Batches of whole rows in the given order, each filled up to `batch_size` questions."""
    batch: list[Row] = []
    for row in rows:
        if batch and sum(len(other.keys) for other in batch) + len(row.keys) > batch_size:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def pack(rows: Sequence[Row], image_lengths: Sequence[int], *, pad_id: int) -> Packed:
    """The rows as one padded batch; `image_lengths` is the number of image tokens of each row."""
    drafts = [_Draft.of(row, length) for row, length in zip(rows, image_lengths, strict=True)]
    width = max(len(draft.ids) for draft in drafts)
    ids = _padded([draft.ids for draft in drafts], width, pad_id)
    question = _padded([draft.question for draft in drafts], width, PADDING)
    branch = _padded([draft.branch for draft in drafts], width, SHARED)
    places = torch.tensor([n * width + place for n, draft in enumerate(drafts) for place in draft.sources])
    keep = torch.zeros(ids.numel(), dtype=torch.bool)
    keep[places] = True
    owners, n_owners = [], 0
    for draft in drafts:
        owners += [n_owners + owner for owner in draft.owners]
        n_owners += draft.owners[-1] + 1
    return Packed(
        input_ids=ids,
        position_ids=_padded([draft.positions for draft in drafts], width, 0),
        attention_mask=_tree_mask(question, branch),
        keep=keep.view_as(ids),
        sources=(keep.cumsum(0) - 1)[places],
        owners=torch.tensor(owners),
        labels=torch.tensor([label for draft in drafts for label in draft.labels]),
    )


def answer_log_likelihoods(logits: torch.Tensor, batch: Packed) -> torch.Tensor:
    """Log-likelihood (nats, float64) of every answer with its end token; logits (kept places, vocabulary)."""
    chosen = torch.log_softmax(logits.float(), dim=-1)[batch.sources, batch.labels].double()
    totals = torch.zeros(int(batch.owners[-1]) + 1, dtype=torch.float64, device=chosen.device)
    return totals.index_add_(0, batch.owners, chosen)


@dataclass
class _Draft:
    """One row's tokens as lists: id, position, question and answer branch of each; then what is scored."""

    ids: list[int]
    positions: list[int]
    question: list[int]
    branch: list[int]
    sources: list[int]
    labels: list[int]
    owners: list[int]

    @classmethod
    def of(cls, row: Row, image_length: int) -> "_Draft":
        head = [*row.questions[0].head[:-1], *[row.questions[0].head[-1]] * image_length]
        draft = cls([], [], [], [], [], [], [])
        draft._add(head, 0, SHARED, SHARED)
        owner = 0
        for number, item in enumerate(row.questions):
            draft._add(item.tail, len(head), number, SHARED)
            end, last = len(draft.ids) - 1, len(head) + len(item.tail)
            for branch, answer in enumerate(item.answers):
                start = len(draft.ids)
                draft._add(answer[:-1], last, number, branch)  # the end token is predicted, never read
                draft.sources += [end, *range(start, start + len(answer) - 1)]
                draft.labels += answer
                draft.owners += [owner] * len(answer)
                owner += 1
        return draft

    def _add(self, ids: Sequence[int], position: int, question: int, branch: int) -> None:
        self.ids += ids
        self.positions += range(position, position + len(ids))
        self.question += [question] * len(ids)
        self.branch += [branch] * len(ids)


def _tree_mask(question: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """Who may attend to whom: earlier tokens of the image, of one's own question and of one's own answer."""
    tokens = question.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    same_question = (question[:, None, :] == SHARED) | (question[:, None, :] == question[:, :, None])
    same_branch = (branch[:, None, :] == SHARED) | (branch[:, None, :] == branch[:, :, None])
    return (earlier & same_question & same_branch)[:, None]


def _padded(lists: Sequence[list[int]], width: int, value: int) -> torch.Tensor:
    return torch.tensor([[*items, *[value] * (width - len(items))] for items in lists])


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
