"""Each tab of TensorBoard on a folder of runs, as a person sees it: what stands there is found by its values."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.browser

# The bytes of a picture, as the page itself reads them.
FETCH = """
const done = arguments[1];
fetch(arguments[0].src).then(answer => answer.arrayBuffer()).then(bytes => done(Array.from(new Uint8Array(bytes))));
"""


@pytest.fixture(scope="module")
def logs(runs):
    guidance = {"scalars": 0, "tensors": 0, "images": 0}
    return EventAccumulator(str(runs / "done/tensorboard"), size_guidance=guidance).Reload()


@pytest.fixture(scope="module")
def metrics(runs):
    return json.loads((runs / "done/metrics.json").read_text())


def hover(page, selector):
    """Moves the mouse onto the first of some elements, and gives the tables that the page shows then."""
    from selenium.webdriver.common.action_chains import ActionChains

    element = page.until(lambda: page.shown(selector))[0]

    def tables():
        ActionChains(page.browser).move_to_element(element).move_by_offset(7, 3).perform()
        return [table.text for table in page.elements("table") if "tensorboard" in table.text]

    return page.until(tables)


def numbers(text):
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])", text)]


def test_scalars(page, logs):
    page.open("scalars&tagFilter=epoch%2Floss")
    (row,) = [line for line in hover(page, "vz-line-chart2")[0].splitlines() if line.startswith("done/tensorboard")]
    _, value, step = numbers(row)[:3]
    losses = {event.step: event.value for event in logs.Scalars("epoch/loss")}
    assert value == pytest.approx(losses[int(step)], rel=1e-3)


def test_hparams(page, metrics):
    page.open("hparams")
    value = metrics["test"]["accuracy"]
    shown = page.until(lambda: "failed one" in (text := page.text()) and text)
    assert "0.012500" in shown and "0.50000" in shown
    assert f"{value:#.5g}" in shown and "0.12300" in shown
    assert re.search(r"^tiny [0-9a-f]{6}$", shown, re.MULTILINE)


def test_images(page, logs):
    page.open("images")
    tags = ["test/confusion_matrix", "test/reliability", "train/lengths", "validation/attention"]
    assert set(tags) <= set(logs.Tags()["images"])
    expected = {logs.Images(tag)[-1].encoded_image_string for tag in logs.Tags()["images"]}

    def loaded():
        images = [image for image in page.elements("img") if image.get_property("naturalWidth")]
        return len(images) >= 3 and images

    found = {bytes(page.browser.execute_async_script(FETCH, image)) for image in page.until(loaded)}
    assert len(found & expected) >= 3


def test_pr_curves(page, logs):
    page.open("pr_curves")
    (row,) = [line for line in hover(page, "vz-line-chart2")[0].splitlines() if line.startswith("done/tensorboard")]
    shown = numbers(row)
    curves = [
        tf.make_ndarray(logs.Tensors(tag)[0].tensor_proto) for tag in logs.PluginTagToContent("pr_curves")
    ]  # fmt: skip
    # True and false positives, true and false negatives, and then precision and recall.
    points = np.concatenate([curve.T for curve in curves])
    assert any(np.array_equal(point[:4], shown[3:7]) for point in points)


def test_text(page, metrics):
    page.open("text")
    shown = page.until(lambda: "worst_mistakes" in (text := page.text()) and "learning_rate: 0.0125" in text and text)
    assert f"accuracy          {metrics['test']['accuracy']:.4f}" in shown


def test_graph(page):
    page.open("graphs")

    def names():
        found = {node.get_attribute("data-name") for node in page.elements("g.node")}
        return len(found) > 3 and found

    shown = page.until(names)
    assert {"batch", "step"} <= shown and any(name.startswith("text_classifier") for name in shown)


def test_histograms(page, logs):
    page.open("histograms&tagFilter=weights%2Fhead%2Fkernel")
    data = "return JSON.stringify(arguments[0]._data || null)"

    def drawn():
        element = page.shown("vz-histogram-timeseries")[0]
        return json.loads(page.browser.execute_script(data, element)) or None

    # The last epoch's histogram: its bars are redrawn from TensorBoard's own buckets.
    last = page.until(drawn)[-1]
    (event,) = [event for event in logs.Tensors("weights/head/kernel") if event.step == last["step"]]
    buckets = tf.make_ndarray(event.tensor_proto)
    assert last["bins"][0]["x"] == pytest.approx(buckets[0, 0], rel=1e-4)
    assert sum(bar["y"] for bar in last["bins"]) == pytest.approx(buckets[:, 2].sum(), rel=1e-3)


def test_projector(page, runs):
    page.open("projector")
    page.until(lambda: "50x16" in page.text())
    for _ in range(2):
        page.browser.switch_to.frame(page.until(lambda: page.shown("iframe"))[0])

    def fields():
        return [field for field in page.shown("input") if not field.get_property("readOnly")]

    # The search stands at the right end; what is found is listed below it.
    search = max(page.until(fields), key=lambda field: field.location["x"])
    search.send_keys("信用卡")
    shown = page.until(lambda: "10 matches." in (text := page.text()) and text)
    assert shown.count("我 的 信用卡 还款") >= 10
    lines = (runs / "done/tensorboard/points/validation/points.tsv").read_text(encoding="utf-8").split("\n")
    assert sum("我 的 信用卡 还款" in line for line in lines) == 10
