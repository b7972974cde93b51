import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tfdomain.data.components import Components


@pytest.mark.parametrize("num_links", [0, 50, 150, 400])
def test_components_are_those_of_the_graph(num_links):
    links = np.random.default_rng(num_links).integers(0, 200, (2, num_links))
    _, labels = connected_components(coo_array((np.ones(num_links), tuple(links)), (200, 200)), directed=False)
    expected = [np.flatnonzero(labels == label)[0] for label in labels]
    at_once, in_steps = Components(200), Components(200)
    at_once.join(*links)
    for part in np.array_split(links, 7, axis=1):
        in_steps.join(*part)
    assert at_once.find(np.arange(200)).tolist() == in_steps.find(np.arange(200)).tolist() == expected


@pytest.mark.parametrize("order", [1, -1])
def test_a_long_chain(order):
    rows = np.arange(200_000)[::order]
    components = Components(len(rows))
    components.join(rows[1:], rows[:-1])
    assert not components.find(rows).any()
    step_by_step = Components(3000)
    for row in range(2999)[::order]:
        step_by_step.join(np.array([row]), np.array([row + 1]))
    assert not step_by_step.find(np.arange(3000)).any()
