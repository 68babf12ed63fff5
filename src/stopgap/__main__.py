"""``python -m stopgap``."""

from stopgap.cli import main

if __name__ == "__main__":  # also keeps the worker processes of `stopgap replay` from starting a command line
    main()
