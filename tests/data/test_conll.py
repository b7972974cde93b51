import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdomain.data.conll import choose_joiner, join_words, read_conll
from tfdomain.errors import InputError

SENTENCES = [
    (["The", "café"], ["O", "B-X"]),
    (["中", "　", "👩\u200d⚕"], ["B-X", "I-X", "O"]),
    (["#", "\xa0"], ["O", "O"]),
]


def read(path, **arguments):
    faults = []
    read = read_conll(path, zipped=path.suffix == ".gz", report=lambda *fault: faults.append(fault), **arguments)
    return list(read), faults


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def pairs(sentences):
    return [(sentence.words, sentence.tags) for sentence in sentences]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
@pytest.mark.parametrize("separator", ["\t", " ", " \t  "])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("new_line", ["\n", "\r\n"])
@pytest.mark.parametrize("block_bytes", [1, 7, 1000])
def test_words_and_tags_are_read_as_written(tmp_path, name, separator, end, new_line, block_bytes):
    if "\t" in separator and len(separator) > 1:
        separator = "  "
    blocks = ["\n".join(f"{word}{separator}{tag}" for word, tag in zip(*each, strict=True)) for each in SENTENCES]
    content = ("\n\n".join(blocks) + end).replace("\n", new_line)
    sentences, faults = read(write(tmp_path / name, content), block_bytes=block_bytes)
    assert pairs(sentences) == SENTENCES
    assert [sentence.line for sentence in sentences] == [1, 4, 8]
    assert faults == []


WORD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n\r\0"), min_size=1).filter(
    lambda word: word.strip(" ") and not word.startswith(("#", "-DOCSTART-"))
)


@settings(max_examples=60)
@given(st.lists(st.lists(st.tuples(WORD, st.sampled_from(["O", "B-疾病", "I_疾病"])), min_size=1), min_size=1))
def test_any_words_between_tabs_are_read_as_written(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("words") / "a.conll"
    content = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
    # A byte order mark before all else, which is none of the first word's.
    found, faults = read(write(path, b"\xef\xbb\xbf" + content.encode()))
    assert [list(zip(sentence.words, sentence.tags, strict=True)) for sentence in found] == sentences
    assert faults == []


def test_documents_and_comments_are_no_sentences(tmp_path):
    content = (
        "# made by hand\n-DOCSTART- -X- -X- O\n\n# sent_id = 1\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
        "-DOCSTART- -X- -X- O\n# text = # sign\n# NN B-NP O\nsign NN I-NP O\n"
    )
    sentences, faults = read(write(tmp_path / "a.txt", content))
    assert pairs(sentences) == [(["EU", "rejects"], ["B-ORG", "O"]), (["#", "sign"], ["O", "O"])]
    assert [sentence.line for sentence in sentences] == [5, 9]
    assert faults == []


def test_columns_by_number_and_by_name(tmp_path):
    content = "id\tform\tner\tpos\n1\tEU\tB-ORG\tNNP\n2\t rejects\tO\tVBZ\n"
    expected = [(["EU", " rejects"], ["B-ORG", "O"])]
    path = write(tmp_path / "a.tsv", content)
    assert pairs(read(path, words="form", tags="ner")[0]) == expected
    assert pairs(read(path, words="form", tags=3)[0]) == expected
    path = write(tmp_path / "b.tsv", content.split("\n", 1)[1])
    assert pairs(read(path, words=2, tags=3)[0]) == expected
    assert pairs(read(path, words=2)[0]) == [(["EU", " rejects"], ["NNP", "VBZ"])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": "word", "tags": "ner"}, "has no column 'word'; its columns are 'EU', 'O'"),
        ({"tags": 3}, "has 2 columns, and none with the number 3; name one of 1 to 2"),
        ({"words": 0}, "has 2 columns, and none with the number 0"),
        ({"words": 2}, "line 1: has 2 columns, and no other for the tags; name two different columns"),
    ],
)
def test_columns_that_are_not_there(tmp_path, arguments, message):
    path = write(tmp_path / "a.tsv", "EU\tO\n")
    with pytest.raises(InputError) as caught:
        read(path, **arguments)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_of_words_alone(tmp_path):
    with pytest.raises(InputError, match="line 2: has 1 column, and no other for the tags; a line wants a word"):
        read(write(tmp_path / "a.txt", "\n你好\n再见\n"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"word", "1 column, where the first line has 2"),
        (b"word\tO\tO", "3 columns, where the first line has 2"),
        (b"word\t", "1 column, where the first line has 2"),
        (b"word O", "1 column, where the first line has 2"),
        (b"# late", "1 column, where the first line has 2"),
        (b"\tO", "no word"),
        (b"caf\xe9\tO", "broken UTF-8 (a file in another encoding wants `iconv -f latin1 -t UTF-8`)"),
    ],
)
def test_tags_that_do_not_match_the_words(tmp_path, line, problem):
    content = b"first\tO\n\na\tO\n" + line + b"\nalso\nb\tO\n\nlast\tO\n"
    sentences, faults = read(write(tmp_path / "a.conll", content))
    assert pairs(sentences) == [(["first"], ["O"]), (["last"], ["O"])]
    assert [sentence.line for sentence in sentences] == [1, 8]
    assert faults == [(problem, [4])]


def test_a_column_of_tags_that_is_empty_in_a_row(tmp_path):
    sentences, faults = read(write(tmp_path / "a.conll", "a\tO\tx\nb\t\tx\n"), tags=2)
    assert (sentences, faults) == ([], [("no tag", [2])])


def test_files_without_words(tmp_path):
    assert read(write(tmp_path / "a.conll", "\n# nothing\n\n")) == ([], [])
    assert read(write(tmp_path / "b.conll", ""), may_be_empty=True) == ([], [])
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path / "b.conll")


def test_words_become_a_text():
    words = ["浙", "商", "GDP", "👍🏽"]
    for joiner in ("", " "):
        text, places = join_words(words, joiner)
        assert text == joiner.join(words)
        assert [text[start:end] for start, end in places] == words
    assert join_words([], " ") == ("", [])


@pytest.mark.parametrize(
    ("sentences", "joiner"),
    [
        ([["我", "在", "IBM", "。"]], ""),
        ([["我们", "在", "北京"]], " "),
        ([["a", "b", "中"]], " "),
        ([["Ａ", "カ", "𠮷"]], ""),
        ([["I", "am"], ["中", "文"]], " "),
        ([], " "),
    ],
)
def test_the_joiner_is_what_most_words_ask_for(sentences, joiner):
    assert choose_joiner(sentences) == joiner
