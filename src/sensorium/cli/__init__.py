"""The command line: parse, call the library, print. Each command's file loads what it needs when it runs."""

import sys

from sensorium.cli.app import app
from sensorium.errors import SensoriumError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command of sys.argv; a user's mistake is a message on stderr and exit code 2, without a traceback."""
    try:
        app()
    except SensoriumError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # of `sensorium ... | head`
        sys.stderr.close()
        sys.exit(1)
