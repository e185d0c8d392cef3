"""What is shown while a network is trained."""

import io

from lamina.training.display import Display
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
