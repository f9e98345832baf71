"""`seqweave` and `python -m seqweave`: the command line, which is imported only once a Ctrl-C has its sentence."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line of this process and end with its exit code.

    What comes after the work, such as taking torch down, is no longer disturbed by a signal: the exit code tells what
    was done.
    """
    try:
        from seqweave.cli.main import main as run

        code = run()
    except KeyboardInterrupt:  # while modules were imported
        code = 128 + signal.SIGINT
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    main()
