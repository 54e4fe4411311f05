"""`python -m netprobe` is the `netprobe` command."""

from netprobe.cli import main

if __name__ == "__main__":
    main()
