# Both threads are seen writing, backwards and forwards.
import os
import sys
sys.path.insert(0, os.path.dirname(__file__))
from check import *


def tid():
    return gdb.selected_thread().ptid[1] or gdb.selected_thread().ptid[2]


def body():
    end = value("counter")
    do("watch done[0]")
    do("watch done[1]")
    writers = {}
    for _ in range(2):
        do("reverse-continue")
        equal(function(), "add", "who has finished")
        writers[value("which")] = tid()
        holds(len(gdb.selected_inferior().threads()) >= 2, "how many threads there are")
    equal(sorted(writers), [0, 1], "both have finished")
    holds(writers[0] != writers[1], "they are two threads")
    do("delete")
    # in the middle of the loops: who writes the counter, instruction by instruction
    do("watch counter")
    low = value("counter")
    holds(0 < low <= end, "the counter before: %d" % low)
    for _ in range(5):
        do("reverse-continue")
        equal(value("counter"), low - 1, "the counter, one write back")
        low -= 1
    me = tid()
    for _ in range(5):
        do("continue")
        low += 1
        equal(value("counter"), low, "the counter, one write on")
    do("delete")
    do("thread apply all bt")
    # from the beginning: the other one
    goto("start")
    do("break add")
    do("continue")
    first = tid()
    do("continue")
    holds(tid() != first, "the second thread begins, too")


run(body)
