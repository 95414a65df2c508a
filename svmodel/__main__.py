"""``python -m svmodel``."""

from svmodel.cli import main

if __name__ == "__main__":
    main()
