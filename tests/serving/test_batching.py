"""Rows of several requests, answered at once."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sensorium.serving.batching import Batcher, Gone


def always() -> bool:
    return True


def run(job, answer, rows=8, wait=20.0):
    """`job(batcher)` in a loop of its own."""

    async def main():
        with ThreadPoolExecutor(1) as executor:
            return await job(Batcher(answer, rows, wait, executor))

    return asyncio.run(main())


def test_rows_that_come_together_are_one_batch_in_their_order():
    batches = []

    def answer(rows):
        batches.append(list(rows))
        return [row * row for row in rows]

    async def job(batcher):
        return await asyncio.gather(*(batcher.answer(row, always) for row in range(20)))

    assert run(job, answer) == [row * row for row in range(20)]
    assert batches == [list(range(8)), list(range(8, 16)), list(range(16, 20))]


def test_while_the_network_is_at_work_the_next_batch_grows():
    batches, begun, go_on = [], threading.Event(), threading.Event()

    def answer(rows):
        batches.append(list(rows))
        begun.set()
        assert go_on.wait(30)
        return list(rows)

    async def job(batcher):
        first = asyncio.create_task(batcher.answer(0, always))
        await asyncio.to_thread(begun.wait, 30)
        others = []
        for row in range(1, 6):  # one after the other, further apart than a row waits for others
            others.append(asyncio.create_task(batcher.answer(row, always)))
            await asyncio.sleep(0.005)
        go_on.set()
        return await asyncio.gather(first, *others)

    assert run(job, answer, wait=1.0) == list(range(6))
    assert batches == [[0], [1, 2, 3, 4, 5]]


def test_a_row_that_nobody_waits_for_is_not_asked_and_the_others_are():
    batches = []

    def answer(rows):
        batches.append(list(rows))
        return [row + 100 for row in rows]

    async def job(batcher):
        asked = [batcher.answer(row, (lambda: False) if row == 1 else always) for row in range(3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = run(job, answer)
    assert batches == [[0, 2]]
    assert found[0] == 100
    assert found[2] == 102
    assert isinstance(found[1], Gone)


def test_one_that_goes_takes_no_other_with_it():
    begun, go_on = threading.Event(), threading.Event()
    batches = []

    def answer(rows):
        batches.append(list(rows))
        begun.set()
        assert go_on.wait(30)
        return list(rows)

    async def job(batcher):
        tasks = [asyncio.create_task(batcher.answer(row, always)) for row in range(3)]
        await asyncio.to_thread(begun.wait, 30)
        tasks[0].cancel()  # the batch is the work of its task
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = run(job, answer)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [1, 2]
    assert batches == [[0, 1, 2]]


def test_a_fault_is_told_to_all_of_its_batch_and_the_next_one_goes_on():
    def answer(rows):
        if 0 in rows:
            raise RuntimeError("zero")
        return list(rows)

    async def job(batcher):
        first = await asyncio.gather(*(batcher.answer(row, always) for row in range(2)), return_exceptions=True)
        return first, await batcher.answer(7, always)

    first, second = run(job, answer)
    assert [str(error) for error in first] == ["zero", "zero"]
    assert second == 7


def test_a_wrong_number_of_answers_is_a_fault_and_no_mix_up():
    async def job(batcher):
        return await batcher.answer(1, always)

    with pytest.raises(ValueError, match="zip"):
        run(job, lambda rows: [])
