"""FSDP: the language model's layers, in 4 bits too, divided between the processes instead of a copy in each.

QLoRA under FSDP as its authors and bitsandbytes do it: the packed weights are stored in the type the model
computes with (`models.checkpoint` sees to that), and every LoRA matrix is a unit of its own, since what is
trained is in float32. Embeddings, vision tower and projector stay whole in every process.
"""

from .. import models  # noqa: F401  (before torch: it sets what torch reads when imported)

# isort: split
import torch
from torch import distributed
from torch.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy
from torch.distributed.fsdp.wrap import CustomPolicy

from .adapter import trained

_WRAPPED = "_fsdp_wrapped_module."


def shard(loss_of: torch.nn.Module, language_model: str, device: torch.device) -> FullyShardedDataParallel:
    """The module with its language model's layers divided; `language_model` is their path in the student."""
    layers = loss_of.model.get_submodule(language_model).layers
    inside = {id(value) for value in layers.parameters()}
    kind = type(layers[0])
    return FullyShardedDataParallel(
        loss_of,
        sharding_strategy=ShardingStrategy.FULL_SHARD,
        auto_wrap_policy=CustomPolicy(lambda module: _is_unit(module, kind, inside)),
        ignored_states=[value for value in loss_of.parameters() if id(value) not in inside],
        use_orig_params=True,
        device_id=device,
    )


def _is_unit(module: torch.nn.Module, layer: type, inside: set[int]) -> bool:
    own = [value for value in module.parameters(recurse=False) if id(value) in inside]
    return isinstance(module, layer) or any(value.requires_grad for value in own)


def clip_gradients(model: FullyShardedDataParallel, most: float) -> torch.Tensor:
    """Average the gradients of what is whole in every process, then clip all; returns the norm before."""
    whole = [value for name, value in trained(model) if _WRAPPED not in name.removeprefix(_WRAPPED)]
    for value in whole:
        if value.grad is not None:
            distributed.all_reduce(value.grad)
            value.grad /= distributed.get_world_size()
    return model.clip_grad_norm_(most)


def whole_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the trained weights on the CPU, put together from all processes; all have to call this."""
    if not isinstance(model, FullyShardedDataParallel):
        return {name: value.detach().cpu() for name, value in trained(model)}
    with FullyShardedDataParallel.summon_full_params(model, writeback=False):
        return {
            name.replace(_WRAPPED, ""): value.detach().cpu().clone()
            for name, value in model.named_parameters()
            if value.requires_grad
        }


def optimiser_file(rank: int) -> str:
    """Each process keeps the optimiser's state of its own part."""
    return f"optimiser_{rank}.pt"


def peft_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights by the names that peft gives them in an adapter's file."""
    return {
        f"base_model.model.{name.removeprefix('model.').replace('.modules_to_save.default', '')}".replace(
            ".default.", "."
        ): value
        for name, value in weights.items()
    }
