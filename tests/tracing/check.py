"""check.py TRACE STATEMENT...: what a trace holds. Statements see the names below; one that is false, fails."""
import collections
import glob  # for statements
import json
import sys


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            whole = json.load(file)
        self.events, self.metadata = whole["traces"], whole["metadata"]

    def of(self, kind, function=None):
        return [e for e in self.events if e["type"] == kind and function in (None, e["data"].get("function"))]

    def entries(self, function=None):
        return self.of("function_entry", function)

    def exits(self, function=None):
        return self.of("function_exit", function)

    def arguments(self, function):
        return [e["data"]["arguments"] for e in self.entries(function)]

    def returns(self, function):
        return [e["data"].get("return_value") for e in self.exits(function)]

    def unpaired(self, begun=False):
        """Calls that do not end as they began, by thread. begun: exits of calls from before the trace are fine."""
        stacks, odd = collections.defaultdict(list), []
        for event in self.events:
            stack, name = stacks[event["tid"]], event["data"].get("function")
            if event["type"] == "function_entry":
                if len(stack) and event["depth"] <= stack[-1][1]:
                    odd.append(event)
                stack.append((name, event["depth"]))
            elif event["type"] == "function_exit":
                if stack and stack[-1] == (name, event["depth"]):
                    stack.pop()
                elif not begun or stack:
                    odd.append(event)
        return odd

    def open_calls(self):
        count = collections.Counter()
        for event in self.events:
            count[event["tid"]] += {"function_entry": 1, "function_exit": -1}.get(event["type"], 0)
        return count

    def notes(self):
        return [str(e["data"].get("message", e["data"])) for e in self.of("note")]


t = Trace(sys.argv[1])
for statement in sys.argv[2:]:
    if not eval(statement):
        seen = {name: len(t.entries(name)) for name in sorted({e["data"]["function"] for e in t.entries()})[:20]}
        sys.exit(f"{sys.argv[1]}: not so: {statement}; {len(t.events)} events, entries {seen}, notes {t.notes()[:3]}")
