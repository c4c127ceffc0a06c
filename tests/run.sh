#!/usr/bin/env bash
# Runs the tests: tests/run.sh [unit|victims|programs|faults|cli|trace|tracing|patch|crash|debug|fuzz|all] [FILTER-GLOB]
#
# Each test says `ok NAME`, `FAIL NAME: reason` or `skip NAME: reason`; the last line is `N passed, M failed, K skipped`
# and the exit status is 1 when M is not 0. See tests/lib.sh for the environment variables that are read.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WHAT=${1:-all}
if [ "$WHAT" != --one ] && [ -n "${2:-}" ]; then
    export FILTER=$2
fi

# ---- unit: binaries written with Check, built by the Makefile ----

unit() {
    local binary line total failures errors skipped reasons
    for binary in "$BUILD"/tests/unit/test_*; do
        [ -f "$binary" ] && [ -x "$binary" ] || continue
        NAME=unit-${binary##*/test_} RECORDING=''
        wanted "$NAME" || continue
        STEP_SECONDS=600 step "$SCRATCH/$NAME" "$binary"
        line=$(grep -h -o '[0-9]*%: Checks: [0-9]*, Failures: [0-9]*, Errors: [0-9]*' "$SCRATCH/$NAME.out" \
            "$SCRATCH/$NAME.err" | tail -n 1)
        if [[ $line =~ Checks:\ ([0-9]+),\ Failures:\ ([0-9]+),\ Errors:\ ([0-9]+) ]]; then
            total=${BASH_REMATCH[1]} failures=${BASH_REMATCH[2]} errors=${BASH_REMATCH[3]}
            # tests that found something missing here say so (tests/unit/scratch.h), and pass
            skipped=$(cat "$SCRATCH/$NAME.out" "$SCRATCH/$NAME.err" | grep -a -c '^skip: ')
            ((skipped <= total - failures - errors)) || skipped=$((total - failures - errors))
            reasons=$(cat "$SCRATCH/$NAME.out" "$SCRATCH/$NAME.err" | sed -n 's/^skip: //p' | sort -u | paste -sd,)
            count ok $((total - failures - errors - skipped))
            count skip "$skipped"
            if ((failures + errors == 0 && STATUS == 0 && total > 0)); then
                printf 'ok %s (%d checks)\n' "$NAME" $((total - skipped))
                ((skipped == 0)) || printf 'skip %s: %d checks: %s\n' "$NAME" "$skipped" "$reasons"
                continue
            fi
            # Not all passed, or the binary failed after its last check (a sanitizer, a leak).
            count FAIL $((failures + errors > 0 ? failures + errors : 1))
            printf 'FAIL %s: %s, status %d\n' "$NAME" "$line" "$STATUS"
        else
            count FAIL 1
            printf 'FAIL %s: no result of Check in its output, status %d\n' "$NAME" "$STATUS"
        fi
        grep -h -v '^[0-9]*%: Checks\|^Running suite' "$SCRATCH/$NAME.out" "$SCRATCH/$NAME.err" | head -n 40 |
            sed 's/^/     /'
    done
}

# ---- victims: small programs with a header that says how they end ----
#
# In the first lines, each a comment of its own:
#   expect: exit N         the status (needed), or
#   expect: signal SIGNAME
#   recording: stops       it does what cannot be recorded: it runs on unharmed, and replays up to there
#   flags: ...             more for the compiler
#   needs: ...             root, or programs
#   strip                  strip the binary

# The source of victim $1.
victim_source() {
    local source
    for source in "$ROOT/tests/victims/$1.c" "$ROOT/tests/victims/$1.cc"; do
        [ ! -f "$source" ] || printf '%s\n' "$source"
    done
}

# header SOURCE KEY: what the first lines say about KEY.
header() { head -n 12 "$1" | sed -n "s@^/\* *$2\(: *\(.*[^ ]\)\)\{0,1\} *\*/ *\$@\2 @p" | head -n 1 | sed 's/ $//'; }
has_header() { head -n 12 "$1" | grep -q "^/\* *$2\b"; }

build_victim() {
    local source=$1 binary=$2 newer flags
    newer=$(find "$source" "$ROOT/tests/victims" -maxdepth 1 \( -name '*.h' -o -path "$source" \) -newer "$binary" 2>/dev/null)
    [ -x "$binary" ] && [ -z "$newer" ] && return
    mkdir -p "$(dirname "$binary")"
    read -r -a flags < <(header "$source" flags)
    local compile=(gcc -std=gnu11)
    [ "${source##*.}" = c ] || compile=(g++ -std=gnu++17)
    "${compile[@]}" -D_GNU_SOURCE -Wall -Wextra -O1 -g -o "$binary.$$.new" "$source" "${flags[@]+"${flags[@]}"}" \
        2>"$T/build.err" || return
    ! has_header "$source" strip || strip "$binary.$$.new" || return
    mv "$binary.$$.new" "$binary"
}

# Into EXPECTED: the status that the header promises.
read_expected() {
    local kind value
    read -r kind value < <(header "$1" expect)
    case $kind in
    exit) EXPECTED=$value ;;
    signal) EXPECTED=$((128 + $(signal_number "$value"))) ;;
    *) fail "its first lines do not say /* expect: exit N */ or /* expect: signal SIGNAME */" ;;
    esac
}

victim() {
    # NAME+stops: the same, but every call stops
    local source binary need name=${1%+stops}
    begin "$1"
    source=$(victim_source "$name")
    for need in $(header "$source" needs); do
        case $need in
        root) [ "$(id -u)" = 0 ] || skip "needs root" ;;
        *) command -v "$need" >/dev/null || skip "needs $need" ;;
        esac
    done
    binary=$BUILD/victims/$name
    build_victim "$source" "$binary" || fail "does not compile: $(first_line "$T/build.err")"
    read_expected "$source"

    mkdir "$T/native" "$T/work"
    cp "$binary" "$T/native/$name"
    cp "$binary" "$T/work/$name"
    cd "$T/native" || exit 1
    step "$T/alone" "./$name"
    [ "$STATUS" = "$EXPECTED" ] || fail "without reel: status $STATUS, expected $EXPECTED: $(first_line "$T/alone.err")"

    local how=()
    [ "$1" = "$name" ] || how=(--no-buffer)
    RECORDING=$T/$1.reel
    cd "$T/work" || exit 1
    REEL_EXPECT_REFUSED=1 step "$T/live" "$REEL" record --quiet --check-memory "${how[@]+"${how[@]}"}" -o "$RECORDING" "./$name"
    RECORDED=$STATUS
    [ -z "$TIMED_OUT" ] || fail "the recording hung"
    [ "$RECORDED" = "$EXPECTED" ] || fail "recorded: status $RECORDED, expected $EXPECTED: $(first_line "$T/live.err")"
    throw_away "$T/work"
    throw_away "$T/native"
    case $(header "$source" recording) in
    stops)
        grep -q '^reel: recording stopped' "$T/live.err" || fail "the recording should have stopped, and did not say so"
        ends_early "$T/live.out"
        ok
        exit 0
        ;;
    esac
    [ -z "$(words "$T/live.err")" ] || fail "recorded: $(words "$T/live.err")"
    replays_alike "$RECORDING" "$T/live" "$REPLAYS" || fail "$REASON"
    ok
    exit 0
}

victims() {
    need_reel
    local names
    names=$(find "$ROOT/tests/victims" -maxdepth 1 \( -name '*.c' -o -name '*.cc' \) -printf '%f\n' | sed 's/\.[a-z]*$//' | sort)
    # all of them twice, but those that are about calls without stops
    printf '%s\n%s\n' "$names" "$(sed '/^buffer_/d; s/$/+stops/' <<<"$names")" | run_all
}

# ---- fuzz: $BUILD/asan/tests/fuzz/fuzz_*, built with sanitizers; each mutates seeds from a fixed number on ----

# Files to begin with: those of a small recording, small real programs for ELF.
fuzz_seeds() {
    local recording=$SCRATCH/fuzz.reel
    case $1 in
    fuzz_recording)
        "$REEL" record --quiet --check-memory -o "$recording" true &&
            printf '%s\n' "$recording"/d1/1.* "$recording/recording.json"
        # several processes in one log: all kinds of events and effects of these
        gcc -D_GNU_SOURCE -w -o "$SCRATCH/joined" "$ROOT/tests/victims/joined_write.c" &&
            (cd "$SCRATCH" && "$REEL" record --quiet -o joined.reel ./joined >/dev/null) &&
            find "$SCRATCH/joined.reel" -path '*/d*/1.*'
        ;;
    fuzz_unwind) printf '%s\n' /usr/bin/true ;;
    fuzz_dwarf) # not large: each round reads all of it
        printf '%s\n' 'struct point { int x, y; };' 'int sum(struct point *p, int n) {' \
            '    int all = 0;' '    for (int i = 0; i < n; i++) all += p[i].x * p[i].y;' '    return all;' '}' \
            'int main(int argc, char **argv) { struct point p[2] = {{argc, 2}, {3, *argv[0]}}; return sum(p, 2); }' \
            >"$SCRATCH/fuzz.c"
        gcc -g -O1 -gdwarf-5 -o "$SCRATCH/fuzz5" "$SCRATCH/fuzz.c" && gcc -g -O0 -gdwarf-4 -o "$SCRATCH/fuzz4" "$SCRATCH/fuzz.c" &&
            printf '%s\n' "$SCRATCH/fuzz5" "$SCRATCH/fuzz4"
        ;;
    fuzz_trace) printf '%s\n' "$ROOT/tests/fuzz/seeds/trace.json" ;;
    fuzz_value)
        gcc -std=gnu11 -g -fPIC -shared -w -o "$SCRATCH/plain.so" "$ROOT"/tests/unit/typed/plain.c &&
            g++ -std=c++20 -g -fPIC -shared -w -o "$SCRATCH/standard.so" "$ROOT"/tests/unit/typed/standard.cc &&
            printf '%s\n' "$SCRATCH/plain.so" "$SCRATCH/standard.so"
        PATH=$PATH:$HOME/.cargo/bin rustc --edition 2021 -C debuginfo=2 -o "$SCRATCH/oxide.so" \
            "$ROOT"/tests/unit/typed/oxide.rs 2>/dev/null && printf '%s\n' "$SCRATCH/oxide.so"
        ;;
    fuzz_patch) printf '%s\n' /usr/bin/true /usr/bin/env ;;
    fuzz_tar)
        mkdir -p "$SCRATCH/tar/files" && echo '{}' >"$SCRATCH/tar/recording.json" && head -c 3000 /usr/bin/true >"$SCRATCH/tar/files/1" &&
            tar --format=ustar -cf "$SCRATCH/ustar.tar" -C "$SCRATCH/tar" recording.json files/1 && tar --format=pax -cf "$SCRATCH/pax.tar" -C "$SCRATCH/tar" . &&
            printf '%s\n' "$SCRATCH/ustar.tar" "$SCRATCH/pax.tar"
        ;;
    fuzz_elf) printf '%s\n' "$BUILD/tests/unit/test_base" /usr/bin/true ;;
    esac
}

fuzz() {
    local binary found="" rounds seeds
    rounds=$(soak_or 1000000 20000)
    for binary in "$BUILD"/asan/tests/fuzz/fuzz_*; do
        [ -f "$binary" ] && [ -x "$binary" ] || continue
        found=1
        NAME=fuzz-${binary##*/fuzz_} RECORDING=''
        wanted "$NAME" || continue
        mapfile -t seeds < <(fuzz_seeds "${binary##*/}")
        STEP_SECONDS=3600 step "$SCRATCH/$NAME" "$binary" 1 "$rounds" "${seeds[@]}"
        if [ "$STATUS" = 0 ]; then
            ok
        else
            (fail "status $STATUS" "$(tail -n 5 "$SCRATCH/$NAME.err")")
        fi
    done
    if [ -z "$found" ]; then
        NAME=fuzz
        (skip "nothing is built in $BUILD/asan/tests/fuzz (make ASAN=1 fuzzers)")
    fi
}

suite() {
    case $1 in
    unit | victims | fuzz) "$1" ;;
    *) bash "$ROOT/tests/$1.sh" ;;
    esac
}

# One command, read as a whole: an edit of this file in the middle of a run does no harm.
{
    case $WHAT in
    --one) victim "$2" ;;
    unit | victims | programs | faults | cli | trace | tracing | patch | crash | debug | fuzz) suite "$WHAT" ;;
    all)
        for each in unit cli trace tracing patch crash debug victims programs faults fuzz; do
            suite "$each"
        done
        ;;
    *)
        printf 'usage: tests/run.sh [unit|victims|programs|faults|cli|trace|tracing|patch|crash|debug|fuzz|all] [FILTER-GLOB]\n' >&2
        exit 2
        ;;
    esac
    finish
    exit
}
