"""As much of HTTP/1.1 as an OpenAI client speaks: bodies of known length or in chunks, kept connections, and
replies that can be cut in the middle.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came; names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One reply to send. Of its body only `cut` bytes are sent if that is a number; then the line goes dead.

    `sent` is called with whether all of it was handed to the connection.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    sent: Callable[[bool], None] = lambda whole: None


Handle = Callable[[Asked], Awaitable[Answer]]


def of_json(value: Any, status: int = 200, **more: Any) -> Answer:
    """A reply that is JSON."""
    return Answer(status, json.dumps(value).encode(), **more)


async def listen(handle: Handle, host: str, port: int) -> asyncio.Server:
    """Answer by `handle` at this address from now on; port 0 is any free one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) is not None:
                if not await _send(writer, await handle(asked)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone, as one that is killed does
        finally:
            writer.transport.abort()

    return await asyncio.start_server(talk, host, port, limit=2**20, backlog=1024)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    """The next request, None when the client has closed the connection between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Whether the connection can be used again."""
    length = str(len(answer.body))
    headers = {"content-type": "application/json", **answer.headers, "content-length": length}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{lines}\r\n".encode("latin-1")
    whole = answer.cut is None and not writer.transport.is_closing()
    if answer.cut is None or answer.cut > 0:
        writer.write(head + answer.body[: answer.cut])
    answer.sent(whole)
    await writer.drain()
    return whole
