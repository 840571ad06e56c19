"""The heatmap of a long text: laid out, recoloured, painted, scrolled; with ratios to what numpy and Qt must do at least.

    .venv/bin/python tests/benchmarks/token_view.py [--tokens 50000] [--rounds 40]

Floors, in the same process: for a recolour, numpy turning as many floats into bytes; for a paint, QPainter drawing the visible
words with nothing behind them. Times are processor time (all of it is on one thread), which other programs disturb less.
The goal is recolour and repaint of 50,000 tokens in under 16 ms. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication

from semascope.ui.theme import theme, themes
from semascope.ui.widgets.token_view import TokenView

SIZE = (900, 800)


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of one call."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def text_of(count: int) -> list[str]:
    """Tokens as a model makes them: a few frequent ones, many rare ones, some newlines, some Arabic and Chinese."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwyp"))
    words = [" " + "".join(rng.choice(letters, rng.integers(1, 9))) for _ in range(5000)]
    words += [",", ".", "\n", "ing", "ed", " the", " مر", "حبا", "法国", "的", "é"] * 40
    return [words[place] for place in np.minimum(rng.zipf(1.3, count), len(words) - 1)]


def paint_floor(view: TokenView) -> Callable[[], None]:
    """Draw the words that are visible, and nothing else."""
    layout = view._lines()
    last = int(layout.line_run[min(SIZE[1] // int(layout.line_height) + 1, layout.lines)])
    words = [(QPointF(run.x, 20 + 24 * (place % 30)), run.text) for place, run in enumerate(layout.runs[:last])]
    image = QImage(*SIZE, QImage.Format.Format_RGB32)

    def paint() -> None:
        painter = QPainter(image)
        painter.setFont(view.font())
        painter.setPen(theme().text)
        for where, word in words:
            painter.drawText(where, word)
        painter.end()

    return paint


def measure(tokens: int, rounds: int) -> dict[str, float]:
    app = QApplication.instance() or QApplication([])
    themes().set("light")
    view = TokenView()
    view.resize(*SIZE)
    view.show()
    strings = text_of(tokens)
    start = time.process_time()
    view.set_tokens(strings)
    layout = 1000 * (time.process_time() - start)
    values = [np.random.default_rng(seed).random(tokens, np.float32) for seed in range(8)]
    turn = iter(range(10**9))
    bar = view.verticalScrollBar()

    def recolour() -> None:
        view.set_values(values[next(turn) % 8])
        view.viewport().repaint()

    def scroll() -> None:
        bar.setValue((bar.value() + bar.pageStep()) % max(bar.maximum(), 1))
        view.viewport().repaint()

    bytes_floor = milliseconds(lambda: np.ceil(np.clip(values[0], 0, 1) * 255).astype(np.uint8), rounds)
    set_values = milliseconds(lambda: view.set_values(values[next(turn) % 8]), rounds)
    app.processEvents()
    floor = milliseconds(paint_floor(view), rounds)
    both = milliseconds(recolour, rounds)
    return {
        "tokens": tokens,
        "layout_ms": layout,
        "recolour_ms": set_values,
        "recolour_over_numpy": set_values / bytes_floor,
        "recolour_and_paint_ms": both,
        "paint_over_drawing_words": both / floor,
        "scroll_ms": milliseconds(scroll, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    result = measure(arguments.tokens, arguments.rounds)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
