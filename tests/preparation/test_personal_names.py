"""Names of people, found by presidio with spaCy models that these tests make."""

import sys

import pyarrow.parquet as pq
import pytest

from tfdomain.config.preparation import load_preparation
from tfdomain.errors import InputError
from tfdomain.preparation.personal_data import Found, PersonalDataMasker
from tfdomain.preparation.personal_names import load_name_finder
from tfdomain.preparation.run import prepare


def find_ann(text: str) -> list[tuple[int, int]]:
    return [(place, place + 3) for place in range(len(text)) if text[place : place + 3].lower() == "ann"]


def test_names_are_masked_behind_the_rest():
    masker = PersonalDataMasker(["EMAIL"], regions=["US"], name_finder=find_ann)
    masked, counts = masker.mask("Ann (ann@example.com) and ANN and <NAME_4>")
    assert (masked, counts) == ("<NAME_5> (<EMAIL>) and <NAME_5> and <NAME_4>", {"NAME": 2, "EMAIL": 1})
    assert masker.mask(masked) == (masked, {})
    assert masker.find("Ann") == [Found("NAME", 0, 3)]


def test_findings_that_overlap_are_one():
    def find_ann_loosely(text):
        return [span for start, end in find_ann(text) for span in ((start, end + 1), (start + 1, end), (start, 99))]

    masker = PersonalDataMasker([], regions=["US"], name_finder=find_ann_loosely)
    assert masker.mask("Ann a@example.com")[0] == "<NAME> a@example.com"


def test_presidio_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(
        InputError, match=r"^names: masking names needs presidio-analyzer; pip install 'tfdomain\[names\]'$"
    ):
        load_name_finder(["en"])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """An English model that knows some first and last names, and a Chinese one that knows one name."""
    spacy = pytest.importorskip("spacy")
    folder = tmp_path_factory.mktemp("spacy")
    english = spacy.blank("en")
    pattern = [{"TEXT": {"IN": ["Maria", "Susan"]}}, {"TEXT": {"IN": ["Brown", "Clark"]}}]
    english.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": pattern}])
    english.to_disk(folder / "en")

    chinese = spacy.blank("zh")
    chinese.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "王小明"}])
    chinese.to_disk(folder / "zh")
    return {"en": str(folder / "en"), "zh": str(folder / "zh")}


def test_a_text_is_read_in_its_language(models):
    find = load_name_finder(["en", "zh"], models=models)
    assert find("Hello, I spoke to Susan Clark yesterday.") == [(18, 29)]
    assert find("The card was declined.") == []
    assert find("客户王小明说话很快") == [(2, 5)]
    # Most of it is English, and that model does not know him.
    assert (13, 16) not in find("I phoned Mr. 王小明 in Beijing about it")


def test_prepared_rows_have_placeholders(models, tmp_path):
    rows = ["Please ask Maria Brown to call 212-555-0147.", "客户王小明说银行卡丢了", "The card was declined twice."]
    (tmp_path / "a.txt").write_text("\n".join(rows), encoding="utf-8")
    assignments = ["steps.names=true", "split=[1, 0, 0]", f"name_models={models}"]
    card = prepare([tmp_path / "a.txt"], tmp_path / "out", load_preparation(None, assignments=assignments))
    texts = pq.read_table(tmp_path / "out" / "train.parquet").column("text").to_pylist()
    assert texts == ["Please ask <NAME> to call <PHONE>.", "客户<NAME>说银行卡丢了", rows[2]]
    assert "NAME" in str(card)


def test_a_model_is_missing():
    pytest.importorskip("presidio_analyzer")
    with pytest.raises(InputError) as caught:
        load_name_finder(["en"], models={"en": "en_unknown"})
    line = "names: the spaCy model en_unknown of language en is not installed; python -m spacy download en_unknown"
    assert str(caught.value) == line


def test_a_model_that_is_missing_is_told_before_anything_is_made(tmp_path):
    pytest.importorskip("presidio_analyzer")
    (tmp_path / "a.txt").write_text("Please ask Maria Brown to call.")
    assignments = ["steps.names=true", "languages=[en]", "name_models={en: en_unknown}"]
    with pytest.raises(InputError, match="the spaCy model en_unknown of language en is not installed"):
        prepare([tmp_path / "a.txt"], tmp_path / "out", load_preparation(None, assignments=assignments))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_model_without_a_blank_behind_its_language():
    # YAML reads `en:x` as one word.
    message = r"^prepare: name_models: 'en:en_core_web_lg' has no value; put a blank behind the colon: en: en_core_"
    with pytest.raises(InputError, match=message):
        load_preparation(None, assignments=["steps.names=true", "name_models={en:en_core_web_lg}"])


def test_a_language_without_a_model():
    with pytest.raises(
        InputError, match=r"^languages: no model of names for 'xx'; choose from en, zh, or name one in name_models$"
    ):
        load_name_finder(["xx"])


def test_models_of_names_that_nobody_looks_for_are_refused():
    with pytest.raises(InputError, match=r"name_models is given, and nothing reads it: turn steps\.names on"):
        load_preparation(None, assignments=["name_models={en: somewhere}"])
