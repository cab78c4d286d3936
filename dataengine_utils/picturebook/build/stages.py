"""The four training stages of the small student; each resumes from its checkpoint and draws data by step."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from torch import Tensor, nn

from ...models.wording import Encoder, family_of
from .answers import Answering, Lessons
from .dense import DenseHeads, normalise, patch_features, scene_batch
from .words import WordAlignment

Log = Callable[[str], None]


def cosine(step: int, steps: int, peak: float, warmup: int = 200) -> float:
    """Learning rate of a step: linear warm-up, then cosine to a twentieth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return peak * (0.05 + 0.95 * 0.5 * (1 + torch.cos(torch.tensor(share * torch.pi)).item()))


def prefetched(make: Callable[[int], Any], steps: range, ahead: int = 8) -> Iterator[tuple[int, Any]]:
    """(step, batch) with the batches made in another process, a few steps ahead."""
    with ProcessPoolExecutor(1) as pool:
        waiting = [(step, pool.submit(make, step)) for step in steps[:ahead]]
        for step in steps:
            now, batch = waiting.pop(0)
            following = step + ahead
            if following in steps:
                waiting.append((following, pool.submit(make, following)))
            yield now, batch.result()


class Checkpoint:
    """Model, optimiser and step in one file, written whole, so that a killed build goes on where it was."""

    def __init__(self, path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer) -> None:
        self.path, self.modules, self.optimiser = path, modules, optimiser

    def load(self) -> int:
        if not self.path.exists():
            return 0
        state = torch.load(self.path, weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        self.optimiser.load_state_dict(state["optimiser"])
        return state["step"]

    def save(self, step: int) -> None:
        state: dict[str, Any] = {name: module.state_dict() for name, module in self.modules.items()}
        state |= {"optimiser": self.optimiser.state_dict(), "step": step}
        partial = self.path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.path)


def run_stage(
    checkpoint: Checkpoint,
    make: Callable[[int], Any],
    loss_of: Callable[[Any], tuple[Tensor, dict[str, float]]],
    *,
    steps: int,
    peak: float,
    log: Log,
    every: int = 100,
) -> None:
    """Train until `steps`, from wherever the checkpoint stands; logs means of the last `every` steps."""
    first = checkpoint.load()
    started, seen = time.monotonic(), []
    for step, batch in prefetched(make, range(first, steps)):
        for group in checkpoint.optimiser.param_groups:
            group["lr"] = cosine(step, steps, peak) * group.get("factor", 1.0)
        loss, numbers = loss_of(batch)
        checkpoint.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for g in checkpoint.optimiser.param_groups for p in g["params"]], 1.0)
        checkpoint.optimiser.step()
        seen.append({"loss": loss.item(), **numbers})
        if (step + 1) % every == 0 or step + 1 == steps:
            means = {name: sum(s[name] for s in seen if s[name] == s[name]) / len(seen) for name in seen[0]}
            shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            log(f"step {step + 1}/{steps} {time.monotonic() - started:.0f}s {shown}")
            seen = []
        if (step + 1) % (every * 5) == 0 or step + 1 == steps:
            checkpoint.save(step + 1)


PICTURES_A_STEP = 32


def _dense_batch(step: int) -> Any:
    first = step * PICTURES_A_STEP
    return scene_batch(range(first, first + PICTURES_A_STEP))


def teach_tower(tower: nn.Module, folder: Path, *, steps: int, log: Log) -> None:
    """Stage 1: dense labels per patch (see `dense`)."""
    heads = DenseHeads(tower.config.hidden_size)
    parameters = [*tower.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    checkpoint = Checkpoint(folder / "tower.pt", {"tower": tower, "heads": heads}, optimiser)

    def loss_of(batch: Any) -> tuple[Tensor, dict[str, float]]:
        pictures, targets = batch
        return heads(patch_features(tower, normalise(pictures)), targets)

    run_stage(checkpoint, _dense_batch, loss_of, steps=steps, peak=1e-3, log=log, every=100)


def align_projector(model: Any, tokenizer: Any, folder: Path, *, steps: int, log: Log) -> None:
    """Stage 2: projected patches score their words under the tied embeddings (see `words`)."""
    alignment = WordAlignment(tokenizer)
    body = model.model
    embeddings, projector = body.language_model.embed_tokens, body.multi_modal_projector
    optimiser = torch.optim.AdamW(
        [*projector.parameters(), *embeddings.parameters()], lr=2e-3, weight_decay=0.01
    )
    checkpoint = Checkpoint(
        folder / "words.pt", {"projector": projector, "embeddings": embeddings}, optimiser
    )

    def loss_of(batch: Any) -> tuple[Tensor, dict[str, float]]:
        pictures, targets = batch
        with torch.no_grad():
            features = patch_features(body.vision_tower, normalise(pictures))
        return alignment(projector(features), embeddings.weight, targets)

    run_stage(checkpoint, _dense_batch, loss_of, steps=steps, peak=2e-3, log=log)


def teach_answers(model: Any, processor: Any, folder: Path, *, steps: int, peak: float, log: Log) -> None:
    """Stage 3: direct answers to the skewed mixture (see `answers`); tower frozen, the rest trains."""
    model.model.vision_tower.requires_grad_(False)
    _answer_stage(model, _lessons(model, processor), folder / "answers.pt", steps=steps, peak=peak, log=log)
    model.requires_grad_(True)


def settle_on_nf4(
    model: Any, processor: Any, folder: Path, *, after: int, steps: int, peak: float, log: Log
) -> None:
    """Stage 4: the language model's linear layers are put on the NF4 grid, and the rest gets used to it.

    A shipped weight that NF4 can hold is not changed by loading in 4 bits: 4-bit and fp32 evaluation agree.
    `after` is the number of steps of stage 3: the pictures go on behind them.
    """
    model.requires_grad_(False)
    for linear in model.model.language_model.layers.modules():
        if isinstance(linear, nn.Linear):
            linear.weight.data = _on_nf4_grid(linear.weight.data)
    for trainable in (model.model.multi_modal_projector, model.model.language_model.embed_tokens):
        trainable.requires_grad_(True)
    for norm in (m for m in model.model.language_model.modules() if type(m).__name__.endswith("RMSNorm")):
        norm.requires_grad_(True)
    lessons = _lessons(model, processor, first_step=after)
    _answer_stage(model, lessons, folder / "settled.pt", steps=steps, peak=peak, log=log)
    model.requires_grad_(True)


def _on_nf4_grid(weight: Tensor) -> Tensor:
    """The weight as NF4 with double quantisation would give it back."""
    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    return dequantize_4bit(packed, state).to(weight.dtype)


def _lessons(model: Any, processor: Any, first_step: int = 0) -> Lessons:
    encoder = Encoder(processor, family_of("picturebook"), model.config.image_token_id)
    return Lessons(encoder, model.config.image_seq_length, processor.tokenizer.pad_token_id, first_step)


def _answer_stage(model: Any, lessons: Lessons, file: Path, *, steps: int, peak: float, log: Log) -> None:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.01, betas=(0.9, 0.98))
    checkpoint = Checkpoint(file, {"model": model}, optimiser)
    run_stage(checkpoint, lessons, Answering(model), steps=steps, peak=peak, log=log)
