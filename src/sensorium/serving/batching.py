"""Rows of several requests, answered by the network at once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from aiomisc.aggregate import AggregatorAsync, Arg

__all__ = ["Batcher", "Gone"]


class Gone(Exception):
    """Nobody waits for a row any more."""


class Batcher:
    """Puts rows together until there are enough, or the first has waited long enough; aiomisc's aggregator does it.

    While the network is at work no batch is begun: what comes meanwhile is the next one. So batches grow with the load,
    and a row that comes alone waits for others no longer than `wait`.

    Args:
        answer: from rows to their answers, in their order; runs in `executor`.
        rows: of a batch, at most.
        wait: ms.
        executor: of one thread.
    """

    def __init__(self, answer: Callable[[Sequence[Any]], Sequence[Any]], rows: int, wait: float, executor: Executor):
        self._answer, self._executor = answer, executor
        self._aggregator: AggregatorAsync[Any, Any] = AggregatorAsync(self._run, leeway_ms=wait, max_count=rows)
        self._idle, self._running = asyncio.Event(), 0
        self._idle.set()

    async def answer(self, row: Any, wanted: Callable[[], bool]) -> Any:
        """The answer to a row. Where it isn't `wanted` any more when its turn comes it is not asked for.

        Raises:
            Gone: it was not wanted.
        """
        await self._idle.wait()
        # A task of its own: the aggregator runs a batch in the task of one of its rows, whose client may go.
        return await asyncio.shield(asyncio.ensure_future(self._aggregator.aggregate((row, wanted))))

    async def _run(self, *asked: Arg[Any, Any]) -> None:
        wanted = []
        for one in asked:
            if one.value[1]():
                wanted.append(one)
            else:
                one.future.set_exception(Gone())
        if not wanted:
            return
        self._running += 1
        self._idle.clear()
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._executor, self._answer, [one.value[0] for one in wanted])
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        for one, answer in zip(wanted, found, strict=True):
            one.future.set_result(answer)
