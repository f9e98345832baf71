"""How a signal stops a run: after its step, and a second one at once.

SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal was closed) ask for a stop after the current step, with everything
saved. A second one raises `Interrupted` where the run stands: what is kept then is its newest checkpoint.

- Where SIGHUP is ignored, as `nohup` wants it, it stays ignored.
- What comes within `BURST_SECONDS` of the first is no second wish: `timeout`, shells and systemd send two.
- Under torchrun no signal is a second one, for it passes a Ctrl-C on to processes which the terminal has told already.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from seqweave.errors import Interrupted
from seqweave.training.events import Listener, TrainEvent

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
BURST_SECONDS = 0.25


class StopWish:
    """Whether a signal asked for a stop, and which.

    Args:
        listen: told of the first one at once, from the signal's handler.
        patient: no signal stops at once.

    Attributes:
        number: of the first signal; None before it.
    """

    def __init__(self, listen: Listener, patient: bool = False):
        self.number: int | None = None
        self._listen = listen
        self._patient = patient
        self._asked = 0.0

    def __call__(self) -> bool:
        """Whether the run is to stop."""
        return self.number is not None

    def handle(self, number: int, _: FrameType | None = None) -> None:
        """Handle a signal.

        Raises:
            Interrupted: when it is not the first.
        """
        if self.number is None:
            self.number = number
            self._asked = time.monotonic()
            # A handler runs anywhere, even inside a write to the stream that the listener writes to.
            with suppress(OSError, RuntimeError):
                self._listen(TrainEvent("stopping", {"signal": number}))
        elif not self._patient and time.monotonic() - self._asked > BURST_SECONDS:
            raise Interrupted(number)


@contextmanager
def stop_signals(listen: Listener, patient: bool = False) -> Iterator[StopWish]:
    """Catch the signals inside; outside the main thread nothing is caught."""
    wish = StopWish(listen, patient)
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    caught = [number for number in STOPS if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, wish.handle) for number in caught}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: set by no Python code
