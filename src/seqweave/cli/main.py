"""`seqweave VERB ...`: the verbs, and how errors, interrupts and closed pipes end a command.

Exit codes: 0 done; 1 `check` found lines that would be dropped, a proof of `verify` failed, or `doctor` found
something; 2 a mistake of the user, told in one sentence; 130, 143 or 129 ended by SIGINT, SIGTERM or SIGHUP, also where
`train` saved and can go on. Nothing heavy is imported before a verb runs.
"""

from __future__ import annotations

import errno
import logging
import signal
import sys
from collections.abc import Sequence
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
from seqweave.cli.process import lose, surroundings
from seqweave.cli.score import score
from seqweave.cli.split import split
from seqweave.cli.terminal import visible_streams
from seqweave.cli.train import settings_help, train
from seqweave.cli.tune import tune
from seqweave.cli.verify import verify
from seqweave.errors import Interrupted, SeqweaveError
from seqweave.system_errors import is_out_of_memory, memory_sentence, system_sentence
from seqweave.wording import missing_library

INTERRUPTED = 130
WRONG = 2
_SMALLER = {
    "train": "lower training.batch_tokens or the model's sizes, with --restart; what was saved is kept",
    "bench": "lower --length, or give a smaller model",
    "check": "look at a part of the file",
}
_SMALLER_SEARCH = (
    "lower --set search.batch_tokens=N, --beam-size or --set search.max_length=N, or choose another --device"
)
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # has no public name in typer


class _Group(TyperGroup):
    """The verbs; errors that a user can correct become one sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _say(str(stop) or "interrupted")
            raise SystemExit(stop.exit_code if isinstance(stop, Interrupted) else INTERRUPTED) from None
        except BrokenPipeError:
            lose(sys.stdout)
            raise SystemExit(0) from None
        except (SeqweaveError, OSError, MemoryError, RuntimeError, ImportError) as error:
            sentence = _sentence(error, str(ctx.invoked_subcommand))
            if ctx.params.get("debug") or sentence is None:
                raise
            _say(f"error: {sentence}")
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
    with surroundings() as signals, visible_streams():
        try:
            code = _run(words)
        except Exception:  # a signal may show as any error, of a module that was being imported say
            if signals.number is None:
                raise
            _say("interrupted")
            code = 128 + signals.number
        if signals.number not in (None, signal.SIGINT):  # a server ends well after Ctrl-C, and only then
            code = 128 + signals.number
        return _flushed(code)


def _run(words: Sequence[str]) -> int:
    """Run a command line, as far as its errors are told in a sentence; gives its exit code."""
    arguments = each_ensemble_folder(two_dev_files(words)) or ["--help"]
    try:
        code = app(args=arguments, prog_name="seqweave", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except _UsageError as error:
        _say(f"error: {_usage_sentence(error)}")
        return WRONG
    return (code or 0) if words else WRONG


def _flushed(code: int) -> int:
    """The exit code, once stdout has taken all that was printed; another where it could not."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        lose(sys.stdout)
    except OSError as error:
        lose(sys.stdout)
        if code == 0:
            _say(f"error: {system_sentence(error, 'the output')}")
        return code or WRONG
    return code


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
    print(f"seqweave: {text}", file=sys.stderr, flush=True)


def _sentence(error: Exception, verb: str) -> str | None:
    """What to tell of an error; None when it is a bug."""
    if is_out_of_memory(error):
        return memory_sentence(error, _SMALLER.get(verb, _SMALLER_SEARCH))
    if isinstance(error, SeqweaveError):
        return str(error)
    if isinstance(error, OSError):
        return system_sentence(error, "the output" if error.errno == errno.ENOSPC else None)  # files have names
    return missing_library(error, f"seqweave {verb}") if isinstance(error, ModuleNotFoundError) else None


def _usage_sentence(error: Any) -> str:
    message = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx else "seqweave"
    return f"{message[:1].lower()}{message[1:]} (see `{command} --help`)"


if __name__ == "__main__":
    sys.exit(main())
