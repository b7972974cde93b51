"""Settings as the text of an experiment file, with the reasons as comments."""

import textwrap
from collections.abc import Sequence

import yaml

from tfdomain.drafting.printable import printable
from tfdomain.drafting.settings import Setting

__all__ = ["experiment_text"]

WIDTH = 110


def experiment_text(settings: Sequence[Setting], *, head: str = "") -> str:
    """The YAML of settings: each key with its reason above it.

    Args:
        settings: In the order of the file; those of a section one after the other.
        head: A comment to begin with.
    """
    lines = _comment(head, "")
    section = ""
    for setting in settings:
        sections, _, key = setting.key.rpartition(".")
        if sections != section:
            lines += ["", f"{sections}:"]
            section = sections
        indent = "  " if sections else ""
        lines += _comment(setting.why, indent)
        # As the one member of a list a value is quoted wherever it has to be; its brackets go.
        value = yaml.safe_dump([setting.value], allow_unicode=True, default_flow_style=True, width=float("inf"))
        lines.append(f"{indent}{key}: {value.strip()[1:-1]}")
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> list[str]:
    # A line end in a label's name would end the comment.
    begin = f"{indent}# "
    return textwrap.wrap(printable(text), WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)
