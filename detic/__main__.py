"""``python -m detic``: the command ``detic``."""

from detic_commands.main import main

if __name__ == "__main__":
    main()
