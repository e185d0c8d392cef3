"""What is shown while a network is trained."""

import io
import re

from lamina.training.display import Display, telling
from lamina.training.loop import Epoch, Loop


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Stub(Loop):
    def _train(self, number):
        self.report(1, 2, 7.0)
        return 1 / number

    def _measure(self):
        return None, {}


def _say(epoch: Epoch) -> str:
    return f"{epoch.number}: [{epoch.loss}]"


def _say_more(loop: Loop, epoch: Epoch) -> str:
    return f"{_say(epoch)} after {len(loop.past)}"


def test_lines_are_the_same_everywhere():
    stream = io.StringIO()
    loop = Stub(3, [Display(stream, _say_more, _say, ["head"])])
    loop.past = [Epoch(1, 1.0, None, True, 0.1)]
    assert not loop.watched()
    list(loop.run())
    assert stream.getvalue() == f"head\n1: [1.0]\n2: [0.5]\n3: [{1 / 3}]\n"


def test_a_bar_is_for_terminals(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    stream = io.StringIO()
    list(Stub(3, [Display(stream, _say_more)]).run())
    assert stream.getvalue() == ""
    for stays in (True, False):
        terminal = Terminal()
        loop = Stub(3, [Display(terminal, _say_more, _say, stays=stays)])
        assert loop.watched()
        list(loop.run())
        shown = terminal.getvalue()
        assert "epoch 3 of 3" in shown and "after 3 at most" in shown
        assert "2: [0.5]\n" in shown.replace("\r", "")
        assert ("\x1b[1A" not in shown.rpartition("left")[2]) == stays  # a bar that goes is drawn over


def test_a_narrow_terminal_keeps_the_bar_and_cuts_the_words(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for width in (50, 60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        terminal = Terminal()
        list(
            Stub(
                3, [Display(terminal, lambda *_: "loss 0.2906, validation 0.2871 (best 0.2861 in 11)")]
            ).run()
        )
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()).replace("\n", "\r").split("\r")
        last = [line for line in lines if "3/3" in line][-1]
        assert (
            "━━━━" in last and "loss 0.29" in last and last.rstrip().endswith("left") and len(last) <= width
        )


def test_what_is_done_after_the_training_is_told_on_terminals_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream in (Terminal(), io.StringIO()):
        with telling(stream) as tell:
            tell("measuring")
        assert ("measuring …" in stream.getvalue()) == stream.isatty()
