"""Groups of points that lie together: k-means, and whether there are any.

Symbols: ``X`` (n, d) points, each column scaled; ``k`` clusters; ``labels`` (n,) the cluster of each; ``centres`` (k, d).

Sources: P. J. Rousseeuw (1987), the silhouette; C. Hennig (2007), clusters of bootstrap samples; L. Hubert and P. Arabie
(1985), the adjusted Rand index; R. Tibshirani, G. Walther and T. Hastie (2001), points without clusters to compare with.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

N_REFERENCES = 3
# Of a column's deviation.
BLUR = 0.25


def fit(X: np.ndarray, k: int, seed: int, n_init: int = 10) -> KMeans:
    """k-means of the points, the best of ``n_init`` starts. One thread: the same to the last digit on every machine."""
    with threadpool_limits(1):
        return KMeans(k, n_init=n_init, random_state=seed).fit(X)


def try_numbers(X: np.ndarray, most: int, n_bootstraps: int, seed: int) -> pd.DataFrame:
    """For each k from 2 to ``most``: n_clusters, the mean silhouette, the usual one of as many points without
    clusters (of ``N_REFERENCES`` sets of each of two kinds, the higher), and stability, the mean adjusted Rand index between the clusters and those of bootstrap samples."""
    rng = np.random.default_rng(seed)
    resampled = [rng.integers(0, len(X), len(X)) for _ in range(n_bootstraps)]
    references = [[made(X, rng) for _ in range(N_REFERENCES)] for made in (_spread, _shuffle)]
    rows = []
    for k in range(2, min(most, len(np.unique(X, axis=0)) - 1) + 1):
        labels = fit(X, k, seed).labels_
        again = [fit(X[rows_of], k, seed, 2) for rows_of in resampled]
        with threadpool_limits(1):
            found = [adjusted_rand_score(labels, model.predict(X)) for model in again]
            silhouette = silhouette_score(X, labels)
            # The median: one far point can make a set of a high silhouette.
            usual = max(
                np.median([silhouette_score(one, fit(one, k, seed, 2).labels_) for one in kind]) for kind in references
            )
        rows.append((k, float(silhouette), float(usual), float(np.mean(found))))
    return pd.DataFrame(rows, columns=["n_clusters", "silhouette", "reference", "stability"])


def _spread(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many points, even over the box along the principal axes of X."""
    centre = X.mean(axis=0)
    axes = np.linalg.svd(X - centre, full_matrices=False)[2]
    turned = (X - centre) @ axes.T
    return rng.uniform(turned.min(axis=0), turned.max(axis=0), turned.shape) @ axes + centre


def _shuffle(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many points, each column drawn alone and blurred: as skewed as X, without its gaps and without what goes together."""
    return rng.permuted(X, axis=0) + rng.normal(scale=BLUR, size=X.shape) * X.std(axis=0)
