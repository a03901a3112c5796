"""The appliance's side of an update: passes the bundle to the update helper's socket, in pieces as they arrive.

The appliance may not write to the disk beside its state, and knows nothing of slots. Who asks is checked before
(tasks/update.py).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from headgate.core import json
from headgate.linux import update_status

_ANSWER_MAX = 4096  # bytes
_STALL_S = 120.0  # for what lies in the sockets: some ranges, which are 4 MiB each at most

Body = Callable[[], Awaitable[bytes | None]]  # the next piece of the request's body; None: that was all


class Relay:
    """What tasks/gateway.py has as `updates`."""

    def __init__(self, helper: Path, published: Path = update_status.PUBLISHED) -> None:
        self._helper = helper
        self._published = published
        self._busy = False

    def status(self) -> Any:
        return update_status.load(self._published)

    async def install(self, body: Body, length: int, downgrade: bool) -> dict[str, Any]:
        """What the helper answers (update_helper.py). Raises what `body` raises."""
        if self._busy:
            return {"refused": "busy", "detail": "another update is being written"}
        self._busy = True
        try:
            return await self._pass_on(body, json.dumps({"length": length, "downgrade": downgrade}) + b"\n")
        except _StandsStillError:
            return _failed("the update helper stands still")
        except OSError as error:
            return _failed(f"the update helper is not there: {error.strerror or error}")
        finally:
            self._busy = False

    async def _pass_on(self, body: Body, first_line: bytes) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self._helper, limit=_ANSWER_MAX)
        answer = asyncio.ensure_future(reader.readline())
        try:
            writer.write(first_line)
            while not answer.done():  # an early answer is a refusal: the rest need not be sent
                piece = await body()
                if piece is None:
                    break
                writer.write(piece)
                with contextlib.suppress(ConnectionError):  # then there is an answer
                    await _in_time(writer.drain())
            line = await _in_time(answer)
        except _StandsStillError:
            writer.transport.abort()  # it takes nothing of what is left
            raise
        finally:
            answer.cancel()
            writer.close()
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        return found if isinstance(found, dict) else _failed("the update helper ended without an answer")


class _StandsStillError(Exception):
    pass


async def _in_time(what: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(_STALL_S):
            return await what
    except TimeoutError:
        raise _StandsStillError from None


def _failed(why: str) -> dict[str, Any]:
    return {"failed": why}
