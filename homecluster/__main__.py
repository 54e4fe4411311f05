"""`python -m homecluster` is the same program as `homecluster`."""

from homecluster.cli.main import main

if __name__ == "__main__":
    main()
