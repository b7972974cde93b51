"""The REST server over a real socket: paths, replies, status codes and error texts."""

import gzip
import json
import time

import httpx
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.serving.server import running_server

MODEL = "/v1/models/all"


def post(client, path, document, **options):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return client.post(path, content=content, **options)


def error_of(response):
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return response.json()["error"]


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/7", f"{MODEL}/labels/stable", "/V1/Models/all"])
def test_predict_in_both_formats(client, path):
    response = post(client, f"{path}:predict", {"instances": [1.0, 3]})
    assert (response.status_code, response.json()) == (200, {"predictions": [2.5, 3.5]})
    assert response.headers["content-type"] == "application/json"
    assert post(client, f"{path}:predict", {"inputs": {"x": [[4]]}}).json() == {"outputs": [[4.0]]}


def test_a_named_signature_with_several_inputs_and_outputs(client):
    request = {"signature_name": "two", "instances": [{"a": [1, 2], "b": 3}, {"a": [0, 0.5], "b": -1}]}
    response = post(client, f"{MODEL}:predict", request).json()
    assert response == {"predictions": [{"sum": 6.0, "twice": 6}, {"sum": -0.5, "twice": -2}]}


def test_an_input_with_a_default_may_be_left_out_over_grpc_only(client):
    response = post(client, f"{MODEL}:predict", {"signature_name": "two", "inputs": {"a": [[1, 2]]}})
    assert response.status_code == 400 and error_of(response) == "Missing named input: b in 'inputs' object."


def test_strings_and_bytes(client):
    request = {"signature_name": "text", "instances": ["gut", {"b64": "/w=="}]}
    response = post(client, f"{MODEL}:predict", request)
    assert b'"copy": "\xff"' in response.content
    rows = json.loads(response.content.decode("utf-8", "replace"))["predictions"]
    assert [row["label"] for row in rows] == ["good", "unknown"]
    assert [row["copy_bytes"] for row in rows] == [{"b64": "Z3V0"}, {"b64": "/w=="}]


def test_every_kind_of_number(client):
    values = {"int8": -3, "uint8": 200, "int16": -300, "int64": 2**40, "uint32": 2**32 - 1, "uint64": 2**64 - 1}
    values |= {"bool": True, "float64": 0.1}
    inputs = {f"in_{name}": [value] for name, value in values.items()}
    response = post(client, f"{MODEL}:predict", {"signature_name": "kinds", "inputs": inputs})
    assert response.json() == {"outputs": {f"out_{name}": [value] for name, value in sorted(values.items())}}


def test_an_output_without_a_batch_has_no_rows(client):
    request = {"signature_name": "total", "instances": [1, 2]}
    response = post(client, f"{MODEL}:predict", request)
    assert response.status_code == 400 and error_of(response) == "Tensor name: total has no shape information "
    response = post(client, f"{MODEL}:predict", {"signature_name": "total", "inputs": [1, 2]})
    assert response.json() == {"outputs": 3.0}


def test_a_shape_that_the_graph_refuses(client):
    response = post(client, f"{MODEL}:predict", {"signature_name": "multiply", "instances": [[1, 2, 3]]})
    assert response.status_code == 400
    assert error_of(response).startswith("Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]")
    assert "File" not in error_of(response)


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        (":predict", b"", 400, "JSON Parse error: The document is empty"),
        (":predict", b"{'a': 1}", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        (":predict", b"[]", 400, "JSON Value: [] Is not object"),
        (":predict", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        (":predict", b'{"signature_name": 1}', 400, "'signature_name' key must be a string value."),
        (":predict", b'{"signature_name": "no", "instances": [1]}', 400,
         'Serving signature name: "no" not found in signature def'),
        (":predict", b'{"signature_name": "__saved_model_init_op", "instances": [1]}', 400,
         "Failed to get input map for signature: __saved_model_init_op"),
        (":predict", b'{"instances": ["a"]}', 400, 'JSON Value: "a" Type: String is not of expected type: float'),
        (":predict", b'{"signature_name": "half", "inputs": [1]}', 501,
         "Conversion of JSON Value: 1 to type: half"),
        ("/versions/8:predict", b'{"instances": [1]}', 404, "Servable not found for request: Specific(all, 8)"),
        ("/labels/new:predict", b'{"instances": [1]}', 400, "Unrecognized servable version label: new"),
        ("/labels/gone:predict", b'{"instances": [1]}', 404, "Servable not found for request: Specific(all, 6)"),
        ("x:predict", b'{"instances": [1]}', 404, "Servable not found for request: Latest(allx)"),
        ("x/versions/5:regress", b'{"examples": [{"x": 1.5}]}', 404,
         "Servable not found for request: Specific(allx, 5)"),
        ("/versions/9223372036854775808:predict", b"{}", 400,
         "Failed to convert version: 9223372036854775808 to numeric."),
        ("/version/7:predict", b"{}", 400, "Malformed request: POST /v1/models/all/version/7:predict"),
        ("/versions/x:predict", b"{}", 400, "Malformed request: POST /v1/models/all/versions/x:predict"),
        ("/versions/7/labels/stable:predict", b"{}", 400, "Malformed request: POST "),
        (":embed", b"{}", 400, "Malformed request: POST /v1/models/all:embed"),
        (":PREDICT", b"{}", 400, "Malformed request: POST /v1/models/all:PREDICT"),
        ("/metadata", b"{}", 400, "Malformed request: POST /v1/models/all/metadata"),
        ("", b"{}", 400, "Malformed request: POST /v1/models/all"),
        (":classify", b"", 400, "JSON Parse error: The document is empty"),
        (":classify", b'{"examples": []}', 400, "'examples' value is an empty array"),
        (":classify", b'{"signature_name": "no", "examples": [{"x": 1.5}]}', 400,
         "No signature was found with the name: no"),
        (":classify", b'{"examples": [{"x": 1.5}]}', 400, "No classification inputs found in SignatureDef: "),
        (":regress", b'{"examples": [{"x": 1.5}]}', 400, "No regression inputs found in SignatureDef: "),
        (":regress", b'{"signature_name": "two", "examples": [{"x": 1.5}]}', 400, "Expected one input Tensor."),
        (":regress", b'{"signature_name": "regress", "examples": [{"y": 1.5}]}', 400, "x"),
    ],
)  # fmt: skip
def test_what_is_refused(client, path, body, status, error):
    response = client.post(MODEL + path, content=body)
    assert response.status_code == status and error in error_of(response)


def test_classify(client):
    request = {"signature_name": "classify", "examples": [{"x": 0.25}, {"x": 1.0}]}
    for path in (MODEL, f"{MODEL}/labels/stable"):
        assert post(client, f"{path}:classify", request).json() == {
            "results": [
                [["good", 0.25], ["bad", 0.75], ["ugly", 0.0]],
                [["good", 1.0], ["bad", 0.0], ["ugly", 0.0]],
            ]
        }


def test_classify_with_a_context(client):
    request = {"signature_name": "scores_only", "context": {"x": 0.5}, "examples": [{"note": "a"}, {"note": "b"}]}
    assert post(client, f"{MODEL}:classify", request).json() == {"results": [[["", 0.5]], [["", 0.5]]]}


def test_classes_without_scores(client):
    request = {"signature_name": "classes_only", "examples": [{"x": 0.25}]}
    assert post(client, f"{MODEL}:classify", request).json() == {
        "results": [[["good", 0.0], ["bad", 0.0], ["ugly", 0.0]]]
    }


def test_regress(client):
    request = {"signature_name": "regress", "examples": [{"x": 0.25}, {"x": -1.0}]}
    assert post(client, f"{MODEL}/versions/7:regress", request).json() == {"results": [4.5, -8.0]}


@pytest.mark.parametrize(
    ("method", "signature", "error"),
    [
        ("classify", "flat_scores", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("classify", "one_score", "Expected scores output batch size of 2. Got: 1"),
        ("classify", "double_scores", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("classify", "uneven", "Tensors class and score should match in dim_size(1). Got 3 vs. 1"),
        ("classify", "regress", 'contain at least one of "classes" or "scores"'),
        ("classify", "text", "Expected one or two output Tensors, found 3"),
        ("regress", "wide", "either [batch_size] or [batch_size, 1] but got [2,2]"),
        ("regress", "scores_only", "No regression outputs found in SignatureDef: "),
        ("regress", "classify", "Expected one output Tensor."),
    ],
)
def test_signatures_that_break_the_contract(client, method, signature, error):
    request = {"signature_name": signature, "examples": [{"x": 0.25}, {"x": 0.5}]}
    response = post(client, f"{MODEL}:{method}", request)
    assert response.status_code == 400 and error in error_of(response)


@pytest.mark.parametrize("path", ["", "/versions/7", "/labels/stable", "/labels/never-heard-of", "/METADATA"])
def test_status(client, path):
    entry = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    response = client.get(MODEL + path)
    assert (response.status_code, response.json()) == (200, {"model_version_status": [entry]})


def test_metadata(client, everything):
    for path in ("", "/versions/7", "/labels/stable"):
        document = client.get(f"{MODEL}{path}/metadata").json()
        assert document["model_spec"] == {"name": "all", "signature_name": "", "version": "7"}
        signatures = document["metadata"]["signature_def"]["signature_def"]
        assert signatures["two"]["inputs"]["a"] == {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
            "name": "two_a:0",
        }
        assert signatures["classify"]["method_name"] == "tensorflow/serving/classify"
        assert set(signatures) - {"__saved_model_init_op"} == set(tf.saved_model.load(everything / "7").signatures)


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", "/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/all/versions/8", 404, "Could not find version 8 of model all"),
        ("GET", "/v1/models/all/labels/new/metadata", 400, "Unrecognized servable version label: new"),
        ("GET", "/v1/models/a%2Fb%3A", 404, "Could not find any versions of model a/b:"),
        ("GET", "/v1/models/all:predict", 400, "Malformed request: GET /v1/models/all:predict"),
        ("GET", "/v1/models/all/7", 400, "Malformed request: GET /v1/models/all/7"),
        ("GET", "/v1/anything", 400, "Malformed request: GET /v1/anything"),
        ("PUT", "/v1/models/all", 400, "Malformed request: PUT /v1/models/all"),
        ("DELETE", "/v1/models/all:predict", 400, "Malformed request: DELETE /v1/models/all:predict"),
    ],
)
def test_other_paths_and_methods(client, method, path, status, error):
    response = client.request(method, path)
    assert response.status_code == status and error_of(response) == error


def test_a_path_outside_the_interface(client):
    for method in ("GET", "POST"):
        response = client.request(method, "/index.html")
        assert response.status_code == 404 and response.headers["content-type"].startswith("text/html")


def test_a_browser_asks_first(client):
    assert client.options(f"{MODEL}:predict", headers={"Origin": "https://example.org"}).status_code == 200
    assert client.options(f"{MODEL}:predict").status_code == 400


def test_a_compressed_request(client):
    body = gzip.compress(b'{"instances": [2]}')
    headers = {"Content-Encoding": "gzip"}
    assert post(client, f"{MODEL}:predict", body, headers=headers).json() == {"predictions": [3.0]}
    for broken in (body[:-9], b"no gzip"):
        response = post(client, f"{MODEL}:predict", broken, headers=headers)
        assert response.status_code == 400 and "uncompress" in error_of(response)


def test_a_large_reply_is_whole(client):
    values = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    response = post(client, f"{MODEL}:predict", {"instances": values.tolist()})
    np.testing.assert_array_equal(np.array(response.json()["predictions"], np.float32), values / 2 + np.float32(2))


def test_limits_of_size_and_time(everything):
    with running_server(everything, name="all", max_request_bytes=1000, request_timeout=0.5) as server:
        url = f"{server.rest_url}/v1/models/all:predict"
        fits = b'{"instances": [1]}'.ljust(1000)
        assert httpx.post(url, content=fits).status_code == 200
        for content, headers in [
            (fits + b" ", {}),
            (b" " * 5_000_000, {}),
            (gzip.compress(fits + b" ", mtime=0), {"Content-Encoding": "gzip"}),
        ]:
            response = httpx.post(url, content=content, headers=headers)
            assert response.status_code == 413
            assert error_of(response) == "The request is larger than this server accepts (1000 bytes)"
        started = time.monotonic()
        response = httpx.post(url, json={"signature_name": "count", "inputs": 10**12})
        assert response.status_code == 504 and error_of(response) == "Timed out waiting for notification"
        assert time.monotonic() - started < 10
        assert httpx.post(url, content=fits).json() == {"predictions": [2.5]}
