# Signals stop where they come, calls can be caught, and what gdb changes is gone when the recording goes on.
import os

import sys
sys.path.insert(0, os.path.dirname(__file__))
from check import *


def about():
    """What is about to happen, or was the last thing to."""
    return do("monitor when").strip().split("\n")[-1]


def signals():
    goto("start")
    do("break main")
    do("continue")
    do("continue")
    equal(stopped_by(), "SIGUSR1", "the first signal")
    equal(value("$_siginfo.si_signo"), 10, "its siginfo")
    do("stepi")
    equal(function(), "on_signal", "the handler")
    do("handle SIGUSR1 nostop noprint pass")
    do("continue")
    equal(stopped_by(), "SIGUSR2", "the next one that is not passed")
    do("handle SIGUSR1 stop print pass")
    equal(value("seen"), 30, "what the handler has added up")
    for expected in (20, 10, 0):
        do("reverse-continue")
        equal(stopped_by(), "SIGUSR1", "back to a signal")
        equal(value("seen"), expected, "what it had added up")
    do("handle SIGUSR1 SIGUSR2 nostop noprint pass")


def calls():
    do("catch syscall write")
    do("continue")
    holds("about to happen" in about() and "write" in about(), "its entry: " + about())
    do("continue")
    holds("about to happen" not in about(), "its return: " + about())
    equal(value("$rax"), 9, "what it returned")
    do("continue")
    do("reverse-continue")
    holds("about to happen" not in about(), "back to its return: " + about())
    equal(value("$rax"), 9, "what it returned")
    do("reverse-continue")
    holds("about to happen" in about() and "write" in about(), "back to its entry: " + about())
    do("delete")


def what_if():
    goto("start")
    do("break sum")
    do("continue")
    equal(function(), "sum", "the breakpoint")
    do("delete")
    before = state()
    equal(value("sum(20, 30)"), 50, "a function is called")
    equal(value("kept"), 50, "what it left")
    do("set var kept = 99")
    equal(value("kept"), 99, "what was set")
    do("set var a = 77")
    do("finish")
    equal(value("kept"), 5, "what was recorded")
    do("break sum")
    do("reverse-continue")
    equal(state(), before, "the state as it was recorded")
    equal(value("a"), 2, "its argument")
    do("set var a = 77")
    do("reverse-stepi")
    do("stepi")
    equal(state(), before, "the state after a change and a step back")
    do("delete")


def ends():
    do("continue")
    place = about()
    do("reverse-stepi")
    do("stepi")
    equal(about(), place, "the end, once more")
    goto("end")
    equal(about(), place, "the end, by name")
    do("reverse-continue")
    holds(" event 0 of " in do("monitor when"), "the beginning")
    do("reverse-stepi")
    holds(" event 0 of " in do("monitor when"), "nothing before it")


def body():
    signals()
    calls()
    what_if()
    ends()


run(body)
