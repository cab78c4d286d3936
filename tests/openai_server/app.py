"""The addresses of the server: /v1/... as OpenAI has them, /control/... for those who test with it."""

import asyncio
import dataclasses
import json

from .batches import Batches
from .http import Answer, Asked, of_json
from .model import MODELS, Model
from .plan import plan_of


class App:
    """All state of one server; a new plan forgets what was served before, files and batches too."""

    def __init__(self, model: Model):
        self.model, self.batches, self.calls = model, Batches(model), 0

    async def handle(self, asked: Asked) -> Answer:
        """The reply to any request."""
        self.calls += asked.path.startswith("/v1/")
        if asked.path == "/v1/chat/completions":
            return await self._chat(asked)
        if asked.path.startswith(("/v1/files", "/v1/batches")):
            return self.batches.answer(asked)
        if asked.path.startswith("/v1/models"):
            return _models(asked.path)
        if asked.path.startswith("/control/"):
            return self._control(asked)
        return of_json({"error": {"message": f"Unknown: {asked.path}", "code": None}}, 404)

    async def _chat(self, asked: Asked) -> Answer:
        model, caller = self.model, asked.headers.get("authorization", "")
        try:
            body = json.loads(asked.body)
        except ValueError:
            return of_json({"error": {"message": "The body is not JSON", "code": None}}, 400)
        model.callers.add(caller)
        served = model.arrive(body, "live")
        model.in_flight += 1
        model.most = max(model.most, model.in_flight)
        try:
            answer = model.answer(body, served, caller)
            await asyncio.sleep(model.plan.slow_s if served.fault == "slow" else model.plan.latency_s)
            return answer
        finally:
            model.in_flight -= 1

    def _control(self, asked: Asked) -> Answer:
        what = asked.path.removeprefix("/control/")
        if what == "plan" and asked.method == "POST":
            self.__init__(Model(plan_of(json.loads(asked.body))))
            return of_json({})
        if what == "log":
            start = int(asked.query.get("from", 0))
            return of_json([dataclasses.astuple(served) for served in self.model.log[start:]])
        if what == "calls":
            return of_json(self.calls)
        return of_json(self.model.stats())


def _models(path: str) -> Answer:
    values = [{"id": name, "object": "model", "created": 0, "owned_by": "kit"} for name in MODELS]
    named = path.removeprefix("/v1/models").strip("/")
    if not named:
        return of_json({"object": "list", "data": values})
    found = [value for value in values if value["id"] == named]
    return of_json(found[0]) if found else of_json({"error": {"message": "No such model"}}, 404)
