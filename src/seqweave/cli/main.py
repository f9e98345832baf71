"""`seqweave VERB ...`: the verbs, and how errors, interrupts and closed pipes end a command.

Exit codes: 0 done; 1 `check` found lines that would be dropped, a proof of `verify` failed, or `doctor` found
something; 2 a mistake of the user, told in one sentence; 130 interrupted. Nothing heavy is imported before a verb runs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seqweave import __version__
from seqweave.cli.align import align
from seqweave.cli.bench import bench
from seqweave.cli.check import check
from seqweave.cli.compare import compare
from seqweave.cli.demo import demo
from seqweave.cli.doctor import doctor
from seqweave.cli.evaluate import evaluate
from seqweave.cli.info import info
from seqweave.cli.inspect import inspect
from seqweave.cli.predict import predict
from seqweave.cli.score import score
from seqweave.cli.split import split
from seqweave.cli.terminal import visible_streams
from seqweave.cli.train import settings_help, train
from seqweave.cli.tune import tune
from seqweave.cli.verify import verify
from seqweave.errors import SeqweaveError
from seqweave.wording import missing_library

INTERRUPTED = 130
WRONG = 2
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # has no public name in typer
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class _Group(TyperGroup):
    """The verbs; errors that a user can correct become one sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("interrupted")
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            _silence_stdout()
            raise SystemExit(0) from None
        except (SeqweaveError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            _say(f"error: {_sentence(error)}")
            raise SystemExit(WRONG) from None
        except ModuleNotFoundError as error:
            sentence = missing_library(error, f"seqweave {ctx.invoked_subcommand}")
            if ctx.params.get("debug") or sentence is None:
                raise
            _say(f"error: {sentence}")
            raise SystemExit(WRONG) from None
        except (MemoryError, RuntimeError) as error:  # torch's own memory errors are RuntimeErrors
            if ctx.params.get("debug") or not _is_out_of_memory(error):
                raise
            _say(f"error: {_memory_sentence(error)}")
            raise SystemExit(WRONG) from None


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the list of settings keeps its lines, and brackets are text
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"seqweave {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and the log.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Turn a file of pairs into a sequence-to-sequence model.

    Try `seqweave demo`, or `seqweave train pairs.tsv -o model`.
    """
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(format="seqweave: %(levelname)s: %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("seqweave").setLevel(level)


app.command("train", epilog=settings_help(), short_help="Train a model on pairs.")(train)
app.command("predict", short_help="Print an output for each line of text.")(predict)
app.command("evaluate", short_help="Measure a model on pairs.")(evaluate)
app.command("score", short_help="Print how probable given targets are.")(score)
app.command("compare", short_help="Say whether the difference between two models is real.")(compare)
app.command("info", short_help="Print what is in a model folder.")(info)
app.command("check", short_help="Check a file of pairs before training on it.")(check)
app.command("split", short_help="Split a file of pairs into train, dev and test.")(split)
app.command("align", short_help="Print which source items the target items come from.")(align)
app.command("inspect", short_help="Show what a model does with one text.")(inspect)
app.command("verify", short_help="Prove that the search does what the model says.")(verify)
app.command("tune", short_help="Choose beam size and penalties on dev pairs.")(tune)
app.command("bench", short_help="Time training and decoding on this machine.")(bench)
app.command("doctor", short_help="Say what is wrong with a model, and what to do.")(doctor)
app.command("demo", short_help="Train a first model, on dates in many languages.")(demo)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code.

    Args:
        argv: words after `seqweave`; None: those of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    with visible_streams():
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        code = app(
            args=each_ensemble_folder(two_dev_files(words)) or ["--help"], prog_name="seqweave", standalone_mode=False
        )
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except _UsageError as error:
        _say(f"error: {_usage_sentence(error)}")
        return WRONG
    return (code or 0) if words else WRONG


def two_dev_files(words: Sequence[str]) -> list[str]:
    """`--dev A B` as `--dev A --dev-target B`, because an option takes a fixed number of values.

    So the arguments of `train` stand before `--dev`.
    """
    result = list(words)
    if "train" not in result or "--dev" not in result:
        return result
    second = result.index("--dev") + 2
    if second < len(result) and not result[second].startswith("-"):
        result.insert(second, "--dev-target")
    return result


def each_ensemble_folder(words: Sequence[str]) -> list[str]:
    """`--ensemble A B` as `--ensemble A --ensemble B`; so the arguments of a verb stand before `--ensemble`."""
    result: list[str] = []
    inside = False
    for word in words:
        if inside and not word.startswith("-") and result[-1] != "--ensemble":
            result.append("--ensemble")
        inside = word == "--ensemble" or (inside and not word.startswith("-"))
        result.append(word)
    return result


def _say(text: str) -> None:
    # Where stderr cannot be written there is nobody to tell; the exit code still says it.
    with suppress(OSError):
        print(f"seqweave: {text}", file=sys.stderr, flush=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror}; check the path, its permissions and the free space"
    return str(error)


def _usage_sentence(error: Any) -> str:
    message = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx else "seqweave"
    return f"{message[:1].lower()}{message[1:]} (see `{command} --help`)"


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in _NO_MEMORY)


def _memory_sentence(error: Exception) -> str:
    what = str(error).split("\n")[0].split(". ")[0] or "memory ran out"
    return (
        f"the computation must fit into memory, but it does not ({what}): lower the model's sizes, "
        "training.batch_tokens or --beam-size, or choose another --device; what was saved is kept"
    )


def _open_closed_streams() -> None:
    """A process may be started with stdout or stderr closed; Python then has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _silence_stdout() -> None:
    """What is still buffered has no reader; without this, Python complains about it when it ends."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
