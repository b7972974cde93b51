import json

import pytest

from tfdomain.data.json_lines import read_json_lines


@pytest.mark.parametrize("size", [1, 37, 1000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_blocks_are_joined_wherever_they_are_cut(tmp_path, size, end):
    rows = [("é\u2028" * (row % 5) + "text", row) for row in range(100)]
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
    path = tmp_path / "a.jsonl"
    path.write_bytes(("\n".join(lines) + end).encode())
    arguments = {
        "texts": ["text"],
        "others": ["label"],
        "zipped": False,
        "report": lambda *fault: pytest.fail(str(fault)),
    }
    blocks = list(read_json_lines(path, block_bytes=size, **arguments))
    assert [text for block in blocks for text in block.columns["text"].to_pylist()] == [text for text, _ in rows]
    assert [label for block in blocks for label in block.columns["label"].to_pylist()] == [str(row) for _, row in rows]
    assert [line for block in blocks for line in block.line_numbers] == list(range(1, 101))


def test_lists_of_plain_values_come_as_json_in_extra_keys_alone(tmp_path):
    rows = [["a", "费用 😀"], [1, 2.5, True], [], "x", [["a"]], [None], ["\ud83d"]]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "t", "topics": row}) + "\n" for row in rows), encoding="utf-8")
    found = {}
    for extra in (["topics"], []):
        faults = []
        shared = {"zipped": False, "report": lambda problem, lines, faults=faults: faults.append((lines[0], problem))}
        blocks = list(read_json_lines(path, texts=["text"], others=["topics"], extra=extra, **shared))
        found[bool(extra)] = [cell for block in blocks for cell in block.columns["topics"].to_pylist()], faults
    cells, faults = found[True]
    assert cells == ['["a", "费用 😀"]', "[1, 2.5, true]", "[]", "x"]
    assert [line for line, _ in faults] == [5, 6, 7]
    assert "surrogate" in faults[-1][1]
    # A label is one value: no list, whatever it holds.
    assert found[False][0] == ["x"]
    assert all("is a list, not a string" in problem for _, problem in found[False][1])
