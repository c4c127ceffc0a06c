#!/usr/bin/env bash
# What tracing costs: medians of RUNS (default 5) runs, those of one row interleaved. Three tables:
#   time to the first probe of a program with LARGE_MB (default 100) MB of debug information, beside gdb;
#   cost of an event whose probe traps, by level;
#   cost of a call in the program's own eyes, whose probes are jumps (HOT calls, default 5000000);
#   writing and summing up a trace of EVENTS (default 10000000) events: rate and memory.
set -u
export LC_ALL=C.UTF-8
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$ROOT/$1" ;; esac; }
BUILD=$(absolute "${BUILD:-build}")
REEL=$(absolute "${REEL:-$BUILD/reel}")
RUNS=${RUNS:-5} LARGE_MB=${LARGE_MB:-100} EVENTS=${EVENTS:-10000000} CALLS=${CALLS:-5000} HOT=${HOT:-5000000}

[ -x "$REEL" ] || { printf 'trace.sh: %s is not there (build it: make)\n' "$REEL" >&2 && exit 1; }
T=$(mktemp -d "${TMPDIR:-/tmp}/reel-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1

# timed KEY COMMAND...: append the microseconds to the file of KEY.
timed() {
    local key=$1 start end
    shift
    start=${EPOCHREALTIME//[.,]/}
    "$@" >"$T/out" 2>"$T/err" </dev/null || {
        printf 'trace.sh: %s: status %d: %s\n' "$key" $? "$(head -n 1 "$T/err")" >&2
        return 1
    }
    end=${EPOCHREALTIME//[.,]/}
    echo $((end - start)) >>"$T/$key.times"
}

median() { [ -s "$1" ] && sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
seconds() { awk -v t="$(median "$T/$1.times")" 'BEGIN { if (t == "") print "-"; else printf "%.3f\n", t / 1e6 }'; }
ratio() { awk -v a="$(median "$T/$1.times")" -v b="$(median "$T/$2.times")" 'BEGIN { if (a == "" || b == "") print "-"; else printf "%.2f\n", a / b }'; }

# ---- time to the first probe ----

# One unit of 2000 functions with types and variables of their own, linked again and again under other names: the
# compiler is asked once only.
make_large() {
    local i size count
    for ((i = 0; i < 2000; i++)); do
        printf 'struct s%d { int a, b; struct s%d *next; long c[%d]; };\n' $i $i $((i % 7 + 1))
        printf 'int work_%d(struct s%d *p, int n) { int sum = %d; for (int i = 0; i < n; i++) { int x = p[i].a * i; ' $i $i $i
        printf 'if (x > p[i].b) sum += x; else p[i].c[0] = x; } return sum; }\n'
    done >unit.c
    gcc -g -O1 -c unit.c || return 1
    size=$(size -A unit.o | awk '/\.debug_/ { all += $2 } END { print all }')
    count=$((LARGE_MB * 1000000 / size + 1))
    for ((i = 0; i < count; i++)); do
        objcopy --prefix-symbols="u${i}_" unit.o "u$i.o" || return 1
    done
    printf '__attribute__((noinline)) int named_one(int x) { return x + 1; }\nint main(void) { return named_one(-1); }\n' >main.c
    gcc -g -O0 -o large main.c u*.o && rm -f u*.o
}

first_probe() {
    local i
    if ! make_large; then
        printf 'trace.sh: the large program cannot be made\n' >&2
        return
    fi
    for ((i = 0; i < RUNS; i++)); do
        timed large.native ./large
        timed large.known "$REEL" trace --quiet --level minimal --function named_one -o large.json -- ./large
        timed large.unknown "$REEL" trace --quiet --level minimal --function no_such_function -o large.json -- ./large
        [ -z "$GDB" ] || timed large.gdb_known gdb -nx -batch -ex 'break named_one' -ex run ./large
        [ -z "$GDB" ] || timed large.gdb_unknown sh -c 'gdb -nx -batch -ex "break no_such_function" ./large || true'
    done
    printf '%-32s %9s %9s %9s\n' "first probe, $(size -A large | awk '/\.debug_/ { all += $2 } END { printf "%.0f", all / 1e6 }') MB of DWARF" 'reel s' 'gdb s' 'reel/gdb'
    printf '%-32s %9s %9s %9s\n' 'a function' "$(seconds large.known)" "$(seconds large.gdb_known)" "$(ratio large.known large.gdb_known)"
    printf '%-32s %9s %9s %9s\n' 'a name that is not there' "$(seconds large.unknown)" "$(seconds large.gdb_unknown)" "$(ratio large.unknown large.gdb_unknown)"
    rm -f large
}

# ---- cost of an event ----

total_events() { tail -c 2000 "$1" | grep -o '"total_events": [0-9]*' | grep -o '[0-9]*$'; }

# level NAME OPTION...: runs with and without calls, so that what it costs to begin is left out
level() {
    local name=$1 i
    shift
    for ((i = 0; i < RUNS; i++)); do
        timed calls.native ./calls $CALLS
        timed "$name.few" "$REEL" trace --quiet "$@" -o few.json -- ./calls 0 &&
            timed "$name.many" "$REEL" trace --quiet "$@" -o many.json -- ./calls "$CALLS"
    done
    [ -s "$T/$name.many.times" ] || return
    awk -v name="$name" -v few="$(median "$T/$name.few.times")" -v many="$(median "$T/$name.many.times")" \
        -v events=$(($(total_events many.json) - $(total_events few.json))) -v calls="$CALLS" 'BEGIN {
            us = many - few
            printf "%-32s %9d %9.0f %9.1f %9.1f\n", name, events, events / us * 1e6, us / events, us / calls }'
}

events() {
    gcc -g -O0 -o calls "$ROOT/tests/bench/calls.c" || return
    printf '\n%-32s %9s %9s %9s %9s\n' 'events of trapping probes' events events/s 'µs/event' 'µs/call'
    level minimal --probes trap --level minimal
    level standard --probes trap --level standard
    level full --probes trap --level full
    printf '(%d calls take %s s without reel, the start of the process included)\n' "$CALLS" "$(seconds calls.native)"
}

# ---- cost of a jump probe ----

# hot NAME CALLS COMMAND...: the median of what ./hot says, ns a call
hot() {
    local name=$1 calls=$2 i
    shift 2
    for ((i = 0; i < RUNS; i++)); do
        "$@" ./hot "$calls" 2>/dev/null </dev/null | cut -d' ' -f1
    done >"$T/hot.times"
    printf '%-32s %9.1f\n' "$name" "$(median "$T/hot.times")"
}

jumps() {
    gcc -g -O2 -o hot "$ROOT/tests/bench/hot.c" || return
    local trace=("$REEL" trace --quiet --no-exceptions -o hot.json)
    printf '\n%-32s %9s\n' 'a call (entry, exit), by jumps' 'ns'
    hot 'without reel' "$HOT" env
    hot 'no timestamps' "$HOT" "${trace[@]}" --probes jump --level minimal --timestamps none --
    hot 'coarse timestamps' "$HOT" "${trace[@]}" --probes jump --level minimal --timestamps coarse --
    hot 'full timestamps' "$HOT" "${trace[@]}" --probes jump --level minimal --
    hot 'with variables' "$HOT" "${trace[@]}" --probes jump --level standard --
    hot 'with variables and branches' "$HOT" "${trace[@]}" --probes jump --level full --
    hot 'full timestamps, --lossless' "$((HOT / 50))" "${trace[@]}" --probes jump --level minimal --lossless --
    hot 'by traps' "$((CALLS / 10))" "${trace[@]}" --probes trap --level minimal --
    printf '(without --lossless what reel cannot keep up with is dropped: the cost is that of the probe)\n'
}

# ---- writer and summary ----

# peak KEY COMMAND...: as timed, and the peak of its memory in kB into KEY.peak
peak() {
    local key=$1
    shift
    timed "$key" ./peak "$T/$key.peak" "$@"
}

throughput() {
    printf '%-32s %9s %9s %12s\n' "$1" "$(seconds "$2")" \
        "$(awk -v t="$(median "$T/$2.times")" -v n="$EVENTS" 'BEGIN { if (t == "") print "-"; else printf "%.0f\n", n / t * 1e6 }')" \
        "$(awk -v kb="$(median "$T/$2.peak")" 'BEGIN { if (kb == "") print "-"; else printf "%.1f MB\n", kb / 1e3 }')"
}

writing() {
    local i
    if [ "$(df --output=avail -k "$T" | tail -n 1)" -lt $((EVENTS / 2)) ]; then
        printf 'trace.sh: no room for a trace of %d events\n' "$EVENTS" >&2
        return
    fi
    gcc -O2 -D_GNU_SOURCE -I"$ROOT" -o trace_write "$ROOT/tests/bench/trace_write.c" "$BUILD/libtrace.a" \
        "$BUILD/libconfig.a" "$BUILD/libbase.a" -lcjson -lxxhash -lm -lpthread &&
        gcc -O2 -static -o peak "$ROOT/tests/bench/peak.c" || return
    for ((i = 0; i < RUNS; i++)); do
        peak write ./trace_write "$EVENTS" trace.json
        peak write.async ./trace_write "$EVENTS" async.json async
        peak summary "$REEL" summary trace.json
        rm -f async.json
    done
    printf '\n%-32s %9s %9s %12s\n' "a trace of $EVENTS events" s events/s 'peak memory'
    throughput 'writing it' write
    throughput 'writing it (async)' write.async
    throughput 'reel summary' summary
}

GDB=$(command -v gdb)
first_probe
events
jumps
writing
printf '(medians of %d)\n' "$RUNS"
exit 0
