# Random jumps, by events and by instructions, forwards and backwards: each state is the same whenever it is come to.
import os
import random
import sys
sys.path.insert(0, os.path.dirname(__file__))
from check import *

count = int(os.environ.get("REEL_JUMPS", "200"))


def events():
    return int(do("monitor when").split(" of ")[1].split(";")[0])


def number():
    return int(do("monitor when").split("event ")[1].split(" ")[0])


def body():
    random.seed(8)
    known = {}  # (event, instructions behind it) -> state
    last = events() - 3

    def check(place):
        now = (state(), pc())
        if place in known:
            equal(now, known[place], "the state at %s" % (place,))
        known[place] = now

    chosen = [random.randrange(1, last) for _ in range(max(8, count // 8))]
    for jump in range(count):
        event = random.choice(chosen)
        goto(event)
        at = (number(), 0)
        check(at)
        crossed = False
        for _ in range(random.choice([0, 1, 2, 5])):
            do("stepi")
            crossed = number() != at[0]
            if crossed:
                break
            at = (at[0], at[1] + 1)
            check(at)
        if crossed and number() != at[0] + 1:
            continue  # several events at once: which of them a step back undoes is another matter
        for _ in range(random.choice([0, 1, 3])):
            do("reverse-stepi")
            if crossed:
                crossed = False
                if number() != at[0]:
                    break
            elif at[1] == 0:
                break
            else:
                at = (at[0], at[1] - 1)
            check(at)
    holds(len(known) > 20, "only %d states" % len(known))


run(body)
