"""A small folder of runs, TensorBoard on it, and a browser that looks at it."""

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfdomain.config import load_experiment
from tfdomain.training.hparams import SESSION, write_session
from tfdomain.training.run import train

CHINESE = "我 的\t信用卡\n还款"
SECONDS = 120
# What stands in the page, its shadow trees and its frames, as lines of text.
TEXT = """
const lines = [];
function walk(root) {
  for (const node of root.childNodes) {
    if (node.nodeType === 3 && node.textContent.trim()) lines.push(node.textContent.trim());
    if (node.nodeType !== 1 || ['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.tagName)) continue;
    if (node.tagName === 'IFRAME' && node.contentDocument.body) walk(node.contentDocument.body);
    if (node.shadowRoot) walk(node.shadowRoot);
    walk(node);
  }
}
walk(document.body);
return lines.join('\\n');
"""
# The elements that a selector finds in the page and its shadow trees.
ELEMENTS = """
const selector = arguments[0], found = [];
function walk(root) {
  for (const node of root.querySelectorAll('*')) {
    if (node.matches(selector)) found.push(node);
    if (node.shadowRoot) walk(node.shadowRoot);
  }
}
walk(document);
return found;
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory, write_tiny_experiment, labelled_texts):
    """A finished run with everything in it, and the session of one that failed."""
    folder = tmp_path_factory.mktemp("browser")
    rows = [*list(zip(*labelled_texts, strict=True))[:40], *[(CHINESE, "repaid")] * 10]
    file = write_tiny_experiment(
        folder,
        {"train": rows, "test": rows[:20]},
        data={"validation": "train.csv"},
        max_length=16,
        training={"epochs": 2, "batch_size": 10, "learning_rate": 0.0125},
        board={"histograms": True},
    )
    train(load_experiment(file), folder / "runs/done", folder=folder, verbose=0)
    failed = folder / "runs/failed/tensorboard" / SESSION
    write_session(failed, {"training.learning_rate": 0.5}, {"test.accuracy": 0.123}, "failure", "failed one")
    return folder / "runs"


@pytest.fixture(scope="session")
def address(runs):
    """Where TensorBoard shows the runs."""
    command = [sys.executable, "-u", "-m", "tfdomain", "board", str(runs), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium by its own driver; without them the tests fail."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail("there is no Chromium with its driver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # Points are drawn by WebGL, which needs no GPU so; a container has neither a sandbox nor much shared memory.
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000",
        "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    ):  # fmt: skip
        options.add_argument(argument)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_script_timeout(SECONDS)
    yield chrome
    chrome.quit()


@pytest.fixture
def page(browser, address):
    """What a test does with a tab."""

    def open_tab(tab: str) -> None:
        browser.switch_to.default_content()
        browser.get("about:blank")
        browser.get(f"{address}#{tab}")

    def elements(selector: str) -> list:
        return browser.execute_script(ELEMENTS, selector)

    def shown(selector: str) -> list:
        return [element for element in elements(selector) if element.is_displayed()]

    def text() -> str:
        return browser.execute_script(TEXT)

    return SimpleNamespace(browser=browser, open=open_tab, elements=elements, shown=shown, text=text, until=until)


def until(find, seconds: float = SECONDS):
    """What `find` gives, once it is something; the page may be under way and change below it."""
    from selenium.common.exceptions import WebDriverException

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(WebDriverException, IndexError):
            found = find()
            if found is not None and found is not False and np.size(found):
                return found
        time.sleep(0.3)
    raise AssertionError(f"nothing was found in {seconds} seconds")
