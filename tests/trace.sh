#!/usr/bin/env bash
# Golden tests of traces: each victim of tests/trace/ says itself what its trace must hold (say.h), for several compilers,
# optimisations and versions of DWARF; live, and from its recording. And the options of `reel trace`.
#
# In the first lines of a victim, each a comment of its own (/* ... */, // ... or ! ...):
#   library: FILE      compile tests/trace/parts/FILE to a shared library of this name, beside the program
#   options: ...       more for reel trace
#   recording: no      it cannot be recorded (children)
#   recording: apart   it runs in another order each time: not compared with the live trace
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VICTIMS=$ROOT/tests/trace
CHECK=$VICTIMS/check.py

# ---- victims ----

# Names VICTIM-COMPILER-OPTIMISATION-DWARF.
matrix() {
    local source compiler optimisation dwarf
    printf '%s\n' oxide-rustc-{0,2}-4 formula-gfortran-{0,2}-5
    for source in "$VICTIMS"/*.c "$VICTIMS"/*.cc; do
        source=${source##*/}
        if [ -z "$SOAK" ]; then
            printf '%s\n' "${source%.*}"-{gcc-0-5,gcc-2-5,clang-1-4}
            continue
        fi
        for compiler in gcc clang; do
            for optimisation in 0 1 2 3; do
                for dwarf in 4 5; do
                    printf '%s\n' "${source%.*}-$compiler-$optimisation-$dwarf"
                done
            done
        done
    done
}

# header SOURCE KEY: what its first lines say about KEY.
header() { head -n 8 "$1" | sed -n "s@ \*/\$@@; s@^[/!*]* $2: @@p"; }

# compile COMPILER OPTIMISATION DWARF SOURCE OUTPUT [OPTION...]
compile() {
    local compiler=$1 standard=gnu11
    if [ "$compiler" = rustc ]; then
        rustc -g -C "opt-level=$2" -o "$5" "$4" 2>"$T/compile.err" || fail "does not compile: $(first_line "$T/compile.err")"
        return
    elif [ "$compiler" = gfortran ]; then
        gfortran -g "-gdwarf-$3" "-O$2" -o "$5" "$4" 2>"$T/compile.err" ||
            fail "does not compile: $(first_line "$T/compile.err")"
        return
    fi
    if [ "${4##*.}" = cc ]; then
        compiler=${compiler/gcc/g++} compiler=${compiler/clang/clang++} standard=gnu++17
    fi
    "$compiler" -std=$standard -D_GNU_SOURCE -Wall -Wextra -g "-gdwarf-$3" "-O$2" "${@:6}" -o "$5" "$4" -lm -pthread \
        2>"$T/compile.err" || fail "does not compile: $(first_line "$T/compile.err")"
}

# Is this what the victim says? $1: how it ran, $2: its output, $3: optimisation, traces
compare() {
    local way=$1
    shift
    python3 "$CHECK" "$@" >"$T/differences" || fail "$way: $(wc -l <"$T/differences") differences" "$(cat "$T/differences")"
}

victim() {
    local name compiler optimisation dwarf source part alone options
    IFS=- read -r name compiler optimisation dwarf <<<"$1"
    source=$VICTIMS/$name.c
    case $compiler in
    rustc) source=$VICTIMS/$name.rs ;;
    gfortran) source=$VICTIMS/$name.f90 ;;
    *) [ -f "$source" ] || source+=c ;;
    esac
    command -v "$compiler" >/dev/null || skip "needs $compiler"
    command -v python3 >/dev/null || skip "needs python3"
    read -r -a options < <(header "$source" options)
    part=$(header "$source" library)
    [ -z "$part" ] ||
        compile "$compiler" "$optimisation" "$dwarf" "$VICTIMS/parts/$part" "${part%.*}.so" -fPIC -shared
    compile "$compiler" "$optimisation" "$dwarf" "$source" program

    step alone ./program
    alone=$STATUS
    step live "$REEL" trace --quiet --level full --probes trap "${options[@]}" --output live.json -- ./program
    [ -z "$TIMED_OUT" ] || fail "the trace hung"
    [ "$STATUS" = "$alone" ] || fail "status $STATUS, without reel $alone: $(first_line live.err)"
    [ -z "$(words live.err)" ] || fail "$(words live.err)"
    compare "live" live.out "$optimisation" live*.json

    step jumps "$REEL" trace --quiet --level full --probes auto --lossless "${options[@]}" --output jumps.json -- ./program
    [ -z "$TIMED_OUT" ] || fail "by jumps: the trace hung"
    [ "$STATUS" = "$alone" ] || fail "by jumps: status $STATUS, without reel $alone: $(first_line jumps.err)"
    [ -z "$(words jumps.err)" ] || fail "by jumps: $(words jumps.err)"
    compare "by jumps" jumps.out "$optimisation" jumps*.json
    # what optimised code finds in a slot before it writes there depends on who was on the stack before
    [ "$optimisation" != 0 ] || [ "$(header "$source" recording)" = apart ] || [ "$(header "$source" recording)" = no ] ||
        compare "by traps and by jumps" --same live.json jumps.json
    [ "$(header "$source" recording)" != no ] || return 0

    step recorded "$REEL" record --quiet -o program.reel -- ./program
    [ "$STATUS" = "$alone" ] || fail "recorded: status $STATUS: $(first_line recorded.err)"
    step again "$REEL" trace --quiet --level full "${options[@]}" --output again.json program.reel
    [ "$STATUS" = "$alone" ] || fail "traced from the recording: status $STATUS: $(first_line again.err)"
    [ -z "$(words again.err)" ] || fail "traced from the recording: $(words again.err)"
    compare "from the recording" recorded.out "$optimisation" again.json
    [ "$(header "$source" recording)" != apart ] || return 0
    compare "live and from the recording" --same live.json again.json
}

# ---- options ----

# trace OPTION... : of parts/options.c into trace.json.
trace() {
    [ -x program ] || compile gcc 0 5 "$VICTIMS/parts/options.c" program
    step out "$REEL" trace --quiet -o trace.json "$@" -- ./program
    [ -z "$TIMED_OUT" ] || fail "$*: hangs"
    [ "$STATUS" = 23 ] || fail "$*: status $STATUS: $(first_line out.err)"
    [ "$(cat out.out)" = out ] || fail "$*: the program's output is another"
    [ -z "$(words out.err)" ] || fail "$*: $(words out.err)"
}
# events PYTHON: the value of an expression over `events`, of type(), calls() and the whole `document`.
events() {
    python3 - "$1" <<'END'
import json, sys
document = json.load(open("trace.json"))
events = document["traces"]
def type(name):
    return [event["data"] for event in events if event["type"] == name]
def calls(name):
    return [data for data in type("function_entry") if data["function"] == name]
def types():
    return sorted({event["type"] for event in events} - {"process_start", "process_exit"})
print(eval(sys.argv[1]))
END
}
# is PYTHON VALUE
is() {
    local found
    found=$(events "$1" 2>&1 | tail -n 1)
    [ "$found" = "$2" ] || fail "$1 is not $2 but $found"
}

test_levels() {
    trace --level minimal
    is 'types()' "['function_entry', 'function_exit']"
    trace --level standard
    is 'types()' "['function_entry', 'function_exit', 'variable_assignment']"
    trace --level full
    is 'types()' "['control_flow', 'function_entry', 'function_exit', 'variable_assignment']"
    is 'len(type("function_entry"))' 19
    is 'len(type("function_exit"))' 19
}
test_switches() {
    trace --level full --no-functions
    is 'types()' "['control_flow', 'variable_assignment']"
    trace --level full --no-variables
    is 'types()' "['control_flow', 'function_entry', 'function_exit']"
    trace --level full --no-control-flow
    is 'types()' "['function_entry', 'function_exit', 'variable_assignment']"
    trace --level full --no-functions --no-variables --no-control-flow --no-exceptions --syscalls
    is 'types()' "['syscall']"
    trace --level minimal --no-functions --control-flow
    is 'types()' "['control_flow']"
    is '[(data["line"], data["taken"]) for data in type("control_flow") if data["line"] == 17]' \
        '[(17, False), (17, False), (17, False), (17, True), (17, True), (17, True)]'
}
test_syscalls() {
    trace --level minimal --syscalls
    is '[data["call"] for data in type("syscall") if data["name"] == "write"] == ["write(1, \"out\\n\", 4) = 4"]' True
    is '[data["result"] for data in type("syscall") if data["name"] == "write"]' '[4]'
}
test_function() {
    trace --function 'parse_*'
    is '{data["function"] for data in type("function_entry")}' "{'parse_item'}"
    is 'len(calls("parse_item"))' 6
    trace --function '/^(inner|deep)$/'
    is 'sorted({data["function"] for data in type("function_entry")})' "['deep', 'inner']"
    trace --function inner,main
    is 'sorted({data["function"] for data in type("function_entry")})' "['inner', 'main']"
    is '{event["depth"] for event in events if event["data"].get("function") == "inner"}' '{1}'
}
test_exclude() {
    trace --exclude 'parse_*' deep
    is 'sorted({data["function"] for data in type("function_entry")})' "['inner', 'main']"
}
test_file() {
    trace --file '*/options.c'
    is 'len(type("function_entry"))' 19
    step out "$REEL" trace --quiet -o other.json --file 'other*.c' -- ./program
    [ ! -s other.json ] || ! grep -q function_entry other.json || fail "--file 'other*.c' traces options.c"
}
# The same events by jumps only, with any clock; and in order.
test_probes() {
    local kind
    for kind in none coarse full; do
        trace --level minimal --probes jump --lossless --timestamps $kind
        is 'len(type("function_entry")), len(type("function_exit"))' '(19, 19)'
        is 'len([data for data in type("function_exit") if "return_value" in data])' 19
        is 'calls("parse_item")[2]["arguments"]["n"]' 2
        is 'document["metadata"]["dropped_events"]' 0
        is 'events == sorted(events, key=lambda event: event["timestamp"])' True
    done
    trace --level full --probes trap
    is 'types()' "['control_flow', 'function_entry', 'function_exit', 'variable_assignment']"
    step out "$REEL" trace --probes swift -- ./program
    [ "$STATUS" = 125 ] || fail "--probes swift: status $STATUS"
}
test_list_probes() {
    [ -x program ] || compile gcc 0 5 "$VICTIMS/parts/options.c" program
    rm -f trace.json
    step out "$REEL" trace --list-probes -- ./program
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(first_line out.err)"
    [ ! -e trace.json ] || fail "a trace was written"
    grep -q '^parse_item: [1-9][0-9]* jumps, 0 traps$' out.out || fail "no line of parse_item: $(cat out.out)"
    ! grep -q '^out$' out.out || fail "the program was run"
    step out "$REEL" trace --list-probes --probes trap -- ./program
    grep -q '^parse_item: 0 jumps, [1-9][0-9]* traps: ' out.out || fail "by traps: $(cat out.out)"
}
# What there is no room for is counted, and what is left is still whole.
test_dropped() {
    compile gcc 2 5 "$VICTIMS/parts/hot.c" program
    step out "$REEL" trace --level minimal --probes jump -o trace.json -- ./program 3000000
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(first_line out.err)"
    grep -q 'records of jump probes were lost' out.err || fail "nothing was lost: $(cat out.err)"
    is 'document["metadata"]["dropped_events"] > 0' True
    is '[data for data in type("function_exit") if data.get("unwound")]' '[]'
    step out "$REEL" trace --quiet --level minimal --probes jump --lossless -o trace.json -- ./program 100000
    [ "$STATUS" = 0 ] || fail "--lossless: status $STATUS: $(first_line out.err)"
    is 'len(calls("hot")), document["metadata"]["dropped_events"]' '(100000, 0)'
}
test_max_depth() {
    trace --level minimal --max-depth 3
    is 'max(event["depth"] for event in events)' 3
    is 'len(calls("deep"))' 3
    is 'len(calls("inner"))' 6
    trace --level minimal --max-depth 1
    is 'sorted({data["function"] for data in type("function_entry")})' "['deep', 'main', 'parse_item']"
    is 'len(calls("deep"))' 1
}
test_max_string() {
    trace --max-string 10 --function main
    is '[data["value"]["name"] for data in type("variable_assignment") if data["variable"] == "item"][0]' 'a name tha...'
}
test_sample() {
    trace --level minimal --sample 3
    is '[data["arguments"]["n"] for data in calls("parse_item")]' '[0, 3]'
    is '[data["arguments"]["n"] for data in calls("inner")]' '[0, 3]'
    is 'len(calls("deep"))' 6
    is 'len(calls("main"))' 1
}
test_when() {
    trace --level minimal --when 'parse_item: n > 3 && item->name[0] == 0x61'
    is '[data["arguments"]["n"] for data in calls("parse_item")]' '[4, 5]'
    is '[data["arguments"]["n"] for data in calls("inner")]' '[4, 5]'
    is 'len(calls("deep"))' 6
    trace --level minimal --when 'parse_item: n % 3 == 1 && item != 0'
    is '[data["arguments"]["n"] for data in calls("parse_item")]' '[1, 4]'
    is '[data["arguments"]["n"] for data in calls("inner")]' '[1, 4]'
}
# What can be decided by the arguments alone needs no trap; and nothing is lost.
test_when_by_jumps() {
    cat >program.c <<'END'
#include <stdio.h>
#include <stdlib.h>
enum color { RED, GREEN, BLUE };
__attribute__((noinline)) int pick(int n, double d, enum color c, const char *s) { return n + (int)d + (int)c + s[0]; }
int main(int argc, char **argv) {
    int sum = 0, most = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < most; i++)
        sum += pick(i, i / 2.0, (enum color)(i % 3), "s");
    return sum == 1;
}
END
    compile gcc 2 5 program.c program
    step out "$REEL" trace --level minimal --list-probes --when 'pick: n > 3 || d < 2.5 && c == 2' -- ./program
    grep -q '^pick: 2 jumps, 0 traps$' out.out || fail "not by jumps: $(grep -A 2 '^pick' out.out)"
    step out "$REEL" trace --level minimal --list-probes --when 'pick: s[0] == 1' -- ./program
    grep -q '^pick: 1 jump, 1 trap$' out.out || fail "not by a trap: $(grep -A 2 '^pick' out.out)"
    step out "$REEL" trace --level minimal --when 'pick: (n % 1000 == 7 || n == -1) && c == 1' -o trace.json -- ./program 60000
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(first_line out.err)"
    is '[data["arguments"]["n"] for data in calls("pick")] == [n for n in range(60000) if n % 1000 == 7 and n % 3 == 1]' True
    is 'document["metadata"]["dropped_events"]' 0
}
# What the agent decides on is what reel decides on by traps: calls that are left in every way, in all processes.
rules() {
    local optimisation=$1 option traps jumps i
    compile gcc "$optimisation" 5 "$VICTIMS/parts/rules.c" program
    while read -r option; do
        rm -f traps*.json jumps*.json
        # shellcheck disable=SC2086
        step traps "$REEL" trace --quiet --no-exceptions --probes trap --level minimal $option -o traps.json -- ./program
        # shellcheck disable=SC2086
        step jumps "$REEL" trace --quiet --no-exceptions --probes auto --lossless --level minimal $option -o jumps.json -- ./program
        [ -z "$TIMED_OUT$(words traps.err)$(words jumps.err)" ] || fail "$option: $(first_line traps.err) $(first_line jumps.err)"
        mapfile -t traps < <(ls traps*.json | sort -V)
        mapfile -t jumps < <(ls jumps*.json | sort -V)
        [ "${#traps[@]} ${#jumps[@]}" = '3 3' ] || fail "$option: ${#traps[@]} traces and ${#jumps[@]}"
        for i in 0 1 2; do
            compare "$option" --same "${traps[i]}" "${jumps[i]}"
        done
    done <<'END'
--sample 2
--sample 3
--max-depth 1
--max-depth 2
--max-depth 3 --sample 2
--when leaf:n>5
--when many:h<-1&&a!=4
--when many:h>=0
--when escapes:n<5
--when escapes:n>-1
--when escapes:n>5u
--when resumes:n>=2
--when forks:n==5 --when leaf:n
--when tail:!n
--when raises:-1<n&&n<=5 --when deep:n!=2
--when deep:n>2 --max-depth 3
--when round_of:n%2==1
--when round_of:n>3 --sample 2
--when tries:3>=n
--when tail_through:n==3
END
}
test_rules() { rules 0; }
test_rules_optimised() { rules 2; }
# What is muted is not even noted: the ring has room for all that is told.
test_rules_cost_no_room() {
    compile gcc 2 5 "$ROOT/tests/bench/hot.c" program
    step out "$REEL" trace --level minimal --backlog 1M --sample 100000 -o trace.json -- ./program 3000000
    is 'len(calls("hot")), document["metadata"]["dropped_events"]' '(30, 0)'
}
test_at() {
    trace --level minimal --at 'options.c:17: item->count, n * 10'
    is '[data["value"] for data in type("variable_assignment")]' '[0, 0, 2, 10, 4, 20, 6, 30, 8, 40, 10, 50]'
    is '[data["variable"] for data in type("variable_assignment")][:2]' "['item->count', 'n * 10']"
    is '{data["line"] for data in type("variable_assignment")}' '{17}'
}
# Globals, and thread-local ones, which a thread may not have yet.
test_at_globals() {
    cat >program.c <<'END'
#include <dlfcn.h>
int total = 3;
static __thread long mine = 7;
static void step(int (*exported)(int), int by) {
    mine += exported(by);
    total++;
}
int main(void) {
    void *library = dlopen("./part.so", RTLD_NOW);
    int (*exported)(int) = library ? (int (*)(int))dlsym(library, "exported") : 0;
    step(exported, 2);
    step(exported, 3);
    return 23;
}
END
    cat >part.c <<'END'
__thread int count = 40, none;
int exported(int by) {
    int before = by;
    count += before;
    none = count;
    return before;
}
END
    compile gcc 0 5 part.c part.so -fPIC -shared
    compile gcc 0 5 program.c program
    step out "$REEL" trace --quiet --level minimal --module '*' -o trace.json --at 'program.c:6: total, ::mine' \
        --at 'program.c:4: by' --at 'part.c:3: count, none' --at 'part.c:6: count, none' -- ./program
    [ "$STATUS" = 23 ] || fail "status $STATUS: $(first_line out.err)"
    is '[data["value"] for data in type("variable_assignment") if data["variable"] in ("total", "::mine")]' '[3, 9, 4, 12]'
    is '[data["value"] for data in type("variable_assignment") if data["variable"] == "by"]' '[2, 3]'
    is '[data["value"] for data in type("variable_assignment") if data["variable"] == "count"][1:]' '[42, 42, 45]'
    is '[data["value"] for data in type("variable_assignment") if data["variable"] == "none"][1:]' '[42, 42, 45]'
    is '[data["value"] for data in type("variable_assignment") if data["variable"] == "count"][0]' \
        "<'count' is not allocated in this thread yet>"
}
# Before the frame is made and after it is gone, what lies on the stack has no place.
test_at_frame() {
    command -v clang >/dev/null || skip "needs clang"
    cat >program.c <<'END'
#define CALLED __attribute__((noinline))
CALLED void use(char *text, int n) { for (int i = 0; i < 64; i++) text[i] = (char)(n + i); }
CALLED int work(int n) {
    char buf[64];
    if (n < 0)
        return -1;
    use(buf, n);
    return buf[1];
}
int main(void) {
    return work(66) + work(-1) - 43;
}
END
    compile clang 1 5 program.c program # it makes no frame for the early return, and restores rsp before its ret
    step out "$REEL" trace --quiet --level minimal -o trace.json --at 'program.c:5: n, buf[2]' --at 'program.c:8: buf[2]' \
        --at 'program.c:9: buf[2]' -- ./program
    [ "$STATUS" = 23 ] || fail "status $STATUS: $(first_line out.err)"
    is '[(data["line"], data["value"]) for data in type("variable_assignment")]' \
        "[(5, 66), (5, '<optimized out>'), (8, 'D'), (9, '<optimized out>'), (5, -1), (5, '<optimized out>')]"
}
test_format_jsonl() {
    trace --level full
    mv trace.json whole.json
    compile gcc 0 5 "$VICTIMS/parts/options.c" program
    step out "$REEL" trace --quiet --level full --format jsonl -o trace.jsonl -- ./program
    [ "$STATUS" = 23 ] || fail "status $STATUS"
    python3 -c 'import json; [json.loads(line) for line in open("trace.jsonl")]' || fail "not one JSON object a line"
    compare "jsonl" --same whole.json trace.jsonl
}
test_max_size() {
    cat >many.c <<'END'
int leaf(int n) {
    return n + 1;
}
int main(void) {
    int total = 0;
    for (int i = 0; i < 6000; i++)
        total = leaf(total);
    return total == 6000 ? 7 : 1;
}
END
    compile gcc 0 5 many.c many
    step out "$REEL" trace --quiet --level full --max-size 1 -o trace.json -- ./many
    [ "$STATUS" = 7 ] || fail "status $STATUS: $(first_line out.err)"
    (($(stat -c %s trace.json) <= 1024 * 1024)) || fail "the trace has $(stat -c %s trace.json) bytes"
    is 'events[-1]["type"]' note
    is 'len(type("note"))' 1
    is '0 < len(calls("leaf")) < 6000' True
}

{
    if [ "${1:-}" = --one ]; then
        begin "$2"
        if declare -F "test_$2" >/dev/null; then
            "test_$2"
        else
            victim "$2"
        fi
        ok
        exit 0
    fi
    need_reel
    { all_tests && matrix; } | run_all
    finish
}
