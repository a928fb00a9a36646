"""Requests that are not answered, and why."""

from typing import Any

from pydantic import BaseModel, Field

__all__ = ["Refusal", "Refused"]

MOST = 20  # details of one refusal


class Detail(BaseModel):
    where: str = Field(description="the field, such as rows.0.photo")
    message: str


class Refused(BaseModel):
    """What a refused request is told."""

    error: str = Field(description="the reason, for people")
    details: list[Detail] = Field(default=[], description="of a body's fields")
    request: str = Field(description="this request's number, as in the server's log")


class Refusal(Exception):
    """A request that gets no answer but a status and a reason.

    Args:
        status: of HTTP.
        error: the reason, for people; of what was sent it holds names at most.
        details: (field, reason) of a body's fields.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        error: str,
        details: list[tuple[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers or {}
        self.details = (details or [])[:MOST]

    def body(self, request: str) -> dict[str, Any]:
        """As `Refused`."""
        details = [{"where": where, "message": message} for where, message in self.details]
        return {"error": self.error, "details": details, "request": request}
