# What the scripts of this folder share. They run in gdb, on the replay of the program of the same name, which is gone
# by then. A script that comes to its end says `passed`.
import os
import gdb
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set width 0")


def do(command):
    return gdb.execute(command, to_string=True)


stops = []
gdb.events.stop.connect(stops.append)


def stopped_by():
    """The signal that the last stop was reported with, or ''."""
    return getattr(stops[-1], "stop_signal", "") if stops else ""


def line_of(mark):
    """The number of the line of the program that holds this text, in a comment or elsewhere."""
    source = os.path.splitext(gdb_script())[0] + ".c"
    with open(source) as lines:
        for number, text in enumerate(lines, 1):
            if mark in text:
                return number
    raise AssertionError("no line with %r" % mark)


def gdb_script():
    for frame in traceback.extract_stack():
        if os.path.dirname(os.path.abspath(frame.filename)) == HERE and not frame.filename.endswith("check.py"):
            return frame.filename
    raise AssertionError("which script is this?")


def value(expression):
    return int(gdb.parse_and_eval(expression))


def text(expression):
    return gdb.parse_and_eval(expression).string()


def function():
    return gdb.selected_frame().name()


def line():
    return gdb.selected_frame().find_sal().line


def pc():
    return value("(long)$pc")


def state():
    return do("monitor state").strip()


def goto(place):
    do("monitor goto %s" % place)
    do("maintenance flush register-cache")
    do("maintenance flush dcache")


def equal(found, expected, what):
    if found != expected:
        raise AssertionError("%s: %r instead of %r" % (what, found, expected))


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def run(body):
    try:
        body()
        print("passed")
        gdb.execute("quit 0")
    except gdb.error as error:
        if "quit" not in str(error):
            traceback.print_exc()
            gdb.execute("quit 1")
    except Exception:
        traceback.print_exc()
        gdb.execute("quit 1")
