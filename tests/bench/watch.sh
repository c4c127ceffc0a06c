#!/usr/bin/env bash
# What watching for crashes costs (`reel watch`): medians of RUNS (default 5) interleaved runs. Columns: seconds without reel, the
# ratio to that when watched, and what one more of a kind costs in microseconds; then how long a crash takes.
set -u
export LC_ALL=C.UTF-8
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$ROOT/$1" ;; esac; }
BUILD=$(absolute "${BUILD:-build}")
REEL=$(absolute "${REEL:-$BUILD/reel}")
RUNS=${RUNS:-5}

[ -x "$REEL" ] || { printf 'watch.sh: %s is not there (build it: make)\n' "$REEL" >&2 && exit 1; }
T=$(mktemp -d "${TMPDIR:-/tmp}/reel-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1
gcc -O2 -pthread -D_GNU_SOURCE -o watched "$ROOT/tests/bench/watched.c" || exit 1
gcc -g -O0 -pthread -D_GNU_SOURCE -w -o crashes "$ROOT/tests/crash/crashes.c" || exit 1

# timed FILE COMMAND...: append the microseconds
timed() {
    local file=$1 start end
    shift
    start=${EPOCHREALTIME//[.,]/}
    { "$@" >/dev/null 2>&1 </dev/null; } 2>/dev/null # bash tells of crashes
    end=${EPOCHREALTIME//[.,]/}
    echo $((end - start)) >>"$file"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

printf '%-12s %9s %9s %9s\n' kind 'native s' watched 'us each'
while read -r kind count; do
    for ((i = 0; i < RUNS; i++)); do
        timed "$kind.native" ./watched "$kind" "$count"
        timed "$kind.watch" "$REEL" watch --quiet -- ./watched "$kind" "$count"
    done
    awk -v kind="$kind" -v count="$count" -v a="$(median "$kind.native")" -v b="$(median "$kind.watch")" \
        'BEGIN { printf "%-12s %9.3f %9.2f %9.1f\n", kind, a / 1e6, b / a, (b - a) / count }'
done <<'END'
compute 200000
calls 1000000
processes 2000
threads 10000
signals 10000
END

for ((i = 0; i < RUNS; i++)); do
    for kind in read sixteen assert; do
        timed "$kind.native" ./crashes $kind
        timed "$kind.first" "$REEL" watch --quiet -o "$T/reports" -- ./crashes $kind
        timed "$kind.again" "$REEL" watch --quiet -o "$T/reports" -- ./crashes $kind
        rm -rf "$T/reports"
    done
done
printf '\n%-12s %12s %12s\n' crash 'report ms' 'counted ms'
for kind in read sixteen assert; do
    awk -v kind="$kind" -v a="$(median $kind.native)" -v b="$(median $kind.first)" -v c="$(median $kind.again)" \
        'BEGIN { printf "%-12s %12.1f %12.1f\n", kind, (b - a) / 1e3, (c - a) / 1e3 }'
done
