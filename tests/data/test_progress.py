import io

from rich.console import Console

from tfdomain.data.progress import bar


def test_a_bar_on_a_terminal_counts_and_goes_away():
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    with bar("counting tokens", total=10, console=console) as advance:
        advance(4)
        advance(6)
    assert "counting tokens" in shown.getvalue()
    assert "10/10" in shown.getvalue()
    # The line is wiped at the end.
    assert shown.getvalue().endswith("\x1b[2K")


def test_bytes_are_shown_as_sizes():
    shown = io.StringIO()
    with bar("reading", total=3_000_000, in_bytes=True, console=Console(file=shown, force_terminal=True)) as advance:
        advance(3_000_000)
    assert "3.0/3.0 MB" in shown.getvalue()


def test_elsewhere_nothing_is_shown():
    shown = io.StringIO()
    with bar("reading", total=10, console=Console(file=shown)) as advance:
        advance(10)
    assert shown.getvalue() == ""
