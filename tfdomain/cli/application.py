"""The application: all commands in the order of `--help`, and what becomes of their mistakes."""

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from tfdomain.cli.data import fetch_data, list_data, prepare
from tfdomain.cli.experiments import draft, schema
from tfdomain.cli.models import compare, evaluate, export, predict
from tfdomain.cli.retrieval import index_items, search_items
from tfdomain.cli.serving import board, serve
from tfdomain.cli.settings import objectives, profile, setting, tune
from tfdomain.cli.training import pretrain, train, validate
from tfdomain.errors import TfdomainError
from tfdomain.version import __version__

__all__ = ["app", "main"]

COMMANDS: tuple[Callable[..., None], ...] = (
    prepare, train, validate, tune, profile, pretrain, board, evaluate, compare, predict, export, serve, schema,
)  # fmt: skip
HIDDEN_COMMANDS: tuple[Callable[..., None], ...] = (objectives, setting)
"""What some of these start in processes of their own."""

app = typer.Typer(
    name="tfdomain",
    help="BERT-family models on domain text with TensorFlow: train, judge, export, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(draft)
for command in COMMANDS:
    app.command()(command)
for command in HIDDEN_COMMANDS:
    app.command(hidden=True)(command)

data_app = typer.Typer(help="The registry of public data sets.", no_args_is_help=True)
data_app.command("list")(list_data)
data_app.command("fetch")(fetch_data)
app.add_typer(data_app, name="data")

retrieve_app = typer.Typer(help="Items that queries find, by an embedder's vectors.", no_args_is_help=True)
retrieve_app.command("index")(index_items)
retrieve_app.command("search")(search_items)
app.add_typer(retrieve_app, name="retrieve")

# What typer raises for a wrong option or argument; it has no public name of its own.
UsageError: Any = typer.BadParameter.__mro__[1]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tfdomain {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
):
    pass


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; an error is one line on stderr, exit code 2 where it is the user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a label should not cost the run that printed it.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app([one for one in arguments if one != "--debug"], standalone_mode=False)
    except TfdomainError as error:
        _fail(str(error), error.exit_code, debug)
    except UsageError as error:
        if not arguments:
            error.show()
            raise SystemExit(2) from None
        _fail(f"{error.format_message()}; see --help", 2, debug)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; train goes on with --resume, validate when it is called again", 130, debug)
    except BrokenPipeError:
        # The reader of our output has seen enough: `| head` is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"{line[:500]} (a fault of tfdomain; --debug shows where)", 1, debug)
    else:
        raise SystemExit(code or 0)


def _fail(line: str, code: int, debug: bool) -> NoReturn:
    if debug:
        raise
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(code) from None
