"""``geoseg`` as it is installed, and ``python -m geoseg``."""

import signal


def main() -> None:
    """Load the commands and run one."""
    # Ctrl-C while modules are loaded ends the process at once, where Python would print a
    # traceback; the command line then has its own answer
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from geoseg.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
