"""Pictures as a student sees them: their place in the text, and tower features computed once an image."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..errors import KitError
from .families import Structure
from .packing import Insert

DEFAULT_LIMIT = 1 << 30


@dataclass(frozen=True)
class Picture:
    """One image: what stands for it in the text, and what the tower says about it before the projectors.

    `states` has one tensor a projector, (units, ..., tower width), on the CPU; units are tiles or patches.
    `size` is (height, width) in pixels where the model cuts pictures up by it, else (0, 0).
    """

    insert: Insert
    states: tuple[torch.Tensor, ...] = ()
    size: tuple[int, int] = (0, 0)

    def n_tokens(self) -> int:
        """Tokens that stand for it in the text."""
        return len(self.insert.ids)

    def n_bytes(self) -> int:
        """Memory of the features."""
        return sum(state.numel() * state.element_size() for state in self.states)


@dataclass(frozen=True)
class Frozen:
    """The features of a batch of pictures (text-only questions have none): joined states, and whose they are.

    states: one tensor a projector, (units of all pictures, ..., tower width); units, tokens and sizes: one
    entry a picture. Immutable, so that collators may hand it on as it is.
    """

    states: tuple[torch.Tensor, ...]
    units: tuple[int, ...]
    tokens: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, pictures: Sequence[Picture], image_token_id: int) -> "Frozen":
        """Join the features of those that are pictures."""
        seen = [picture for picture in pictures if picture.states]
        return cls(
            tuple(torch.cat(states) for states in zip(*(picture.states for picture in seen), strict=True)),
            tuple(len(picture.states[0]) for picture in seen),
            tuple(picture.insert.ids.count(image_token_id) for picture in seen),
            tuple(picture.size for picture in seen),
        )


class Projector:
    """A student's projectors as one: frozen features in, what the language model reads as pictures out."""

    def __init__(self, model: torch.nn.Module, structure: Structure):
        self._model = model
        self._structure = structure

    @property
    def paths(self) -> list[str]:
        """The modules' paths in the model, with lists of modules taken apart."""
        found = []
        for path in self._structure.projectors:
            module = self._model.get_submodule(path)
            is_list = isinstance(module, torch.nn.ModuleList)
            found += [f"{path}.{n}" for n in range(len(module))] if is_list else [path]
        return found

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The modules as they are now (peft may have wrapped them)."""
        return [self._model.get_submodule(path) for path in self.paths]

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All parameters of the projectors."""
        return (parameter for module in self.modules for parameter in module.parameters())

    def requires_grad_(self, wanted: bool) -> None:
        """Train the projectors, or not."""
        for parameter in self.parameters():
            parameter.requires_grad_(wanted)

    def __call__(self, frozen: Frozen) -> BaseModelOutputWithPooling | None:
        """The pictures as the model's forward takes them in `mm_encoder_outputs`; None without pictures."""
        if not frozen.units:
            return None
        first, *deeper = (
            _project(module, state) for module, state in zip(self.modules, frozen.states, strict=True)
        )
        pictures = self._pictures(first, frozen)
        images = BaseModelOutputWithPooling(
            pooler_output=torch.cat(pictures)[None] if self._structure.joined else pictures
        )
        if deeper:
            images["deepstack_features"] = [_rows(one, frozen.tokens) for one in deeper]
        return images

    def _pictures(self, projected: torch.Tensor, frozen: Frozen) -> list[torch.Tensor]:
        """One (image tokens, width) tensor a picture."""
        if self._structure.layout != "anyres":
            return _rows(projected, frozen.tokens)
        body, config = self._model.model, self._model.config
        options = {
            name: getattr(config, name)
            for name in ("vision_feature_select_strategy", "vision_aspect_ratio")
            if name in body.pack_image_features.__code__.co_varnames
        }
        tiles = projected.split(list(frozen.units))
        sizes = torch.tensor(frozen.sizes)
        return list(
            body.pack_image_features(tiles, sizes, image_newline=body.image_newline, **options)[0]
        )


class FrozenFeatures:
    """Pictures by reference, each opened and sent through the frozen tower once.

    The tower is never trained, so this does not change; the projectors may be, and are applied by the caller.
    Pictures are kept until `limit` bytes are full; what does not fit is computed again when asked for.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        structure: Structure,
        processor: Any,
        image_token_id: int,
        *,
        limit: int = DEFAULT_LIMIT,
    ):
        self.projector = Projector(model, structure)
        self._model = model
        self._structure = structure
        self._processor = processor
        self._image_token_id = image_token_id
        self._kept: dict[str, Picture] = {"": Picture(Insert.nothing(structure.axes))}
        self._room = limit

    def get(self, references: Sequence[str], open_image: Callable[[str], Any]) -> list[Picture]:
        """The pictures in order; "" is no picture, and new ones go through the tower in one batch."""
        known = {name: self._kept[name] for name in references if name in self._kept}
        new = [name for name in dict.fromkeys(references) if name not in known]
        if new:
            pictures = self._compute([open_image(name) for name in new])
            known.update(zip(new, pictures, strict=True))
            for name, picture in zip(new, pictures, strict=True):
                self._keep(name, picture)
        return [known[name] for name in references]

    def join(self, pictures: Sequence[Picture]) -> Frozen:
        """The features of a batch of pictures."""
        return Frozen.of(pictures, self._image_token_id)

    @torch.no_grad()
    def _compute(self, images: list[Any]) -> list[Picture]:
        ids, inputs = self._prepare(images)
        states = self._states(inputs)
        tokens = [one.count(self._image_token_id) for one in ids]
        units = self._units(inputs, tokens, len(states[0]))
        parts = [[part.clone() for part in state.split(units)] for state in states]  # no views of a batch
        sizes = inputs["image_sizes"].tolist() if self._structure.layout == "anyres" else [(0, 0)] * len(ids)
        return [
            Picture(self._insert(one, inputs, number), tuple(part[number] for part in parts), tuple(size))
            for number, (one, size) in enumerate(zip(ids, sizes, strict=True))
        ]

    def _prepare(self, images: list[Any]) -> tuple[list[list[int]], dict[str, torch.Tensor]]:
        """The ids that stand for each image by its processor, and the tower's inputs."""
        made = dict(
            self._processor(
                images=[[image] for image in images],
                text=[self._processor.image_token] * len(images),
                add_special_tokens=False,
                images_kwargs={"return_tensors": "pt"},
            )
        )
        start = self._processor.tokenizer.bos_token_id  # MiniGPT's processor sets it before every text
        ids = [[*one][one[0] == start :] for one in made.pop("input_ids")]
        made.pop("attention_mask", None)
        return ids, {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}

    def _states(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """What the tower hands to each projector for a batch, on the CPU."""
        seen: dict[int, torch.Tensor] = {}
        modules = self.projector.modules
        hooks = [
            module.register_forward_pre_hook(functools.partial(_note, seen, number))
            for number, module in enumerate(modules)
        ]
        training, dtype = self._model.training, self._model.dtype
        self._model.eval()
        try:
            self._model.get_image_features(
                **{
                    name: value.to(self._model.device, dtype if value.is_floating_point() else value.dtype)
                    for name, value in inputs.items()
                }
            )
        finally:
            for hook in hooks:
                hook.remove()
            self._model.train(training)
        states = [seen[number].cpu() for number in range(len(modules))]
        return [self._in_order(states[0], inputs), *states[1:]]

    def _in_order(self, state: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Patches back in reading order where the tower left them in its windows' order."""
        if self._structure.layout != "windows":
            return state
        from transformers.vision_utils import get_vision_window_index

        vision = self._model.config.vision_config
        order, _ = get_vision_window_index(
            inputs["image_grid_thw"], vision.spatial_merge_size, vision.window_size, vision.patch_size
        )
        groups = state.view(len(order), -1, state.shape[-1])
        return groups[order.cpu().argsort()].reshape(state.shape)

    def _units(self, inputs: dict[str, torch.Tensor], tokens: list[int], n_units: int) -> list[int]:
        """How many tiles or patches each picture has."""
        if self._structure.layout != "anyres":
            return [n * n_units // sum(tokens) for n in tokens]
        from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

        config = self._model.config
        return [
            image_size_to_num_patches(size, config.image_grid_pinpoints, config.vision_config.image_size)
            for size in inputs["image_sizes"]
        ]

    def _insert(self, ids: list[int], inputs: dict[str, torch.Tensor], number: int) -> Insert:
        if self._structure.axes == 1:
            return Insert.in_line(ids)
        if set(ids) != {self._image_token_id}:
            raise KitError("a picture with rows and columns must stand as image tokens alone in the text")
        _, height, width = inputs["image_grid_thw"][number].tolist()
        merged = self._model.config.vision_config.spatial_merge_size
        return Insert.in_grid(ids, height // merged, width // merged)

    def _keep(self, name: str, picture: Picture) -> None:
        if picture.n_bytes() <= self._room:
            self._kept[name] = picture
            self._room -= picture.n_bytes()


def _note(seen: dict[int, torch.Tensor], number: int, module: torch.nn.Module, given: Any) -> Any:
    """A hook that keeps a projector's input, and hands it on in the precision of a projector in training."""
    seen[number] = given[0]
    *_, in_use = module.parameters()  # peft keeps the original before the trained copy, which may be wider
    return (given[0].to(in_use.dtype), *given[1:])


def _project(module: torch.nn.Module, state: torch.Tensor) -> torch.Tensor:
    parameter = next(module.parameters())
    return module(state.to(parameter.device, parameter.dtype))


def _rows(projected: torch.Tensor, tokens: Sequence[int]) -> list[torch.Tensor]:
    return list(projected.reshape(-1, projected.shape[-1]).split(list(tokens)))
