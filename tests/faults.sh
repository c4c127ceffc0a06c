#!/usr/bin/env bash
# What must not break reel: damaged recordings, killed recorders and programs, full disks, limits.
#
# The contract: a damaged recording is refused with exit 125 and one line on stderr, `reel: ...`, never with a crash or a
# hang; a recording that could not go on leaves the program unharmed, says so in one line, and replays up to where it ends, which
# the replay says in one line (`... the recording ends here: ...`), with exit 0.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PARTS=4 # of the flips: tests of their own, so that they run in parallel
MORE=$(soak_or 10 1)

# ---- programs ----

# Build tests/programs/NAME.c, statically: the log, not libc, shall fill the small disks.
build() {
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -O1 -static -pthread -o "$2/$1" "$ROOT/tests/programs/$1.c" 2>"$T/build.err" ||
        fail "$1.c does not compile: $(first_line "$T/build.err")"
}

# ---- checks ----

# Sleep some moment shorter than $1 milliseconds.
doze() {
    local ms=$(((RANDOM * 32768 + RANDOM) % $1))
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
}

# Say what is wrong with the way in which a damaged recording was refused (after a step to $1), or nothing.
judge_refused() {
    if [ -n "$TIMED_OUT" ]; then
        echo "hangs"
    elif [ "$STATUS" != 125 ]; then
        echo "status $STATUS instead of 125: $(first_line "$1.err")"
    elif ! is_one_line "$1.err"; then
        echo "not one line on stderr: $(head -c 300 "$1.err" | tr '\n' '|')"
    fi
}

# refused WHAT COMMAND...: it exits 125 with one line.
refused() {
    local what=$1 why
    shift
    step "$T/refused" "$@"
    why=$(judge_refused "$T/refused")
    [ -z "$why" ] || fail "$what: $why"
}

# The program that was recorded into $T/live.* with a fault was not harmed: status 7, all of its output, one warning.
unharmed() {
    [ -z "$TIMED_OUT" ] || fail "the recording hung"
    [ "$STATUS" = 7 ] || fail "the program's status is $STATUS instead of 7: $(words "$T/live.err")"
    tail -n 1 "$T/live.out" | grep -q '^all ' || fail "the program's output is not complete"
    is_one_line "$T/live.err" || fail "not one warning on stderr: $(head -c 300 "$T/live.err" | tr '\n' '|')"
}

closed_cleanly() {
    grep -q '"state":[[:space:]]*"complete"' "$RECORDING/recording.json" || fail "the recording was not closed cleanly"
    [ ! -e "$RECORDING/recording.json.new" ] || fail "recording.json.new was left behind"
}

# No process of session $1 is left, in the end.
nobody_left() {
    local i
    for ((i = 0; i < 50; i++)); do
        pgrep -s "$1" >/dev/null || return 0
        sleep 0.1
    done
    local left
    left=$(pgrep -s "$1" -l | tr '\n' ' ')
    pkill -KILL -s "$1"
    fail "processes were left behind: $left"
}

# start COMMAND...: in the background, in a session of its own, with default signals; output to $T/live.*; PID.
start() {
    : >"$T/live.out" # here, not in the child: nobody must read the words of an earlier run
    setsid env --default-signal "$@" >"$T/live.out" 2>"$T/live.err" </dev/null &
    PID=$!
}
# The status of PID into STATUS, without bash's words about it.
reap() {
    { wait "$PID"; } 2>/dev/null
    STATUS=$?
}

# ---- damage ----

# A small recording to be damaged in $T/good.reel, its program's output in $T/good.out.
record_small() {
    mkdir "$T/work"
    cd "$T/work" || exit 1
    touch a b c
    RECORDING=$T/good.reel
    step "$T/good" "$REEL" record --quiet --check-memory -o "$RECORDING" ls -la
    [ "$STATUS" = 0 ] || fail "recording ls: status $STATUS: $(words "$T/good.err")"
    throw_away "$T/work"
    step "$T/replay" "$REEL" replay --check-memory "$RECORDING"
    [ "$STATUS" = 0 ] && cmp -s "$T/good.out" "$T/replay.out" || fail "it does not replay: $(words "$T/replay.err")"
    cp -r "$RECORDING" "$T/bad.reel"
    export STEP_SECONDS=30
}

files_of() { (cd "$1" && find . -type f -size +0 -printf '%P\n' | sort); }

# Problems of a loop: the first ones are told, with a copy of the first bad recording.
PROBLEMS=()
problem() {
    PROBLEMS+=("$1")
    if [ "${#PROBLEMS[@]}" = 1 ]; then
        cp -r "$T/bad.reel" "$T/first.reel"
        RECORDING=$T/first.reel
    fi
}
no_problems() {
    local tried=$1
    ((tried > 0)) || fail "nothing was tried"
    [ "${#PROBLEMS[@]}" = 0 ] ||
        fail "${#PROBLEMS[@]} of $tried go wrong; kept is the first of:" "${PROBLEMS[@]:0:8}"
}

# judge_damage DESCRIPTION: replay bad.reel.
judge_damage() {
    local why
    step "$T/damaged" "$REEL" replay --check-memory "$T/bad.reel"
    if [ "$STATUS" = 0 ] && cmp -s "$T/damaged.out" "$T/good.out" && [ ! -s "$T/damaged.err" ]; then
        problem "$1: has no effect"
        return
    fi
    why=$(judge_refused "$T/damaged")
    [ -z "$why" ] || problem "$1: $why"
}

# poke FILE POSITION VALUE
poke() {
    # shellcheck disable=SC2059 # the value is an escape
    printf "\\x$(printf %02x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

flips() {
    local part=$1 files file size count i position old mask tried=0
    record_small
    mapfile -t files < <(files_of "$T/good.reel")
    count=$((400 * MORE / ${#files[@]} + 1))
    RANDOM=$((4711 + part))
    for file in "${files[@]}"; do
        size=$(stat -c %s "$T/good.reel/$file")
        for ((i = part; i < count; i += PARTS)); do
            case $i in
            0 | 1 | 2 | 3) position=$i mask=255 ;;
            4 | 5 | 6 | 7) position=$((size - i + 3)) mask=255 ;;
            *) position=$(((i * size / count) + (RANDOM * 32768 + RANDOM) % (size / count + 1))) mask=$((1 << RANDOM % 8)) ;;
            esac
            ((position >= 0 && position < size)) || continue
            old=$(od -An -t u1 -j "$position" -N 1 "$T/good.reel/$file")
            poke "$T/bad.reel/$file" "$position" $((old ^ mask))
            judge_damage "$file, byte $position of $size ^ $mask"
            poke "$T/bad.reel/$file" "$position" "$old"
            tried=$((tried + 1))
        done
    done
    no_problems "$tried"
}
test_flips_1() { flips 0; }
test_flips_2() { flips 1; }
test_flips_3() { flips 2; }
test_flips_4() { flips 3; }

test_truncated() {
    local files file size length tried=0 i lengths
    record_small
    mapfile -t files < <(files_of "$T/good.reel")
    RANDOM=815
    for file in "${files[@]}"; do
        size=$(stat -c %s "$T/good.reel/$file")
        lengths=(0 1 $((size / 2)) $((size - 1)))
        for ((i = 0; i < 8 * MORE; i++)); do
            lengths+=($(((RANDOM * 32768 + RANDOM) % size)))
        done
        for length in "${lengths[@]}"; do
            ((length < size)) || continue
            cp --sparse=always "$T/good.reel/$file" "$T/bad.reel/$file"
            truncate -s "$length" "$T/bad.reel/$file"
            judge_damage "$file, cut to $length of $size"
            tried=$((tried + 1))
        done
        cp --sparse=always "$T/good.reel/$file" "$T/bad.reel/$file"
    done
    no_problems "$tried"
}

# Any file or folder gone, or something else in its place.
test_missing() {
    local name tried=0
    record_small
    while read -r name; do
        mv "$T/bad.reel/$name" "$T/aside"
        judge_damage "$name is missing"
        mkdir "$T/bad.reel/$name"
        [ -d "$T/aside" ] || judge_damage "$name is a folder"
        rmdir "$T/bad.reel/$name"
        mkfifo "$T/bad.reel/$name"
        judge_damage "$name is a fifo"
        rm "$T/bad.reel/$name"
        ln -s "$name" "$T/bad.reel/$name"
        judge_damage "$name is a link to itself"
        rm "$T/bad.reel/$name"
        mv "$T/aside" "$T/bad.reel/$name"
        tried=$((tried + 1))
    done < <(cd "$T/good.reel" && find . -mindepth 1 -printf '%P\n' | sort)
    no_problems "$tried"
}

# Two files of the recording exchanged: each is sound, but not where it belongs.
test_exchanged() {
    record_small
    mv "$T/bad.reel/files/1" "$T/aside"
    mv "$T/bad.reel/files/2" "$T/bad.reel/files/1"
    mv "$T/aside" "$T/bad.reel/files/2"
    judge_damage "files/1 and files/2 exchanged"
    no_problems 1
}

# edit SED: change recording.json of bad.reel, with a right checksum.
edit() {
    [ -x "$T/seal" ] || gcc -O1 -o "$T/seal" "$ROOT/tests/programs/seal.c" -lxxhash 2>"$T/build.err" ||
        skip "seal.c does not compile: $(first_line "$T/build.err")"
    sed -i "$1" "$T/bad.reel/recording.json"
    ! cmp -s "$T/good.reel/recording.json" "$T/bad.reel/recording.json" || fail "$1 changes nothing in recording.json"
    "$T/seal" "$T/bad.reel/recording.json" || fail "recording.json has no checksum"
}
undo_edit() { cp "$T/good.reel/recording.json" "$T/bad.reel/"; }

test_future_version() {
    record_small
    edit 's/\("format_version":[[:space:]]*\)[0-9]*/\1999/'
    judge_damage "format version 999"
    no_problems 1
    grep -qi 'version' "$T/damaged.err" || fail "it does not speak of the version: $(words "$T/damaged.err")"
    # a later version may be checksummed in another way
    sed -i 's/\("checksum":[[:space:]]*"\)..../\1dead/' "$T/bad.reel/recording.json"
    judge_damage "format version 999 with another checksum"
    no_problems 1
    grep -qi 'version' "$T/damaged.err" || fail "it does not speak of the version: $(words "$T/damaged.err")"
}
test_future_feature() {
    record_small
    edit 's/\("feature_mask":[[:space:]]*"0x\)0/\18/'
    judge_damage "an unknown feature bit"
    no_problems 1
}
# recording.json and log contradict each other.
test_contradiction() {
    record_small
    edit 's/\("events":[[:space:]]*\)[0-9]*/\13/'
    judge_damage "fewer events than the log has"
    undo_edit
    edit 's/\("events":[[:space:]]*\)[0-9]*/\199999999/'
    judge_damage "more events than the log has"
    undo_edit
    edit 's/\("segments":[[:space:]]*\)[0-9]*/\12/'
    judge_damage "a segment that is not there"
    no_problems 3
}
# A damaged recording does not upset the other verbs either.
test_dump_of_damage() {
    local files file tried=0
    record_small
    mapfile -t files < <(files_of "$T/good.reel" | grep -v 'memory$\|files/')
    for file in "${files[@]}"; do
        truncate -s $(($(stat -c %s "$T/good.reel/$file") - 1)) "$T/bad.reel/$file"
        step "$T/damaged" "$REEL" dump "$T/bad.reel"
        if [ -n "$TIMED_OUT" ] || { [ "$STATUS" != 125 ] && [ "$STATUS" != 0 ]; }; then
            problem "dump, $file cut by a byte: status $STATUS"
        elif [ "$STATUS" = 125 ] && ! is_one_line "$T/damaged.err"; then
            problem "dump, $file cut by a byte: $(first_line "$T/damaged.err")"
        fi
        cp "$T/good.reel/$file" "$T/bad.reel/$file"
        tried=$((tried + 1))
    done
    no_problems "$tried"
}

# ---- the recorder is killed ----

kill_recorder() {
    local i shown=0 program=${2:-ticker}
    mkdir "$T/work" "$T/built"
    build "$program" "$T/built"
    for ((i = 0; i < 25 * MORE; i++)); do
        RECORDING=$T/killed$i.reel
        cp "$T/built/$program" "$T/work/$program"
        start "$REEL" record --quiet -o "$RECORDING" "$T/work/$program"
        doze "$1"
        kill -KILL "$PID"
        reap
        [ "$STATUS" = 137 ] || fail "the recorder ended by itself: status $STATUS: $(words "$T/live.err")"
        nobody_left "$PID"
        rm "$T/work/$program"
        if [ -e "$RECORDING/recording.json" ]; then
            ends_early "$T/live.out"
            [ ! -s "$T/replay.out" ] || shown=$((shown + 1))
        else
            refused "killed before recording.json was there" "$REEL" replay "$RECORDING"
        fi
        rm -rf "$RECORDING"
    done
    (($1 < 500 || shown >= i / 4)) || fail "only $shown of $i recordings show any output: what was killed was hardly recording"
}
test_kill_recorder_1() { kill_recorder 1500; }
test_kill_recorder_of_threads() { kill_recorder 1500 crowd; }
test_kill_recorder_2() { kill_recorder 60; }

# ---- trees ----

# A script that makes processes without an end: forks, programs, pipelines. Its output comes from one at a time.
FOREST='i=0
while :; do i=$((i + 1)); (echo sub $i); /bin/echo program $i; x=$(seq 5 | sort -rn | head -n 1); echo pipe $x $i; done'

# Every line of $1 is in $2, in the same order.
is_subsequence() { [ ! -s "$1" ] || awk 'NR == FNR { want[++n] = $0; next } $0 == want[at + 1] { at++ } END { exit at != n }' "$1" "$2"; }

# A recorder that is killed leaves nobody behind, and each process of its recording replays as far as it goes.
test_kill_recorder_of_a_tree() {
    local i shown=0
    for ((i = 0; i < 10 * MORE; i++)); do
        RECORDING=$T/killed$i.reel
        start "$REEL" record --quiet -o "$RECORDING" bash -c "$FOREST"
        doze 1500
        kill -KILL "$PID"
        reap
        [ "$STATUS" = 137 ] || fail "the recorder ended by itself: status $STATUS: $(words "$T/live.err")"
        nobody_left "$PID"
        if [ -e "$RECORDING/recording.json" ]; then
            step "$T/replay" "$REEL" replay --all "$RECORDING"
            [ -z "$TIMED_OUT" ] || fail "the replay hung"
            [ "$STATUS" = 0 ] || fail "replay: status $STATUS: $(words "$T/replay.err")"
            ! grep -v 'the recording ends here' "$T/replay.err" || fail "replay: $(words "$T/replay.err")"
            is_subsequence "$T/replay.out" "$T/live.out" || fail "the replay shows what was never printed"
            step "$T/ps" "$REEL" ps --json "$RECORDING"
            [ "$STATUS" = 0 ] || fail "ps: status $STATUS: $(words "$T/ps.err")"
            [ ! -s "$T/replay.out" ] || shown=$((shown + 1))
        fi
        rm -rf "$RECORDING"
    done
    ((shown >= i / 4)) || fail "only $shown of $i recordings show any output"
}

# Somebody kills processes of the tree at random: the others go on, and all of them replay as far as they came.
test_kill_in_a_tree() {
    local i k victim
    for ((i = 0; i < 4 * MORE; i++)); do
        RECORDING=$T/killed$i.reel
        start "$REEL" record --quiet --check-memory -o "$RECORDING" bash -c "${FOREST/while :/while [ \$i -lt 30 ]}; exit 5"
        for ((k = 0; k < 40; k++)); do
            doze 80
            victim=$(pgrep -s "$PID" -x 'bash|sort|seq|head|echo' | tail -n +2 | shuf -n 1)
            [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null
        done
        reap
        nobody_left "$PID"
        ! grep '^reel:' "$T/live.err" || fail "recorded: $(words "$T/live.err")"
        RECORDED=$STATUS
        step "$T/replay" "$REEL" replay --all --check-memory "$RECORDING"
        [ "$STATUS" = "$RECORDED" ] || fail "replay: status $STATUS, recorded $RECORDED: $(words "$T/replay.err")"
        cmp -s <(sort "$T/live.out") <(sort "$T/replay.out") || fail "stdout differs: $(difference "$T/live.out" "$T/replay.out")"
        rm -rf "$RECORDING"
    done
}

# A thousand short-lived children leave no descriptors and no memory behind in the recorder.
test_recorder_does_not_grow() {
    local early late
    RECORDING=$T/many.reel
    start "$REEL" record --quiet -o "$RECORDING" bash -c 'for i in {1..1000}; do (exit 3); /bin/true; [ $i != 100 ] || { echo 100; sleep 1; }; done; echo 1000; sleep 1'
    until grep -q '^100$' "$T/live.out"; do sleep 0.1; done
    early="$(ls "/proc/$PID/fd" | wc -l) $(awk '/VmRSS/ { print $2 }' "/proc/$PID/status")"
    until grep -q '^1000$' "$T/live.out"; do sleep 0.1; done
    late="$(ls "/proc/$PID/fd" | wc -l) $(awk '/VmRSS/ { print $2 }' "/proc/$PID/status")"
    reap
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(words "$T/live.err")"
    ((${late% *} <= ${early% *} + 2)) || fail "descriptors: ${early% *} after 100, ${late% *} after 1000 children"
    ((${late#* } <= ${early#* } + 4096)) || fail "memory: ${early#* } kB after 100, ${late#* } kB after 1000 children"
    [ "$("$REEL" ps "$RECORDING" | wc -l)" = 2003 ] || fail "ps lists $("$REEL" ps "$RECORDING" | wc -l) lines"
}

# Where the recording of all ends (no room), every program runs on unharmed; the processes replay up to there.
test_limit_in_a_tree() {
    RECORDING=$T/limit.reel
    step "$T/live" "$REEL" record --quiet --max-size 8 -o "$RECORDING" bash -c 'for i in {1..60}; do x=$(seq $i | sort -rn | head -n 1); (exit 3); done; echo $x; exit 7'
    [ "$STATUS" = 7 ] || fail "status $STATUS: $(words "$T/live.err")"
    [ "$(cat "$T/live.out")" = 60 ] || fail "the program's output is not complete"
    grep -q 'limit' "$T/live.err" || fail "no word of the limit"
    closed_cleanly
    step "$T/replay" "$REEL" replay --all "$RECORDING"
    # 7: the parent came to its end just before
    [ "$STATUS" = 0 ] || [ "$STATUS" = 7 ] || fail "replay: status $STATUS: $(words "$T/replay.err")"
    (($(du -sb "$RECORDING" | cut -f 1) < 10 << 20)) || fail "it is larger than its limit"
}

# Killed before it traces the child that is to become the program: the child ends by itself, and quietly. It would become
# the program with a filter that nobody answers.
test_kill_before_it_traces() {
    command -v /usr/bin/python3 >/dev/null || skip "needs /usr/bin/python3"
    command -v strace >/dev/null || skip "needs strace"
    step "$T/live" /usr/bin/python3 -c '
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come here
traced = ["strace", "-o", "/dev/null", "-e", "inject=ptrace:signal=SIGKILL:when=1"]
reel = subprocess.Popen(traced + [sys.argv[2], "record", "-o", sys.argv[1], "true"])
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    if pid != reel.pid:
        print(os.waitstatus_to_exitcode(status))' "$T/x.reel" "$REEL"
    [ "$(cat "$T/live.out")" = 126 ] || fail "the child ended with: $(head -c 100 "$T/live.out" "$T/live.err" | tr '\n' '|')"
}

# The log of a killed recorder, cut anywhere, is a log that was cut.
test_unfinished_cut() {
    local size length i
    mkdir "$T/work"
    build ticker "$T/work"
    RECORDING=$T/killed.reel
    start "$REEL" record --quiet -o "$RECORDING" "$T/work/ticker"
    sleep 1
    kill -KILL "$PID"
    reap
    throw_away "$T/work"
    ends_early "$T/live.out" 1
    size=$(stat -c %s "$RECORDING/d1/1.log")
    cp "$RECORDING/d1/1.log" "$T/whole"
    RANDOM=42
    for ((i = 0; i < 20 * MORE; i++)); do
        length=$((i < 2 ? size - 1 - i : (RANDOM * 32768 + RANDOM) % size))
        cp "$T/whole" "$RECORDING/d1/1.log"
        truncate -s "$length" "$RECORDING/d1/1.log"
        ends_early "$T/live.out"
    done
}

# SIGTERM to reel is for the program.
test_terminate() {
    mkdir "$T/work"
    build ticker "$T/work"
    RECORDING=$T/terminated.reel
    start "$REEL" record --quiet --check-memory -o "$RECORDING" "$T/work/ticker"
    sleep 1
    kill -TERM "$PID"
    reap
    [ "$STATUS" = 143 ] || fail "status $STATUS instead of 143: $(words "$T/live.err")"
    nobody_left "$PID"
    RECORDED=143
    throw_away "$T/work"
    replays_alike "$RECORDING" "$T/live" "$REPLAYS" || fail "$REASON"
}

# The program is killed from outside.
test_kill_program() { kill_program ticker; }
test_kill_threads() { kill_program crowd; }
kill_program() {
    local i tracee program=$1
    mkdir "$T/work" "$T/built"
    build "$program" "$T/built"
    for ((i = 0; i < 20 * MORE; i++)); do
        RECORDING=$T/killed$i.reel
        cp "$T/built/$program" "$T/work/$program"
        start "$REEL" record --quiet --check-memory -o "$RECORDING" "$T/work/$program"
        tracee=''
        until [ -n "$tracee" ]; do
            kill -0 "$PID" 2>/dev/null || fail "the recorder ended by itself: $(words "$T/live.err")"
            tracee=$(sed -n '1s/^pid \([0-9][0-9]*\)$/\1/p' "$T/live.out")
        done
        doze 700
        kill -KILL "$tracee"
        reap
        [ "$STATUS" = 137 ] || fail "reel exits $STATUS instead of 137: $(words "$T/live.err")"
        [ ! -s "$T/live.err" ] || fail "recorded: $(words "$T/live.err")"
        nobody_left "$PID"
        throw_away "$T/work"
        step "$T/replay" "$REEL" replay "$RECORDING"
        [ "$STATUS" = 137 ] || fail "replay: status $STATUS instead of 137: $(words "$T/replay.err")"
        is_prefix "$T/replay.out" "$T/live.out" || fail "the replay shows what the program never printed"
        (($(wc -l <"$T/live.out") - $(wc -l <"$T/replay.out") <= 1)) || fail "the replay lacks lines of output"
        rm -rf "$RECORDING"
    done
}

# SIGKILL in the middle of a snapshot or a memory image: it is the program's end, and not a failure of reel.
test_kill_while_it_execs() {
    local i tracee
    mkdir "$T/work"
    build chain "$T/work"
    for ((i = 0; i < 40 * MORE; i++)); do
        RECORDING=$T/killed$i.reel
        start "$REEL" record --quiet --check-memory -o "$RECORDING" "$T/work/chain" 1
        until [ -e "$RECORDING/d1/2.log" ]; do
            kill -0 "$PID" 2>/dev/null || fail "the recorder ended by itself: $(words "$T/live.err")"
        done
        tracee=$(pgrep -P "$PID" | head -n 1)
        doze 100
        kill -KILL "$tracee"
        reap
        [ "$STATUS" = 137 ] || fail "reel exits $STATUS instead of 137: $(words "$T/live.err")"
        # A child that it had just made is the one thing that may be said.
        ! grep -v 'its parent was killed before it told of it$' "$T/live.err" >"$T/said" || fail "recorded: $(words "$T/said")"
        step "$T/replay" "$REEL" replay --quiet --check-memory "$RECORDING"
        [ "$STATUS" = 137 ] || fail "replay: status $STATUS instead of 137: $(words "$T/replay.err")"
        rm -rf "$RECORDING"
    done
}

# A recording whose recorder was killed may lack the end of its last segment, but its snapshots are as sound as any.
test_unfinished_snapshot() {
    local size
    mkdir "$T/work"
    build chain "$T/work"
    RECORDING=$T/bad.reel
    start "$REEL" record --quiet -o "$RECORDING" "$T/work/chain" 1
    until [ -e "$RECORDING/d1/3.log" ]; do
        kill -0 "$PID" 2>/dev/null || fail "the recorder ended by itself: $(words "$T/live.err")"
    done
    kill -KILL "$PID"
    reap
    ends_early "$T/live.out"
    cp "$RECORDING/d1/2.snapshot" "$T/whole"
    size=$(stat -c %s "$T/whole")
    truncate -s $((size / 2)) "$RECORDING/d1/2.snapshot"
    refused "a snapshot with a log is cut" "$REEL" replay "$RECORDING"
    rm "$RECORDING/d1/2.snapshot"
    refused "a snapshot with a log is missing" "$REEL" replay "$RECORDING"
    cp "$T/whole" "$RECORDING/d1/2.snapshot"
    poke "$RECORDING/d1/2.snapshot" $((size / 2)) $(($(od -An -tu1 -j $((size / 2)) -N 1 "$T/whole") ^ 4))
    refused "a snapshot with a log has a bit flipped" "$REEL" replay "$RECORDING"
}

# A replayer that is killed takes the puppet with it.
test_kill_replayer() {
    local i
    mkdir "$T/work"
    build ticker "$T/work"
    RECORDING=$T/long.reel
    step "$T/long" "$REEL" record --quiet -o "$RECORDING" "$T/work/ticker" 20000
    [ "$STATUS" = 7 ] || fail "recording: status $STATUS: $(words "$T/long.err")"
    mkfifo "$T/pipe"
    exec 9<>"$T/pipe" # nobody reads: the replay stands still when the pipe is full
    for ((i = 0; i < 10 * MORE; i++)); do
        setsid env --default-signal "$REEL" replay "$RECORDING" >"$T/pipe" 2>"$T/replay.err" </dev/null 9<&- &
        PID=$!
        doze 500
        kill -KILL "$PID" 2>/dev/null
        reap
        [ "$STATUS" = 137 ] || fail "the replay ended by itself: status $STATUS: $(words "$T/replay.err")"
        nobody_left "$PID"
    done
}

# ---- no room ----

small_disk() {
    mkdir "$T/disk"
    [ "$(id -u)" = 0 ] || skip "mounting a small disk needs root"
    mount -t tmpfs -o "size=$1" reel-test "$T/disk" 2>"$T/mount.err" || skip "cannot mount: $(first_line "$T/mount.err")"
    RECORDING=$T/disk/full.reel
}

test_disk_full() {
    mkdir "$T/work"
    build flood "$T/work"
    small_disk 3m
    step "$T/live" "$REEL" record --quiet -o "$RECORDING" "$T/work/flood" 4000
    unharmed
    closed_cleanly
    throw_away "$T/work"
    ends_early "$T/live.out" 10
}
# Full a moment after the start, wherever that is: nothing may go wrong at any size.
test_disk_full_anywhere() {
    local blocks
    mkdir "$T/work"
    build flood "$T/work"
    small_disk 2m
    for ((blocks = 500; blocks > 0; blocks -= $(soak_or 3 29))); do
        rm -rf "$RECORDING" "$T/disk/ballast"
        head -c "$((blocks * 4096))" /dev/zero >"$T/disk/ballast" 2>/dev/null
        step "$T/live" "$REEL" record --quiet -o "$RECORDING" "$T/work/flood" 600
        if [ "$STATUS" = 125 ]; then # there was no room to begin with
            [ ! -s "$T/live.out" ] || fail "$blocks blocks taken: 125, but the program ran"
            is_one_line "$T/live.err" || fail "$blocks blocks taken: not one line: $(head -c 300 "$T/live.err" | tr '\n' '|')"
        else
            unharmed
            ends_early "$T/live.out"
        fi
    done
}
test_max_size() {
    local bytes
    mkdir "$T/work"
    build flood "$T/work"
    RECORDING=$T/limited.reel
    step "$T/live" "$REEL" record --quiet --max-size 1 -o "$RECORDING" "$T/work/flood" 2000
    unharmed
    closed_cleanly
    bytes=$(du -s -B 1 "$RECORDING" | cut -f 1)
    ((bytes <= 1200000)) || fail "the recording has $bytes bytes"
    throw_away "$T/work"
    ends_early "$T/live.out"
}
test_max_size_large_enough() {
    mkdir "$T/work"
    build flood "$T/work"
    RECORDING=$T/limited.reel
    step "$T/live" "$REEL" record --quiet --check-memory --max-size 20 -o "$RECORDING" "$T/work/flood" 1000
    RECORDED=$STATUS
    [ "$RECORDED" = 7 ] && [ ! -s "$T/live.err" ] || fail "status $RECORDED: $(words "$T/live.err")"
    throw_away "$T/work"
    replays_alike "$RECORDING" "$T/live" "$REPLAYS" || fail "$REASON"
}
# The program becomes one for whose beginning the limit leaves no room: the recording ends in front of it.
test_exec_beyond_the_limit() {
    RECORDING=$T/limited.reel
    step "$T/live" "$REEL" record --quiet --max-size 4 -o "$RECORDING" bash -c \
        'echo before; exec /usr/bin/python3 -c "print(\"all done\"); raise SystemExit(7)"'
    unharmed
    closed_cleanly
    ends_early "$T/live.out" 1
    [ "$(find "$RECORDING" -name '2.*' | wc -l)" = 0 ] || fail "there is a second segment"
}
# A limit on the size of files (which the program inherits, and which kills with SIGXFSZ) is met by the log.
test_file_size_limit() {
    mkdir "$T/work"
    build flood "$T/work"
    RECORDING=$T/limited.reel
    # shellcheck disable=SC2016 # for the inner shell
    step "$T/live" bash -c 'ulimit -f 1500; exec "$@"' - "$REEL" record --quiet -o "$RECORDING" "$T/work/flood" 2000
    unharmed
    closed_cleanly
    throw_away "$T/work"
    ends_early "$T/live.out" 10
}
# No file descriptor is left for reel, or hardly one.
test_few_descriptors() {
    local limit
    mkdir "$T/work"
    build flood "$T/work"
    for limit in 4 6 8 10 12 16; do
        RECORDING=$T/few$limit.reel
        # shellcheck disable=SC2016 # for the inner shell
        step "$T/live" bash -c 'ulimit -n $0; exec "$@"' "$limit" "$REEL" record --quiet -o "$RECORDING" "$T/work/flood" 20
        if [ "$STATUS" = 125 ]; then
            is_one_line "$T/live.err" || fail "$limit descriptors: not one line: $(head -c 300 "$T/live.err" | tr '\n' '|')"
        else
            [ "$STATUS" = 7 ] || fail "$limit descriptors: status $STATUS: $(words "$T/live.err")"
            tail -n 1 "$T/live.out" | grep -q '^all ' || fail "$limit descriptors: the program's output is not complete"
        fi
    done
}
# /proc of another PID namespace speaks of other processes under the same numbers.
test_foreign_proc() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    RECORDING=$T/foreign.reel
    step "$T/live" unshare --pid --fork "$REEL" record -o "$RECORDING" true
    [ -z "$TIMED_OUT" ] || fail "the recording hung"
    [ "$STATUS" = 125 ] || fail "status $STATUS: $(words "$T/live.err")"
    is_one_line "$T/live.err" || fail "not one line: $(head -c 300 "$T/live.err" | tr '\n' '|')"
}

test_unwritable() {
    refused "-o in a folder that is not there" "$REEL" record -o "$T/none/x.reel" true
    [ "$(id -u)" != 0 ] || ! getent passwd 65534 >/dev/null || {
        setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$REEL" || return 0
        refused "-o in a folder that is not ours" setpriv --reuid=65534 --regid=65534 --clear-groups \
            "$REEL" record -o "$T/x.reel" true
    }
}

# ---- what cannot be recorded (yet): the program runs on, the recording ends ----

# A program that this user may execute and not read.
test_unreadable_program() {
    local as=()
    if [ "$(id -u)" = 0 ]; then
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        "${as[@]}" test -x "$REEL" || skip "$REEL cannot be reached by user nobody"
        chmod 777 "$T"
    fi
    cp /bin/echo "$T/unreadable"
    chmod 0111 "$T/unreadable"
    refused "a program without r" "${as[@]+"${as[@]}"}" "$REEL" record -o "$T/x.reel" "$T/unreadable" x
    grep -q 'executed, but not read' "$T/refused.err" || fail "it does not say why: $(words "$T/refused.err")"
    RECORDING=$T/exec.reel
    step "$T/live" "${as[@]+"${as[@]}"}" "$REEL" record --quiet -o "$RECORDING" bash -c "echo before; exec $T/unreadable all done"
    [ "$STATUS" = 0 ] && tail -n 1 "$T/live.out" | grep -q '^all ' || fail "the program was harmed: status $STATUS"
    is_one_line "$T/live.err" || fail "not one warning: $(words "$T/live.err")"
    ends_early "$T/live.out" 1
}

# Root may look into a program that forbids it; others cannot, and the recording ends there, with the reason.
test_forbids_to_be_looked_at() {
    command -v /usr/bin/python3 >/dev/null || skip "needs /usr/bin/python3"
    local as=() forbid='
import ctypes
print("before", flush=True)
ctypes.CDLL(None).prctl(4, 0)
print("all done", flush=True)
raise SystemExit(7)'
    if [ "$(id -u)" = 0 ]; then
        RECORDING=$T/root.reel
        step "$T/live" "$REEL" record --quiet --check-memory -o "$RECORDING" /usr/bin/python3 -c "$forbid"
        RECORDED=$STATUS
        replays_alike "$RECORDING" "$T/live" 1 || fail "$REASON"
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        "${as[@]}" test -x "$REEL" || return 0
        chmod 777 "$T"
    fi
    RECORDING=$T/user.reel
    step "$T/live" "${as[@]+"${as[@]}"}" "$REEL" record --quiet -o "$RECORDING" /usr/bin/python3 -c "$forbid"
    unharmed
    grep -q PR_SET_DUMPABLE "$T/live.err" || fail "it does not say why: $(words "$T/live.err")"
    ends_early "$T/live.out" 1
}

functions_main "$@"
