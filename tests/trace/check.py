#!/usr/bin/env python3
"""Compares what a victim of tests/trace.sh said (say.h) with its trace.

check.py SAID LEVEL TRACE...    LEVEL: the optimisation, 0 to 3; TRACE: of each process (json or jsonl)
check.py --same TRACE TRACE     the same events, but for times, addresses and numbers of processes

Without optimisation the trace must hold what was said, in this order. With it, a value may be "<optimized out>",
and assignments and branches may be missing; but what is there must be true.
Prints one line for each difference; exits 1 when there is one.
"""
import json
import re
import struct
import sys

OPTIMIZED_OUT = "<optimized out>"
MOST_DIFFERENCES = 10

differences = []


def complain(text):
    differences.append(text)


# ---- traces ----


def load(path):
    """Events and metadata."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.startswith('{"traces"'):
        document = json.loads(text)
        return document["traces"], document["metadata"]
    events, metadata = [], None
    for line in text.splitlines():
        row = json.loads(line)
        if "metadata" in row:
            metadata = row["metadata"]
        elif "type" in row:
            events.append(row)
    return events, metadata


def without_arguments(name):
    """shop::cart::add(int) is shop::cart::add; templates keep theirs."""
    depth = 0
    for i, letter in enumerate(name):
        if letter == "(" and depth == 0 and i and not name[:i].endswith("operator"):
            return name[:i]
        depth += (letter == "<") - (letter == ">" and not name[:i].endswith("operator-"))
    return name


class Fact:
    """One thing that was said, or that is in the trace."""

    def __init__(self, kind, key, value=None, text=""):
        self.kind, self.key, self.value, self.text = kind, key, value, text


def facts_of(events):
    """The events of one thread as facts."""
    stack, facts = [], []
    for event in events:
        kind, data = event["type"], event["data"]
        text = f"event {event['seq']}: {json.dumps(data)}"
        if kind == "function_entry":
            name = without_arguments(data["function"])
            del stack[event["depth"] :]
            stack += ["?"] * (event["depth"] - len(stack))  # calls from before the trace
            stack.append(name)
            facts.append(Fact("call", name, data.get("arguments"), text))
        elif kind == "function_exit":
            name = without_arguments(data["function"])
            how = "unwound" if data.get("unwound") else "tail" if data.get("tail_call") else "return"
            stack += ["?"] * (event["depth"] + 1 - len(stack))
            if len(stack) != event["depth"] + 1 or stack[-1] not in (name, "?"):
                complain(f"{text}: this is not the innermost call: {stack}")
            del stack[event["depth"] :]
            facts.append(Fact(how, name, data.get("return_value"), text))
        elif kind == "variable_assignment" and not data.get("probe"):
            name = data.get("inlined") or (stack[-1] if stack else "?")
            facts.append(Fact("assign", f"{name}.{data['variable']}", data["value"], text))
        elif kind == "control_flow":
            facts.append(Fact("branch", data["line"], [data["kind"], data["taken"]], text))
        elif kind == "exception":
            what = data["kind"]
            if what in ("throw", "catch"):
                value = [data.get("type"), data.get("what")]
            elif what == "signal":
                value = [data["signal"], "handled" if data["handled"] else "fatal" if data["fatal"] else ""]
            else:
                value = data.get("value")
            facts.append(Fact(what, "", value, text))
    return facts


# ---- what was said ----


def parse_arguments(text):
    """name=JSON name=JSON"""
    decoder, values = json.JSONDecoder(), {}
    while text := text.lstrip():
        name, _, text = text.partition("=")
        values[name], end = decoder.raw_decode(text)
        text = text[end:]
    return values


def parse(kind, rest, text):
    key, _, value = rest.partition(" ")
    if kind == "call":
        return Fact(kind, key, parse_arguments(value), text)
    if kind in ("return", "unwound", "tail", "assign"):
        return Fact(kind, key, json.loads(value) if value else None, text)
    if kind == "branch":
        word, taken = value.split()
        return Fact(kind, int(key), [word, taken == "true"], text)
    if kind in ("throw", "catch"):
        return Fact(kind, "", [key, value or None], text)
    if kind == "signal":
        return Fact(kind, "", [key, value], text)
    if kind == "longjmp":
        return Fact(kind, "", int(key), text)
    return Fact(kind, key if kind == "never" else "", None, text)


def load_said(path):
    said = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            match = re.match(r"expect (\d+) (\w+) ?(.*)", line.rstrip("\n"))
            if match:
                said.setdefault(int(match[1]), []).append(parse(match[2], match[3], line.strip()))
    return said


# ---- comparing ----


def as_float(value):
    return float(value) if isinstance(value, str) else float(value)


def same_number(said, found):
    if isinstance(said, int) and isinstance(found, int):
        return said == found
    try:
        if float(said) == float(found):
            return True
        return struct.pack("f", said) == struct.pack("f", found) and abs(said) < 3e38
    except (OverflowError, ValueError):
        return str(said) == str(found)


def same_value(said, found, level):
    if level and found == OPTIMIZED_OUT:
        return True
    if isinstance(said, bool) or isinstance(found, bool):
        return said is found
    if isinstance(said, (int, float)) and isinstance(found, (int, float)):
        return same_number(said, found)
    if isinstance(said, dict) and isinstance(found, dict):
        return said.keys() == found.keys() and all(same_value(said[key], found[key], level) for key in said)
    if isinstance(said, list) and isinstance(found, list):
        return len(said) == len(found) and all(same_value(a, b, level) for a, b in zip(said, found))
    return said == found


def same_fact(said, found, level):
    if said.key != found.key:
        return False
    if said.kind == "tail":
        if found.kind == "tail":
            return level > 0
        return found.kind == "return" and (said.value is None or same_value(said.value, found.value, level))
    if said.kind == "return" and said.value is None and found.kind == "tail":
        return level > 0
    if said.kind != found.kind:
        return False
    if said.kind == "call":
        arguments = found.value or {}
        return all(name in arguments and same_value(value, arguments[name], level) for name, value in said.value.items())
    if said.kind == "branch" and said.value == ["else", True] and found.value == ["if", False]:
        return True  # where it is not certain that there is an else part
    if level and said.kind == "branch" and said.value[0] == "switch" and found.value[0] == "if":
        return True  # what the compiler has made of it
    if said.kind in ("return", "assign"):
        return same_value(said.value, found.value, level)
    return said.value == found.value


def compare_in_order(said, found, level):
    for a, b in zip(said, found):
        if not same_fact(a, b, level):
            complain(f"said '{a.text}', found {b.text}")
            return
    if len(said) > len(found):
        complain(f"'{said[len(found)].text}' is missing")
    elif len(found) > len(said):
        complain(f"nobody said {found[len(said)].text}")


def is_call(fact):
    return fact.kind not in ("assign", "branch")


def subject(fact):
    """All ways to leave a function are one."""
    return "exit" if fact.kind in ("return", "unwound", "tail") else fact.kind


def spoken(said, found):
    """Those facts that the victim speaks of."""
    keys = {(subject(fact), fact.key) for fact in said}
    return [fact for fact in found if (subject(fact), fact.key) in keys]


def check_loosely(said, found, level):
    """Optimised: assignments are of values that the variable had, branches are some of those taken, in order."""
    for fact in found:
        if fact.kind == "assign":
            known = [each for each in said if each.kind == "assign" and each.key == fact.key]
            if not any(same_value(each.value, fact.value, level) for each in known):
                complain(f"nobody said {fact.text}")
    for line in sorted({fact.key for fact in found if fact.kind == "branch"}):
        left = iter([fact for fact in said if fact.kind == "branch" and fact.key == line])
        for fact in (each for each in found if each.kind == "branch" and each.key == line):
            if not any(same_fact(each, fact, level) for each in left):
                complain(f"nobody said, at this place, {fact.text}")
                break


def check_thread(said, found, level):
    for fact in said:
        if fact.kind == "never":
            for each in found:
                if subject(each) in ("call", "exit") and each.key == fact.key:
                    complain(f"'{fact.text}', found {each.text}")
    said = [fact for fact in said if fact.kind != "never"]
    found = spoken(said, found)
    tails = {fact.key for fact in said if fact.kind == "tail"}
    for name in tails:  # in which order they end depends on the compiler
        compare_in_order(
            [fact for fact in said if fact.kind == "tail" and fact.key == name],
            [fact for fact in found if fact.kind in ("tail", "return") and fact.key == name],
            level,
        )
    said = [fact for fact in said if fact.kind != "tail"]
    found = [fact for fact in found if fact.kind not in ("tail", "return") or fact.key not in tails]
    if level:
        check_loosely(said, found, level)
        said = [fact for fact in said if is_call(fact)]
        found = [fact for fact in found if is_call(fact)]
    compare_in_order(said, found, level)


def check(said_path, level, traces):
    said, threads = load_said(said_path), {}
    if not said:
        complain("the victim said nothing")
    for path in traces:
        events, metadata = load(path)
        if metadata is None or metadata["state"] != "complete" or metadata["dropped_events"]:
            complain(f"{path} is not complete: {metadata}")
        for event in events:
            threads.setdefault(event["tid"], []).append(event)
    for tid in said.keys() | threads.keys():
        found = facts_of(threads.get(tid, []))
        if tid in said:
            check_thread(said[tid], found, level)


# ---- the same events ----


def normal(value):
    if isinstance(value, dict):
        return {key: normal(each) for key, each in value.items() if key not in ("duration_ns", "sender", "address", "how")}
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-f]+", value):
        return "ADDRESS"
    return value


def same(first, second):
    ignored = ("timestamp", "pid", "tid", "seq")
    lists = [[{k: normal(v) for k, v in event.items() if k not in ignored} for event in load(path)[0]] for path in (first, second)]
    for i, (a, b) in enumerate(zip(*lists)):
        if a != b:
            complain(f"event {i + 1}: {json.dumps(a)} and {json.dumps(b)}")
            return
    if len(lists[0]) != len(lists[1]):
        complain(f"{len(lists[0])} events and {len(lists[1])}")


if sys.argv[1] == "--same":
    same(*sys.argv[2:])
else:
    check(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
for line in differences[:MOST_DIFFERENCES]:
    print(line[:700])
sys.exit(1 if differences else 0)
