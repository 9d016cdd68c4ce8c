"""The `ireu` command.

A command is imported when it is asked for, and imports what it needs when it runs, so that verifying a certificate
stays light.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click
import rich_click

from ireu_cli.context import Shared
from ireu_cli.exits import ABSENT, FAULT, INTERRUPTED, UNREAD, exit_code_of
from ireu_cli.groups import LazyCommands
from ireu_cli.output import print_error, print_fault
from ireu_governance.__about__ import __version__
from ireu_governance.core.errors import IreuError, MissingExtraError

__all__ = ["cli", "main"]

# Modules of the `ml` extra, by the name under which Python misses them.
_ML_MODULES = frozenset(
    {
        "accelerate", "cv2", "diffusers", "filelock", "huggingface_hub", "insightface", "matplotlib", "mlflow",
        "numpy", "onnxruntime", "PIL", "psutil", "safetensors", "torch", "torchmetrics", "transformers",
    }
)  # fmt: skip


@click.group(
    cls=rich_click.RichGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "IREU"},
)
@click.version_option(__version__, prog_name="ireu")
@click.option(
    "-w",
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    help="Workspace folder; if not given, the present folder or one above it.",
)
@click.pass_context
def cli(context: click.Context, workspace: Path | None) -> None:
    """Make an image encoder forget a person, and leave a record that others can check."""
    context.obj = Shared(workspace=workspace)


# Given afterwards: the group would look up each command that it is made with, for panels and aliases.
cli.commands = LazyCommands(
    {
        name: name  # each in the module of its name
        for name in (
            "demo",
            "init",
            "unlearn",
            "verify",
            "request",
            "evidence",
            "ledger",
            "certificate",
            "encoder",
            "keys",
            "doctor",
            "monitor",
            "witness",
            "serve",
            "worker",
            "access",
            "deployment",
            "alert",
            "receipt",
        )
    }
)


def main() -> None:
    """Run the command line and leave with one of the exit codes of `ireu_cli.exits`."""
    as_json = "--json" in sys.argv
    _print_everything(as_json=as_json)
    stdout = sys.stdout
    try:
        code = cli.main(prog_name="ireu", standalone_mode=False)
    except IreuError as error:
        print_error(error, as_json=as_json)
        code = exit_code_of(error)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        code = INTERRUPTED
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        code = INTERRUPTED
    except click.ClickException as error:
        explained = _explain(error)
        if as_json:
            print_fault("bad-usage", explained.format_message(), f"See: {_command_of(explained)} --help")
        else:
            explained.show()
        code = ABSENT
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _ML_MODULES:
            code = _report_fault(error, as_json=as_json)
        else:
            missing = MissingExtraError("ml", f"'ireu {_invoked()}'")
            print_error(missing, as_json=as_json)
            code = exit_code_of(missing)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = UNREAD
    except SystemExit as left:
        # click ends a command whose reader has gone by exchanging stdout and leaving with 1, which here means
        # "proven not to hold".
        code = left.code if sys.stdout is stdout else UNREAD
    except Exception as error:  # noqa: BLE001 - the last line of defence: a fault is reported as one
        code = _report_fault(error, as_json=as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _print_everything(*, as_json: bool) -> None:
    """See that no character ends a command: what is done must not look like a fault since a sign cannot be shown."""
    if not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.encoding.lower() in ("utf-8", "utf8"):
        return
    if as_json:
        sys.stdout.reconfigure(encoding="utf-8")  # as JSON is, wherever it goes
    else:
        sys.stdout.reconfigure(errors="replace")


def _explain(error: click.ClickException) -> click.ClickException:
    """Return an error in which a missing option says what it is, as its page of help does."""
    if not isinstance(error, click.MissingParameter) or not isinstance(error.param, click.Option):
        return error
    if isinstance(error.param.type, click.Choice):  # lists its values already
        return error
    return click.MissingParameter(error.param.help, ctx=error.ctx, param=error.param)


def _command_of(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return "ireu" if context is None else context.command_path


def _invoked() -> str:
    return next((word for word in sys.argv[1:] if word in cli.commands), "")


def _report_fault(error: Exception, *, as_json: bool) -> int:
    """Report a fault in ireu itself; the trace is shown on request, since it can hold paths."""
    if os.environ.get("IREU_DEBUG"):
        import traceback

        traceback.print_exception(error)
    text = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    hint = "Run it again with IREU_DEBUG=1 for the trace, and report it."
    if as_json:
        print_fault("internal-fault", text, hint)
    else:
        click.echo(f"Internal fault: {text}", err=True)
        click.echo(f"       {hint}", err=True)
    return FAULT


if __name__ == "__main__":
    main()
