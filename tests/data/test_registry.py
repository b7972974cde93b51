import functools
import gzip
import hashlib
import http.server
import re
import shutil
import threading

import pytest

from tfdomain.data import datasets
from tfdomain.data.datasets import RemoteFile, dataset, list_datasets
from tfdomain.data.registry import describe, fetch, load
from tfdomain.errors import InputError, TfdomainError

# Rows of every part as counted by hand-written readers of the sources, not by the parsers under test.
ROWS = {
    "adv_glue": {"sst2": 148, "qqp": 78, "mnli": 121, "mnli_mm": 162, "qnli": 148, "rte": 81},
    "ag_news": {"train": 4000, "test": 7600},
    "banking77": {"train": 10003, "test": 3080},
    "bc5cdr": {"train": 4560, "validation": 4581, "test": 4797},
    "clinc150": {
        "train": 15000, "validation": 3000, "test": 4500,
        "oos_train": 100, "oos_validation": 100, "oos_test": 1000,
    },
    "emotion": {"train": 16000, "validation": 2000, "test": 2000},
    "financial_phrasebank": {"agree_50": 4846, "agree_66": 4217, "agree_75": 3453, "agree_all": 2264},
    "hatecheck": {"test": 3728},
    "legal_tos": {"all": 17383},
    "lendingclub": {"all": 42535},
    "mlm_finance_fomc": {"all": 230},
    "movielens_small": {"ratings": 100836, "movies": 9742, "tags": 3683, "links": 9742},
    "ncbi_disease": {"train": 5432, "validation": 923, "test": 940},
    "qa_span": {"xquad_en": 1190, "xquad_zh": 1190, "cmrc_trial": 1002, "cmrc_validation": 3219},
    "senteval_sents": {"mr": 10662, "subj": 10000, "mpqa": 10603, "trec_train": 5452, "trec_test": 500},
    "sst2": {"train": 6920, "validation": 872, "test": 1821},
    "stsb_en_zh": {
        "en_train": 5749, "en_validation": 1500, "en_test": 1379,
        "zh_train": 5749, "zh_validation": 1500, "zh_test": 1379,
    },
    "unintended_bias": {"madlibs": 76564, "en": 76564, "zh": 37359},
    "zh_chnsenticorp": {"train": 9600, "validation": 1200, "test": 1200},
    "zh_cluener": {"train": 10748, "validation": 1343, "test": 1345},
    "zh_medical": {
        "question_pairs_train": 16071, "question_pairs_validation": 1793, "question_pairs_test": 1935,
        "intents_train": 1683, "intents_validation": 123, "intents_test": 84,
        "question_entities_train": 1673, "question_entities_validation": 175, "question_entities_test": 215,
        "record_entities_train": 914, "record_entities_validation": 44, "record_entities_test": 41,
    },
    "zh_reviews": {"takeaway": 11987, "shopping": 62774},
}  # fmt: skip

CLASSES = {
    ("banking77", "train"): 77, ("clinc150", "train"): 150, ("emotion", "test"): 6, ("ag_news", "test"): 4,
    ("hatecheck", "test"): 2, ("legal_tos", "all"): 2, ("lendingclub", "all"): 2, ("senteval_sents", "trec_train"): 6,
    ("zh_medical", "intents_train"): 3, ("zh_reviews", "shopping"): 2, ("adv_glue", "mnli"): 3, ("sst2", "train"): 2,
}  # fmt: skip

CONTENT = {"train.csv.gz": b"text,category\na,x\nb,y\n", "test.csv": b"text,category\nc,x\n", "categories.json": b"[]"}


def test_every_entry_says_what_people_ask():
    assert [entry.name for entry in list_datasets()] == sorted(ROWS)
    for entry in list_datasets():
        assert entry.about
        assert "\n" not in entry.about
        assert entry.licence
        assert set(entry.languages) <= {"en", "zh"}
        assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in entry.repositories.values())
        assert entry.parts.keys() == ROWS[entry.name].keys()
        named = {name for part in entry.parts.values() for name in part["file"] if isinstance(part["file"], list)}
        named |= {part["file"] for part in entry.parts.values() if isinstance(part["file"], str)}
        assert named <= {file.name for file in entry.files}
        for file in entry.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            if file.url is not None:
                repository, commit = "/".join(file.address.split("/")[:2]), file.address.split("/")[2]
                assert entry.repositories[repository] == commit
                assert file.url.startswith("https://raw.githubusercontent.com/" + repository)


def test_an_unknown_name_or_part():
    with pytest.raises(InputError, match="banking: no such data set; did you mean banking77"):
        fetch("banking")
    with pytest.raises(InputError, match="has no part 'dev'; its parts are train, test"):
        load("banking77", "dev")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server on this machine in place of the real one, with small files in place of banking77's."""
    root, files = tmp_path / "served", []
    for name, content in CONTENT.items():
        path = root / "owner" / "repository" / "c0ffee" / name.removesuffix(".gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        address = str(path.relative_to(root))
        files.append(RemoteFile(name, hashlib.sha256(content).hexdigest(), address))
    monkeypatch.setitem(vars(dataset("banking77")), "files", files)
    handler = functools.partial(QuietHandler, directory=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(datasets, "RAW_ADDRESS", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path / "data"))
        yield root
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_missing_files_are_downloaded_once_and_kept_under_their_names(served, tmp_path):
    folder = fetch("banking77")
    assert folder == tmp_path / "data" / "banking77"
    assert {path.name for path in folder.iterdir()} == set(CONTENT)
    assert gzip.decompress((folder / "train.csv.gz").read_bytes()) == CONTENT["train.csv.gz"]
    shutil.rmtree(served)
    assert fetch("banking77") == folder
    assert load("banking77", "train").to_pylist() == [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


def test_a_plain_file_serves_for_a_gzipped_one(served, tmp_path):
    folder = tmp_path / "data" / "banking77"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_bytes(CONTENT["train.csv.gz"])
    shutil.rmtree(served)
    assert load("banking77", "train").num_rows == 2


def test_a_failed_download_is_one_line_and_leaves_nothing(served, tmp_path):
    (served / "owner" / "repository" / "c0ffee" / "test.csv").unlink()
    with pytest.raises(TfdomainError) as caught:
        fetch("banking77")
    message = str(caught.value)
    assert "/c0ffee/test.csv: cannot be downloaded (HTTPError)" in message
    assert "\n" not in message
    assert caught.value.exit_code == 1
    assert not (tmp_path / "data" / "banking77" / "test.csv").exists()


def test_a_download_of_other_bytes_is_refused(served, tmp_path):
    (served / "owner" / "repository" / "c0ffee" / "test.csv").write_bytes(b"changed")
    with pytest.raises(TfdomainError, match="sha256 is not the registered one"):
        fetch("banking77")
    assert not (tmp_path / "data" / "banking77" / "test.csv").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("test.csv", b"changed", "its sha256 differs"), ("train.csv.gz", b"no gzip", "not sound gzip")],
)
def test_a_file_that_is_there_but_another_one(served, tmp_path, name, content, words):
    path = tmp_path / "data" / "banking77" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(TfdomainError, match=words):
        fetch("banking77")


def test_a_file_without_an_address_says_where_it_came_from(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path))
    with pytest.raises(TfdomainError, match=r"made from https://github.com/kuhnrl30/LendingClubData.*put it into"):
        fetch("lendingclub")


@pytest.mark.real
@pytest.mark.parametrize("name", ROWS)
def test_the_real_files_have_their_hashes_and_rows(data_dir, name):
    assert fetch(name) == data_dir / name
    for part, count in ROWS[name].items():
        table = load(name, part)
        assert table.num_rows == count
        if (name, part) in CLASSES:
            assert len(set(table["label"].to_pylist())) == CLASSES[name, part]
        for column in {"text", "text_pair", "tokens", "question"} & set(table.column_names):
            # An empty description of a loan and two questions of CMRC are empty in the source itself.
            if name not in ("lendingclub", "qa_span", "zh_reviews"):
                assert all(table[column].to_pylist()), (name, part, column)


@pytest.mark.real
def test_real_entities_stand_where_they_are_said_to(data_dir):
    first = load("zh_cluener", "train").slice(0, 1).to_pylist()[0]
    assert {first["text"][span["start"] : span["end"]] for span in first["spans"]} == {"叶老桂", "浙商银行"}
    tags = load("ncbi_disease", "test")["tags"].to_pylist()
    assert sum(tag.startswith("B-") for sentence in tags for tag in sentence) == 960
    questions = load("qa_span", "xquad_zh").to_pylist()
    for row in questions:
        for answer in row["answers"]:
            assert row["context"][answer["start"] :].startswith(answer["text"])


def test_a_data_set_is_described_line_by_line():
    lines = describe("banking77")
    assert [key for key, _ in lines[:6]] == ["name", "about", "task", "languages", "licence", "origin"]
    values = dict(lines)
    entry = dataset("banking77")
    assert values["licence"] == entry.licence
    assert values["origin"] == entry.origin
    assert [value.split()[0] for key, value in lines if key == "part"] == list(entry.parts)
    files = [value for key, value in lines if key == "file"]
    assert files == [f"{file.name}  sha256 {file.sha256}  {file.url}" for file in entry.files]
    assert all("\n" not in value for _, value in lines)
    assert "made from many files" in dict(describe("legal_tos"))["file"]
    with pytest.raises(InputError, match="did you mean banking77"):
        describe("bankin77")
