"""Stage 2: the projector learns to speak: a patch's projected vector scores the words of what lies under it.

The scores are dot products with the (tied) word embeddings, so that afterwards attention finds "cat" by
content. Position is taught the same way, as the words of the patch's row and column.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..world import ACTIONS, COLOURS, KINDS, SETTINGS, SKIES, WORDS
from .dense import GRID

GROUPS = {"kind": KINDS, "colour": COLOURS, "word": WORDS, "action": ACTIONS, "centre": ("one",)}
WHOLE = {"place": SETTINGS, "sky": SKIES}
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")
CELL_OF_PATCH = np.minimum((np.arange(GRID) + 0.5) * 3 / GRID, 2.99).astype(np.int64)


class WordAlignment(nn.Module):
    """The loss of stage 2 over projected patches (n, 49, width) and the labels of `dense.labels`."""

    def __init__(self, tokenizer: object) -> None:
        super().__init__()
        self.tokens = {name: _first_tokens(tokenizer, words) for name, words in (GROUPS | WHOLE).items()}
        self.rows, self.columns = _first_tokens(tokenizer, ROWS), _first_tokens(tokenizer, COLUMNS)
        self.row_of = torch.from_numpy(np.repeat(CELL_OF_PATCH, GRID))
        self.column_of = torch.from_numpy(np.tile(CELL_OF_PATCH, GRID))

    def forward(
        self, projected: Tensor, embeddings: Tensor, targets: dict[str, np.ndarray]
    ) -> tuple[Tensor, dict]:
        """The summed loss and the accuracy of each group on patches that carry it."""
        flat, total, accuracy = projected.flatten(0, 1), projected.new_zeros(()), {}
        for name, tokens in self.tokens.items():
            scores, target = flat @ embeddings[tokens].T, torch.from_numpy(targets[name]).flatten()
            if name in GROUPS:  # class 0, "nothing", is a score of zero for all words
                scores = torch.cat((torch.zeros_like(scores[:, :1]), scores), dim=1)
            told = target > 0 if name in GROUPS else target >= 0
            loss = nn.functional.cross_entropy(scores, target, reduction="none")
            total = total + loss.mean() + loss[told].mean()
            accuracy[name] = (scores.argmax(-1) == target)[told].float().mean().item()
        places = ((self.rows, self.row_of), (self.columns, self.column_of))
        for tokens, target in places:
            scores = flat @ embeddings[tokens].T
            total = total + nn.functional.cross_entropy(scores, target.repeat(len(projected)))
        return total, accuracy


def _first_tokens(tokenizer: object, phrases: tuple[str, ...]) -> Tensor:
    """The token of each phrase's first word, as it stands inside a sentence."""
    return torch.tensor(
        [tokenizer(f" {p.split()[0]}", add_special_tokens=False).input_ids[0] for p in phrases]
    )
