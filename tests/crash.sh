#!/usr/bin/env bash
# Crash capture: `reel watch`. Victims are in tests/crash/; each says of itself what its report must hold (fact.h), and
# check.py compares. Every core is opened by gdb.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE=$ROOT/tests/crash

# build NAME [FLAG...]: ./NAME of the victim of this name.
build() {
    local name=$1 source compile=(gcc -std=gnu11)
    shift
    source=$HERE/$name.c
    [ -f "$source" ] || { source=$HERE/$name.cc && compile=(g++ -std=gnu++17); }
    "${compile[@]}" -D_GNU_SOURCE -Wall -Wextra -Wno-stringop-overflow -g -O0 -pthread -fstack-protector-all -o "$name" \
        "$source" "$@" 2>"$T/build.err" || fail "$name does not compile: $(first_line "$T/build.err")"
}
# watch STATUS ARGUMENT...
watch() {
    local expected=$1
    shift
    step "$T/out" "$REEL" watch "$@"
    [ -z "$TIMED_OUT" ] || fail "watch $*: hangs"
    [ "$STATUS" = "$expected" ] || fail "watch $*: status $STATUS instead of $expected: $(words "$T/out.err")"
}
err_has() { grep -q -- "$1" "$T/out.err" || fail "stderr lacks '$1': $(head -c 300 "$T/out.err" | tr '\n' '|')"; }
# A failure of reel's own: one line, nothing on stdout.
fails() {
    watch 125 "$@"
    is_one_line "$T/out.err" || fail "not one line on stderr: $(head -c 300 "$T/out.err" | tr '\n' '|')"
    grep -q '^reel: .*: .' "$T/out.err" || fail "not \`reel: WHAT: WHY\`: $(first_line "$T/out.err")"
}
# reports N [DIR]: there are N reports; REPORT is the first of them.
reports() {
    local found=("${2:-.}"/crash-*/)
    [ -d "${found[0]}" ] || found=()
    [ "${#found[@]}" = "$1" ] || fail "${#found[@]} reports instead of $1: $(words "$T/out.err")"
    REPORT=${found[0]:-}
    REPORT=${REPORT%/}
}
checked() { /usr/bin/python3 "$HERE/check.py" "$REPORT" "${1:-$T/out.out}" 2>"$T/check.err" || fail "$(tail -n 1 "$T/check.err")"; }
# get EXPRESSION: of the report, as Python has it: get "['reason']['signal']"
get() { /usr/bin/python3 -c "import json, sys; print(json.load(open(sys.argv[1]))$1)" "$REPORT/report.json"; }
is() { [ "$(get "$1")" = "$2" ] || fail "report$1 is $(get "$1"), not $2"; }
# core_shows PROGRAM FUNCTION [COMPLAINT]: gdb opens the core, without a word of complaint (but this), and finds the function
# on the stack.
core_shows() {
    local program=$1 function=$2 allowed=${3:-(deleted)}
    gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'info threads' -ex 'bt 40' "$program" "$REPORT/core" >"$T/gdb.out" 2>"$T/gdb.err" ||
        fail "gdb does not open the core: $(first_line "$T/gdb.err")"
    grep -q -- "$function" "$T/gdb.out" || fail "gdb does not find $function: $(grep -m 3 '^#' "$T/gdb.out" | tr '\n' '|')"
    # gdb 13 says this of the kernel's own cores, too
    local complaint
    complaint=$(grep -v "xstate.*too small\|(deleted)\|$allowed" "$T/gdb.err" | grep -i -m 1 'warning\|cannot')
    [ -z "$complaint" ] || fail "gdb complains of ${PWD##*/}: $complaint"
}

# ---- every kind of crash ----

# kinds VICTIM FLAG...: all that the victim can do, one after the other.
kinds() {
    local victim=$1 kind status
    shift
    build "$victim" "$@"
    for kind in $("./$victim"); do
        mkdir "$kind"
        cd "$kind" || exit 1
        step "$T/alone" "../$victim" "$kind"
        status=$STATUS
        MY_PASSWORD=swordfish watch "$status" --exit-status 9 -- "../$victim" "$kind"
        if [ "$kind" = not ]; then
            reports 0
        else
            reports 1
            checked || fail "$kind: $REASON"
            # exit() has ended the other threads already
            core_shows "../$victim" "#0" "$([ "$kind" = exit_thread ] && echo general-purpose)"
        fi
        cd ..
        rm -rf "$kind"
    done
}
test_kinds() { kinds crashes; }
test_kinds_optimized() { OPTIMIZED=1 kinds crashes -O1 -fno-optimize-sibling-calls; }
test_kinds_clang() {
    command -v clang >/dev/null || skip "needs clang"
    cp "$HERE"/* .
    HERE=$T
    clang -D_GNU_SOURCE -g -O0 -pthread -fstack-protector-all -w -o crashes crashes.c || fail "does not compile"
    build() { :; }
    kinds crashes
}
test_exceptions() { kinds exceptions; }
test_exceptions_optimized() { OPTIMIZED=1 kinds exceptions -O1 -fno-optimize-sibling-calls; }

test_stripped() {
    build crashes -O1 -s
    watch 139 -- ./crashes read
    reports 1
    is "['reason']['access']" read
    core_shows ./crashes '#1'
}
test_static() {
    build crashes -static
    watch 134 -- ./crashes assert
    reports 1
    core_shows ./crashes check_order
    checked
    get "['threads'][0]['frames']" | grep -q check_order || fail "no check_order on the stack"
}

test_user() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    build crashes
    mkdir all
    chown 65534 all
    step "$T/out" setpriv --reuid 65534 --regid 65534 --clear-groups "$REEL" watch -o all -- ./crashes sixteen
    [ "$STATUS" = 139 ] || fail "status $STATUS: $(words "$T/out.err")"
    reports 1 all
    checked
    core_shows ./crashes crash_here
    [ "$(stat -c %u "$REPORT/core")" = 65534 ] || fail "the core belongs to somebody else"
    fails_as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$REEL" watch -p 1 2>"$T/out.err"; }
    fails_as_user
    [ $? = 125 ] || fail "process 1 can be watched by anybody"
    err_has 'not allowed to trace it'
}

# ---- counted, limited, hidden ----

test_counted() {
    build crashes
    local i
    for i in 1 2 3; do
        watch 139 -- ./crashes read
    done
    err_has '3 times'
    watch 139 -- ./crashes overflow
    watch 139 -- ./crashes overflow
    watch 139 -- ./crashes write
    reports 3
    local counts=''
    for REPORT in crash-*; do
        counts+="$(get "['count']") "
        grep -q "^Seen *$(get "['count']") times" "$REPORT/report.txt" || fail "report.txt counts otherwise"
        [ "$(get "['count']")" = 1 ] || [ "$(get "['first_seen']")" \< "$(get "['last_seen']")" ] || fail "last_seen is not later"
    done
    [ "$(tr ' ' '\n' <<<"$counts" | sort | tr -d '\n')" = 123 ] || fail "counted: $counts"
}
test_counted_at_once() {
    build crashes
    local i
    for i in $(seq 12); do
        "$REEL" watch --quiet -o all -- ./crashes read >"out.$i" &
    done
    wait
    reports 1 all
    is "['count']" 12
}
test_quota() {
    build crashes
    local i kind
    for kind in read write exec divide illegal; do
        watch "$(case $kind in divide) echo 136 ;; illegal) echo 132 ;; *) echo 139 ;; esac)" --quota 1500K -o all -- ./crashes $kind
        sleep 0.01
    done
    (($(du -sk all | cut -f 1) <= 1600)) || fail "$(du -sk all) is more than the quota"
    [ -n "$(echo all/crash-*)" ] || fail "all are gone"
    REPORT=$(grep -l '"SIGILL"' all/crash-*/report.json) || fail "the newest is gone"
    [ -n "$REPORT" ] || fail "the newest is gone"
}
test_core_size() {
    build crashes
    watch 139 --core-size 64K -- ./crashes read
    reports 1
    is "['core']['state'][:16]" 'written, without'
    (($(du -k "$REPORT/core" | cut -f 1) <= 120)) || fail "the core takes $(du -k "$REPORT/core")"
    core_shows ./crashes '#0' .
    watch 139 --no-core -o none -- ./crashes read
    reports 1 none
    [ ! -e "$REPORT/core" ] || fail "there is a core"
    is "['core']['state']" 'not wanted'
}
test_secrets() {
    build crashes
    MY_PASSWORD=swordfish1 api_token=swordfish2 AWS_SECRET_ACCESS_KEY=swordfish3 SHOP_NUMBER=swordfish4 PLAIN=visible \
        URL=postgres://user:swordfish5@host/db watch 139 --mask NUMBER -- bash -c 'exec -a "$0" "$@"' "./crashes" ./crashes read
    reports 1
    ! grep -q swordfish "$REPORT/report.json" "$REPORT/report.txt" || fail "a secret is in the report"
    grep -q 'PLAIN=visible' "$REPORT/report.json" || fail "what is no secret is hidden"
}
test_no_room() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    mkdir disk
    mount -t tmpfs -o size=1m none disk 2>/dev/null || skip "cannot mount"
    build crashes
    watch 139 -o disk -- ./crashes overflow
    reports 1 disk
    [ ! -e "$REPORT/core" ] || fail "half a core is left"
    err_has 'no core; none: core: No space left on device'
    is "['core']['state']" 'none: core: No space left on device'
    checked
    rm -rf disk/crash-*
    head -c 1040000 /dev/zero >disk/full
    watch 139 -o disk -- ./crashes read
    err_has 'there is no report: .*No space left'
    [ "$(ls disk)" = full ] || fail "something is left: $(ls disk)"
}
test_not_writable() {
    build crashes
    touch file
    watch 139 -o file -- ./crashes read
    err_has 'there is no report: file: Not a directory'
    ln -s /nowhere/at/all link
    watch 139 -o link -- ./crashes read
    err_has 'there is no report: link'
}
# A report is not written through links that somebody else has put there.
test_links() {
    build crashes
    mkdir all elsewhere
    ln -s ../elsewhere all/crash-crashes-1-20200101T000000
    watch 139 -o all -- ./crashes read
    [ -z "$(ls elsewhere)" ] || fail "something was written through a link"
}

# ---- attached ----

# begin_victim: ./sleeper-like program in the background, $PID.
await() {
    local i
    for i in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}
traced() { grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$1/status" 2>/dev/null; }
untraced() { grep -q '^TracerPid:[[:space:]]*0' "/proc/$1/status" 2>/dev/null; }
gone() { [ ! -d "/proc/${1:?}" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status"; }

test_attached() {
    build waiter
    ./waiter >out &
    local pid=$!
    await grep -q ready out || fail "it does not begin"
    "$REEL" watch -p $pid 2>err &
    local reel=$!
    await traced $pid || fail "not attached: $(cat err)"
    kill -USR1 $pid # a handler that crashes
    wait $pid 2>/dev/null
    [ $? = 139 ] || fail "the process ends otherwise"
    wait $reel || fail "reel: status $?: $(cat err)"
    reports 1
    checked out
    core_shows ./waiter bad_handler
}
# Ctrl-C leaves the process as it is: none of its calls is interrupted, no signal is lost.
test_left() {
    build waiter
    local i reel pid
    ./waiter >out &
    pid=$!
    await grep -q ready out || fail "it does not begin"
    for i in $(seq "$(soak_or 200 20)"); do
        env --default-signal "$REEL" watch -p $pid 2>err &
        reel=$!
        await traced $pid || fail "not attached: $(cat err)"
        kill -USR2 $pid
        kill -INT $reel
        wait $reel || fail "reel: status $?: $(cat err)"
        await untraced $pid || fail "still traced"
    done
    kill -TERM $pid # it tells what it has seen, and ends
    wait $pid || fail "the process ends with $?: $(tail -n 1 out)"
    grep -q "usr2 $(soak_or 200 20) interrupted 0" out || fail "signals: $(tail -n 1 out)"
    reports 0
}
# kill -9 of reel at any moment: the process lives, gets all of its signals, and ends as it should.
test_reel_killed() {
    build waiter
    local i reel pid rounds
    rounds=$(soak_or 300 40)
    ./waiter >out &
    pid=$!
    await grep -q ready out || fail "it does not begin"
    for i in $(seq "$rounds"); do
        "$REEL" watch --quiet -p $pid 2>err &
        reel=$!
        kill -USR2 $pid
        sleep "0.0$((RANDOM % 40 + 10))"
        kill -9 $reel
        wait $reel 2>/dev/null
        kill -0 $pid 2>/dev/null || fail "the process is gone after round $i"
        await untraced $pid || fail "still traced"
        sleep 0.01
    done
    kill -TERM $pid
    wait $pid || fail "the process ends with $?: $(tail -n 1 out)"
    grep -q "usr2 $rounds interrupted 0" out || fail "signals: $(tail -n 1 out)"
}
# ... and while it captures a crash: the process dies of it nonetheless.
test_reel_killed_capturing() {
    build crashes
    local i reel pid
    for i in $(seq "$(soak_or 100 12)"); do
        rm -f out
        "$REEL" watch --quiet -o all -- ./crashes sixteen >out 2>err &
        reel=$!
        await grep -qs 'fact tid' out || fail "it does not begin"
        pid=$(awk '/fact pid/ { print $3 }' out)
        sleep "0.0$((RANDOM % 90 + 10))"
        kill -9 $reel
        wait $reel 2>/dev/null
        await gone "$pid" || fail "the process lives on: $(grep State "/proc/$pid/status")"
        for REPORT in all/crash-*; do
            [ ! -e "$REPORT/report.json" ] || get "['count']" >/dev/null || fail "half a report: $REPORT"
        done
        rm -rf all
    done
}
# A process that is killed while it is captured leaves a report that is whole.
test_victim_killed() {
    build crashes
    local i pid
    for i in $(seq "$(soak_or 100 12)"); do
        rm -f out
        "$REEL" watch -o all -- ./crashes sixteen >out 2>err &
        local reel=$!
        await grep -qs 'fact tid' out || fail "it does not begin"
        pid=$(awk '/fact pid/ { print $3 }' out)
        sleep "0.0$((RANDOM % 90 + 10))"
        kill -9 "$pid" 2>/dev/null
        wait $reel
        for REPORT in all/crash-*; do
            [ -d "$REPORT" ] || continue
            get "['count']" >/dev/null || fail "half a report: $REPORT"
            [ -s "$REPORT/report.txt" ] || fail "no report.txt"
            [ "$(get "['core']['state']")" = written ] || [ ! -e "$REPORT/core" ] || fail "half a core is left"
        done
        rm -rf all
    done
}
test_killed() {
    build waiter
    "$REEL" watch -- ./waiter >out 2>err &
    local reel=$! pid
    await grep -q ready out || fail "it does not begin"
    pid=$(awk '/fact pid/ { print $3 }' out)
    kill -9 "$pid"
    wait $reel
    local status=$?
    [ $status = 137 ] || fail "status $status"
    is_one_line err || fail "not one line: $(cat err)"
    grep -q 'was killed by SIGKILL.*: nothing could be kept of it' err || fail "$(cat err)"
    reports 0
}
test_group_stop() {
    build waiter
    "$REEL" watch -- ./waiter >out 2>err &
    local reel=$! pid
    await grep -q ready out || fail "it does not begin"
    pid=$(awk '/fact pid/ { print $3 }' out)
    kill -STOP "$pid"
    await grep -q '^State:[[:space:]]*[tT]' "/proc/$pid/status" || fail "it does not stop"
    kill -USR2 "$pid"
    sleep 0.2
    ! grep -q 'usr2 now' out || fail "it runs on although it is stopped"
    kill -CONT "$pid"
    await grep -q 'usr2 now' out || fail "it does not go on"
    kill -TERM "$pid"
    wait $reel || fail "status $?: $(cat err)"
}

# Ctrl-Z stops the program and reel with it, once the program has dealt with it; fg lets both go on.
test_terminal_stop() {
    cat >job.py <<'PYTHON'
import os, pty, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
def until(word):
    text = b""
    while word not in text:
        text += os.read(fd, 1000)
until(b"ready")
os.write(fd, b"\x1a") # Ctrl-Z
until(b"tidied up")
_, status = os.waitpid(pid, os.WUNTRACED)
assert os.WIFSTOPPED(status), status
os.killpg(os.tcgetpgrp(fd), signal.SIGCONT)
until(b"goes on")
os.write(fd, b"\x03") # Ctrl-C
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status))
PYTHON
    # shellcheck disable=SC2016 # for perl
    step "$T/out" /usr/bin/python3 job.py "$REEL" watch --quiet -- perl -e '$| = 1; $SIG{INT} = sub { exit 3 };
        $SIG{TSTP} = sub { print "tidied up\n"; kill "STOP", $$; print "goes on\n" }; print "ready\n"; sleep 1 while 1'
    [ -z "$TIMED_OUT" ] || fail "hangs"
    [ "$STATUS" = 3 ] || fail "status $STATUS: $(tail -n 1 "$T/out.err")"
}

# ---- what cannot be ----

test_usage() {
    fails
    fails -p 1x
    fails -p 99999999
    fails -p $$ -- true
    fails --exit-status 256 -- true
    fails --exit-status 5-1 -- true
    fails --exit-status '' -- true
    fails --core-size x -- true
    fails --quota -1 -- true
    fails --quota 99999999999G -- true
    fails --frobnicate -- true
    watch 127 -- ./not-there
    watch 126 -- /
    watch 0 -- true
    watch 7 --exit-status 8 -- sh -c 'exit 7'
}
test_refused() {
    fails -p 2 # a kernel thread
    fails -p 4194303
    sleep 60 &
    local pid=$!
    "$REEL" watch -p $pid 2>/dev/null &
    local reel=$!
    await traced $pid
    fails -p $pid
    err_has 'already traced by process'
    kill $reel
    kill $pid
    # a zombie
    /usr/bin/python3 -c 'import os, time
if os.fork() == 0: os._exit(0)
time.sleep(30)' &
    local parent=$!
    await pgrep -P $parent >/dev/null
    sleep 0.2
    fails -p "$(pgrep -P $parent)"
    kill $parent
}

# ---- processes ----

test_follow() {
    build crashes
    watch 5 --no-follow -- ./crashes child
    reports 0
    watch 0 -- sh -c './crashes read; ./crashes divide; ./crashes write; true'
    reports 3
}
# clone() and exec from a thread, and many of all at once
test_many() {
    build forker -lpthread
    step "$T/alone" ./forker
    watch "$STATUS" -- ./forker
    cmp -s "$T/alone.out" "$T/out.out" || fail "it prints something else: $(difference "$T/alone.out" "$T/out.out")"
    reports 1
    is "['count']" 10
}
# thousands of threads, and a stack of hundreds of thousands of frames: bounded in time and size
test_large() {
    build crowd
    watch 139 --core-size 20M -- ./crowd "$(soak_or 5000 1000)"
    reports 1
    (($(stat -c %s "$REPORT/report.json") < 40000000)) || fail "report.json has $(stat -c %s "$REPORT/report.json") bytes"
    is "['threads'][0]['frames'][0]['function']" crowd_crash
    core_shows ./crowd crowd_crash
}
# a program that has destroyed its stack, its loader's lists, its heap and its environment
test_hostile() {
    build hostile
    local kind
    for kind in $(./hostile); do
        mkdir "$kind"
        cd "$kind" || exit 1
        watch 139 -- ../hostile "$kind"
        reports 1
        is "['reason']['signal']" SIGSEGV
        get "['complete']" | grep -q True || fail "$kind: not complete"
        core_shows ../hostile '#0' .
        cd ..
    done
}
# a program whose file is damaged: what is in debug information is anything
test_damaged() {
    build crashes
    local i
    for i in $(seq "$(soak_or 200 15)"); do
        cp crashes damaged
        /usr/bin/python3 - "$i" <<'PYTHON'
import random, subprocess, sys
random.seed(int(sys.argv[1]))
sections = {}
for line in subprocess.run(["readelf", "-SW", "damaged"], capture_output=True, text=True).stdout.splitlines():
    words = line.replace("[ ", "[").split()
    if len(words) > 5 and words[1].startswith((".debug", ".eh_frame", ".symtab", ".strtab")):
        sections[words[1]] = (int(words[4], 16), int(words[5], 16))
with open("damaged", "r+b") as file:
    for _ in range(60):
        offset, size = random.choice(list(sections.values()))
        file.seek(offset + random.randrange(size))
        file.write(bytes([random.randrange(256)]))
PYTHON
        step "$T/out" "$REEL" watch --no-core -o all -- ./damaged read
        [ "$STATUS" = 139 ] || fail "round $i: status $STATUS: $(words "$T/out.err")"
        reports 1 all
        is "['reason']['access']" read
        rm -rf all
    done
}

# ---- real programs ----

test_python() {
    watch 139 -- /usr/bin/python3 -c 'import ctypes; ctypes.string_at(0)'
    reports 1
    is "['reason']['address']" 0x0
    is "['reason']['access']" read
    core_shows /usr/bin/python3 string_at
}
test_perl() {
    command -v perl >/dev/null || skip "needs perl"
    watch 139 -- perl -e 'kill "SEGV", $$'
    reports 1
    is "['reason']['code_text']" 'sent by kill()'
    core_shows "$(command -v perl)" '#0'
}
test_sqlite() {
    command -v sqlite3 >/dev/null || skip "needs sqlite3"
    "$REEL" watch -- sqlite3 :memory: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c' >out 2>err &
    local reel=$! pid=''
    await pgrep -P $reel -x sqlite3 >/dev/null || fail "sqlite3 does not run"
    pid=$(pgrep -P $reel -x sqlite3)
    sleep 0.3
    kill -SEGV "$pid"
    wait $reel
    [ $? = 139 ] || fail "it ends otherwise: $(cat err)"
    reports 1
    is "['process']['pid']" "$pid"
    is "['reason']['sender_pid']" "$BASHPID"
    core_shows "$(command -v sqlite3)" sqlite3_step
}

functions_main "$@"
