"""The metrics page, read by Prometheus' own parser."""

import grpc
import httpx
import numpy as np
import tensorflow as tf
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfdomain.serving.monitoring import METRICS_PATH, Counter, Histogram
from tfdomain.serving.server import running_server


def samples(page):
    # The parser gives every counter the suffix that its own library would have written.
    return {
        (sample.name.removesuffix("_total"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(page, name, **labels):
    return samples(page)[name, tuple(sorted(labels.items()))]


def test_requests_are_counted_by_status_and_timed_by_protocol(everything):
    with running_server(everything, name="all") as server:
        url = f"{server.rest_url}/v1/models/all:predict"
        for content in (b'{"instances": [1]}', b'{"instances": [2]}', b"{"):
            httpx.post(url, content=content)
        httpx.post(f"{server.rest_url}/v1/models/none:predict", content=b'{"instances": [1]}')
        with grpc.insecure_channel(server.grpc_address) as channel:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "all"
            request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones(1, np.float32)))
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
        response = httpx.get(server.rest_url + METRICS_PATH)
    assert response.headers["content-type"].startswith("text/plain")
    page = response.text
    count = ":tensorflow:serving:request_count"
    assert f'\n{count}{{model_name="all",status="OK"}} 3\n' in page
    assert value(page, count, model_name="all", status="OK") == 3
    assert value(page, count, model_name="all", status="INVALID_ARGUMENT") == 1
    assert value(page, count, model_name="none", status="NOT_FOUND") == 1
    latency = ":tensorflow:serving:request_latency_count"
    assert value(page, latency, model_name="all", API="predict", entrypoint="REST") == 2
    assert value(page, latency, model_name="all", API="Predict", entrypoint="GRPC") == 1
    runtime = ":tensorflow:serving:runtime_latency"
    assert value(page, f"{runtime}_count", model_name="all", API="Predict", runtime="TF1") == 3
    assert 0 < value(page, f"{runtime}_sum", model_name="all", API="Predict", runtime="TF1") < 60e6
    path = str(everything / "7")
    assert value(page, ":tensorflow:cc:saved_model:load_attempt_count", model_path=path, status="success") == 1
    assert value(page, ":tensorflow:cc:saved_model:load_latency", model_path=path) > 0


def test_a_histogram_counts_up_to_each_limit():
    histogram = Histogram("h", [10.0, 100.0], "kind")
    for observed in (3, 10, 11, 5000):
        histogram.add("a", observed=observed)
    page = "\n".join(histogram.lines()) + "\n"
    assert [value(page, "h_bucket", kind="a", le=limit) for limit in ("10", "100", "+Inf")] == [1, 3, 4]
    assert value(page, "h_sum", kind="a") == 5024 and value(page, "h_count", kind="a") == 4


def test_label_values_are_escaped():
    counter = Counter("c", "path")
    counter.add('a"b\\c\n')
    counter.add('a"b\\c\n', amount=2)
    assert value("\n".join(counter.lines()) + "\n", "c", path='a"b\\c\n') == 3
