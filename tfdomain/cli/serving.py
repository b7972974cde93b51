"""Commands that serve until they are stopped."""

from pathlib import Path
from typing import Annotated

import typer

from tfdomain.cli.options import ThreadsOption
from tfdomain.startup import import_tensorflow

__all__ = ["board", "serve"]


def board(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, or a folder of runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it is shown; 0 takes a free port.")] = 6006,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
):
    """Show runs in TensorBoard, until stopped."""
    from tfdomain.serving.board import serve_board

    serve_board(folder, host=host, port=port)


def serve(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of all versions.")],
    name: Annotated[str, typer.Option(help="The model's name in requests.")] = "default",
    rest_port: Annotated[int, typer.Option(help="Where REST is served; 0 takes a free port.")] = 8501,
    grpc_port: Annotated[int, typer.Option(help="Where gRPC is served; 0 takes a free port.")] = 8500,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    request_timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 30.0,
    max_request_bytes: Annotated[int, typer.Option(help="The largest request that is read.")] = 64 << 20,
    threads: ThreadsOption = None,
):
    """Serve a SavedModel over REST and gRPC as TensorFlow Serving does, until stopped."""
    import_tensorflow(threads)
    from tfdomain.serving.server import serve as run

    run(
        directory,
        name=name,
        rest_port=rest_port,
        grpc_port=grpc_port,
        host=host,
        request_timeout=request_timeout,
        max_request_bytes=max_request_bytes,
    )
