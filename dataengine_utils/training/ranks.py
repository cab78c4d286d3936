"""The processes of one training: who is first, who waits, what each computes on."""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

Value = TypeVar("Value")


class Ranks:
    """The processes that `accelerate launch` started together with this one; alone, there is one."""

    def __init__(self) -> None:
        self.n = int(os.environ.get("WORLD_SIZE", "1"))
        self.index = 0
        self.device: str | None = None
        if self.n > 1:
            from accelerate import PartialState

            on_gpu = torch.cuda.is_available()
            state = PartialState() if on_gpu else PartialState(cpu=True, backend="gloo")
            self.index, self.device = state.process_index, str(state.device) if on_gpu else "cpu"

    def first(self, work: Callable[[], Value], otherwise: Value = None) -> Value:
        """Do `work` in the first process and let the others wait for it; they get `otherwise`."""
        value = work() if self.index == 0 else otherwise
        if self.n > 1:
            torch.distributed.barrier()
        return value

    def merge(self, own: Mapping[str, str]) -> dict[str, str]:
        """The tables of all processes in one."""
        if self.n == 1:
            return dict(own)
        tables: list[dict[str, str]] = [{} for _ in range(self.n)]
        torch.distributed.all_gather_object(tables, dict(own))
        return {name: value for table in tables for name, value in table.items()}
