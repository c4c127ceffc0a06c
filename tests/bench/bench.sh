#!/usr/bin/env bash
# What recording and replaying cost: a table of medians of RUNS (default 5) runs, interleaved so that a slow minute of the
# machine meets all of them. Columns: seconds without reel; the ratios record, replay and `strace -f --seccomp-bpf -o /dev/null` to
# that; the size of the recording. A FILTER (a glob) as first argument chooses rows.
set -u
export LC_ALL=C.UTF-8
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$ROOT/$1" ;; esac; }
BUILD=$(absolute "${BUILD:-build}")
REEL=$(absolute "${REEL:-$BUILD/reel}")
RUNS=${RUNS:-5}
FILTER=${1:-*}

[ -x "$REEL" ] || { printf 'bench.sh: %s is not there (build it: make)\n' "$REEL" >&2 && exit 1; }
T=$(mktemp -d "${TMPDIR:-/tmp}/reel-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
mkdir "$T/work"
cd "$T/work" || exit 1

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || PYTHON=python3
CC1=$(gcc -print-prog-name=cc1)

# ---- the programs ----

ROWS=()
# bench NAME COMMAND...: skipped when the command is not there
bench() {
    local name=$1
    shift
    # shellcheck disable=SC2254 # FILTER is a pattern
    case $name in
    $FILTER) ;;
    *) return ;;
    esac
    if ! command -v "$1" >/dev/null; then
        printf 'bench.sh: %s: %s is not installed\n' "$name" "$1" >&2
        return
    fi
    ROWS+=("$name")
    printf '%q ' "$@" >"$T/$name.command"
}

for program in loops compute; do
    gcc -O2 -o "$T/$program" "$ROOT/tests/bench/$program.c" || exit 1
done
{
    echo 'create table t (id integer primary key, v text, r integer); begin;'
    seq 20000 | sed "s/.*/insert into t (v, r) values ('row &', random());/"
    echo 'commit; select count(*) from t;'
} >inserts.sql
gcc -E -D_GNU_SOURCE -I"$ROOT" "$ROOT/replay/event.c" >unit.i || exit 1
head -c 50M /dev/urandom >big

# A tree of 5000 files in 50 folders, under git; and a project of 60 files to be compiled.
mkdir tree project
for ((i = 0; i < 50; i++)); do
    mkdir "tree/$i"
    for ((k = 0; k < 100; k++)); do printf 'file %d of %d\nneedle %d\n' "$k" "$i" $((i * k)) >"tree/$i/$k"; done
done
git -C tree init -q 2>/dev/null && git -C tree add . && git -C tree -c user.name=x -c user.email=x@y commit -q -m all
for ((i = 0; i < 60; i++)); do
    {
        printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
        for ((k = 0; k < 30; k++)); do
            printf 'int f%d_%d(int a, int b) { int s = 0; for (int i = 0; i < a; i++) s += b * i ^ %d; return s; }\n' $i $k $k
        done
    } >"project/f$i.c"
done
# shellcheck disable=SC2016 # for make
printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\n%%.o: %%.c\n\tgcc -O2 -c -o $@ $<\n' >project/Makefile
cat >compute.py <<'END'
words = {}
for i in range(400000):
    key = "k%d" % (i * 7919 % 10007)
    words[key] = words.get(key, 0) + len(key)
print(sum(words.values()))
END

bench read-64B "$T/loops" read 50000
bench clock "$T/loops" clock 50000
bench stat "$T/loops" stat 50000
bench pipe-ping-pong "$T/loops" pipe 5000
bench mutex-4 "$T/loops" mutex 2000000
bench sqlite3-20000 sqlite3 test.db '.read inserts.sql'
bench python3-start "$PYTHON" -c pass
bench python3-compute "$PYTHON" compute.py
bench cp-5000 cp -a tree copy
bench tar-5000 tar -cf tree.tar tree
bench grep-5000 grep -r 'needle 77' tree
bench git-status git -C tree status
bench make-j2 make -s -B -j2 -C project
bench cc1 "$CC1" -quiet -O2 -g -fpreprocessed unit.i -o unit.s
bench sha256sum-50M sha256sum big
bench compute "$T/compute" 600

# ---- measuring ----

# timed KEY COMMAND...: append the microseconds to the file of KEY.
timed() {
    local key=$1 start end
    shift
    rm -rf test.db copy tree.tar
    start=${EPOCHREALTIME//[.,]/}
    "$@" >/dev/null 2>"$T/err" </dev/null || {
        printf 'bench.sh: %s: status %d: %s\n' "$key" $? "$(head -n 1 "$T/err")" >&2
        return 1
    }
    end=${EPOCHREALTIME//[.,]/}
    echo $((end - start)) >>"$T/$key.times"
}

median() { [ -s "$1" ] && sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

run_row() {
    local name=$1 words i
    eval "words=($(cat "$T/$name.command"))"
    # shellcheck disable=SC2154 # words is assigned by eval
    "${words[@]}" >/dev/null 2>&1 </dev/null # warms the caches
    for ((i = 0; i < RUNS; i++)); do
        timed "$name.native" "${words[@]}"
        rm -rf "$T/$name.reel"
        timed "$name.record" "$REEL" record --quiet -o "$T/$name.reel" -- "${words[@]}" &&
            timed "$name.replay" "$REEL" replay --all "$T/$name.reel"
        [ -z "$STRACE" ] || timed "$name.strace" strace -f --seccomp-bpf -o /dev/null "${words[@]}"
    done
    if [ -d "$T/$name.reel" ]; then
        du -s -B 1 "$T/$name.reel" | cut -f 1 >"$T/$name.size"
        du -s -B 1 "$T/$name.reel/files" 2>/dev/null | cut -f 1 >"$T/$name.files"
        rm -rf "$T/$name.reel"
    fi
}

# The ratio of two medians, or "-".
ratio() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { if (a == "" || b == "") print "-"; else printf "%.2f\n", a / b }'; }
size() { if [ -s "$1" ]; then awk '{ printf $1 < 1e6 ? "%.0f kB\n" : "%.1f MB\n", $1 < 1e6 ? $1 / 1e3 : $1 / 1e6 }' "$1"; else echo -; fi; }

STRACE=$(command -v strace)
printf '%-16s %9s %9s %9s' program 'native s' record replay
[ -z "$STRACE" ] || printf ' %9s' strace
printf ' %11s %11s\n' recording 'its files'
for name in "${ROWS[@]}"; do
    run_row "$name"
    printf '%-16s %9s %9s %9s' "$name" \
        "$(awk -v t="$(median "$T/$name.native.times")" 'BEGIN { printf "%.3f", t / 1e6 }')" \
        "$(ratio "$T/$name.record.times" "$T/$name.native.times")" \
        "$(ratio "$T/$name.replay.times" "$T/$name.native.times")"
    [ -z "$STRACE" ] || printf ' %9s' "$(ratio "$T/$name.strace.times" "$T/$name.native.times")"
    printf ' %11s %11s\n' "$(size "$T/$name.size")" "$(size "$T/$name.files")"
done
printf '(medians of %d; record, replay and strace are ratios to native)\n' "$RUNS"
