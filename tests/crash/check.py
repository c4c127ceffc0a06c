#!/usr/bin/python3
"""check.py REPORT FACTS: does report.json in the folder REPORT say what the victim says of itself (fact.h)?"""
import json
import os
import stat
import sys


def fail(text):
    sys.exit("check.py: " + text)


def plain(name):
    """A function without its namespace and parameters."""
    return name.split("(")[0].split("::")[-1] if name else name


def check_stack(report, wanted):
    names = [plain(frame.get("function")) for frame in report["threads"][0]["frames"]]
    at = 0
    for name in wanted:
        while at < len(names) and names[at] not in (name, "__GI_" + name, "raise" if name == "abort" else name):
            at += 1
        if at == len(names):
            fail(f"stack: no {name} in {names}")
        at += 1


def frames_of(report, function):
    found = [f for f in report["threads"][0]["frames"] if plain(f.get("function")) == function]
    if not found:
        fail(f"no frame of {function}")
    return found


def check_variable(report, kind, wanted):
    function, name, value = wanted
    frame = frames_of(report, function)[0]
    have = frame.get(kind, {}).get(name, "<none>")
    if have != value and have != "<optimized out>":
        fail(f"{function}: {name} is {have!r}, and the program says {value!r}")
    return have == value


def check(report, key, wanted, counts):
    reason = report["reason"]
    if key == "stack":
        check_stack(report, wanted)
    elif key in ("local", "argument"):
        counts["right"] += check_variable(report, "locals" if key == "local" else "arguments", wanted)
        counts["all"] += 1
    elif key == "line":
        line = frames_of(report, wanted[0])[0].get("line")
        if line != wanted[1]:
            fail(f"line of {wanted[0]} is {line}, not {wanted[1]}")
    elif key in ("pid", "tid"):
        if report["process"][key] != wanted:
            fail(f"{key} is {report['process'][key]}, not {wanted}")
        if key == "tid" and report["threads"][0]["tid"] != wanted:
            fail("the first thread is not the one that crashed")
    elif key == "threads":
        if len(report["threads"]) != wanted:
            fail(f"{len(report['threads'])} threads, not {wanted}")
    elif key == "thread":
        tid, function = wanted
        stacks = [[plain(f.get("function")) for f in t["frames"]] for t in report["threads"] if t["tid"] == tid]
        if not stacks or function not in stacks[0]:
            fail(f"thread {tid} is not in {function}: {stacks}")
    elif key == "register":
        have = report["threads"][0]["registers"][wanted[0]]
        if have != wanted[1]:
            fail(f"{wanted[0]} is {have}, not {wanted[1]}")
    elif key == "no":
        if wanted in reason:
            fail(f"reason has {wanted}: {reason[wanted]}")
    elif key.endswith("_has") or key in ("place", "mapping"):
        if wanted not in reason.get(key.removesuffix("_has"), ""):
            fail(f"{key}: '{wanted}' is not in {reason}")
    elif reason.get(key) != wanted:
        fail(f"{key} is {reason.get(key)!r}, and the program says {wanted!r}")


def check_always(folder, report):
    for name in ("report.json", "report.txt", "core"):
        path = os.path.join(folder, name)
        if os.path.exists(path) and stat.S_IMODE(os.stat(path).st_mode) != 0o600:
            fail(f"{name} is not for its owner alone")
    if stat.S_IMODE(os.stat(folder).st_mode) != 0o700:
        fail("the folder is not for its owner alone")
    if sorted(os.listdir(folder)) not in (["core", "report.json", "report.txt"], ["report.json", "report.txt"]):
        fail(f"in the folder: {os.listdir(folder)}")
    for key in ("hash", "count", "first_seen", "last_seen", "maps", "open_files", "environment", "limits", "modules",
                "disassembly", "core", "threads", "process"):
        if key not in report:
            fail(f"no {key}")
    if not report["complete"] or report["cut_for_time_or_size"]:
        fail("the report is not complete")
    for variable in report["environment"]:
        if "swordfish" in variable:
            fail(f"a secret is in the report: {variable}")
    if report["process"]["cwd"] != os.getcwd() and "CRASH_CWD" not in os.environ:
        fail(f"cwd is {report['process']['cwd']}")


def main():
    folder, facts = sys.argv[1:]
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    with open(os.path.join(folder, "report.txt"), encoding="utf-8") as file:
        text = file.read()
    check_always(folder, report)
    counts = {"right": 0, "all": 0}
    with open(facts, encoding="utf-8") as file:
        for line in file:
            if line.startswith("fact "):
                _, key, value = line.split(" ", 2)
                check(report, key, json.loads(value), counts)
    if counts["right"] < counts["all"] / 2 and "OPTIMIZED" not in os.environ:
        fail(f"only {counts['right']} of {counts['all']} variables have values")
    if report["reason"]["summary"] not in text:
        fail("report.txt lacks the summary")


main()
