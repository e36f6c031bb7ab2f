"""Stored jobs that are submitted again."""

from collections.abc import AsyncIterator
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest

from bot.catalogues import Languages
from bot.cogs.image_gate import ImageGate
from bot.cogs.resubmitting import Resubmitting
from bot.executor.base import Executor
from bot.requests import GenerationRequest, Queued, Update
from tests.cogs.stored_jobs import stored


class OneJob:
    """An executor's."""

    def __init__(self) -> None:
        self.cancel = AsyncMock(return_value=True)

    async def submit(self, request: GenerationRequest, **_: object) -> AsyncIterator[Update]:
        return self._updates()

    async def _updates(self) -> AsyncIterator[Update]:
        yield Queued(1)


async def test_what_can_not_be_handed_on_is_taken_back_from_the_executor() -> None:
    executor = OneJob()
    gate = MagicMock(spec=ImageGate)
    gate.rules.return_value = gate.labels.return_value = ()
    gate.keeps_from_sight.return_value = False
    parts: dict[str, Any] = dict.fromkeys(("store", "pictures", "threads", "admission", "fatal"), MagicMock())
    broken = MagicMock(spec=Languages)
    broken.of.side_effect = ZeroDivisionError("bug")
    resubmitting = Resubmitting(MagicMock(), gate=gate, executor=cast(Executor, executor), languages=broken, **parts)
    with pytest.raises(ZeroDivisionError):
        await resubmitting.submit(stored(1), MagicMock())
    executor.cancel.assert_awaited_once_with(stored(1).id)
