# Back through every statement to the beginning of main, and forward again: the same places and the same values.
import os
import sys
sys.path.insert(0, os.path.dirname(__file__))
from check import *


def look():
    frame = gdb.selected_frame()
    values = []
    block = frame.block()
    while block and not block.function:
        block = block.superblock
    for symbol in block or []:
        if symbol.is_variable or symbol.is_argument:
            values.append((symbol.name, str(symbol.value(frame))))
    return function(), line(), pc(), value("depth"), tuple(values), state()


def body():
    first, last, begins = line_of("/* first */"), line_of("/* last */"), line_of("/* begins */")
    do("break statements.c:%d" % last)
    do("reverse-continue")
    equal(line(), last, "the last statement")
    back = [look()]
    while not (function() == "main" and line() == first):
        do("reverse-step")
        back.append(look())
        holds(len(back) < 2000, "reverse-step does not come to an end")
    holds(len(back) > 80, "only %d statements" % len(back))
    equal(sum(1 for each in back if each[0] == "fibonacci" and each[1] == begins), 1 + 1 + 3 + 5,
          "how often fibonacci() began")
    # forward: wherever a statement begins exactly, all must be as it was
    known = dict((each[5], each[:5]) for each in back)
    met = 0
    while line() != last or function() != "main":
        do("step")
        now = look()
        if now[5] in known:
            equal(now[:5], known[now[5]], "coming by again")
            met += 1
    holds(met >= 80, "forward met %d of %d states again" % (met, len(back)))


run(body)
