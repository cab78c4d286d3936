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
class Insert:
    """What stands for a picture in a sequence, in the place of its one placeholder token.

    `positions` has one tuple an axis, counted from the placeholder's own position; the text behind the
    picture goes on `span` positions after it.
    """

    ids: tuple[int, ...]
    positions: tuple[tuple[int, ...], ...]
    span: int

    @classmethod
    def in_line(cls, ids: Sequence[int]) -> "Insert":
        """Tokens that count like text."""
        return cls(tuple(ids), (tuple(range(len(ids))),), len(ids))

    @classmethod
    def in_grid(cls, ids: Sequence[int], rows: int, columns: int) -> "Insert":
        """A still picture's tokens by time, row and column (Qwen2-VL's multimodal rotary positions)."""
        places = [(0, row, column) for row in range(rows) for column in range(columns)]
        return cls(tuple(ids), tuple(zip(*places, strict=True)), max(rows, columns))

    @classmethod
    def nothing(cls, axes: int) -> "Insert":
        """No picture."""
        return cls((), ((),) * axes, 0)


@dataclass(frozen=True)
class Row:
    """One image and the questions asked about it; `keys` are the questions' places in the caller's list.

    A text-only question has a row of its own, with no `image` and no head.
    """

    image: str
    questions: tuple[Encoded, ...]
    keys: tuple[int, ...]

    def n_tokens(self) -> int:
        """Tokens of the row, counting the image as one."""
        return len(self.questions[0].head) + sum(item.n_tokens() for item in self.questions)

    def n_answers(self) -> int:
        """Answers to score in the row."""
        return sum(len(item.answers) for item in self.questions)


@dataclass(frozen=True)
class Packed:
    """A batch of rows as tensors; `scored` counts the answer tokens of all rows, S.

    input_ids (rows, tokens); position_ids the same, or (3, rows, tokens) where positions have three axes;
    attention_mask (rows, 1, tokens, tokens), True = may attend;
    depths (rows, tokens), the number of tokens before each in a sequence of its own;
    keep (rows, tokens), True where logits are needed; sources (S,) index the kept logits that predict each
    answer token; labels (S,) those tokens; owners (S,) the running number of the answer a token belongs to.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    depths: torch.Tensor
    keep: torch.Tensor
    sources: torch.Tensor
    labels: torch.Tensor
    owners: torch.Tensor

    def to(self, device: torch.device) -> "Packed":
        """The same batch on a device."""
        return Packed(**{name: value.to(device) for name, value in vars(self).items()})


def make_rows(
    images: Sequence[str], encoded: Sequence[Encoded], *, max_questions: int, max_tokens: int | None = None
) -> list[Row]:
    """Gather questions about one image (with the same text before it) in rows of at most `max_questions`.

    A row ends before its questions and answers pass `max_tokens`; one question may, alone in its row.
    """
    groups: dict[tuple[str, tuple[int, ...], int], list[int]] = {}
    for key, (image, item) in enumerate(zip(images, encoded, strict=True)):
        groups.setdefault((image, item.head, 0 if image else key), []).append(key)
    return [
        Row(image, tuple(encoded[key] for key in part), tuple(part))
        for (image, _, _), keys in groups.items()
        for part in _chunks(keys, [encoded[key].n_tokens() for key in keys], max_questions, max_tokens)
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


def halves(batch: Sequence[Row]) -> list[list[Row]]:
    """The batch as two of half the questions each; a batch of one question stays whole."""
    left = sum(len(row.keys) for row in batch) // 2
    first: list[Row] = []
    second: list[Row] = []
    for row in batch:
        cut = min(left, len(row.keys))
        left -= cut
        for half, part in ((first, slice(None, cut)), (second, slice(cut, None))):
            if row.keys[part]:
                half.append(Row(row.image, row.questions[part], row.keys[part]))
    return [half for half in (first, second) if half]


def pack(rows: Sequence[Row], inserts: Sequence[Insert], *, pad_id: int) -> Packed:
    """The rows as one padded batch; `inserts` is what stands for each row's picture."""
    drafts = [_Draft.of(row, insert) for row, insert in zip(rows, inserts, strict=True)]
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
    by_axis = zip(*(draft.positions for draft in drafts), strict=True)
    return Packed(
        input_ids=ids,
        position_ids=_by_axis([_padded(list(axis), width, 0) for axis in by_axis]),
        attention_mask=_tree_mask(question, branch),
        depths=_padded([draft.depths for draft in drafts], width, 0),
        keep=keep.view_as(ids),
        sources=(keep.cumsum(0) - 1)[places],
        owners=torch.tensor(owners),
        labels=torch.tensor([label for draft in drafts for label in draft.labels]),
    )


def left_pad(rows: Sequence[Row], inserts: Sequence[Insert], *, pad_id: int) -> dict[str, torch.Tensor]:
    """The prompts of rows of one question each, padded on the left, as `generate` takes them.

    input_ids, attention_mask (rows, tokens); position_ids the same, or (3, rows, tokens). Left padding keeps
    the prompts' ends together; padding is masked and positions count from each prompt's own start, so that a
    prompt is computed as if it were alone.
    """
    drafts = [_Draft.of(_without_answers(row), insert) for row, insert in zip(rows, inserts, strict=True)]
    width = max(len(draft.ids) for draft in drafts)
    by_axis = zip(*(draft.positions for draft in drafts), strict=True)
    return {
        "input_ids": _padded([draft.ids for draft in drafts], width, pad_id, left=True),
        "attention_mask": _padded([[1] * len(draft.ids) for draft in drafts], width, 0, left=True),
        "position_ids": _by_axis([_padded(list(axis), width, 0, left=True) for axis in by_axis]),
    }


def answer_log_likelihoods(logits: torch.Tensor, batch: Packed) -> torch.Tensor:
    """Log-likelihood (nats, float64) of every answer with its end token; logits (kept places, vocabulary)."""
    chosen = torch.log_softmax(logits.float(), dim=-1)[batch.sources, batch.labels].double()
    totals = torch.zeros(int(batch.owners[-1]) + 1, dtype=torch.float64, device=chosen.device)
    return totals.index_add_(0, batch.owners, chosen)


def _begin(head: Sequence[int], insert: Insert) -> tuple[list[int], list[list[int]], int]:
    """A row's first tokens with its picture in place: ids, positions by axis, and the position after them."""
    before = max(len(head) - 1, 0)
    positions = [[*range(before), *(before + place for place in axis)] for axis in insert.positions]
    return [*head[:before], *insert.ids], positions, before + insert.span


@dataclass
class _Draft:
    """One row's tokens as lists: id, positions, depth, question and branch of each; then what is scored."""

    ids: list[int]
    positions: list[list[int]]
    depths: list[int]
    question: list[int]
    branch: list[int]
    sources: list[int]
    labels: list[int]
    owners: list[int]

    @classmethod
    def of(cls, row: Row, insert: Insert) -> "_Draft":
        ids, positions, after = _begin(row.questions[0].head, insert)
        begun = len(ids)
        shared = [SHARED] * begun
        draft = cls(ids, positions, [*range(begun)], shared, [*shared], [], [], [])
        owner = 0
        for number, item in enumerate(row.questions):
            draft._add(item.tail, after, begun, number, SHARED)
            end, length = len(draft.ids) - 1, len(item.tail)
            for branch, answer in enumerate(item.answers):
                start = len(draft.ids)
                read = answer[:-1]  # the last token is predicted, never read
                draft._add(read, after + length, begun + length, number, branch)
                draft.sources += [end, *range(start, start + len(read))]
                draft.labels += answer
                draft.owners += [owner] * len(answer)
                owner += 1
        return draft

    def _add(self, ids: Sequence[int], position: int, depth: int, question: int, branch: int) -> None:
        self.ids += ids
        self.depths += range(depth, depth + len(ids))
        for axis in self.positions:
            axis += range(position, position + len(ids))
        self.question += [question] * len(ids)
        self.branch += [branch] * len(ids)


def _tree_mask(question: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """Who may attend to whom: earlier tokens of the image, of one's own question and of one's own answer."""
    tokens = question.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    same_question = (question[:, None, :] == SHARED) | (question[:, None, :] == question[:, :, None])
    same_branch = (branch[:, None, :] == SHARED) | (branch[:, None, :] == branch[:, :, None])
    return (earlier & same_question & same_branch)[:, None]


def _without_answers(row: Row) -> Row:
    (item,) = row.questions
    return Row(row.image, (Encoded(item.head, item.tail, ()),), row.keys)


def _by_axis(axes: list[torch.Tensor]) -> torch.Tensor:
    return axes[0] if len(axes) == 1 else torch.stack(axes)


def _padded(lists: Sequence[list[int]], width: int, value: int, *, left: bool = False) -> torch.Tensor:
    gaps = [[value] * (width - len(items)) for items in lists]
    pairs = zip(gaps, lists, strict=True) if left else zip(lists, gaps, strict=True)
    return torch.tensor([[*first, *second] for first, second in pairs])


def _chunks(
    items: Sequence[int], sizes: Sequence[int], most: int, max_size: int | None
) -> Iterator[list[int]]:
    chunk: list[int] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        if chunk and (len(chunk) == most or (max_size is not None and total + size > max_size)):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += size
    if chunk:
        yield chunk
