"""
concordiactl: arguments in, an exit code out.

The one boundary at which what went wrong becomes a sentence on stderr and a number. It imports almost nothing: most
calls are a script's `submit`, which `ctl.quick` does with what Python has loaded anyway.
"""

import sys

from ctl import quick


def main() -> None:
    """Run the program."""
    try:
        code = quick.run(sys.argv[1:])
        if code is None:
            from ctl.program import run

            code = run(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the boundary; what it does not know is raised again
        from ctl.program import explain

        code = explain(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
