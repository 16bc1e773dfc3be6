from __future__ import annotations

import threading

import pytest
import torch

from ganops.evaluation.threads import one_thread, side_by_side


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> int:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    request.addfinalizer(lambda: torch.set_num_threads(before))
    return request.param


def test_results_come_in_order_each_of_one_thread(threads: int) -> None:
    meeting = threading.Barrier(threads)

    def work(item: int) -> tuple[int, int]:
        meeting.wait(timeout=30)  # as many as there are threads must be here at a time
        return item, torch.get_num_threads()

    assert list(side_by_side(work, range(3 * threads))) == [(item, 1) for item in range(3 * threads)]
    assert torch.get_num_threads() == threads


def test_the_numbers_are_those_of_one_thread(threads: int) -> None:
    images = torch.randn(6, 64, 64)
    with one_thread():
        expected = [image @ image for image in images]
    assert all(torch.equal(*pair) for pair in zip(side_by_side(lambda x: x @ x, list(images)), expected, strict=True))


def test_a_mistake_in_one_reaches_the_caller(threads: int) -> None:
    def work(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(work, [1, 1, 0, 1]))
    assert torch.get_num_threads() == threads
