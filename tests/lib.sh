#!/usr/bin/env bash
# What all suites of tests share: results, scratch directories, steps with a time limit, and the one question that
# most tests ask: recorded once, with everything thrown away, does it replay the same?
#
# Environment: BUILD (default build), REEL (default $BUILD/reel), REPLAYS (default 2), SOAK=1 for the long versions,
# JOBS (tests at a time, default 2), FILTER (a glob: only tests with such names), STEP_SECONDS (default 120).
#
# A suite script is run by tests/run.sh or by itself. A test is a function test_NAME or, for a table, one row; it runs
# in a process of its own (`SCRIPT --one NAME`), with an empty scratch directory $T, and ends by calling ok, fail or
# skip once.
set -u
set -o pipefail
ulimit -c 0
export LC_ALL=C.UTF-8 TZ=UTC
unset REEL_EXPECT_REFUSED

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# A path as seen from the folder in which make was called: the root of the sources.
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$ROOT/$1" ;; esac; }
BUILD=$(absolute "${BUILD:-build}")
REEL=$(absolute "${REEL:-$BUILD/reel}")
REPLAYS=${REPLAYS:-2} SOAK=${SOAK:-} JOBS=${JOBS:-2} FILTER=${FILTER:-*} STEP_SECONDS=${STEP_SECONDS:-120}
export BUILD REEL REPLAYS SOAK JOBS FILTER STEP_SECONDS
SUITE=$(basename "$0" .sh)

# soak_or LONG SHORT
soak_or() { if [ -n "$SOAK" ]; then echo "$1"; else echo "$2"; fi; }

# ---- the account ----

if [ -z "${RESULTS:-}" ]; then
    OWNER=$BASHPID
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/reel-tests.XXXXXX")
    chmod 755 "$SCRATCH" # tests as an ordinary user pass through
    RESULTS=$SCRATCH/results
    : >"$RESULTS"
    # A copy: a build in the middle of a run of the tests does no harm.
    REEL_SHOWN=$REEL
    [ ! -x "$REEL" ] || { cp "$REEL" "$SCRATCH/reel" && REEL=$SCRATCH/reel; }
    export RESULTS SCRATCH REEL REEL_SHOWN
    trap 'clean_up' EXIT
    trap 'exit 130' INT TERM
fi
OWNER=${OWNER:-0}

clean_up() {
    [ "$BASHPID" = "$OWNER" ] || return
    while read -r place; do
        umount "$place" 2>/dev/null
    done < <(grep -o " $SCRATCH/[^ ]*" /proc/self/mounts)
    chmod -R u+rwx "$SCRATCH" 2>/dev/null
    rm -rf "$SCRATCH"
}

# count WORD N: the account alone. A line is far shorter than PIPE_BUF, so parallel tests do not mix.
count() { printf '%s %d\n' "$1" "$2" >>"$RESULTS"; }

ok() {
    DONE=1
    count ok 1
    printf 'ok %s\n' "$NAME"
}
# fail REASON [MORE LINES]: keeps the recording of the test when there is one.
fail() {
    local text="FAIL $NAME: $1"
    shift
    local kept=$BUILD/failed/$NAME.reel line
    if [ -n "${RECORDING:-}" ] && [ -d "$RECORDING" ]; then
        mkdir -p "$BUILD/failed"
        rm -rf "$kept"
        cp -r --sparse=always "$RECORDING" "$kept" && text+=$'\n'"     replay it: $REEL_SHOWN replay --all --check-memory $kept"
    fi
    for line in "$@"; do
        [ -z "$line" ] || text+=$'\n'"     $line"
    done
    DONE=1
    count FAIL 1
    printf '%s\n' "$text"
    exit 1
}
skip() {
    DONE=1
    count skip 1
    printf 'skip %s: %s\n' "$NAME" "$1"
    exit 0
}

# The last line of everything; exit status 1 when a test failed or none ran.
finish() {
    [ "$BASHPID" = "$OWNER" ] || return 0
    local passed=0 failed=0 skipped=0 word number
    while read -r word number; do
        case $word in
        ok) passed=$((passed + number)) ;;
        FAIL) failed=$((failed + number)) ;;
        skip) skipped=$((skipped + number)) ;;
        esac
    done <"$RESULTS"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0 && passed + skipped > 0)) || exit 1
}

need_reel() {
    [ -x "$REEL" ] && return
    NAME=$SUITE
    (fail "$REEL_SHOWN is not there" "build it: make")
    finish
    exit 1
}

# ---- running tests ----

wanted() {
    # shellcheck disable=SC2254 # FILTER is a pattern
    case $1 in
    $FILTER) return 0 ;;
    *) return 1 ;;
    esac
}

# Run `SCRIPT --one NAME` for every wanted name on stdin, JOBS at a time.
run_all() {
    local name
    while read -r name; do
        wanted "$name" && printf '%s\0' "$name"
    done | xargs -0 -r -P "$JOBS" -n 1 bash "$0" --one
    true # a failure is in the account
}

# Names of the functions test_*, in the order of the file.
all_tests() { grep -o '^test_[a-z0-9_]*' "$0" | sed 's/^test_//'; }

# The scratch directory of test $NAME. A test that died without a word has failed.
begin() {
    NAME=$1 RECORDING='' DONE=''
    T=$SCRATCH/$NAME
    mkdir -p "$T"
    chmod 755 "$T"
    cd "$T" || exit 1
    trap 'end_of_test' EXIT
}
end_of_test() {
    local status=$?
    if [ -z "$DONE" ]; then
        count FAIL 1
        printf 'FAIL %s: the test itself ended early (status %d)\n' "$NAME" "$status"
    fi
    cd / || true
    mountpoint -q "$T/disk" && umount "$T/disk"
    chmod -R u+rwx "$T" 2>/dev/null
    rm -rf "$T"
}

# The whole of a suite whose tests are functions.
functions_main() {
    if [ "${1:-}" = --one ]; then
        begin "$2"
        "test_$2"
        ok
        exit 0
    fi
    need_reel
    all_tests | run_all
    finish
}

# ---- steps ----

# limit COMMAND...: with default signals (background jobs of a shell ignore SIGINT) and a time limit. KILL, because
# reel hands SIGTERM to the program; what reel traces dies with it.
limit() { timeout -s KILL "$STEP_SECONDS" env --default-signal "$@"; }

# step OUT COMMAND...: stdin from $STDIN or /dev/null; stdout to OUT.out, stderr to OUT.err; the status into STATUS.
# TIMED_OUT is set when the limit was reached.
step() {
    local to=$1 started=$SECONDS
    shift
    # Bash says "Killed" about a killed child on its own stderr: the brace group keeps that out of our output.
    { limit "$@" >"$to.out" 2>"$to.err" <"${STDIN:-/dev/null}"; } 2>/dev/null
    STATUS=$?
    TIMED_OUT=''
    if [ "$STATUS" = 137 ] && ((SECONDS - started >= STEP_SECONDS)); then
        TIMED_OUT=1
    fi
}

# First line of a file, cut, for a reason.
first_line() { head -n 1 "$1" 2>/dev/null | cut -c 1-300; }
# reel's own first words in a file.
words() { grep -a -m 1 '^reel: ' "$1" | cut -c 1-300; }

# Write the signal number of "SIGNAME".
signal_number() { kill -l "${1#SIG}"; }

# ---- recorded, thrown away, replayed ----

# Empty the directory $1.
throw_away() {
    chmod -R u+rwx "$1" 2>/dev/null
    find "$1" -mindepth 1 -delete
}

# Where a and b differ, in a few words.
difference() { cmp "$1" "$2" 2>&1 | sed 's/.*differ: //' | cut -c 1-200; }

# replays_alike RECORDING TO N [PREFIX...]: replay all processes N times in an empty directory and compare with TO.out, TO.err and
# status $RECORDED. Returns with a REASON on the first difference.
replays_alike() {
    local recording=$1 to=$2 count=$3 i
    shift 3
    mkdir -p "$T/empty"
    chmod 777 "$T/empty"
    cd "$T/empty" || return 1
    for ((i = 1; i <= count; i++)); do
        # every other replay stops at all calls, which makes no difference
        local how=()
        ((i % 2)) || how=(--no-buffer)
        step "$T/replay" "$@" "$REEL" replay --all --check-memory "${how[@]+"${how[@]}"}" "$recording"
        REASON=''
        # nobody knows at which instruction SIGKILL struck, and the replay says so
        [ "$RECORDED" != 137 ] || sed -i '/^reel: the recorded program was killed by SIGKILL/d' "$T/replay.err"
        if [ -n "$TIMED_OUT" ]; then
            REASON="replay $i hung"
        elif ! cmp -s "$to.err" "$T/replay.err"; then
            REASON="replay $i: stderr differs, status $STATUS: $(words "$T/replay.err")"
            [ -n "$(words "$T/replay.err")" ] || REASON+="$(first_line "$T/replay.err") ($(difference "$to.err" "$T/replay.err"))"
        elif [ "$STATUS" != "$RECORDED" ]; then
            REASON="replay $i: status $STATUS, recorded $RECORDED"
        elif ! cmp -s "$to.out" "$T/replay.out"; then
            REASON="replay $i: stdout differs: $(difference "$to.out" "$T/replay.out")"
        elif [ -n "$(ls -A "$T/empty")" ]; then
            REASON="replay $i left something behind: $(find "$T/empty" -mindepth 1 -printf '%P ' | cut -c 1-100)"
        fi
        [ -z "$REASON" ] || return 1
    done
    return 0
}

# ---- recordings that end before their program ----

is_prefix() {
    local size
    size=$(stat -c %s "$1")
    ((size <= $(stat -c %s "$2"))) && cmp -s -n "$size" "$1" "$2"
}

# One line `reel: ...` on the stderr in $1 and nothing else.
is_one_line() { [ "$(wc -l <"$1")" = 1 ] && grep -q '^reel: .' "$1" && [ "$(tail -c 1 "$1" | od -An -c | tr -d ' ')" = '\n' ]; }

# The recording replays without divergence up to where it ends before its program did, and what it shows is a beginning of
# the live output $1. $2: the least number of lines that it shows.
ends_early() {
    local live=$1 least=${2:-0}
    step "$T/replay" "$REEL" replay "$RECORDING"
    [ -z "$TIMED_OUT" ] || fail "the replay hung"
    [ "$STATUS" = 0 ] || fail "replay: status $STATUS: $(words "$T/replay.err")"
    is_one_line "$T/replay.err" || fail "replay: not one line on stderr: $(head -c 300 "$T/replay.err" | tr '\n' '|')"
    grep -q 'the recording ends here' "$T/replay.err" || fail "replay: $(words "$T/replay.err")"
    is_prefix "$T/replay.out" "$live" || fail "the replay shows what the program never printed"
    (($(wc -l <"$T/replay.out") >= least)) || fail "the replay shows $(wc -l <"$T/replay.out") lines, not even $least"
}
