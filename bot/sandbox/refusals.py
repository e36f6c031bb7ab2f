"""What goes wrong with requests: answers in place of their own, late ones, connections that are reset. Sandbox's event
loop."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.sandbox.errors import ApiError

TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class Refusal:
    """What happens to the next `times` requests of this method to this route.

    template: as in Route, "/channels/{channel_id}/messages". status: of the answer; 0 leaves the route's own. code,
    message: of Discord's error object. min_bytes: requests with fewer bytes of uploads pass. retry_after_s: of a rate
    limit. is_global: the rate limit is for every request with the bot's token until then. is_applied: the request
    takes effect all the same. delay_s: how late the answer comes. is_reset: the connection is reset instead, in the
    middle of the upload unless the request is applied.
    """

    method: str
    template: str
    status: int
    code: int = 0
    message: str = "refused"
    times: int = 1
    min_bytes: int = 0
    retry_after_s: float = 0.05
    is_global: bool = False
    is_applied: bool = False
    delay_s: float = 0.0
    is_reset: bool = False

    @property
    def kind(self) -> str:
        """What to call it where they are counted."""
        after = " after it was applied" if self.is_applied else ""
        if self.is_reset:
            return f"connection reset{after or ' in mid-upload'}"
        if self.status == 0:
            return "slow answer"
        return f"{self.status}{' global' if self.is_global else ''}{after}"

    def error(self) -> ApiError:
        """As the routes raise it."""
        return ApiError(self.status, self.code, self.message)

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        if self.status != TOO_MANY_REQUESTS:
            return self.error().to_json()
        return {"message": "You are being rate limited.", "retry_after": self.retry_after_s, "global": self.is_global}

    def headers(self, now_s: float) -> dict[str, str]:
        """Those that Discord adds to a rate limit; a client that finds no `Via` takes it for Cloudflare's."""
        if self.status != TOO_MANY_REQUESTS:
            return {}
        headers = {"Retry-After": f"{self.retry_after_s:g}", "Via": "1.1 sandbox"}
        if self.is_global:
            return headers | {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
        return headers | {
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{now_s + self.retry_after_s:.3f}",
            "X-RateLimit-Reset-After": f"{self.retry_after_s:g}",
            "X-RateLimit-Bucket": "5a4d6b",
            "X-RateLimit-Scope": "user",
        }


class Refusals:
    """Those that are still to come. counts: of those that came, by kind."""

    def __init__(self) -> None:
        self._waiting: list[Refusal] = []
        self._global_until_s = float("-inf")
        self.counts: Counter[str] = Counter()

    def add(self, refusal: Refusal) -> None:
        self._waiting.append(refusal)

    def take(self, method: str, template: str, num_bytes: int, *, in_mid_upload: bool = False) -> Refusal | None:
        """The oldest one that fits a request, which is thereby used up once. in_mid_upload: of those that come before
        the request is read."""
        for place, refusal in enumerate(self._waiting):
            fits = (refusal.method, refusal.template) == (method, template) and num_bytes >= refusal.min_bytes
            if fits and in_mid_upload == (refusal.is_reset and not refusal.is_applied):
                if refusal.times > 1:
                    self._waiting[place] = replace(refusal, times=refusal.times - 1)
                else:
                    del self._waiting[place]
                self.counts[refusal.kind] += 1
                return refusal
        return None

    def begin_global(self, refusal: Refusal, now_s: float) -> None:
        """The global rate limit is reached."""
        self._global_until_s = now_s + refusal.retry_after_s

    def under_global(self, now_s: float) -> Refusal | None:
        """What requests with the bot's token are answered while the global rate limit lasts."""
        left_s = self._global_until_s - now_s
        if left_s <= 0:
            return None
        return Refusal("", "", TOO_MANY_REQUESTS, is_global=True, retry_after_s=round(left_s, 3) or 0.001)
