"""Stage 1: the vision tower learns what lies under each of 7 x 7 patches, a stand-in for CLIP's pre-training.

Targets per patch: the kind, colour and word of the thing that covers it, the act it takes part in and the
kind of its partner, whether the thing's centre lies in the patch; for the whole picture: the place and the
sky. The heads are thrown away afterwards.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..drawing import draw
from ..world import ACTIONS, COLOURS, KINDS, SETTINGS, SIZE, SKIES, WORDS, Scene, sample_scene
from .architecture import PATCH

GRID = SIZE // PATCH
COVERED = 0.25
TABLES = {
    "kind": KINDS,
    "colour": COLOURS,
    "word": WORDS,
    "action": ACTIONS,
    "partner": KINDS,
    "centre": ("yes",),
}
GLOBALS = {"place": SETTINGS, "sky": SKIES}
HEADS = {name: len(table) + 1 for name, table in TABLES.items()} | {
    name: len(table) for name, table in GLOBALS.items()
}
MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)).view(3, 1, 1)
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)).view(3, 1, 1)


def labels(scene: Scene) -> dict[str, np.ndarray]:
    """Class indices per patch, row by row: shape (49,) for each of `TABLES` (0: "nothing") and `GLOBALS`."""
    found = {name: np.zeros((GRID, GRID), dtype=np.int64) for name in TABLES}
    best = np.full((GRID, GRID), COVERED)
    partners = {i.subject: (i.action, i.object) for i in scene.interactions}
    partners |= {i.object: (i.action, i.subject) for i in scene.interactions}
    for n, thing in enumerate(scene.things):
        action, partner = partners.get(n, ("", -1))
        values = {
            "kind": thing.kind,
            "colour": thing.colour,
            "word": thing.word,
            "action": action,
            "partner": scene.things[partner].kind if action else "",
        }
        share = _share(thing.box)
        mine = share >= best
        best[mine] = share[mine]
        for name, value in values.items():
            found[name][mine] = TABLES[name].index(value) + 1 if value else 0
        x, y = thing.centre
        found["centre"][int(y // PATCH), int(x // PATCH)] = 1
    found["place"] = np.full((GRID, GRID), SETTINGS.index(scene.setting))
    found["sky"] = np.full((GRID, GRID), SKIES.index(scene.sky))
    return {name: value.reshape(-1) for name, value in found.items()}


def _share(box: tuple[int, int, int, int]) -> np.ndarray:
    """The share of every patch that a box covers, (7, 7)."""
    x, y, width, height = box
    edges = np.arange(GRID) * PATCH
    columns = np.clip(np.minimum(edges + PATCH, x + width) - np.maximum(edges, x), 0, PATCH)
    rows = np.clip(np.minimum(edges + PATCH, y + height) - np.maximum(edges, y), 0, PATCH)
    return rows[:, None] * columns[None, :] / PATCH**2


def scene_batch(seeds: "list[int] | range") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pictures (n, 3, 112, 112) uint8 and their labels, each (n, 49), for a list of seeds."""
    scenes = [sample_scene(seed) for seed in seeds]
    pictures = np.stack([np.asarray(draw(scene)).transpose(2, 0, 1) for scene in scenes])
    every = [labels(scene) for scene in scenes]
    return pictures, {name: np.stack([one[name] for one in every]) for name in HEADS}


def normalise(pictures: np.ndarray) -> Tensor:
    """Pixel values as the processor makes them: (n, 3, 112, 112) float32."""
    return (torch.from_numpy(pictures).float() / 255 - MEAN) / STD


class DenseHeads(nn.Module):
    """One linear classifier a label over patch features of shape (n, 49, 128)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in HEADS.items()})

    def forward(self, features: Tensor, targets: dict[str, np.ndarray]) -> tuple[Tensor, dict[str, float]]:
        """The summed loss, and for each label the accuracy on patches that carry one."""
        total, accuracy = features.new_zeros(()), {}
        for name, head in self.heads.items():
            logits, target = head(features).flatten(0, 1), torch.from_numpy(targets[name]).flatten()
            told = target > 0 if name in TABLES else target >= 0
            loss = nn.functional.cross_entropy(logits, target, reduction="none")
            total = (
                total + loss.mean() + loss[told].mean()
            )  # rare labels, such as words, count as much as frequent ones
            accuracy[name] = (logits.argmax(-1) == target)[told].float().mean().item()
        return total, accuracy


def patch_features(tower: nn.Module, pixels: Tensor) -> Tensor:
    """What LLaVA reads from its tower: the last hidden state without [CLS], (n, 49, 128)."""
    return tower(pixels).last_hidden_state[:, 1:]
