"""The gRPC services over a real channel, called with the official stubs."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tfdomain.serving.server import running_server


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc_address) as open_channel:
        yield open_channel


@pytest.fixture
def prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def spec(request, name="all", signature="", version=None, label=None):
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    return request


def predict_request(inputs, output_filter=(), **options):
    request = spec(predict_pb2.PredictRequest(output_filter=output_filter), **options)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def examples_request(kind, values, **options):
    request = spec(kind(), **options)
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return request


def error_of(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


ONE = np.array([1.0, 3.0], np.float32)


def test_predict_names_the_version_that_answered(prediction):
    for options in ({}, {"version": 7}, {"label": "stable"}, {"signature": "serving_default"}):
        response = prediction.Predict(predict_request({"x": ONE}, **options))
        assert response.outputs["y"].float_val == [2.5, 3.5]
        assert response.outputs["y"].dtype == tf.float32.as_datatype_enum
        assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [2]
        assert response.model_spec.name == "all" and response.model_spec.version.value == 7
        assert response.model_spec.signature_name == "serving_default"


def test_every_kind_of_tensor_comes_back(prediction):
    kinds = (np.int8, np.uint8, np.int16, np.int64, np.uint32, np.uint64, np.bool_, np.float64)
    inputs = {f"in_{np.dtype(kind).name}": np.array([[0, 1], [1, 0]], kind) for kind in kinds}
    outputs = prediction.Predict(predict_request(inputs, signature="kinds")).outputs
    for name, value in inputs.items():
        array = tf.make_ndarray(outputs[name.replace("in_", "out_")])
        assert array.dtype == value.dtype
        np.testing.assert_array_equal(array, value)
    half = np.array([0.5, -2.0], np.float16)
    response = prediction.Predict(predict_request({"x": half}, signature="half"))
    assert tf.make_ndarray(response.outputs["y"]).tolist() == half.tolist()


def test_strings(prediction):
    request = predict_request({"text": np.array([b"gut", b"\xff"], object)}, signature="text")
    outputs = prediction.Predict(request).outputs
    assert outputs["label"].string_val == [b"good", b"unknown"]
    assert outputs["copy"].string_val == outputs["copy_bytes"].string_val == [b"gut", b"\xff"]


def test_the_output_filter(prediction):
    inputs = {"a": np.ones((1, 2), np.float32), "b": np.array([3], np.int32)}
    response = prediction.Predict(predict_request(inputs, ["twice"], signature="two"))
    assert dict(response.outputs).keys() == {"twice"} and response.outputs["twice"].int_val == [6]
    assert error_of(lambda: prediction.Predict(predict_request(inputs, ["no"], signature="two"))) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: no Outputs expected to be in the set {sum,twice}.",
    )
    twice = predict_request(inputs, ["sum", "sum"], signature="two")
    assert error_of(lambda: prediction.Predict(twice)) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: sum",
    )


def test_an_input_left_out_takes_the_signatures_default(prediction):
    response = prediction.Predict(predict_request({"a": np.ones((1, 2), np.float32)}, signature="two"))
    assert response.outputs["twice"].int_val == [200]
    code, details = error_of(
        lambda: prediction.Predict(predict_request({"b": np.array([3], np.int32)}, signature="two"))
    )
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("Signature input alias: a(feed name: two_a:0) not found in request")


@pytest.mark.parametrize(
    ("request_of", "error"),
    [
        (lambda: predict_pb2.PredictRequest(), ("INVALID_ARGUMENT", "Missing ModelSpec")),
        (lambda: predict_request({"x": ONE}, name=""), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
        (
            lambda: predict_request({"x": ONE}, name="b"),
            ("NOT_FOUND", "Servable not found for request: Latest(b)"),
        ),
        (
            lambda: predict_request({"x": ONE}, version=9),
            ("NOT_FOUND", "Servable not found for request: Specific(all, 9)"),
        ),
        (
            lambda: predict_request({"x": ONE}, label="new"),
            ("INVALID_ARGUMENT", "Unrecognized servable version label: new"),
        ),
        (
            lambda: predict_request({"x": ONE}, signature="no"),
            ("FAILED_PRECONDITION", 'Serving signature key "no" not found.'),
        ),
        (
            lambda: predict_request({}),
            ("INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({x}). "
             "Sent extra: {}. Missing but required: {x}."),
        ),
        (
            lambda: predict_request({"x": ONE, "z": ONE}),
            ("INVALID_ARGUMENT", "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
             "Sent extra: {z}. Missing but required: {}."),
        ),
        (
            lambda: predict_request({"z": ONE}),
            ("INVALID_ARGUMENT", "Signature input alias: x(feed name: serving_default_x:0) not found in request and "
             "no default value provided. Inputs expected to be in the request {z}, or default input alias set: "),
        ),
        (
            lambda: predict_request({"x": np.array([b"a"])}),
            ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided"),
        ),
        (
            lambda: predict_request({"a": np.ones((1, 2), np.float32), "b": ONE}, signature="two"),
            ("INVALID_ARGUMENT", "Expects arg[1] to be int32 but float is provided"),
        ),
    ],
)  # fmt: skip
def test_what_predict_refuses(prediction, request_of, error):
    assert error_of(lambda: prediction.Predict(request_of())) == error


def test_a_tensor_that_contradicts_itself(prediction):
    request = predict_request({"x": ONE})
    request.inputs["x"].tensor_content = b"\0" * 7
    assert error_of(lambda: prediction.Predict(request)) == ("INVALID_ARGUMENT", "tensor parsing error: x")


def test_a_long_message_is_cut(prediction):
    code, details = error_of(lambda: prediction.Predict(predict_request({"x": ONE}, signature="n" * 5000)))
    assert code == "FAILED_PRECONDITION" and details.endswith("...TRUNCATED")
    assert len(details) == 1024 + len("...TRUNCATED")


def test_classify_and_regress(prediction):
    request = examples_request(classification_pb2.ClassificationRequest, [0.25, 1.0], signature="classify")
    response = prediction.Classify(request)
    rows = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert rows == [[("good", 0.25), ("bad", 0.75), ("ugly", 0.0)], [("good", 1.0), ("bad", 0.0), ("ugly", 0.0)]]
    assert response.model_spec.version.value == 7 and response.model_spec.signature_name == "classify"

    request = examples_request(regression_pb2.RegressionRequest, [0.25], signature="regress", label="stable")
    response = prediction.Regress(request)
    assert [entry.value for entry in response.result.regressions] == [4.5]
    assert response.model_spec.version.value == 7


def test_a_context_reaches_every_example(prediction):
    request = spec(classification_pb2.ClassificationRequest(), signature="scores_only")
    shared = request.input.example_list_with_context
    shared.context.features.feature["x"].float_list.value.append(0.5)
    shared.examples.add()
    shared.examples.add()
    rows = prediction.Classify(request).result.classifications
    assert [[c.score for c in row.classes] for row in rows] == [[0.5], [0.5]]


def test_what_classify_and_regress_refuse(prediction):
    classify, regress = classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest
    for call, kind in ((prediction.Classify, classify), (prediction.Regress, regress)):
        assert error_of(lambda call=call, kind=kind: call(kind())) == ("INVALID_ARGUMENT", "Missing ModelSpec")
        empty = spec(kind(), signature="classify" if kind is classify else "regress")
        assert error_of(lambda call=call, empty=empty: call(empty)) == ("INVALID_ARGUMENT", "Input is empty.")
        unknown = examples_request(kind, [1.0], signature="no")
        assert error_of(lambda call=call, unknown=unknown: call(unknown)) == (
            "INVALID_ARGUMENT",
            "No signature was found with the name: no",
        )


def test_metadata(prediction, everything):
    request = spec(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]))
    response = prediction.GetModelMetadata(request)
    assert response.model_spec.name == "all" and response.model_spec.version.value == 7
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["regress"].method_name == "tensorflow/serving/regress"

    for fields, error in (
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["size"], "Metadata field size is not supported"),
    ):
        request = spec(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields))
        call = lambda request=request: prediction.GetModelMetadata(request)  # noqa: E731
        assert error_of(call) == ("INVALID_ARGUMENT", error)


def test_status(model_service):
    response = model_service.GetModelStatus(spec(get_model_status_pb2.GetModelStatusRequest(), version=7))
    (entry,) = response.model_version_status
    assert (entry.version, entry.state, entry.status.error_code) == (7, entry.AVAILABLE, 0)
    for options, error in (
        ({"name": "b"}, "Could not find any versions of model b"),
        ({"version": 8}, "Could not find version 8 of model all"),
    ):
        request = spec(get_model_status_pb2.GetModelStatusRequest(), **options)
        call = lambda request=request: model_service.GetModelStatus(request)  # noqa: E731
        assert error_of(call) == ("NOT_FOUND", error)
    request = get_model_status_pb2.GetModelStatusRequest()
    assert error_of(lambda: model_service.GetModelStatus(request)) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_what_is_not_offered_says_so(prediction, model_service):
    code, details = error_of(lambda: prediction.MultiInference(inference_pb2.MultiInferenceRequest()))
    assert code == "UNIMPLEMENTED" and "Classify and Regress" in details
    reload = model_management_pb2.ReloadConfigRequest()
    code, details = error_of(lambda: model_service.HandleReloadConfigRequest(reload))
    assert code == "UNIMPLEMENTED" and "one directory" in details


def test_limits_of_size_and_time(everything):
    with (
        running_server(everything, name="all", max_request_bytes=1000, request_timeout=0.5) as server,
        grpc.insecure_channel(server.grpc_address) as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        large = predict_request({"x": np.zeros(1000, np.float32) + np.arange(1000, dtype=np.float32)})
        assert error_of(lambda: stub.Predict(large))[0] == "RESOURCE_EXHAUSTED"
        slow = predict_request({"steps": np.int64(10**12)}, signature="count")
        assert error_of(lambda: stub.Predict(slow)) == ("DEADLINE_EXCEEDED", "Timed out waiting for notification")
        assert error_of(lambda: stub.Predict(slow, timeout=0.2))[0] == "DEADLINE_EXCEEDED"
        # A client's own deadline counts, even a longer one.
        steps = predict_request({"steps": np.int64(10)}, signature="count")
        assert stub.Predict(steps, timeout=60).outputs["steps"].int64_val == [10]
