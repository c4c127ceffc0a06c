#!/usr/bin/env bash
# Tracing of real programs, of many threads and processes, attaching and leaving, and of what is broken.
# Programs are in tests/tracing/; what a trace must hold is said to check.py there.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE=$ROOT/tests/tracing

# build NAME [FLAG...]: ./NAME of the program of this name, with debug information unless flags say otherwise.
build() {
    local name=$1 source compile=(gcc -std=gnu11)
    shift
    source=$HERE/$name.c
    [ -f "$source" ] || { source=$HERE/$name.cc && compile=(g++ -std=gnu++17); }
    "${compile[@]}" -D_GNU_SOURCE -Wall -Wextra -g -O1 -pthread -o "$name" "$source" "$@" 2>"$T/build.err" ||
        fail "$name does not compile: $(first_line "$T/build.err")"
}
# try STATUS COMMAND...
try() {
    local expected=$1
    shift
    step "$T/out" "$@"
    [ -z "$TIMED_OUT" ] || fail "$*: hangs"
    [ "$STATUS" = "$expected" ] || fail "$*: status $STATUS instead of $expected: $(first_line "$T/out.err")"
}
out_is() { [ "$(cat "$T/out.out")" = "$1" ] || fail "stdout is not '$1' but: $(head -c 200 "$T/out.out")"; }
err_has() { grep -q -- "$1" "$T/out.err" || fail "stderr lacks '$1': $(head -c 300 "$T/out.err" | tr '\n' '|')"; }
# A failure of reel's own: one line, nothing on stdout.
fails() {
    try 125 "$@"
    is_one_line "$T/out.err" || fail "not one line on stderr: $(head -c 300 "$T/out.err" | tr '\n' '|')"
    grep -q '^reel: .*: .' "$T/out.err" || fail "not \`reel: WHAT: WHY\`: $(first_line "$T/out.err")"
    [ ! -s "$T/out.out" ] || fail "stdout is not empty: $(head -c 200 "$T/out.out")"
}
# alike TRACE ARGUMENT... -- PROGRAM ARGUMENT...: traced, it prints and ends as without.
alike() {
    local trace=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    step "$T/alone" "$@"
    local alone=$STATUS
    step "$T/out" "$REEL" trace "${options[@]}" -o "$trace" -- "$@"
    [ -z "$TIMED_OUT" ] || fail "$1: hangs"
    [ "$STATUS" = "$alone" ] || fail "$1: status $STATUS, $alone without reel: $(first_line "$T/out.err")"
    cmp -s "$T/alone.out" "$T/out.out" || fail "$1: stdout differs: $(difference "$T/alone.out" "$T/out.out")"
    [ -z "$(grep -v '^reel: ' "$T/out.err")" ] || cmp -s <(grep -v '^reel: ' "$T/out.err") "$T/alone.err" ||
        fail "$1: stderr differs: $(grep -v -m 1 '^reel: ' "$T/out.err")"
}
# holds TRACE STATEMENT...: for check.py.
holds() {
    /usr/bin/python3 "$HERE/check.py" "$@" 2>"$T/check.err" || fail "$(tail -n 1 "$T/check.err")"
}
valid() { /usr/bin/python3 -m json.tool "$1" >/dev/null 2>"$T/check.err" || fail "$1 is no JSON: $(tail -n 1 "$T/check.err")"; }

# ---- programs in the background ----

# until_so COMMAND...: it succeeds, sooner or later. The limit is for hangs only.
until_so() {
    local end=$((SECONDS + STEP_SECONDS))
    until "$@"; do
        ((SECONDS < end)) || fail "$*: it never comes to that"
        sleep 0.01
    done
}
# run_for NAME COMMAND...: in the background; PID; its output in NAME.out. It has said "ready" when this returns.
run_for() {
    local name=$1
    shift
    env --default-signal "$@" >"$name.out" 2>"$name.err" <&0 & # else bash gives it /dev/null
    PID=$!
    until_so grep -qs ready "$name.out"
}
is_alive() { [ -d "/proc/$1" ] && ! grep -qs '^State:.*[ZX]' "/proc/$1/status"; }
is_dead() { ! is_alive "$1"; }
state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }
# waits_in PID NUMBER: it sleeps in this system call.
waits_in() {
    local number=''
    read -r number _ <"/proc/$1/syscall" && [ "$number" = "$2" ]
} 2>/dev/null
has_tracer() { ! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$1/status"; }
# It has a handler for SIGINT: of what run_for and trace_pid start, only reel itself and no shell or env before it.
heeds_int() { is_dead "$1" || ((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status") & 2)); } 2>/dev/null
# The bytes of the executable's code in process $1.
code_of() {
    /usr/bin/python3 -c '
import hashlib, os, sys
pid, digest = sys.argv[1], hashlib.sha256()
program = os.readlink(f"/proc/{pid}/exe")
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps:
        fields = line.split()
        if "x" in fields[1] and len(fields) > 5 and (fields[5] == program or "/lib" in fields[5]):
            start, end = (int(x, 16) for x in fields[0].split("-"))
            memory.seek(start)
            digest.update(memory.read(end - start))
print(digest.hexdigest())' "$1"
}
# has_probes PID HASH: its code is no longer as it was. Nothing of it runs before all probes are planted.
has_probes() { has_tracer "$1" && [ "$(code_of "$1")" != "$2" ]; }
# attach PID OPTION...: reel in the background; TRACER. It has planted its probes when this returns.
attach() {
    local pid=$1 before
    shift
    before=$(code_of "$pid")
    env --default-signal "$REEL" trace "$@" -p "$pid" >"$T/out.out" 2>"$T/out.err" </dev/null &
    TRACER=$!
    until_so attached "$pid" "$before"
    is_alive "$TRACER" || fail "attached: $(first_line "$T/out.err")"
}
attached() { is_dead "$TRACER" || has_probes "$1" "$2"; }
# SIGINT for the reel in the background: it leaves.
leave() {
    kill -INT "$TRACER"
    until_so is_dead "$TRACER"
    wait "$TRACER"
    STATUS=$?
    [ "$STATUS" = 0 ] || fail "attached: status $STATUS: $(first_line "$T/out.err")"
}
# trace_pid SECONDS PID OPTION...: SIGINT so long after reel has begun, wherever it has got to by then.
trace_pid() {
    local seconds=$1 pid=$2
    shift 2
    env --default-signal "$REEL" trace "$@" -p "$pid" >"$T/out.out" 2>"$T/out.err" </dev/null &
    TRACER=$!
    until_so heeds_int "$TRACER"
    sleep "$seconds"
    leave
}

# ---- kinds of programs ----

BASIC=("t.returns('add') == [10, 10, 11, 21, 12, 33]" "[a['a'] for a in t.arguments('add')] == [0, 0, 1, 10, 2, 21]"
    "len(t.entries('norm')) == 3" "t.returns('main') == [7]" "not t.unpaired()")
test_basic() {
    build basic
    alike t.json --level full -- ./basic
    out_is 'sum 33'
    holds t.json "${BASIC[@]}" "t.of('variable_assignment')" "t.of('control_flow')" \
        "t.metadata['state'] == 'complete'"
}
test_static() {
    build basic -static
    alike t.json --level full -- ./basic
    holds t.json "${BASIC[@]}"
}
test_non_pie() {
    build basic -no-pie
    alike t.json --level full -- ./basic
    holds t.json "${BASIC[@]}"
}
test_no_debug_information() {
    build basic -g0
    alike t.json --level full -- ./basic
    holds t.json "len(t.entries('add')) == 6 and len(t.exits('norm')) == 3" "not t.unpaired()"
}
test_stripped() {
    build basic
    strip basic
    alike t.json --level full -- ./basic
    holds t.json "len(t.entries()) >= 10" "all(e['data']['function'].startswith('sub_') for e in t.entries())"
}
test_separate_debug_file() {
    build basic
    mkdir -p debug
    objcopy --only-keep-debug basic debug/basic.debug
    strip basic
    objcopy --add-gnu-debuglink=debug/basic.debug basic
    mkdir -p "debug$T"
    mv debug/basic.debug "debug$T"
    alike t.json --level full --debug-dir debug -- ./basic
    holds t.json "${BASIC[@]}"
}
# What a server has, for a program that is stripped and whose debug file lies nowhere here.
test_debuginfod() {
    local port server
    command -v debuginfod >/dev/null || skip "needs debuginfod"
    build basic -Wl,--build-id
    mkdir served
    objcopy --only-keep-debug basic served/basic.debug
    strip basic
    port=$((20000 + RANDOM % 12000))
    debuginfod -p "$port" -d :memory: -F served >server.log 2>&1 &
    server=$!
    until_so grep -q 'traversed source paths' server.log
    export HOME=$PWD DEBUGINFOD_CACHE_PATH=$PWD/cache DEBUGINFOD_URLS=http://127.0.0.1:$port
    alike t.json --level full -- ./basic
    kill "$server"
    holds t.json "${BASIC[@]}"
}
test_set_user_id() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    build basic
    chown 65534:65534 basic
    chmod 6755 basic
    alike t.json --level full -- ./basic
    holds t.json "${BASIC[@]}"
}
test_cpp() {
    build shapes
    alike t.json --level full -- ./shapes
    holds t.json "len(t.entries('careful')) == 3" "t.returns('careful') == [6, 3, -1]" \
        "any('unwound' in e['data'] for e in t.exits())" "not t.unpaired()" \
        "[e['data'] for e in t.events if 'negative width' in str(e['data'])]"
}
test_python() {
    [ -x /usr/bin/python3.11-dbg ] || skip "needs python3.11-dbg"
    echo 'print(sorted([3, 1, 2]), [x for x in range(70000, 70003)])' >script.py
    alike t.json --level full --function 'PyLong_FromLong,list_append' -- /usr/bin/python3.11-dbg -S script.py
    out_is '[1, 2, 3] [70000, 70001, 70002]'
    holds t.json "len(t.entries('PyLong_FromLong')) > 100" "not t.unpaired()" \
        "all(isinstance(a['ival'], int) for a in t.arguments('PyLong_FromLong'))" \
        "{70000, 70001, 70002} <= {a['ival'] for a in t.arguments('PyLong_FromLong')}"
}

# sqlite3 built from Debian's source, kept in $BUILD.
build_sqlite() {
    local kept=$BUILD/tracing/sqlite3 options
    [ ! -x "$kept" ] || return 0
    command -v tclsh apt-get >/dev/null || return 1
    mkdir -p apt/lists/partial apt/cache/archives/partial source "$BUILD/tracing"
    echo 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main' >apt/list
    options=(-o "Dir::Etc::sourcelist=$T/apt/list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$T/apt/lists"
        -o "Dir::Cache=$T/apt/cache" -o APT::Sandbox::User=root)
    (
        cd source && timeout 60 apt-get -qq "${options[@]}" update && timeout 60 apt-get -qq "${options[@]}" source --download-only sqlite3 &&
            tar -xf sqlite3_*.orig.tar.xz && cd sqlite3-*/ && ./configure --disable-tcl --disable-readline && make sqlite3.c shell.c &&
            gcc -g -O1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -o "$kept.new" shell.c sqlite3.c -lm && mv "$kept.new" "$kept"
    ) >sqlite.log 2>&1
}
test_sqlite() {
    build_sqlite || skip "the source of sqlite3 cannot be had or built here: $(tail -n 1 sqlite.log 2>/dev/null)"
    echo "create table t (id integer primary key, v text); insert into t (v) values ('one'), ('two'); select v, id + 40 from t order by v desc;" >in.sql
    alike t.json --level full --function 'sqlite3Insert,sqlite3_prepare_v2,sqlite3VdbeExec,sqlite3BtreeInsert' -- \
        "$BUILD/tracing/sqlite3" :memory: '.read in.sql'
    out_is $'two|42\none|41'
    holds t.json "any('insert into t' in str(a.get('zSql')) for a in t.arguments('sqlite3_prepare_v2'))" \
        "len(t.entries('sqlite3Insert')) >= 1 and len(t.entries('sqlite3VdbeExec')) >= 3" "not t.unpaired()" \
        "all(r in (0, 100, 101) for r in t.returns('sqlite3VdbeExec'))" "t.of('control_flow')"
}

# ---- threads and processes ----

test_threads() {
    local rounds
    rounds=$(soak_or 5000 100)
    build threads
    alike t.json --level minimal -- ./threads 4 "$rounds"
    out_is "ready
$((4 * rounds)) rounds, 0 wrong"
    holds t.json "len(t.entries('chain')) == 4 * $rounds and len(t.exits('chain')) == 4 * $rounds" \
        "len(t.entries('mix')) == 12 * $rounds" "not t.unpaired()" "not any(t.open_calls().values())" \
        "sorted(collections.Counter(e['tid'] for e in t.entries('chain')).values()) == [$rounds] * 4" \
        "all(len({a['thread'] for e in t.entries('chain') if e['tid'] == tid for a in [e['data']['arguments']]}) == 1 for tid in {e['tid'] for e in t.entries('chain')})" \
        "len(t.of('thread_start')) == 4 and len(t.of('thread_exit')) == 4"
}
test_many_threads() {
    build threads
    alike t.json --level full -- ./threads 60 "$(soak_or 500 5)"
    holds t.json "not t.unpaired()" "len(t.of('thread_start')) == 60"
}
# Traced from a recording, as often as one likes: the same each time, with the recorded tids.
test_threads_recorded() {
    local rounds i
    rounds=$(soak_or 2000 100)
    build threads
    RECORDING=$T/threads.reel
    try 0 "$REEL" record -q -o "$RECORDING" -- ./threads 4 "$rounds"
    for i in 1 2; do
        try 0 "$REEL" trace -q --level minimal -o "t$i.json" "$RECORDING"
    done
    for i in 1 2; do
        holds "t$i.json" "len(t.entries('chain')) == 4 * $rounds and len(t.exits('chain')) == 4 * $rounds" \
            "not t.unpaired()" "not any(t.open_calls().values())" "len(t.of('process_exit')) == 1" \
            "sorted(collections.Counter(e['tid'] for e in t.entries('chain')).values()) == [$rounds] * 4" \
            "len(t.of('thread_start')) == 4 and len(t.of('thread_exit')) == 4"
        sed 's/"timestamp"[^,]*,//g; s/"duration_ns"[^,}]*//g' "t$i.json" | grep '"seq"' >"events$i"
    done
    cmp -s events1 events2 || fail "traced twice, with different events: $(difference events1 events2)"
    "$REEL" dump --raw --json "$RECORDING" | grep '"kind":"thread"' | grep -o '"tid":[0-9]*' | sort -u >recorded.tids
    grep -o '"type": "thread_start".*' events1 | grep -o '"tid": [0-9]*' | tr -d ' ' | sort -u >traced.tids
    cmp -s recorded.tids traced.tids || fail "other tids than recorded"
}
test_forks() {
    build processes
    alike t.json --level full -- ./processes fork
    out_is 'sum 90'
    [ "$(find . -name 't*.json' | wc -l)" = 11 ] || fail "not 11 traces: $(echo t*.json)"
    try 0 "$REEL" merge -q -o all.json t.json t.*.json
    holds all.json "sorted(a['number'] for a in t.arguments('child_work')) == list(range(10))" \
        "sorted(t.returns('child_work')) == list(range(0, 20, 2))" "len({e['pid'] for e in t.entries('child_work')}) == 10" \
        "len(t.of('process_exit')) == 11"
}
test_vfork_and_spawn() {
    local how
    build processes
    for how in vfork spawn; do
        rm -f t*.json all.json
        alike t.json --level full -- ./processes $how
        try 0 "$REEL" merge -q -o all.json t.json t.*.json
        holds all.json "len(t.entries('child_work')) == 5 and len({e['pid'] for e in t.entries('child_work')}) == 5" \
            "len(t.entries('main')) == 6" "len(t.of('process_exit')) == 6"
    done
}
test_exec_chain() {
    build processes
    alike t.json --level full -- ./processes exec 8
    holds t.json "len(t.entries('main')) == 9" "t.returns('child_work') == [42]" \
        "[e['data']['how'] for e in t.of('process_start')] == ['launch'] + 8 * ['exec']"
}
test_plugins() {
    local count
    count=$(soak_or 500 20)
    build plugins
    build plugin -shared -fPIC
    alike t.json --level full --module 'plugin*' -- ./plugins ./plugin "$count"
    out_is "sum $((count * (count + 1) / 2))"
    holds t.json "[a['number'] for a in t.arguments('plugin_work')] == list(range($count))" \
        "len(t.entries('plugin_begin')) == $count" "not t.unpaired()"
}
test_pipeline() {
    alike t.json --syscalls --no-functions --no-variables --no-control-flow -- \
        sh -c 'seq 20 | sort -rn | head -n 3; exit 4'
    out_is $'20\n19\n18'
    [ "$(find . -name 't*.json' | wc -l)" -ge 4 ] || fail "not a trace of each process: $(echo t*.json)"
    for trace in t*.json; do
        valid "$trace"
    done
    holds t.json "any(e['data'].get('name') == 'wait4' for e in t.events)"
}

# ---- attaching and leaving ----

# each_thread_has N TRACE: THREADS threads have N entries of chain() each, in the part that is written yet.
THREADS=4
each_thread_has() {
    head -c "$(stat -c %s "$2" 2>/dev/null || echo 0)" "$2" | # it may grow faster than it is read
        grep '"function_entry"' | grep '"chain"' | grep -o '"tid": *[0-9]*' | sort | uniq -c |
        awk -v least="$1" -v count="$THREADS" '$1 >= least { threads++ } END { exit threads != count }'
}
# A program that writes records faster than reel can tell them, and waits: signals come, and reel is asked to leave.
test_flood() {
    local limit
    cat >flood.c <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
static volatile sig_atomic_t ticks;
static void on_tick(int signo) { ticks += signo == SIGALRM; }
__attribute__((noipa)) static unsigned long step(unsigned long n) { return n * 6364136223846793005u + 1442695040888963407u; }
int main(int argc, char **argv) {
    const struct itimerval often = {{0, 3000}, {0, 3000}};
    unsigned long n = 1, count = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned long i = 0; i < count; i++)
        n = step(n);
    printf("%lu %d\n", n, ticks > 0);
    return 0;
}
END
    gcc -g -O2 -o flood flood.c || fail "does not compile"
    ./flood 400000 >alone
    for limit in 1M 256M; do
        step out "$REEL" trace --quiet --no-exceptions --level minimal --probes jump --lossless --backlog $limit -o t.json -- ./flood 400000
        [ "$STATUS $(cut -d ' ' -f 1 out.out)" = "0 $(cut -d ' ' -f 1 alone)" ] || fail "--backlog $limit: status $STATUS: $(first_line out.err)"
        holds t.json "len(t.entries('step')) == 400000" "not t.unpaired()"
    done
    ./flood 100000000 >alone
    for limit in 1M 4M; do
        env --default-signal ./flood 100000000 >attached &
        PID=$!
        attach "$PID" --no-exceptions --level minimal --probes jump --lossless --backlog $limit -o a.json
        sleep 0.5 # as long as there is a flood; if it is over, nothing is tested, and nothing fails
        leave
        wait "$PID" || fail "--backlog $limit: the program: status $?"
        [ "$(cut -d ' ' -f 1 attached)" = "$(cut -d ' ' -f 1 alone)" ] || fail "--backlog $limit: another result"
    done
}
test_attach_and_leave() {
    local i times before lines
    times=$(soak_or 200 10)
    build threads
    THREADS=$(soak_or 8 4)
    run_for threads ./threads "$THREADS"
    before=$(code_of "$PID")
    for ((i = 1; i <= times; i++)); do
        trace_pid "0.$((1 + RANDOM % 4))$((RANDOM % 10))" "$PID" --verbose --level minimal -o t.json
        sed -n 's/.*\(attached to\|left\): it stood still for \([0-9.]*\) ms.*/\1 \2/p' out.err >>pauses
        is_alive "$PID" || fail "the program is dead after round $i"
        [ "$(state_of "$PID")" != T ] || fail "the program stands still after round $i"
        valid t.json
        [ "$(code_of "$PID")" = "$before" ] || fail "its code is not as before after round $i"
    done
    attach "$PID" --level full -o t.json
    until_so each_thread_has 30 t.json
    leave
    holds t.json "len(t.entries('mix')) > 100" "not t.unpaired(begun=True)" \
        "len({e['tid'] for e in t.entries('chain')}) == $THREADS" "all(e['depth'] >= 1 for e in t.entries())"
    kill -TERM "$PID"
    wait "$PID"
    [ $? = 0 ] || fail "the program's results are wrong: $(tail -n 1 threads.out)"
    lines=$(tail -n 1 threads.out)
    [ "$lines" = '0 wrong' ] || fail "the program says: $lines"
    for i in attached left; do
        printf '     %s %d times: it stood still for %s ms (median)\n' $i "$(grep -c "^$i" pauses)" \
            "$(sed -n "s/^$i.* //p" pauses | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')"
    done
}
# kill -9 of the program while it is being attached to: one line, or it was traced and its status is reel's.
test_target_is_killed() {
    local i reel rounds status
    rounds=$(soak_or 100 8)
    build threads
    for ((i = 1; i <= rounds; i++)); do
        run_for threads ./threads 4
        "$REEL" trace --quiet --level full --probes jump -o ended.json -p "$PID" >/dev/null 2>ended.err &
        reel=$!
        sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
        kill -KILL "$PID"
        wait "$PID" 2>/dev/null
        wait "$reel"
        status=$?
        case $status in
        137) [ -z "$(words ended.err)" ] || fail "round $i: $(words ended.err)" ;;
        125)
            grep -q '^reel: process [0-9]*: ' ended.err || fail "round $i: $(words ended.err)"
            [ "$(grep -c . ended.err)" = 1 ] || fail "round $i: more than a line: $(words ended.err)"
            ;;
        *) fail "round $i: status $status: $(words ended.err)" ;;
        esac
    done
}
# kill -9 of reel at any moment: with jump probes alone the program does not notice, and the next reel takes out what was
# left.
test_killed_while_attached() {
    local i times before cured=''
    times=$(soak_or 200 15)
    build threads
    run_for threads ./threads 4
    before=$(code_of "$PID")
    for ((i = 1; i <= times; i++)); do
        "$REEL" trace --quiet --level full --probes jump -o killed.json -p "$PID" >/dev/null 2>killed.err &
        local reel=$!
        sleep "0.$((RANDOM % 8))$((RANDOM % 10))"
        kill -KILL "$reel" 2>/dev/null
        wait "$reel" 2>/dev/null
        [ -z "$(words killed.err)" ] || fail "round $i: $(words killed.err)"
        is_alive "$PID" || fail "the program is dead after round $i"
    done
    for ((i = 0; i < 5 && !cured; i++)); do # killed when it surely traced
        "$REEL" trace --quiet --level minimal --probes jump -o killed.json -p "$PID" &
        reel=$!
        until_so each_thread_has 30 killed.json
        kill -KILL "$reel"
        wait "$reel" 2>/dev/null
        timeout -s INT 20 env --default-signal "$REEL" trace --list-probes --probes jump -p "$PID" >listed 2>listed.err
        ! grep -q 'had left [0-9]* probes in it' listed.err || cured=1
    done
    [ "$cured" ] || fail "nothing was cured: $(cat listed.err)"
    [ "$(code_of "$PID")" = "$before" ] || fail "its code is not as before"
    trace_pid 1 "$PID" --level minimal -o t.json
    valid t.json
    kill -TERM "$PID"
    wait "$PID" || fail "the program's results are wrong: $(tail -n 1 threads.out)"
    [ "$(tail -n 1 threads.out)" = '0 wrong' ] || fail "the program says: $(tail -n 1 threads.out)"
}
test_attach_at_once() {
    # SIGINT at any moment, also before it is attached.
    local i
    build threads
    run_for threads ./threads 4
    for ((i = 0; i < $(soak_or 60 12); i++)); do
        timeout -s INT "0.0$((1 + i))" env --default-signal "$REEL" trace -o t.json -p "$PID" >/dev/null 2>&1
        is_alive "$PID" || fail "the program is dead after round $i"
    done
    kill -TERM "$PID"
    wait "$PID" || fail "the program's results are wrong: $(tail -n 1 threads.out)"
}
# A call that the program waits in goes on; what was active before has exits, what comes later is traced.
declare -A WAITING=([nanosleep]=230 [epoll]=232 [read]=0) # the numbers of these calls
test_attach_to_sleepers() {
    local how
    build sleeper
    mkfifo input
    for how in nanosleep epoll read; do
        exec 3<>input
        rm -f t.json
        run_for sleeper ./sleeper $how <&3
        until_so waits_in "$PID" "${WAITING[$how]}"
        attach "$PID" --level full -o t.json
        if [ $how = nanosleep ]; then kill -USR1 "$PID"; else echo x >&3; fi
        wait "$PID" || fail "$how: $(tail -n 1 sleeper.out)"
        wait "$TRACER" || fail "reel: $(first_line "$T/out.err")"
        [ "$(tail -n 1 sleeper.out)" = well ] || fail "$how: $(tail -n 1 sleeper.out)"
        holds t.json "t.returns('work_after') == [1, 2, 3] or len(t.entries('work_after')) == 3" \
            "len(t.exits('outer')) == 1 and not t.entries('outer')" "t.exits('main')" "t.returns('outer') == [0]" \
            "[e['depth'] for e in t.entries('work_after')] == [2, 2, 2]" \
            "any(e['data']['variable'] == 'i' for e in t.of('variable_assignment'))"
        exec 3>&-
    done
}
# What is traced after an attach is what a trace from the beginning has there.
test_attached_as_launched() {
    build sleeper
    mkfifo input
    exec 3<>input
    run_for sleeper ./sleeper read <&3
    until_so waits_in "$PID" "${WAITING[read]}"
    attach "$PID" --level full -o attached.json
    echo x >&3
    wait "$PID" "$TRACER"
    [ -s attached.json ] || fail "no trace: $(first_line "$T/out.err")"
    try 0 "$REEL" trace --level full -o launched.json -- ./sleeper read
    /usr/bin/python3 - >"$T/check.err" 2>&1 <<'EOF' || fail "$(tail -n 3 check.err | tr '\n' ' ')"
import json
def events(path):
    found = []
    for event in json.load(open(path))["traces"]:
        event["data"].pop("duration_ns", None)
        if event["type"] in ("function_entry", "function_exit", "control_flow", "variable_assignment"):
            found.append((event["type"], event["depth"], json.dumps(event["data"])))
    first = [i for i, e in enumerate(found) if e[0] == "function_entry" and "work_after" in e[2]][0]
    # up to the end of outer(): in main(), optimised, a first look at a register tells nothing yet
    last = [i for i, e in enumerate(found) if e[0] == "function_exit" and '"outer"' in e[2]][0]
    return found[first:last + 1]
a, b = events("attached.json"), events("launched.json")
assert a == b, [(x, y) for x, y in zip(a, b) if x != y][:2] or (len(a), len(b))
EOF
}
test_attach_while_forking() {
    local i
    cat >forker.c <<'EOF'
#include <stdio.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
__attribute__((noinline)) int child(int n) { volatile int m = n; return m; }
int main(void) {
    printf("ready\n");
    fflush(stdout);
    for (int i = 0; i < 1000000; i++) {
        int status = 0;
        pid_t pid;
        char *args[] = {"true", 0};
        if (i % 4 == 0) {
            if (posix_spawn(&pid, "/bin/true", 0, 0, args, environ) != 0) return 3;
        } else if ((pid = fork()) == 0)
            _exit(child(7));
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != (i % 4 ? 7 : 0)) { printf("bad %x\n", status); return 2; }
        if (access("enough", F_OK) == 0) break;
    }
    printf("good\n");
    return 0;
}
EOF
    gcc -g -O1 -o forker forker.c || fail "does not compile"
    run_for forker ./forker
    for ((i = 1; i <= $(soak_or 50 6); i++)); do
        mkdir "round$i"
        trace_pid "0.$((RANDOM % 5))5" "$PID" --level minimal -o "round$i/t.json"
        is_alive "$PID" || fail "the program is dead after round $i: $(tail -n 1 forker.out)"
        rm -r "round$i"
    done
    touch enough
    wait "$PID" || fail "the program says: $(tail -n 1 forker.out)"
}

# ---- what is broken, or refused ----

test_refused() {
    build basic
    fails "$REEL" trace -p 4194303 -o t.json
    err_has 'no such process'
    fails "$REEL" trace -p x -o t.json
    fails "$REEL" trace -o t.json --when 'add: a >' -- ./basic
    err_has 'column'
    fails "$REEL" trace -o t.json --at 'basic.c' -- ./basic
    fails "$REEL" trace --config missing.json -o t.json -- ./basic
    err_has missing.json
    echo '{"max_dept": 1' >bad.json
    fails "$REEL" trace --config bad.json -o t.json -- ./basic
    fails "$REEL" trace -o missing/t.json -- ./basic
    err_has missing/t.json
    fails "$REEL" trace -o /dev/full -- ./basic
    err_has 'No space'
    fails "$REEL" trace -o . -- ./basic
    try 127 "$REEL" trace -o t.json -- ./missing
    is_one_line "$T/out.err" || fail "not one line on stderr: $(first_line "$T/out.err")"
    [ ! -e t.json ] || fail "a trace was made all the same"
    try 7 "$REEL" trace -o t.json --at 'basic.c:9999: sum' -- ./basic
    err_has 'no traced module has code at'
    try 7 "$REEL" trace -o t.json --function 'nosuch*' -- ./basic
    err_has 'no function'
}
test_other_user() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    sleep 100 &
    chmod 777 .
    step "$T/out" setpriv --reuid 65534 --regid 65534 --clear-groups "$REEL" trace -o t.json -p $!
    kill $!
    [ "$STATUS" = 125 ] || fail "status $STATUS"
    err_has 'belongs to user 0'
}
test_traced_already() {
    build threads
    run_for threads ./threads 2
    strace -qq -o /dev/null -p "$PID" &
    TRACER=$!
    until_so has_tracer "$PID"
    step "$T/out" "$REEL" trace -o t.json -p "$PID"
    kill -TERM "$TRACER"
    kill -TERM "$PID"
    [ "$STATUS" = 125 ] || fail "status $STATUS"
    err_has 'already traced by process .*strace'
}
test_32_bit() {
    printf '.globl _start\n_start:\n mov $1, %%eax\n mov $5, %%ebx\n int $0x80\n' >x.s
    { as --32 -o x.o x.s && ld -m elf_i386 -o x32 x.o; } 2>/dev/null || skip "cannot build a 32-bit program"
    ./x32
    [ $? = 5 ] || skip "this kernel runs no 32-bit programs"
    fails "$REEL" trace -o t.json -- ./x32
    err_has '32-bit'
    # behind an exec it runs on, and the trace says so
    try 5 "$REEL" trace --syscalls -o t.json -- sh -c 'exec ./x32'
    holds t.json "any('32-bit' in note for note in t.notes())"
}
test_patches_itself() {
    build selfpatch
    alike t.json --level full -- ./selfpatch
    out_is $'1\n5\n5\n5'
    holds t.json "len(t.entries('victim')) >= 1"
}
# No flipped byte in the debug information harms reel or the program.
test_corrupted_debug_information() {
    local i bad
    build basic
    step "$T/alone" ./basic
    cat >mutate.py <<'EOF'
import random, subprocess, sys
seed = int(sys.argv[1])
random.seed(seed)
data = bytearray(open("basic", "rb").read())
sections = []
for line in subprocess.run(["readelf", "-SW", "basic"], capture_output=True, text=True).stdout.splitlines():
    fields = line.replace("[ ", "[").split()
    if len(fields) > 5 and (fields[1].startswith(".debug_") or fields[1] in (".symtab", ".eh_frame", ".eh_frame_hdr")):
        sections.append((fields[1], int(fields[4], 16), int(fields[5], 16)))
wanted = [s for s in sections if s[0] == ".debug_info"] if seed % 2 else [s for s in sections if s[0].startswith(".debug")]
name, offset, size = random.choice(wanted)
for _ in range(random.choice((1, 1, 3, 20))):
    data[offset + random.randrange(size)] = random.randrange(256)
open(sys.argv[2], "wb").write(data)
EOF
    for ((i = 1; i <= $(soak_or 2000 200); i++)); do
        /usr/bin/python3 mutate.py $i bad
        chmod +x bad
        STEP_SECONDS=20 step "$T/out" "$REEL" trace --level full -o t.json -- ./bad
        bad=''
        [ "$STATUS" = 7 ] || bad="status $STATUS: $(first_line "$T/out.err")"
        cmp -s "$T/out.out" "$T/alone.out" || bad+=" stdout differs"
        [ -z "$(grep -v '^reel: ' "$T/out.err")" ] || bad+=" stderr: $(grep -v -m 1 '^reel: ' "$T/out.err")"
        [ -n "$bad" ] || /usr/bin/python3 -m json.tool t.json >/dev/null 2>&1 || bad="the trace is no JSON"
        [ -z "$bad" ] || {
            mkdir -p "$BUILD/failed"
            cp bad "$BUILD/failed/corrupted_$i"
            fail "mutation $i ($BUILD/failed/corrupted_$i): $bad"
        }
    done
}
test_full_disk() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    build basic
    mkdir disk
    mount -t tmpfs -o size=256k tmpfs disk || skip "cannot mount a tmpfs"
    step "$T/out" "$REEL" trace --level full --buffer-size 16K -o disk/t.json -- ./basic 2000
    [ "$STATUS" = 125 ] || fail "status $STATUS: $(first_line "$T/out.err")"
    err_has 'No space'
    out_is "$(./basic 2000)"
    is_one_line "$T/out.err" || fail "not one line: $(head -c 300 "$T/out.err" | tr '\n' '|')"
    valid disk/t.json
    holds disk/t.json "t.metadata['state'] == 'failed' and len(t.entries()) > 10"
}
test_limit_of_size() {
    build basic
    alike t.json --level full --max-size 1 -- ./basic 5000
    err_has 'limit'
    holds t.json "t.notes()" "t.metadata['dropped_events'] >= 0" "len(t.entries()) > 500"
    [ "$(stat -c %s t.json)" -le 1048576 ] || fail "the trace has $(stat -c %s t.json) bytes"
}
test_reel_is_killed() {
    local i tracer program
    build threads
    for ((i = 0; i < $(soak_or 30 4); i++)); do
        env --default-signal "$REEL" trace --level full -o t.json -- ./threads 3 >threads.out 2>&1 &
        tracer=$!
        sleep "0.$((3 + RANDOM % 6))"
        program=$(pgrep -P "$tracer" -x threads)
        kill -KILL "$tracer"
        wait "$tracer" 2>/dev/null
        [ -z "$program" ] || until_so is_dead "$program"
        [ ! -s t.json ] || valid t.json
    done
}
test_reel_is_terminated() {
    local tracer
    build threads
    env --default-signal "$REEL" trace --level minimal -o t.json -- ./threads 2 >threads.out 2>"$T/out.err" &
    tracer=$!
    until_so grep -qs ready threads.out # the program has its handler, and reel its own
    kill -TERM "$tracer"
    wait "$tracer"
    STATUS=$?
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(first_line "$T/out.err")"
    [ "$(tail -n 1 threads.out)" = '0 wrong' ] || fail "the program says: $(tail -n 1 threads.out)"
    holds t.json "not t.unpaired()" "t.metadata['state'] == 'complete'"
}
# The program is killed at any moment.
test_program_is_killed() {
    local i tracer signal pid
    build threads
    for ((i = 0; i < $(soak_or 100 30); i++)); do
        signal=KILL
        env --default-signal "$REEL" trace --level full -o t.json -- env --default-signal ./threads 3 >threads.out 2>"$T/out.err" &
        tracer=$!
        sleep "0.$((RANDOM % 6))$((RANDOM % 10))"
        ((i % 2)) || signal=TERM
        pid=$(pgrep -P "$tracer" 2>/dev/null | head -n 1)
        [ -z "$pid" ] || kill -$signal "$pid" 2>/dev/null
        for ((k = 0; k < 1000; k++)); do
            is_alive "$tracer" || break
            [ -n "$pid" ] || { pid=$(pgrep -P "$tracer" | head -n 1) && [ -n "$pid" ] && kill -$signal "$pid"; }
            sleep 0.01
        done
        ! is_alive "$tracer" || { kill -KILL "$tracer" && fail "round $i, SIG$signal: reel hangs"; }
        wait "$tracer" 2>/dev/null
        STATUS=$?
        [ ! -s t.json ] || valid t.json
        case $signal$STATUS in
        KILL137 | TERM0 | TERM143) ;;
        *) fail "round $i, SIG$signal: status $STATUS: $(first_line "$T/out.err")" ;;
        esac
    done
}

functions_main "$@"
