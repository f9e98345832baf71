"""What a run of training shows: a progress bar in a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from seqweave.cli.common import one_line
from seqweave.cli.terminal import raw_stderr
from seqweave.wording import count, figure, visible

if TYPE_CHECKING:
    from seqweave.training.events import TrainEvent

PLAIN_SECONDS = 10.0  # between lines where there is no terminal


def is_first_process() -> bool:
    """Whether this is the process of a torchrun that reports."""
    return os.environ.get("RANK", "0") == "0"


class TrainingView:
    """A listener of training that shows it; close it at the end.

    Attributes:
        first, last: the events of the first and the last validation.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=raw_stderr(), highlight=False, markup=False, soft_wrap=True)
        self.quiet = not is_first_process()
        self.first: Mapping[str, Any] | None = None
        self.last: Mapping[str, Any] | None = None
        self._validates = False
        self._progress: Progress | None = None
        self._steps = TaskID(0)
        self._dev: TaskID | None = None  # while a validation goes on
        self._spoke = time.monotonic()
        self._show: dict[str, Callable[[dict[str, Any]], None]] = {
            "reading": lambda values: self.say(f"{values['text']} ..."),
            "dialect": lambda values: self.say(values["text"]),
            "warning": lambda values: self.say(f"warning: {values['text']}"),
            "found": lambda values: self.say(found_text(values)),
            "estimate": lambda values: self.say(
                f"about {duration(values['seconds'])} for {count(values['steps'], 'step')}"
            ),
            "start_from": lambda values: self.say(start_text(values)),
            "extended": lambda values: self.say(values["text"]),
            "resumed": lambda values: self.say(f"resuming at step {values['step']:,}"),
            "step": self._step,
            "validating": self._validating,
            "validation": self._validation,
            "stopping": self._stopping,
        }

    def __call__(self, event: TrainEvent) -> None:
        """Show one event."""
        show = self._show.get(event.kind)
        if show is not None and not self.quiet:
            show(event.values)

    def say(self, text: str) -> None:
        """Print lines, above the bar where there is one."""
        if not self.quiet:
            self.console.print(visible(text))

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _step(self, values: dict[str, Any]) -> None:
        if not self.console.is_terminal:
            if time.monotonic() - self._spoke >= PLAIN_SECONDS:
                self._spoke = time.monotonic()
                self.say(f"step {values['step']:,} of {values['max_steps']:,}: {step_text(values)}")
            return
        if self._progress is None:
            columns = ("{task.fields[what]}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._progress = Progress(*columns, console=self.console)
            self._steps = self._progress.add_task("", total=values["max_steps"], what="step")
            self._progress.start()
        self._progress.update(self._steps, completed=values["step"], description=step_text(values))

    def _validating(self, values: dict[str, Any]) -> None:
        """A bar of its own below that of the steps, or a line now and then."""
        self._validates = values["done"] < values["total"]
        if not self.console.is_terminal:
            if time.monotonic() - self._spoke >= PLAIN_SECONDS:
                self._spoke = time.monotonic()
                self.say(f"validating at step {values['step']:,}: {values['done']:,} of {values['total']:,}")
        elif self._progress is not None:
            if self._dev is None:
                self._dev = self._progress.add_task("validating", total=values["total"], what="dev ")
            self._progress.update(self._dev, completed=values["done"])

    def _validation(self, values: dict[str, Any]) -> None:
        self._validates = False
        if self._progress is not None and self._dev is not None:
            self._progress.remove_task(self._dev)
            self._dev = None
        self.first = self.first or values
        self.last = values
        self._spoke = time.monotonic()
        self.say(validation_text(values))

    def _stopping(self, _: dict[str, Any]) -> None:
        """At once, because a step or a validation may take long."""
        what = "validation" if self._validates else "step"
        self.say(f"stopping after this {what}; once more stops at once")


def step_text(values: Mapping[str, Any]) -> str:
    """Loss, speed and time left in one phrase."""
    again = f", coverage {values['coverage_loss']:.3f}" if "coverage_loss" in values else ""
    text = f"loss {values['loss']:.3f}{again}, {values['tokens_per_second']:,.0f} tokens/s"
    left = values.get("seconds_left")
    return text if left is None else f"{text}, {duration(left)} left"


def start_text(values: Mapping[str, Any]) -> str:
    """The model that a run starts from, what it does not know of the new pairs, and how it is trained."""
    state = f", {values['training']}" if "training" in values else ""
    lines = [f"starting from {values['folder']} (weights {values['sha256'][:12]}{state})"]
    for side, found in values["unknown"].items():
        share = 100 * found["unknown"] / max(1, found["items"])
        examples = f", such as {', '.join(map(repr, found['examples']))}" if found["examples"] else ""
        added = f"; {values['added'][side]:,} added" if values["extends"] else ""
        lines.append(f"  {side}: {share:.2f}% of its {found['items']:,} items are unknown to it{examples}{added}")
    if not values["extends"] and any(found["unknown"] for found in values["unknown"].values()):
        lines.append("  --extend-vocabulary gives them entries of their own")
    elif values["extends"] and values["units"] == "subword":
        lines.append("  of subwords only characters are added: new merges are not learned")
    lines.append(
        f"  training: rate up to {values['learning_rate']:g} after {count(values['warmup_steps'], 'step')} of warm-up, "
        f"then {values['schedule']}"
    )
    return "\n".join(lines)


def found_text(values: Mapping[str, Any]) -> str:
    """What training starts from, one fact on each line."""
    because = values.get("units_because") or {}
    unknown = values.get("unknown_rate") or {}
    lines = [
        f"found {count(values['pairs'], 'pair')} to train on, {values['dev_pairs']:,} held out, "
        f"in {count(values['lines'], 'line')}"
    ]
    dropped = dict(values.get("dropped") or {})
    over_long = values.get("over_long") or {}
    dropped.update(over_long if isinstance(over_long, Mapping) else {"over-long": over_long})
    left_out = [f"{reason} ({number:,})" for reason, number in dropped.items() if number]
    if left_out:
        lines.append(f"  left out   {', '.join(left_out)}")
    for side in ("source", "target"):
        reason = f" ({because[side]})" if because.get(side) else ""
        rate = f", {100 * unknown[side]:.2f}% unknown in dev" if unknown.get(side) is not None else ""
        lines.append(f"  {side}     {values[f'{side}_units']}{reason}, {values[f'{side}_vocabulary']:,} entries{rate}")
    if features := values.get("features"):
        known = ", ".join(f"{number:,} in column {name}" for name, number in features["columns"].items())
        lines.append(f"  source tags  {known}, {100 * features['unknown_rate']:.2f}% unknown in dev")
    if mixed := values.get("mixed"):
        unused = [f"{reason} ({number:,})" for reason, number in mixed["dropped"].items()]
        said = f", left out {', '.join(unused)}" if unused else ""
        lines.append(f"  mixed in   {count(mixed['pairs'], 'pair')} of {mixed['file']}{said}")
    for side, found in (values.get("vectors") or {}).items():
        share = 100 * found["found"] / max(1, found["entries"])
        lines.append(
            f"  vectors    of {side}: {found['found']:,} of {found['entries']:,} entries ({share:.1f}%), "
            f"{100 * found['token_rate']:.1f}% of the items to train on{', frozen' if found['frozen'] else ''}"
        )
    writing = values.get("target_writing") or {}
    if writing.get("metric_units") == "characters":
        scripts = " and ".join(writing["scripts_without_blanks"])
        why = f"targets in {scripts}, without blanks between words" if scripts else "as set"
        lines.append(f"  metrics    by characters, BLEU with the tokenizer {writing['bleu_tokenize']} ({why})")
    lines.append(
        f"  model      {values['parameters']:,} parameters on {values['device']} in {values['precision']}, "
        f"{count(values['max_steps'], 'step')}, best by {values['metric']}"
    )
    return "\n".join(lines)


def validation_text(values: Mapping[str, Any]) -> str:
    """The figures of a validation and its samples."""
    best = "  (best so far)" if values.get("best") else ""
    lines = [
        f"step {values['step']:,}: {values['metric']} {values['value']:.2f}, "
        f"perplexity {figure(values['perplexity'])}, free-running {figure(values['free_running_perplexity'])}{best}"
    ]
    lines += [f"    {sample_text(sample)}" for sample in values["samples"]]
    return "\n".join(lines)


def sample_text(sample: Mapping[str, Any]) -> str:
    """One sample; where it is wrong, the target follows."""
    wanted = "" if sample["output"] == sample["target"] else f"   (not {sample['target']})"
    return one_line(f"{sample['source']}  ->  {sample['output']}{wanted}")


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
