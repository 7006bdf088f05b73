"""`python -m simgrant` is `simgrant`."""

from simgrant.cli import main

if __name__ == "__main__":
    main()
