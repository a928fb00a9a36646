"""Help without markup."""

import click
from typer.core import TyperCommand

__all__ = ["Plain"]


class Plain(TyperCommand):
    """A command whose help is as written: Typer up to 0.20 escapes `[required]` for Rich, which draws none of ours."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace("\\[", "[")
