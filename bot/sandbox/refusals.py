"""Answers that requests get in place of their own: rate limits, faults, pictures that are too large. Sandbox's event
loop."""

from dataclasses import dataclass, replace
from typing import Any, Final

from bot.sandbox.errors import ApiError

TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the next `times` requests of this method to this route are answered.

    template: as in Route, "/channels/{channel_id}/messages". code, message: of Discord's error object. min_bytes:
    requests with fewer bytes of uploads pass. retry_after_s: of a rate limit.
    """

    method: str
    template: str
    status: int
    code: int = 0
    message: str = "refused"
    times: int = 1
    min_bytes: int = 0
    retry_after_s: float = 0.05

    def error(self) -> ApiError:
        """As the routes raise it."""
        return ApiError(self.status, self.code, self.message)

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        if self.status != TOO_MANY_REQUESTS:
            return self.error().to_json()
        return {"message": "You are being rate limited.", "retry_after": self.retry_after_s, "global": False}

    def headers(self, now_s: float) -> dict[str, str]:
        """Those that Discord adds to a rate limit; a client that finds no `Via` takes it for Cloudflare's."""
        if self.status != TOO_MANY_REQUESTS:
            return {}
        return {
            "Retry-After": f"{self.retry_after_s:g}",
            "Via": "1.1 sandbox",
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{now_s + self.retry_after_s:.3f}",
            "X-RateLimit-Reset-After": f"{self.retry_after_s:g}",
            "X-RateLimit-Bucket": "5a4d6b",
            "X-RateLimit-Scope": "user",
        }


class Refusals:
    """Those that are still to come."""

    def __init__(self) -> None:
        self._waiting: list[Refusal] = []

    def add(self, refusal: Refusal) -> None:
        self._waiting.append(refusal)

    def take(self, method: str, template: str, num_bytes: int) -> Refusal | None:
        """The oldest one that fits a request, which is thereby used up once."""
        for place, refusal in enumerate(self._waiting):
            if (refusal.method, refusal.template) == (method, template) and num_bytes >= refusal.min_bytes:
                if refusal.times > 1:
                    self._waiting[place] = replace(refusal, times=refusal.times - 1)
                else:
                    del self._waiting[place]
                return refusal
        return None
