from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_run import BATCH, IMAGES, Recorder, run

from ganops.errors import ConfigError
from ganops.models import Generator
from ganops.training import images, inputs
from ganops.training.batches import ShuffledBatches
from ganops.training.guard import Evaluation
from ganops.training.images import BATCHES_AHEAD, Mapped, Prefetched, Resident, TrainingImages, training_images

CPU = torch.device("cpu")
WAYS: dict[str, Callable[[np.ndarray[Any, Any], ShuffledBatches], TrainingImages]] = {
    "resident": lambda images_u8, order: Resident(images_u8, order, CPU),
    "mapped": Mapped,
    "prefetched": lambda images_u8, order: Prefetched(images_u8, order, CPU),
}


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray[Any, Any]:
    """The images as `ganops prepare` leaves them: a read-only memory map."""
    np.save(tmp_path / "images.npy", IMAGES)
    return np.load(tmp_path / "images.npy", mmap_mode="r")  # type: ignore[no-any-return]


def order(num_images: int = len(IMAGES)) -> ShuffledBatches:
    return ShuffledBatches(num_images, BATCH, seed=3)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganops-images")]


def no_readers_left() -> bool:
    for _ in range(200):
        if not readers():
            return True
        time.sleep(0.05)
        gc.collect()
    return False


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_batches_in_whatever_order_they_are_asked_for(
    mapped: np.ndarray[Any, Any], way: str
) -> None:
    source = WAYS[way](mapped, order())
    for images_seen in (0, 8, 16, 24, 80, 88, 56, 64, 56, 0, 8, 400):  # on, over the end of an epoch, and back
        batch = source.at(images_seen)
        assert batch.dtype == torch.uint8
        assert torch.equal(batch, torch.from_numpy(IMAGES[order().at(images_seen).numpy()])), images_seen


def test_the_reader_is_one_thread_a_few_batches_ahead_that_ends_with_its_owner(mapped: np.ndarray[Any, Any]) -> None:
    source = Prefetched(mapped, order(), CPU)
    for images_seen in range(0, 20 * BATCH, BATCH):
        source.at(images_seen)
        assert len(readers()) == 1
        assert len(source._ahead) == BATCHES_AHEAD
    del source
    assert no_readers_left()


def test_a_training_that_fails_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        inputs, "training_images", lambda images_u8, order, device, _: WAYS["prefetched"](IMAGES, order)
    )
    reading: list[int] = []

    def failing(generator: Generator) -> Evaluation:
        reading.append(len(readers()))
        raise RuntimeError("the judge is gone")

    with pytest.raises(RuntimeError, match="the judge is gone"):
        run(tmp_path, recorder=Recorder(), score=failing)
    assert reading == [1]
    assert no_readers_left()


def test_what_goes_wrong_while_reading_is_raised_where_the_batch_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, calls = images._read, []

    def failing(*arguments: Any) -> torch.Tensor:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError("the disk is gone")
        return honest(*arguments)

    monkeypatch.setattr(images, "_read", failing)
    source = Prefetched(IMAGES, order(), CPU)
    source.at(0)
    source.at(8)
    with pytest.raises(OSError, match="the disk is gone"):
        source.at(16)
    del source
    assert no_readers_left()


def test_auto_on_a_cpu_copies_nothing_and_true_does(mapped: np.ndarray[Any, Any]) -> None:
    assert isinstance(training_images(mapped, order(), CPU, "auto"), Mapped)
    assert isinstance(training_images(mapped, order(), CPU, False), Mapped)
    assert isinstance(training_images(mapped, order(), CPU, True), Resident)


@pytest.mark.parametrize(("free", "way"), [(2 * IMAGES.nbytes, Resident), (2 * IMAGES.nbytes - 1, Prefetched)])
def test_auto_on_a_gpu_copies_what_takes_half_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, way: type[TrainingImages]
) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)  # there may be no GPU
    assert isinstance(training_images(IMAGES, order(), gpu, "auto"), way)


def test_images_that_must_be_copied_and_do_not_fit_are_refused() -> None:
    enormous = np.broadcast_to(np.zeros(1, np.uint8), (2**40, 3, 256, 256))
    with pytest.raises(ConfigError, match=r"'train\.resident'.*Set it to auto or false"):
        Resident(enormous, order(), CPU)
