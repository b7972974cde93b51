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
