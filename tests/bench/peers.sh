#!/usr/bin/env bash
# `reel trace` beside other tools, and on whole programs. Medians of RUNS (default 5) runs, those of one table interleaved.
#   what a call costs: ns a call of a function of some instructions in the program's own eyes, entry and exit noted;
#   whole programs, all functions of their own: by level, the processor time of the program itself as a ratio to native, the time until
#     reel has written all of it, what was lost.
# A tool that is not there, or does not work here, has a row that says so.
set -u
export LC_ALL=C.UTF-8
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$ROOT/$1" ;; esac; }
BUILD=$(absolute "${BUILD:-build}")
REEL=$(absolute "${REEL:-$BUILD/reel}")
RUNS=${RUNS:-5} HOT=${HOT:-2000000}

[ -x "$REEL" ] || { printf 'peers.sh: %s is not there (build it: make)\n' "$REEL" >&2 && exit 1; }
T=$(mktemp -d "${TMPDIR:-/tmp}/reel-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# ---- what a call costs ----

NAMES=() CALLS=() COMMANDS=()
# row NAME CALLS COMMAND: the command runs a build of hot.c with so many calls, which prints the ns of each.
row() {
    NAMES+=("$1") CALLS+=("$2") COMMANDS+=("$3")
}
has() { command -v "$1" >/dev/null; }

build_hot() {
    local flags
    for flags in "hot" "hot_pg -pg" "hot_patchable -fpatchable-function-entry=5"; do
        # shellcheck disable=SC2086
        gcc -g -O2 ${flags#* } -o ${flags%% *} "$ROOT/tests/bench/hot.c" 2>/dev/null ||
            gcc -g -O2 -o "${flags%% *}" "$ROOT/tests/bench/hot.c" || return 1
    done
    printf 'set pagination off\nbreak hot\ncommands\nsilent\nfinish\nend\nrun 200\nwhile 1\ncontinue\nend\n' >gdb.commands
}

calls() {
    local trace="$REEL trace --quiet --no-exceptions -o hot.json" i k
    build_hot || return
    row 'without a tool' "$HOT" './hot %'
    # All that is noted fits into the backlog; a longer run of a program that does nothing but call is mostly dropped.
    row 'reel trace, no timestamps' $((HOT / 20)) "$trace --lossless --level minimal --timestamps none -- ./hot %"
    row 'reel trace' $((HOT / 20)) "$trace --lossless --level minimal -- ./hot %"
    row 'reel trace, standard' $((HOT / 20)) "$trace --lossless --level standard --probes jump -- ./hot %"
    row 'reel trace, full' $((HOT / 20)) "$trace --lossless --level full --probes jump -- ./hot %"
    row 'reel trace, condition' "$HOT" "$trace --level minimal --when 'hot: i == 77' -- ./hot %"
    row 'reel trace, every 1000th call' "$HOT" "$trace --level minimal --sample 1000 -- ./hot %"
    row 'reel trace, mostly dropped' "$HOT" "$trace --level minimal -- ./hot %"
    row 'reel trace by traps' 1000 "$trace --level minimal --probes trap -- ./hot %"
    row 'uftrace, built with -pg' "$HOT" 'uftrace record -d uftrace.data ./hot_pg %'
    row 'uftrace, -fpatchable-function-entry' "$HOT" 'uftrace record -d uftrace.data -P . ./hot_patchable %'
    row 'uftrace, dynamic' "$HOT" 'uftrace record -d uftrace.data -P . ./hot %'
    row 'bpftrace (uprobe, uretprobe; counts)' $((HOT / 40)) "bpftrace -e 'uprobe:$T/hot:hot { @n = count(); } uretprobe:$T/hot:hot { @m = count(); }' -c './hot %'"
    row 'ltrace -x' 500 'ltrace -x hot -o ltrace.out ./hot %'
    row 'gdb (break, finish)' 200 'gdb -nx -batch -x gdb.commands ./hot'
    for ((i = 0; i < RUNS; i++)); do
        for ((k = 0; k < ${#NAMES[@]}; k++)); do
            rm -rf uftrace.data*
            timeout 120 sh -c "${COMMANDS[k]//%/${CALLS[k]}}" 2>/dev/null </dev/null |
                awk '$1 ~ /^[0-9]+\.[0-9]+$/ && NF == 2 { print $1; exit }' >>"call.$k"
        done
    done
    printf '%-40s %12s\n' 'a call of some instructions' 'ns'
    for ((k = 0; k < ${#NAMES[@]}; k++)); do
        local tool=${COMMANDS[k]%% *}
        if [ -s "call.$k" ]; then
            printf '%-40s %12.1f\n' "${NAMES[k]}" "$(median "call.$k")"
        elif has "$tool"; then
            printf '%-40s %12s\n' "${NAMES[k]}" 'does not work here'
        else
            printf '%-40s %12s\n' "${NAMES[k]}" 'not installed'
        fi
    done
}

# ---- whole programs ----

MOST=${MOST:-60} # seconds that a run may take

# run OF COMMAND...: seconds from beginning to end, and of processor that the program itself used, to OF.wall and OF.cpu.
run() {
    local of=$1 start end
    shift
    start=${EPOCHREALTIME//[.,]/}
    timeout "$MOST" "$@" >/dev/null 2>err 9>>"$of.cpu" </dev/null || return 1
    end=${EPOCHREALTIME//[.,]/}
    awk -v us=$((end - start)) 'BEGIN { printf "%.3f\n", us / 1e6 }' >>"$of.wall"
}
total() { tail -c 2000 "$1" 2>/dev/null | grep -o "\"$2\": [0-9]*" | grep -o '[0-9]*$' | head -n 1; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }

WAYS=('' '--lossless')

# program NAME COMMAND...
program() {
    local name=$1 how i k of
    shift
    for ((i = 0; i < RUNS; i++)); do
        run "$name" ./cpu_of "$@" || { printf '%-10s does not run here: %s\n' "$name" "$(head -n 1 err)" && return; }
        for how in minimal standard full; do
            for k in "${!WAYS[@]}"; do
                of=$name.$how.$k
                [ ! -e "$of.failed" ] || continue
                rm -f program*.json
                # shellcheck disable=SC2086
                if run "$of" "$REEL" trace --quiet --no-exceptions --probes jump --level $how ${WAYS[k]} -o program.json -- ./cpu_of "$@"; then
                    total program.*.json total_events >"$of.events"
                    total program.*.json dropped_events >"$of.lost"
                else
                    touch "$of.failed"
                fi
            done
        done
    done
    for how in minimal standard full; do
        for k in "${!WAYS[@]}"; do
            of=$name.$how.$k
            printf '%-10s %-10s %-12s %8s s ' "$name" $how "${WAYS[k]}" "$(median "$name.wall")"
            if [ -e "$of.failed" ]; then
                printf '%10s\n' "over $MOST s"
                continue
            fi
            printf '%10s %10s s %12s %12s\n' "$(ratio "$(median "$of.cpu")" "$(median "$name.cpu")")" "$(median "$of.wall")" \
                "$(cat "$of.events")" "$(cat "$of.lost")"
        done
    done
}

programs() {
    local python
    printf '\n%-10s %-10s %-12s %10s %10s %12s %12s %12s\n' program level options native 'its CPU x' 'all written' events lost
    gcc -O2 -o cpu_of "$ROOT/tests/bench/cpu_of.c" || return
    gcc -g -O2 -o words "$ROOT/tests/bench/words.c" && program words ./words 40
    cat >script.py <<'END'
import zlib
data = bytes(i * 7919 % 251 for i in range(400000))
for level in (1, 6, 9):
    for _ in range(10):
        packed = zlib.compress(data, level)
print(len(packed), sum(i * i for i in range(200000)))
END
    python=/usr/bin/python3 # not a script that leads to one
    [ -x "$python" ] || python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
    [ -z "$python" ] || program python3 "$python" -S -E script.py
    cat >script.sql <<'END'
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) insert into t select i, 'row ' || i, i * 0.5 from n;
create index tb on t(b);
select count(*), sum(c), max(b) from t where b like 'row 1%';
select a % 10, avg(c) from t group by 1 order by 1;
END
    local sqlite=$BUILD/tracing/sqlite3 # with debug information: tests/tracing.sh has made it
    [ -x "$sqlite" ] || sqlite=$(command -v sqlite3)
    [ -z "$sqlite" ] || program sqlite3 "$sqlite" -init script.sql :memory: .quit
}

[ -n "${NO_CALLS:-}" ] || calls
[ -n "${NO_PROGRAMS:-}" ] || programs
printf '(medians of %d; what reel cannot keep up with is dropped, and counted, unless it is --lossless)\n' "$RUNS"
exit 0
