"""The whole way on the bundled sample: fine-tune, look, export, serve, ask.

Each step is a command that a person could type; it is printed before it runs.
"""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = Path("runs/demo")
SERVED = Path("runs/demo-served")
QUESTIONS = [
    "The clinic renewed my contract for three years and I want to replace a car that no longer passes inspection.",
    "I will pay back the other two loans with this one and something will turn up by summer, it always does.",
]


def main() -> None:
    started = time.monotonic()
    for folder in (RUN, SERVED):
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    title("1. Fine-tune a pretrained encoder on 494 invented loan applications, and test it on 160 others")
    tfdomain("train", "experiments/loans.yaml", "--run-dir", RUN)
    title("2. Export it as a SavedModel that takes raw text")
    tfdomain("export", RUN, "--to", SERVED)
    title("3. Serve it as TensorFlow Serving would, and ask it")
    serve_and_ask()
    print(f"\nDone in {time.monotonic() - started:.0f} s. What to look at next:")
    print(f"  {RUN}/report.txt      the test report, class by class")
    print(f"  {RUN}/config.yaml     every setting of the run; change one with --set training.epochs=4")
    print(f"  .venv/bin/tfdomain board {RUN}   curves, confusion matrix, graph at http://localhost:6006")
    print(f"  .venv/bin/tfdomain serve {SERVED}   the server, for requests of your own")
    print("  README.md              the same with a CSV file of your own")


def serve_and_ask() -> None:
    arguments = command("serve", SERVED, "--name", "loans", "--rest-port", "0", "--grpc-port", "0")
    show(arguments)
    server = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        rest, grpc = addresses(server)
        ask_rest(f"http://{rest}/v1/models/loans:predict")
        ask_grpc(grpc)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=60)
    print(f"\nthe server stopped with exit code {code}")
    if code:
        raise SystemExit(code)


def addresses(server: subprocess.Popen) -> tuple[str, str]:
    for line in server.stdout:
        print(line, end="", flush=True)
        found = re.search(r"REST\D*?([\w.\[\]:]*:\d+).*gRPC\D*?([\w.\[\]:]*:\d+)", line)
        if found:
            return found[1].replace("0.0.0.0", "127.0.0.1"), found[2].replace("0.0.0.0", "127.0.0.1")
    raise SystemExit("the server did not start")


def ask_rest(url: str) -> None:
    body = json.dumps({"instances": QUESTIONS})
    print(f"\n$ curl -d {shlex.quote(body)} {url}")
    with urllib.request.urlopen(url, data=body.encode(), timeout=60) as answer:
        print(answer.read().decode())


def ask_grpc(address: str) -> None:
    from tfdomain.startup import import_tensorflow

    import_tensorflow()
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    print(f"\nPredictionService.Predict at {address}, with the stubs of tensorflow-serving-api:")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "loans"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(QUESTIONS))
    with grpc.insecure_channel(address) as channel:
        reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
    labels = tf.make_ndarray(reply.outputs["label"])
    scores = tf.make_ndarray(reply.outputs["score"])
    for question, label, score in zip(QUESTIONS, labels, scores, strict=True):
        print(f"  {label.decode():8} {score:.3f}  {question}")


def tfdomain(*arguments: str | Path) -> None:
    show(command(*arguments))
    code = subprocess.run(command(*arguments), cwd=ROOT).returncode
    if code:
        raise SystemExit(code)


def command(*arguments: str | Path) -> list[str]:
    return [str(Path(sys.executable).with_name("tfdomain")), *map(str, arguments)]


def show(arguments: list[str]) -> None:
    print(f"$ {shlex.join(['tfdomain', *arguments[1:]])}", flush=True)


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
