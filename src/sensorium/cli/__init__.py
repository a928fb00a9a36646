"""The command line: parse, call the library, print. Each command's file loads what it needs when it runs."""

import shlex
import sys
from contextlib import nullcontext

from sensorium.cli.app import app
from sensorium.errors import SensoriumError
from sensorium.stopping import Stopped, stoppable

__all__ = ["app", "main"]

GOING_ON = {"adapt": ["--resume"], "fit": ["--resume"], "pretrain": ["--resume"], "tune": []}


def main() -> None:
    """Run the command of sys.argv; a user's mistake is a message on stderr and exit code 2, without a traceback.

    A command that can be gone on with says how when SIGTERM or SIGINT stops it; its exit code is 143 or 130.
    """
    words = sys.argv[1:]
    goes_on = bool(words) and words[0] in GOING_ON
    try:
        with stoppable() if goes_on else nullcontext():
            app()
    except (KeyboardInterrupt, Stopped) as end:
        if goes_on:
            more = [word for word in GOING_ON[words[0]] if word not in words]
            print(f"stopped. To go on: {shlex.join(['sensorium', *words, *more])}", file=sys.stderr)
        sys.exit(end.code if isinstance(end, Stopped) else 130)
    except SensoriumError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # of `sensorium ... | head`
        sys.stderr.close()
        sys.exit(1)
