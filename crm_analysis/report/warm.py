"""What the reports need, loaded on import: by the process that workers are forked from, before the first report asks."""

import atexit
import gc
import os
from contextlib import suppress
from importlib import import_module

from crm_analysis import fonts, methods
from crm_analysis.report.workers import INLINE

# What cannot be loaded is told where it is needed.
with suppress(Exception):
    # matplotlib looks there when it is imported.
    os.environ["MPLBACKEND"] = INLINE
    render = import_module("crm_analysis.report.render")
    render.pdf_problem()
    render.warm_up()
    fonts.register()
    for name in methods.names():
        methods.load(name)
    for module in ("crm_analysis.report.making", "ipykernel.kernelapp", "matplotlib_inline.backend_inline"):
        import_module(module)
    # What is there stays: nobody need look through it for garbage again and again.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
