"""Takes the pictures of docs/tensorboard.md: trains the bundled sample and photographs each tab in Chromium.

The profile's tab is tensorboard-plugin-profile's, which `make pictures` installs.
"""

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver

from tfdomain.config import load_experiment
from tfdomain.serving.board import start_board
from tfdomain.training.run import train

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENT = ROOT / "experiments/loans.yaml"
MOST_BYTES = 60_000
RUNS = {
    "mean": ["model.pooling=mean", "training.learning_rate=1e-4", "board.histograms=true", "board.profile=[20, 22]"],
    "cls": ["model.pooling=cls", "training.learning_rate=5e-5"],
}
# What stands behind the tab's name in its address, by the picture's name.
TABS = {
    "scalars": "scalars&tagFilter=%28epoch%7Cvalidation%29%2F%28loss%7Croc_auc%29",
    "hparams": "hparams",
    "images": "images&tagFilter=test",
    "attention": "images&tagFilter=attention",
    "pr_curves": "pr_curves",
    "text": "text&tagFilter=mistakes",
    "graphs": "graphs",
    "histograms": "histograms&tagFilter=weights%2Fblock_0",
    "projector": "projector",
    "profile": "profile&tool=overview_page",
}


def main() -> None:
    """Writes one PNG a tab."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs/pictures")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="how long a tab is given to draw itself")
    parser.add_argument("--only", choices=TABS, nargs="+", default=list(TABS))
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        for name, changes in RUNS.items():
            experiment = load_experiment(EXPERIMENT, [*changes, f"training.epochs={options.epochs}"])
            train(experiment, runs / name, folder=EXPERIMENT.parent, verbose=0)
            print(f"trained {name}", flush=True)
        address, browser = start_board(runs, port=0), _open_browser()
        try:
            for name in options.only:
                browser.get("about:blank")
                browser.get(f"{address}#{TABS[name]}")
                time.sleep(options.seconds)
                (options.to / f"{name}.png").write_bytes(_small(browser.get_screenshot_as_png()))
                print(options.to / f"{name}.png", flush=True)
        finally:
            browser.quit()


def _open_browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,900",
        "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    ):  # fmt: skip
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    browser.set_page_load_timeout(300)
    return browser


def _small(png: bytes) -> bytes:
    """The picture with as many colours as its size allows."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.resize((1000, round(1000 * picture.height / picture.width)), Image.Resampling.LANCZOS)
    for colours in (128, 64, 32, 16):
        small = io.BytesIO()
        picture.quantize(colours).save(small, "png", optimize=True)
        if small.tell() <= MOST_BYTES:
            break
    return small.getvalue()


if __name__ == "__main__":
    main()
