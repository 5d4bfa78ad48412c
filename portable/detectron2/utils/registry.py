"""`Registry`: maps the names in a configuration to classes and functions."""

import importlib
import pydoc
from typing import Any

from fvcore.common.registry import Registry as _FvcoreRegistry


class Registry(_FvcoreRegistry):
    """A name -> object table that is filled by `@REGISTRY.register()` and read by `get`."""

    def get(self, name: str) -> Any:
        """Return the object registered under `name`.

        Raises:
            KeyError: there is none; the message lists the names that exist.
        """
        if name not in self:
            choices = ", ".join(sorted(known for known, _ in self)) or "nothing is registered yet"
            raise KeyError(
                f"no object named '{name}' in the {self._name} registry; choose from: {choices}"
            )
        return super().get(name)


def locate(name: str) -> Any:
    """Return the object that a dotted name means, as "collections.OrderedDict".

    Raises:
        ImportError: there is none.
    """
    found = pydoc.locate(name)
    if found is not None:
        return found
    module, _, attribute = name.rpartition(".")
    try:
        # Modules may be hidden by their package, as torch.optim.sgd is.
        return getattr(importlib.import_module(module), attribute)
    except (AttributeError, ImportError, ValueError):
        raise ImportError(f"nothing is called '{name}'") from None
