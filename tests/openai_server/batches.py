"""The Batch API: files of requests in, files of replies out, some time later."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from . import replies
from .http import Answer, Asked, of_json
from .model import Model

ENDS = ("completed", "failed", "expired", "cancelled")


@dataclass
class Batch:
    """One batch: its wire form, and when (seconds of the clock) it comes to its end."""

    value: dict[str, Any]
    ready: float
    end: str


@dataclass
class Batches:
    """All files and batches; a batch moves on when somebody looks at it."""

    model: Model
    files: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def answer(self, asked: Asked) -> Answer:
        """The reply to any request below /v1/files and /v1/batches."""
        what, *rest = asked.path.removeprefix("/v1/").split("/")
        table = self.files if what == "files" else self.batches
        if rest and rest[0] not in table:
            return _error(404, f"No such {what[:-1]}: {rest[0]}")
        key = (asked.method, what, len(rest), rest[-1] if len(rest) > 1 else "")
        routes = {
            ("POST", "files", 0, ""): lambda: self._upload(asked),
            ("GET", "files", 0, ""): lambda: self._list(asked, [value for value, _ in self.files.values()]),
            ("GET", "files", 1, ""): lambda: of_json(self.files[rest[0]][0]),
            ("GET", "files", 2, "content"): lambda: Answer(body=self.files[rest[0]][1]),
            ("DELETE", "files", 1, ""): lambda: self._delete(rest[0]),
            ("POST", "batches", 0, ""): lambda: self._create(json.loads(asked.body)),
            ("GET", "batches", 0, ""): lambda: self._list(asked, [self._look(id) for id in self.batches]),
            ("GET", "batches", 1, ""): lambda: of_json(self._look(rest[0])),
            ("POST", "batches", 2, "cancel"): lambda: self._cancel(rest[0]),
        }
        return routes[key]() if key in routes else _error(404, f"Unknown: {asked.method} {asked.path}")

    def _upload(self, asked: Asked) -> Answer:
        kind = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
        form = BytesParser(policy=HTTP).parsebytes(kind + asked.body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        content = parts["file"].get_payload(decode=True)
        purpose = parts["purpose"].get_payload(decode=True).decode().strip()
        return of_json(self._store(content, purpose, parts["file"].get_filename()))

    def _store(self, content: bytes, purpose: str, filename: str) -> dict[str, Any]:
        id = f"file-{next(self.numbers)}"
        value = {"id": id, "object": "file", "bytes": len(content), "created_at": int(time.time()),
                 "filename": filename, "purpose": purpose, "status": "processed"}  # fmt: skip
        self.files[id] = value, content
        return value

    def _delete(self, id: str) -> Answer:
        del self.files[id]
        return of_json({"id": id, "object": "file", "deleted": True})

    def _list(self, asked: Asked, values: list[dict[str, Any]]) -> Answer:
        """Newest first, in pages of `limit` after the id `after`."""
        values = values[::-1]
        ids = [value["id"] for value in values]
        start = ids.index(asked.query["after"]) + 1 if asked.query.get("after") in ids else 0
        page = values[start : start + int(asked.query.get("limit", 20))]
        first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        return of_json({"object": "list", "data": page, "first_id": first, "last_id": last,
                        "has_more": start + len(page) < len(values)})  # fmt: skip

    def _create(self, asked: Mapping[str, Any]) -> Answer:
        if asked["input_file_id"] not in self.files:
            return _error(400, f"No such file: {asked['input_file_id']}")
        plan, number = self.model.plan, len(self.batches)
        lines = self.files[asked["input_file_id"]][1].splitlines()
        value = {
            **{name: asked.get(name) for name in ("input_file_id", "endpoint", "completion_window")},
            "id": f"batch_{next(self.numbers)}", "object": "batch", "status": "validating",
            "created_at": int(time.time()), "metadata": asked.get("metadata"), "errors": None,
            "output_file_id": None, "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }  # fmt: skip
        end = plan.batches[number] if number < len(plan.batches) else ""
        self.batches[value["id"]] = Batch(value, self.model.now() + plan.batch_s, end)
        return of_json(value)

    def _cancel(self, id: str) -> Answer:
        batch = self.batches[id]
        if self._look(id)["status"] in ENDS:
            return _error(400, f"Cannot cancel a batch with status {batch.value['status']!r}")
        batch.end, batch.ready = "cancelled", self.model.now()
        return of_json({**batch.value, "status": "cancelling"})

    def _look(self, id: str) -> dict[str, Any]:
        """The batch as it is now; its work is done when its time has come."""
        batch = self.batches[id]
        if batch.value["status"] in ENDS:
            return batch.value
        if self.model.now() < batch.ready:
            batch.value["status"] = "in_progress"
            return batch.value
        lines = self.files[batch.value["input_file_id"]][1].splitlines()
        problem = "Planned to fail" if batch.end == "failed" else self._problem(lines, batch.value)
        if problem:
            error = {"code": "invalid_request", "message": problem, "line": None, "param": None}
            batch.value.update(status="failed", errors={"object": "list", "data": [error]})
        else:
            self._work(batch, replies.shuffled(lines, id))
        return batch.value

    def _problem(self, lines: list[bytes], value: Mapping[str, Any]) -> str:
        """Why the whole batch is refused, as the provider does after it has looked at the file."""
        plan, size = self.model.plan, sum(map(len, lines)) + len(lines)
        if len(lines) > plan.batch_requests or size > plan.batch_bytes:
            return f"{len(lines)} requests, {size} bytes: more than a batch may have"
        asked = [json.loads(line) for line in lines]
        if len({line["custom_id"] for line in asked}) < len(asked):
            return "custom_id is not unique"
        if {(line["method"], line["url"]) for line in asked} != {("POST", value["endpoint"])}:
            return "method or url does not match the endpoint"
        return ""

    def _work(self, batch: Batch, lines: list[bytes]) -> None:
        """Answer the lines, in any order; where the batch ends early, half of them."""
        half = len(lines) // 2 if batch.end in ("expired", "cancelled") else len(lines)
        done = [self._line(json.loads(line), number, batch.end) for number, line in enumerate(lines[:half])]
        errors = [self._undone(json.loads(line), batch.end) for line in lines[half:]]
        good = [line for line in done if line["error"] is None and line["response"]["status_code"] == 200]
        errors = [line for line in done if line not in good] + errors
        status = batch.end if batch.end in ENDS else "completed"
        counts = {"total": len(lines), "completed": len(good), "failed": len(lines) - len(good)}
        batch.value.update(status=status, request_counts=counts)
        for name, results in (("output_file_id", good), ("error_file_id", errors)):
            text = "".join(json.dumps(line) + "\n" for line in results).encode()
            if results:
                batch.value[name] = self._store(text, "batch_output", f"{name}.jsonl")["id"]

    def _line(self, line: Mapping[str, Any], number: int, end: str) -> dict[str, Any]:
        served = self.model.arrive(line["body"], "batch")
        if end == "line_errors" and number % 3 == 0:
            served.fault = "500"
        answer = self.model.answer(line["body"], served, "")
        served.whole = True
        if answer.cut is not None or served.fault == "broken_body":
            served.status, served.usage, served.whole = 0, (0, 0), False
            return self._undone(line, "server_error")
        response = {"status_code": answer.status, "request_id": "r", "body": json.loads(answer.body)}
        return {"id": f"batch_req_{next(self.numbers)}", "custom_id": line["custom_id"],
                "response": response, "error": None}  # fmt: skip

    def _undone(self, line: Mapping[str, Any], end: str) -> dict[str, Any]:
        error = {"code": f"batch_{end}", "message": "This request could not be executed."}
        return {"id": f"batch_req_{next(self.numbers)}", "custom_id": line["custom_id"], "response": None,
                "error": error}  # fmt: skip


def _error(status: int, message: str) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return of_json({"error": error}, status)
