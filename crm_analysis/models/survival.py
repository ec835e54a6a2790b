"""How long things last of which some have not ended yet.

Symbols: ``t`` (n,) how long, ``ended`` (n,) whether it ended then or was only seen until then, ``weight`` (n,) how many.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

Z = 1.959964  # of a 95 % interval


def kaplan_meier(t: np.ndarray, ended: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """The share that lasts longer than t (Kaplan and Meier 1958) and its 95 % interval (Greenwood 1926, on the scale of
    log(−log)): the columns t, n_at_risk, share, low, high, for 0 and each distinct t. Where all or none have ended there is no
    interval: low and high are the share."""
    rows = pd.DataFrame({"t": np.append(t, 0.0), "n": np.append(weight, 0.0), "d": np.append(weight * ended, 0.0)})
    frame = rows.groupby("t", as_index=False).sum()
    n, d = frame["n"][::-1].cumsum()[::-1].to_numpy(), frame["d"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.cumprod(1 - np.where(n > 0, d / n, 0))
        error = Z * np.sqrt(np.cumsum(np.where(d > 0, d / (n * (n - d)), 0))) / np.log(share)
        low, high = share ** np.exp(-error), share ** np.exp(error)
    is_known = (share > 0) & (share < 1)
    low, high = (np.where(is_known, one, share) for one in (low, high))
    return pd.DataFrame({"t": frame["t"], "n_at_risk": n, "share": share, "low": low, "high": high})
