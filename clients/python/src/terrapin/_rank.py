"""Which rank of how many this process is."""

import os
import sys

from .errors import InvalidError, PreconditionError


def topology(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and world size: as given, else torch.distributed's where it is initialised, else one rank of one.

    The environment is not believed, but where it announces several ranks and nothing else does, guessing "one" would
    give every rank all samples; that is refused.
    """
    if (rank is None) != (world_size is None):
        raise InvalidError("rank and world_size go together", "pass both, or neither")
    if rank is not None and world_size is not None:
        if not 0 <= rank < world_size:
            raise InvalidError(f"rank {rank} of world_size {world_size}", "ranks count from 0 to world_size-1")
        return rank, world_size
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank()), int(distributed.get_world_size())
    announced = os.environ.get("WORLD_SIZE", "1")
    if announced.isdigit() and int(announced) > 1:
        raise PreconditionError(
            f"WORLD_SIZE={announced} is set but torch.distributed is not initialised",
            "call torch.distributed.init_process_group() first, or pass rank= and world_size=",
        )
    return 0, 1
