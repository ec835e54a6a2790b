"""k-means, and whether there are clusters: planted ones are found, points without any are told from them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from crm_analysis.behaviour import Fitting, choose
from crm_analysis.models.clusters import fit, try_numbers

FEW = Fitting(max_clusters=5, n_bootstraps=4)
RNG = np.random.default_rng(4)
BLOBS = np.repeat([[0, 0, 0], [6, 0, 1], [0, 6, 2], [6, 6, 3]], 80, axis=0) + RNG.normal(size=(320, 3))


def tried(X):
    return try_numbers(X, FEW.max_clusters, FEW.n_bootstraps, 1)


def test_planted_blobs_are_counted_and_recovered():
    frame = tried(BLOBS)
    assert choose(frame, FEW) == 4
    assert adjusted_rand_score(np.repeat(range(4), 80), fit(BLOBS, 4, 1).labels_) > 0.97


@pytest.mark.parametrize(
    "X",
    [RNG.uniform(size=(400, 1)), RNG.uniform(size=(400, 2)), RNG.uniform(size=(400, 4)), RNG.normal(size=(400, 3))],
    ids=["a line", "a square", "a cube of four dimensions", "one bell"],
)
def test_points_without_clusters_are_refused(X):
    """A line and a square have high silhouettes, and stable halves: only the comparison with such points tells."""
    assert choose(tried(X), FEW) is None


def test_the_silhouette_alone_would_cut_a_line_in_two():
    frame = tried(RNG.uniform(size=(400, 1)))
    assert (frame["silhouette"] > 0.5).all()
    assert (frame["reference"] >= frame["silhouette"] - FEW.min_gain).all()


def test_threads_do_not_matter():
    with threadpool_limits(4):
        many = tried(BLOBS)
    with threadpool_limits(1):
        one = tried(BLOBS)
    assert many.equals(one)


def test_few_different_points_have_fewer_clusters():
    assert tried(np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 0.0]], 9, axis=0))["n_clusters"].tolist() == [2]
    assert tried(np.zeros((9, 2))).empty
