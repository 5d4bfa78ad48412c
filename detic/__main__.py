"""``python -m detic``: the command ``detic``.

The command ``detic`` itself, or ``python -m detic_commands``, answers ``--help`` sooner: Python imports
the package ``detic`` before this module, which loads torch.
"""

from detic_commands.main import main

if __name__ == "__main__":
    main()
