"""What requests and answers look like, as models made from a run."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from sensorium.errors import did_you_mean
from sensorium.serving.fields import FieldOfRow
from sensorium.serving.refusal import Refusal

__all__ = ["ROWS", "Answer", "Answers", "Explained", "Problem", "RunSchema"]

ROWS = "rows"  # the part of a body that holds the rows


class Problem(BaseModel):
    """What of a row could not be used as it is."""

    field: str
    kind: str = Field(description="broken: counts as missing; cut: its end is left out; fallback: read in another way")
    reason: str


class Answer(BaseModel):
    """What the model says of one row."""

    answers: dict[str, str | float] = Field(description="by target")
    probabilities: dict[str, dict[str, float]] = Field(description="by target that has classes")
    missing: list[str] = Field(description="inputs that the row has nothing of")
    problems: list[Problem]


class Answers(BaseModel):
    """The answers to a request's rows, in their order."""

    rows: list[Answer]
    run: str = Field(description="which run answered; another one after it was reloaded")


class Explained(BaseModel):
    """Why the rows of a request are answered as they are; see `sensorium explain --json`."""

    rows: list[dict[str, Any]]
    run: str


class RunSchema:
    """The body of a request to a run.

    Args:
        fields: of a row.
        max_rows: of a request.
    """

    def __init__(self, fields: Sequence[FieldOfRow], max_rows: int):
        self.fields, self.max_rows = {field.name: field for field in fields}, max_rows
        told = {
            f"field_{i}": (
                Annotated[Any, BeforeValidator(field.cell), WithJsonSchema(field.schema)],
                Field(
                    default=None, alias=field.name, title=field.name, description=field.kind, examples=[field.example]
                ),
            )
            for i, field in enumerate(fields)
        }  # a column may have a name that no attribute can have
        self.row = create_model("Row", __config__=ConfigDict(extra="forbid"), **told)
        self.body = create_model(
            "Rows",
            __config__=ConfigDict(extra="forbid"),
            rows=(list[self.row], Field(min_length=1, max_length=max_rows)),
        )

    def read(self, body: Any) -> list[dict[str, Any]]:
        """The rows of a body, as cells by column.

        Raises:
            Refusal: 422, with each field that is wrong.
        """
        try:
            found = self.body.model_validate(body)
        except ValidationError as error:
            told = error.errors(include_url=False, include_input=False, include_context=False)
            raise Refusal(422, "the rows are not as the run reads them.", [self._detail(one) for one in told]) from None
        return [{name: getattr(row, f"field_{i}") for i, name in enumerate(self.fields)} for row in found.rows]

    def _detail(self, error: Any) -> tuple[str, str]:
        names = [str(part)[:100].encode(errors="replace").decode() for part in error["loc"]]
        where = ".".join(names)
        if error["type"] != "extra_forbidden":
            return where, error["msg"]
        known = self.fields if len(error["loc"]) > 1 else [ROWS]
        return where, f"unknown field. {did_you_mean(names[-1], known)}"

    def openapi(self) -> dict[str, Any]:
        """The body of a request, for OpenAPI: JSON, or a form of one row."""
        row = self.row.model_json_schema(by_alias=True)
        example = {name: field.example for name, field in self.fields.items()}
        rows = {
            "type": "object",
            "properties": {
                ROWS: {"type": "array", "items": row, "minItems": 1, "maxItems": self.max_rows},
            },
            "required": [ROWS],
            "additionalProperties": False,
        }
        parts = {name: _part(field) for name, field in self.fields.items()}
        parts[ROWS] = {"type": "string", "description": 'or several rows, as JSON; {"file": NAME} is another part'}
        form = {"type": "object", "properties": parts}
        return {
            "required": True,
            "content": {
                "application/json": {"schema": rows, "example": {ROWS: [example]}},
                "multipart/form-data": {"schema": form},
            },
        }


def _part(field: FieldOfRow) -> dict[str, Any]:
    """A part of a form."""
    if not field.files:
        return {"type": "string", "description": field.kind}
    one = {"type": "string", "format": "binary", "contentMediaType": f"{field.kind}/*"}
    return one if field.files == 1 else {"type": "array", "items": one, "maxItems": field.files}
