#!/usr/bin/env bash
# gdb on replays: each tests/debug/NAME.py runs in gdb, on a recording of NAME.c that is all that is left of it.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE=$ROOT/tests/debug

need_gdb() { command -v gdb >/dev/null || skip "needs gdb"; }

# made NAME: $RECORDING of the program, which is gone, as is what it read.
made() {
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -g -O0 -pthread -o "$1" "$HERE/$1.c" 2>"$T/build.err" ||
        fail "$1 does not compile: $(first_line "$T/build.err")"
    RECORDING=$T/$1.reel
    head -c 5000 /dev/urandom >input.txt
    step "$T/live" "$REEL" record --quiet -o "$RECORDING" "./$1" input.txt
    [ -z "$(words "$T/live.err")" ] || fail "recorded: $(words "$T/live.err")"
    rm -f "$1" input.txt
}

# in_gdb NAME: its script says `passed`.
in_gdb() {
    need_gdb
    made "$1"
    step "$T/gdb" "$REEL" debug "$RECORDING" -- -nx -batch -iex 'set debug-file-directory /nowhere' -x "$HERE/$1.py"
    [ -z "$TIMED_OUT" ] || fail "it hangs"
    grep -q '^passed$' "$T/gdb.out" ||
        fail "$(grep -a '^[A-Za-z.]*Error' "$T/gdb.out" "$T/gdb.err" | tail -n 1)" "$(tail -n 5 "$T/gdb.out")" "$(tail -n 5 "$T/gdb.err")"
}

# Without gdb: a client of our own, and what it must get.
with_client() {
    made "$1"
    step "$T/client" /usr/bin/python3 "$HERE/client.py" "$REEL" "$RECORDING" "$2"
    [ -z "$TIMED_OUT" ] || fail "it hangs"
    [ "$STATUS" = 0 ] || fail "$(tail -n 1 "$T/client.err")"
}

test_heap() { in_gdb heap; }
test_statements() { in_gdb statements; }
test_jumps() {
    export REEL_JUMPS
    REEL_JUMPS=$(soak_or 1000 200)
    in_gdb jumps
}
test_race() { in_gdb race; }
test_signals() { in_gdb signals; }
test_hostile() { with_client signals hostile; }
test_vanishing() { with_client signals vanishing; }
test_two_clients() { with_client signals two; }

functions_main "$@"
