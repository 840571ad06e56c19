"""Numbers for gestures: a drag, a run of key presses, a burst of typing. Edits with one number are one step of undo."""

from __future__ import annotations

import itertools
import time

_numbers = itertools.count(1)


class Gesture:
    """Tells when a run of small actions ends.

    Args:
        pause: Seconds of rest after which the next action begins a new gesture.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._number = 0
        self._last = float("-inf")

    def begin(self) -> int:
        """Begin a new gesture; its number is unique in the program."""
        self._number = next(_numbers)
        self._last = time.monotonic()
        return self._number

    def go_on(self) -> int:
        """The number of an action that goes on with the gesture, unless there was a rest before it."""
        if time.monotonic() - self._last > self._pause:
            return self.begin()
        self._last = time.monotonic()
        return self._number

    @property
    def number(self) -> int:
        """The gesture that runs, or ran last."""
        return self._number
