# From the crash back to the write that made it so.
import os
import sys
sys.path.insert(0, os.path.dirname(__file__))
from check import *


def body():
    equal(function(), "total", "the function that crashed")
    bad = value("(long)item")
    holds(bad & 0xff00000000000000 == 0 and bad != 0, "item is %#x" % bad)
    do("watch -location items->next")
    do("reverse-continue")
    equal(function(), "rename_item", "who wrote the pointer last")
    last = value("i")
    holds(last >= 16, "which byte it was: %d" % last)
    seen = [last]
    while True:
        out = do("reverse-continue")
        if function() != "rename_item":
            break
        seen.append(value("i"))
    equal(seen, list(range(last, 15, -1)), "the bytes that were written, the last first")
    equal(function(), "add", "who wrote it before that")
    equal(value("value"), 3, "for which item")


run(body)
