"""Looking at many generated images without leaving their device, in one process or in several.

Image i depends on (seed, i) alone, so that each process makes and looks at images of its own. They divide whole
batches among themselves: each batch is then computed as one process alone would compute it, to the last bit, and so
is everything that is derived of the rows, which are gathered in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from ganops.evaluation.threads import one_thread
from ganops.models.networks import Generator
from ganops.models.sampling import evaluating, images_from
from ganops.progress import Progress, silent

Rows = Mapping[str, Tensor]
"""Named tensors with a row for each image."""
Look = Callable[[Tensor], Rows]
"""What is kept of a batch: of images_u8, uint8 (n, C, H, W), tensors (n, …), on the same device or not."""


class Crew(Protocol):
    """The processes that look together; `training.ranks.Ranks` is one."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def gathered(self, rows: Tensor, sizes: Sequence[int]) -> Tensor | None:
        """All rows in the order of the processes, in process 0; None in the others. sizes: rows of each."""
        ...


@final
@dataclass(frozen=True)
class Alone:
    """One process."""

    rank: int = 0
    count: int = 1

    def gathered(self, rows: Tensor, sizes: Sequence[int]) -> Tensor:  # noqa: ARG002  # they are all here
        return rows


ALONE = Alone()


@final
@dataclass(frozen=True)
class Sampling:
    """Which images: 0 … num_images - 1 of `seed`, so many at a time."""

    num_images: int
    seed: int
    batch_size: int = 256

    def batches_of(self, rank: int, count: int) -> list[slice]:
        """Of process `rank` of `count`: neighbours, as nearly as many as the others', and the first never has none."""
        batches = [
            slice(start, min(start + self.batch_size, self.num_images))
            for start in range(0, self.num_images, self.batch_size)
        ]
        each, more = divmod(len(batches), count)
        first = rank * each + min(rank, more)
        return batches[first : first + each + (rank < more)]


def looked_at(
    generator: Generator, look: Look, sampling: Sampling, crew: Crew = ALONE, progress: Progress = silent
) -> Iterator[Rows]:
    """What `look` keeps of each of this process's batches in turn, made and looked at on the generator's device."""
    batches = sampling.batches_of(crew.rank, crew.count)
    total = _images(batches)
    with evaluating(generator):
        for number, batch in enumerate(batches, start=1):
            with one_thread():
                images_u8 = images_from(generator, sampling.seed, batch.start, batch.stop - batch.start)
            yield look(images_u8)
            progress(_images(batches[:number]), total, "generating and looking")


def sample_on(
    generator: Generator, look: Look, sampling: Sampling, crew: Crew = ALONE, progress: Progress = silent
) -> dict[str, Tensor] | None:
    """What `look` keeps of all images, in their order, on the device where it is; None in all processes but the first.

    Memory holds the rows and one batch of images. The numbers are the same with any number of processes.

    Raises:
        RankLost: another process does not answer.
    """
    sizes = [_images(sampling.batches_of(rank, crew.count)) for rank in range(crew.count)]
    own: dict[str, Tensor] = {}
    done = 0
    for rows in looked_at(generator, look, sampling, crew, progress):
        for name, tensor in rows.items():
            if name not in own:
                own[name] = tensor.new_empty(sizes[crew.rank], *tensor.shape[1:])
            own[name][done : done + len(tensor)] = tensor
        done += len(next(iter(rows.values())))
    whole = {name: crew.gathered(tensor, sizes) for name, tensor in own.items()}
    return {name: tensor for name, tensor in whole.items() if tensor is not None} if crew.rank == 0 else None


def _images(batches: Sequence[slice]) -> int:
    return sum(batch.stop - batch.start for batch in batches)
