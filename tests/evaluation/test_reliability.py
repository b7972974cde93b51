"""Reliability against scikit-learn's curve, and by hand."""

import io

import numpy as np
import pytest
from matplotlib import image
from sklearn.calibration import calibration_curve

from tfdomain.errors import InputError
from tfdomain.evaluation.reliability import reliability, reliability_png


def test_the_curve_is_scikit_learns():
    random = np.random.default_rng(0)
    probabilities = random.random(500)
    came = random.random(500) < probabilities**2
    found = reliability(probabilities, came, num_bins=8)
    share, confidence = calibration_curve(came, probabilities, n_bins=8)
    np.testing.assert_allclose(found.share, share)
    np.testing.assert_allclose(found.confidence, confidence)
    own_bin = np.minimum((probabilities * 8).astype(int), 7)
    gaps = [abs(came[own_bin == bin].mean() - probabilities[own_bin == bin].mean()) for bin in own_bin]
    assert found.calibration_error == pytest.approx(np.mean(gaps))


def test_ends_and_empty_bins():
    found = reliability([0.0, 0.1, 1.0], [False, True, True])
    assert found.counts.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert np.isnan(found.share[2:9]).all() and found.share[[0, 1, 9]].tolist() == [0, 1, 1]
    assert found.calibration_error == pytest.approx(0.3)


def test_the_picture_shows_the_shares():
    pictures = [
        image.imread(io.BytesIO(reliability_png(reliability(np.full(9, 0.55), came))))
        for came in (np.ones(9, bool), np.zeros(9, bool))
    ]
    # A bar of the share 1 against one of the share 0.
    blue = [np.mean((picture[..., 2] - picture[..., 0]) > 0.2) for picture in pictures]
    assert blue[0] > blue[1] + 0.02


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match="give one outcome for each"):
        reliability([0.5, 0.5], [True])
