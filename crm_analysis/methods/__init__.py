"""One module per analytical method. The folder's listing is the registry: nothing else names them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType


def names() -> list[str]:
    """The methods there are, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reads_results(name: str) -> bool:
    """Whether a method is made after the others, from their tables: its module says ``READS_RESULTS = True``. The module is not
    loaded for that."""
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return re.search(r"^READS_RESULTS = True$", text, re.MULTILINE) is not None


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
