"""Versions come, take over and go without any clock but the test's own: `poll` is called by hand."""

import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, prediction_log_pb2

from tfdomain.errors import InputError
from tfdomain.serving.model_version import find_versions
from tfdomain.serving.monitoring import Metrics
from tfdomain.serving.predictor import predict
from tfdomain.serving.status import ServingError
from tfdomain.serving.versions import ModelVersions
from tfdomain.serving.warmup import MAX_WARMUP_REQUESTS, WARMUP_FILE

LATEST = model_pb2.ModelSpec(name="m")


@pytest.fixture
def start():
    started = []

    def start_versions(directory, metrics=None, **options):
        versions = ModelVersions(directory, name="m", poll_seconds=3600, metrics=metrics or Metrics(), **options)
        versions.start()
        started.append(versions)
        return versions

    yield start_versions
    for versions in started:
        versions.stop()


def states(versions):
    return {version.number: version.state.name for version in versions.statuses(LATEST)}


def ask(versions, model_spec=LATEST):
    with versions.acquire(model_spec) as version:
        signature = version.model.signatures["serving_default"]
        answer = predict(version.model, signature, {"x": np.zeros(1, np.float32)})["y"]
        return version.number, float(answer[0])


def specific(number):
    model_spec = model_pb2.ModelSpec(name="m")
    model_spec.version.value = number
    return model_spec


def test_only_numbered_folders_with_a_model_are_versions(tmp_path):
    for name in ("1", "002", "10", ".3.part", "4.tmp", "-5", "six", "7", "99999999999999999999", "٣"):
        (tmp_path / name).mkdir()
        if name != "7":
            (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "8").touch()
    assert {number: path.name for number, path in find_versions(tmp_path).items()} == {10: "10", 2: "002", 1: "1"}


def test_a_new_version_takes_over_and_the_old_one_ends(arithmetic, add_version, start):
    versions = start(arithmetic)
    assert ask(versions) == (1, 1.0) and states(versions) == {1: "AVAILABLE"}
    add_version(3)
    versions.poll()
    assert ask(versions) == (3, 3.0) and states(versions) == {3: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"NOT_FOUND: Servable not found for request: Specific\(m, 1\)"):
        ask(versions, specific(1))


def test_the_old_version_waits_for_its_last_request(arithmetic, add_version, start):
    versions = start(arithmetic)
    with versions.acquire(LATEST) as held:
        add_version(2)
        versions.poll()
        assert states(versions) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert ask(versions) == (2, 2.0)
        answer = predict(held.model, held.model.signatures["serving_default"], {"x": np.zeros(1, np.float32)})
        assert answer["y"].tolist() == [1.0]
    assert states(versions) == {2: "AVAILABLE", 1: "END"}


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(arithmetic, arithmetic_versions, start, caplog):
    versions = start(arithmetic)
    shutil.copytree(arithmetic_versions[2], arithmetic / "2")
    shutil.rmtree(arithmetic / "2" / "variables")
    (arithmetic / "3").mkdir()
    (arithmetic / "3" / "saved_model.pb").write_bytes(b"not a model")
    versions.poll()
    assert ask(versions) == (1, 1.0) and states(versions) == {3: "END", 2: "END", 1: "AVAILABLE"}
    third, second, first = versions.statuses(LATEST)
    assert third.error.message and "variables" in second.error.message and first.error is None
    assert "version 2 cannot be loaded" in caplog.text

    caplog.clear()
    versions.poll()
    assert not caplog.records, "a broken version is not tried again and again"
    shutil.copytree(arithmetic_versions[2] / "variables", arithmetic / "2" / "variables")
    versions.poll()
    assert ask(versions) == (2, 2.0) and states(versions) == {3: "END", 2: "AVAILABLE", 1: "END"}


def test_taking_the_newest_version_away_goes_back(arithmetic, add_version, start):
    add_version(2)
    versions = start(arithmetic)
    assert ask(versions) == (2, 2.0)
    shutil.rmtree(arithmetic / "2")
    versions.poll()
    assert ask(versions) == (1, 1.0) and states(versions) == {2: "END", 1: "AVAILABLE"}
    add_version(2, source=3)
    versions.poll()
    assert ask(versions) == (2, 3.0)
    for number in (1, 2):
        shutil.rmtree(arithmetic / str(number))
    versions.poll()
    assert ask(versions) == (2, 3.0), "with nothing on the disk, what is loaded stays"


def test_labelled_versions_stay(arithmetic, add_version, start):
    add_version(2)
    versions = start(arithmetic, labels={"stable": 1, "next": 3})
    assert ask(versions) == (2, 2.0)
    assert ask(versions, model_pb2.ModelSpec(name="m", version_label="stable")) == (1, 1.0)
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 3\)"):
        ask(versions, model_pb2.ModelSpec(name="m", version_label="next"))
    add_version(3)
    versions.poll()
    assert states(versions) == {3: "AVAILABLE", 2: "END", 1: "AVAILABLE"}
    assert ask(versions, model_pb2.ModelSpec(name="m", version_label="next")) == (3, 3.0)


def test_no_request_is_lost_while_versions_change(arithmetic, add_version, start):
    versions = start(arithmetic)
    wrong, finished, num_answers = [], threading.Event(), []

    def keep_asking():
        count = 0
        while not finished.is_set():
            try:
                number, answer = ask(versions)
                count += 1
            except Exception as error:
                wrong.append(error)
                continue
            if answer != number:
                wrong.append((number, answer))
        num_answers.append(count)

    threads = [threading.Thread(target=keep_asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in (2, 3):
        add_version(number)
        versions.poll()
    finished.set()
    for thread in threads:
        thread.join()
    assert not wrong and min(num_answers) > 0
    assert states(versions) == {3: "AVAILABLE", 2: "END", 1: "END"}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: None, "no such directory"),
        (lambda path: path.mkdir(), "holds no numbered folder with a saved_model.pb"),
        (lambda path: (path.mkdir(), (path / "saved_model.pb").touch()), "is a SavedModel itself"),
        (
            lambda path: ((path / "4").mkdir(parents=True), (path / "4" / "saved_model.pb").touch()),
            "version 4 cannot be loaded (INVALID_ARGUMENT: Could not find meta graph def",
        ),
    ],
)
def test_a_directory_without_anything_to_serve(tmp_path, start, make, error):
    make(tmp_path / "d")
    with pytest.raises(InputError) as caught:
        start(tmp_path / "d")
    assert str(caught.value).startswith(f"{tmp_path / 'd'}: {error}") and "\n" not in str(caught.value)


def warm_up_with(folder, *logs):
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())


def predict_log(value, signature=""):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(value))
    return log


def test_warm_up_requests_are_run_before_a_version_is_available(arithmetic, start):
    warm_up_with(arithmetic / "1", *[predict_log(np.ones(2, np.float32))] * 3)
    metrics = Metrics()
    assert states(start(arithmetic, metrics)) == {1: "AVAILABLE"}
    page = metrics.page()
    assert f':model_warmup_latency_count{{model_path="{arithmetic / "1"}",status="OK"}} 1' in page


def test_every_kind_of_warm_up_request(everything, tmp_path, start):
    shutil.copytree(everything / "7", tmp_path / "7")
    classify, regress, both = (prediction_log_pb2.PredictionLog() for _ in range(3))
    classify.classify_log.request.model_spec.signature_name = "classify"
    regress.regress_log.request.model_spec.signature_name = "regress"
    for name in ("classify", "regress"):
        task = both.multi_inference_log.request.tasks.add(method_name=f"tensorflow/serving/{name}")
        task.model_spec.signature_name = name
    for request in (classify.classify_log.request, regress.regress_log.request, both.multi_inference_log.request):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(0.5)
    warm_up_with(tmp_path / "7", classify, regress, both, prediction_log_pb2.PredictionLog())
    assert states(start(tmp_path)) == {7: "AVAILABLE"}


@pytest.mark.parametrize(
    ("logs", "error"),
    [
        ([predict_log(np.ones(1, np.float32), "no")], 'Serving signature key "no" not found.'),
        ([predict_log(np.array([b"a"]))], "Expects arg[0] to be float but string is provided"),
        ([b"\xff\xff\xff"], "Failed to parse warmup record from"),
        ([prediction_log_pb2.PredictionLog()] * (MAX_WARMUP_REQUESTS + 1), "exceeds the maximum (1000)"),
        (
            [prediction_log_pb2.PredictionLog(session_run_log=prediction_log_pb2.SessionRunLog())],
            "UNIMPLEMENTED: Unsupported log_type for warmup: session_run_log",
        ),
    ],
)
def test_a_version_whose_warm_up_fails_is_not_served(arithmetic, arithmetic_versions, start, logs, error):
    versions = start(arithmetic)
    temporary = arithmetic / ".2.part"
    shutil.copytree(arithmetic_versions[2], temporary)
    warm_up_with(temporary, *logs)
    temporary.rename(arithmetic / "2")
    versions.poll()
    assert ask(versions) == (1, 1.0)
    assert error in str(versions.statuses(specific(2))[0].error)
