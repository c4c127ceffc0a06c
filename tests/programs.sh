#!/usr/bin/env bash
# Real programs, end to end: each row of tests/programs/table.sh is recorded, its inputs are deleted, and it must replay
# the same; some of them again as an ordinary user; then programs that read a terminal.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The python3 on PATH may be a script that looks for the real one.
if [ -x /usr/bin/python3 ]; then
    PYTHON=/usr/bin/python3
else
    PYTHON=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || PYTHON=python3
fi
CC1=$(gcc -print-prog-name=cc1 2>/dev/null) || CC1=cc1
TYPIST=("$PYTHON" "$ROOT/tests/programs/pty.py")

# Rows that are run again as user nobody.
AS_USER='ls python3 sqlite3-20000 sort-200000 perl git-log git-status cat-50M bash bash-exec bash-children static'
USER_IDS=(--reuid=65534 --regid=65534 --clear-groups)

# ---- rows ----

# For the setup of rows.
small_repository() {
    local i
    export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@d
    git init -q -b main .
    for i in 1 2 3 4 5; do
        seq -f "line %g of $i" 200 >"file$i"
        git add "file$i"
        git commit -q -m "commit $i"
    done
}

# A C project of $1 files with a Makefile.
project() {
    local i
    for ((i = 0; i < $1; i++)); do
        printf '#include <stdio.h>\n#include <string.h>\nint part%d(int x) {\n    char text[64];\n    snprintf(text, sizeof text, "%%%%d", x);\n    return (int)strlen(text) + %d;\n}\n' "$i" "$i" >"part$i.c"
    done
    {
        for ((i = 0; i < $1; i++)); do
            echo "int part$i(int x);"
        done
        echo 'int main(void) { int sum = 0;'
        for ((i = 0; i < $1; i++)); do
            echo "    sum += part$i(sum);"
        done
        echo '    return sum & 1; }'
    } >main.c
    printf 'OBJECTS := main.o %s\nprogram: $(OBJECTS)\n\tgcc -o $@ $(OBJECTS)\n%%.o: %%.c\n\tgcc -O1 -c -o $@ $<\n' \
        "$(seq -f 'part%g.o' -s ' ' 0 $(($1 - 1)))" >Makefile
}

needed() {
    local need
    for need in $1; do
        command -v "$need" >/dev/null || skip "$need is not installed"
    done
}

# Find the row named $1 into ROW_REPLAYS, ROW_NEEDS, ROW_SETUP, ROW_COMMAND.
find_row() {
    local wanted_row=$1
    row() {
        [ "$1" = "$wanted_row" ] || return 0
        ROW_REPLAYS=$2 ROW_NEEDS=$3 ROW_SETUP=$4 ROW_COMMAND=$5
    }
    # shellcheck source=tests/programs/table.sh
    . "$ROOT/tests/programs/table.sh"
    [ "$ROW_REPLAYS" != - ] || ROW_REPLAYS=$REPLAYS
    [ -z "$SOAK" ] || ROW_REPLAYS=10
}

row_names() {
    row() { printf '%s\n' "$1"; }
    # shellcheck source=tests/programs/table.sh
    . "$ROOT/tests/programs/table.sh"
}

# run_row PREFIX...: the row that was found, with everything behind PREFIX.
run_row() {
    local as=("$@") words
    needed "$ROW_NEEDS"
    cd "$T/work" || exit 1
    "$@" env HOME="$T/home" bash -c "$(declare -f small_repository project); PYTHON='$PYTHON' CC1='$CC1' ROOT='$ROOT'; $ROW_SETUP" \
        >"$T/setup.out" 2>"$T/setup.err" </dev/null || fail "the setup failed: $(first_line "$T/setup.err")"
    eval "words=($ROW_COMMAND)"
    RECORDING=$T/place/$NAME.reel
    # shellcheck disable=SC2154 # words is assigned by eval
    step "$T/live" "${as[@]+"${as[@]}"}" env HOME="$T/home" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b \
        GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@d \
        "$REEL" record --quiet --check-memory -o "$RECORDING" -- "${words[@]}"
    RECORDED=$STATUS
    [ -z "$TIMED_OUT" ] || fail "the recording hung"
    [ -z "$(words "$T/live.err")" ] || fail "recorded: $(words "$T/live.err")"
    throw_away "$T/work"
    replays_alike "$RECORDING" "$T/live" "$ROW_REPLAYS" "${as[@]+"${as[@]}"}" || fail "$REASON"
}

run_as_user() {
    [ "$(id -u)" = 0 ] || skip "this is an ordinary user already"
    getent passwd 65534 >/dev/null || skip "there is no user nobody"
    setpriv "${USER_IDS[@]}" test -x "$REEL" 2>/dev/null || skip "$REEL cannot be reached by user nobody"
    chown 65534:65534 "$T/work" "$T/home" "$T/place"
    run_row setpriv "${USER_IDS[@]}"
}

# ---- terminals ----

# terminal STEP... -- PROGRAM ARG...: record on a terminal, replay onto a file. The terminal adds nothing of its own (see
# pty.py), so what it showed is what the replay must print.
terminal() {
    local i split=0
    for ((i = 1; i <= $#; i++)); do
        [ "${!i}" != -- ] || { split=$i && break; }
    done
    needed "$PYTHON ${*:split+1:1}"
    RECORDING=$T/place/$NAME.reel
    cd "$T/work" || exit 1
    step "$T/typist" "${TYPIST[@]}" "$T/transcript" "${@:1:split-1}" -- \
        "$REEL" record --quiet --check-memory -o "$RECORDING" "${@:split}"
    RECORDED=$STATUS
    [ "$RECORDED" != 124 ] || fail "$(cat "$T/typist.err")"
    ! grep -a -q 'reel: ' "$T/transcript" || fail "recorded: $(grep -a -o -m 1 'reel: .*' "$T/transcript" | cut -c 1-300)"
    throw_away "$T/work"
    replays_transcript
}

# The recording shows the bytes of the transcript, and ends as it did.
replays_transcript() {
    local i count
    count=$(soak_or 10 "$REPLAYS")
    cd "$T/empty" || exit 1
    for ((i = 1; i <= count; i++)); do
        # stdout and stderr are one terminal: one file here
        # shellcheck disable=SC2016 # for the inner shell
        step "$T/replay" bash -c 'exec "$@" 2>&1' - "$REEL" replay --check-memory "$RECORDING"
        [ -z "$TIMED_OUT" ] || fail "replay $i hung"
        [ "$STATUS" = "$RECORDED" ] ||
            fail "replay $i: status $STATUS, recorded $RECORDED: $(words "$T/replay.out")"
        [ -z "${LINE_ENDS:-}" ] || sed -i 's/\r*$//' "$T/transcript" "$T/replay.out"
        cmp -s "$T/transcript" "$T/replay.out" ||
            fail "replay $i differs from what the terminal showed: $(difference "$T/transcript" "$T/replay.out")" \
                "$(words "$T/replay.out")"
    done
}

# What the terminal showed holds $1.
shown() { grep -a -q -- "$1" "$T/transcript" || fail "the terminal never showed '$1': $(tail -c 300 "$T/transcript" | tr '\0-\37' ' ')"; }
ended() { [ "$RECORDED" = "$1" ] || fail "status $RECORDED, expected $1"; }

# shellcheck disable=SC2016 # the programs are quoted
{
    test_tty_line() {
        terminal expect=name: 'send=Ada\n' -- bash -c 'printf "name: "; read -r x; echo "hello $x"; exit 6'
        shown 'hello Ada'
        ended 6
    }
    test_tty_isatty() {
        terminal size=33x101 -- "$PYTHON" -c \
            'import os, sys; print(sys.stdin.isatty(), os.ttyname(0), os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp())'
        shown 'True /dev/pts/.*columns=101, lines=33) True'
        ended 0
    }
    test_tty_tput() {
        terminal size=44x111 -- bash -c 'exec tput cols'
        shown '^111'
        ended 0
    }
    test_tty_stty() {
        terminal size=21x81 -- stty -a
        shown 'rows 21; columns 81'
        ended 0
    }
    test_tty_silent_password() {
        terminal 'expect=secret: ' 'send=hush\n' -- "$PYTHON" -c 'import getpass; print(len(getpass.getpass("secret: ", __import__("sys").stderr)))'
        shown '^4'
        ended 0
    }
    test_tty_interrupt_sleep() {
        terminal expect=sleeping 'send=\x03' -- "$PYTHON" -c '
import time
try:
    print("sleeping", flush=True)
    time.sleep(50)
except KeyboardInterrupt:
    print("interrupted", time.time_ns())
raise SystemExit(4)'
        shown 'interrupted'
        ended 4
    }
    test_tty_interrupt_trap() { # bash waits for ever when it gets the signal behind its last look for one, and before it reads
        terminal expect=ready pause=0.3 'send=\x03' expect=trapped 'send=more\n' -- bash -c \
            'trap "echo trapped" INT; echo ready; until read -r x; do echo again; done; echo "got $x"'
        shown 'got more'
        ended 0
    }
    test_tty_interrupt_kills() {
        terminal expect=ready 'send=\x03' -- "$PYTHON" -c '
import signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("ready", flush=True)
time.sleep(50)'
        ended 130
    }
    test_tty_quit_kills() {
        terminal expect=ready 'send=\x1c' -- "$PYTHON" -c 'import time; print("ready", flush=True); time.sleep(50)'
        ended 131
    }
    test_tty_interrupt_computing() {
        terminal expect=ready pause=0.3 'send=\x03' -- "$PYTHON" -c '
import time
print("ready", flush=True)
try:
    while True:
        time.time()
except KeyboardInterrupt:
    print("interrupted", flush=True)'
        shown 'interrupted'
        ended 0
    }
    test_tty_end_of_file() {
        terminal expect=ready 'send=one\n' expect=one 'send=\x04' -- bash -c 'echo ready; exec cat'
        shown 'one'
        ended 0
    }
    test_tty_python_prompt() {
        terminal 'expect=>>> ' 'send=import random; random.random()\n' 'expect=>>> ' 'send=print(6*7)\n' expect=42 \
            'send=exit(3)\n' -- env PYTHONHISTFILE= HOME="$T/home" "$PYTHON" -q
        ended 3
    }
    test_tty_bash_prompt() {
        terminal 'expect=$ ' 'send=echo sum $((6*7))\n' 'expect=sum 42' 'expect=$ ' 'send=exit 5\n' -- \
            env HOME="$T/home" 'PS1=$ ' bash --norc -i
        ended 5
    }
    test_tty_bash_jobs() {
        terminal 'expect=$ ' 'send=sleep 50\n' pause=0.3 'send=\x1a' expect=Stopped 'expect=$ ' 'send=bg\n' 'expect=$ ' \
            'send=jobs\n' expect=Running 'expect=$ ' 'send=kill -STOP %%\n' 'expect=$ ' 'send=sleep 0.2; jobs\n' \
            'expect=Stopped' 'expect=$ ' 'send=fg\n' pause=0.3 'send=\x03' 'expect=$ ' 'send=echo left $?\n' 'expect=left 130' \
            'expect=$ ' 'send=seq 3000 | sort -n | sleep 50\n' pause=0.3 'send=\x1a' expect=Stopped 'expect=$ ' \
            'send=kill %%; fg\n' 'expect=$ ' 'send=exit 5\n' -- env HOME="$T/home" 'PS1=$ ' bash --norc -i
        ended 5
    }
    test_tty_less() {
        seq 200 >"$T/work/lines"
        LINE_ENDS=1 # less makes the terminal add \r to each \n
        terminal expect=10 'send= ' expect=40 'send=q' -- env HOME="$T/home" LESS= less lines
        ended 0
    }
    test_tty_ed() {
        echo old text >"$T/work/lines"
        terminal expect=9 'send=a\nnew line\n.\n1,$p\n' expect=new 'send=w\n' expect=18 'send=q\n' -- \
            env HOME="$T/home" ed lines
        shown '^new line'
        ended 0
    }
    # Under a shell with job control: Ctrl-Z stops the job, reel and all; fg continues it. The shell's own words are in
    # the transcript too, so the program keeps a second copy of what it says.
    test_tty_stop_and_continue() {
        needed "$PYTHON bash"
        RECORDING=$T/place/$NAME.reel
        cd "$T/work" || exit 1
        cat >job <<'END'
#!/bin/bash
say() { echo "$1"; echo "$1" >&3; }
say started
read -r x
say "got $x"
read -r y
say "and $y"
exit 8
END
        chmod +x job
        step "$T/typist" "${TYPIST[@]}" "$T/transcript" \
            'expect=PROMPT$ ' "send=$REEL record --quiet --check-memory -o $RECORDING ./job 3>$T/live.out\n" expect=started \
            'send=one\n' 'expect=got one' 'send=\x1a' expect=Stopped 'expect=PROMPT$ ' \
            'send=jobs; echo state $((40+2))\n' 'expect=state 42' 'expect=PROMPT$ ' 'send=fg\n' pause=0.5 'send=two\n' \
            'expect=and two' 'expect=PROMPT$ ' 'send=echo status $?.\n' 'expect=status 8.' 'send=exit\n' -- \
            env HOME="$T/home" PS1='PROMPT$ ' bash --norc --noediting -i
        [ "$STATUS" = 0 ] || fail "on the terminal (status $STATUS): $(cat "$T/typist.err")"
        throw_away "$T/work"
        : >"$T/live.err"
        RECORDED=8
        replays_alike "$RECORDING" "$T/live" "$REPLAYS" || fail "$REASON"
    }
    # Replaying on a terminal leaves it as it was.
    test_tty_replay_leaves_terminal() {
        terminal expect=ready 'send=x\n' -- "$PYTHON" -c '
import termios, tty
print("ready", flush=True)
input()
mode = termios.tcgetattr(0)
tty.setraw(0)
print("raw", flush=True)
termios.tcsetattr(0, termios.TCSANOW, mode[:3] + [mode[3] & ~termios.ISIG] + mode[4:])'
        ended 0
        step "$T/typist" "${TYPIST[@]}" "$T/again" -- bash -c \
            'stty -a >"$3/before"; "$1" replay "$2"; stty -a >"$3/after"; cmp "$3/before" "$3/after"' - \
            "$REEL" "$RECORDING" "$T"
        [ "$STATUS" = 0 ] || fail "the terminal is not as it was: $(tail -c 300 "$T/again")"
    }
}

# ---- all of it ----

names() {
    local name
    row_names
    for name in $AS_USER; do
        printf 'user-%s\n' "$name"
    done
    all_tests
}

# The functions above are indented: they are in the group with one shellcheck directive.
all_tests() { grep -o '^ *test_[a-z0-9_]*()' "$0" | sed 's/^ *test_//; s/()$//'; }

if [ "${1:-}" = --one ]; then
    begin "$2"
    mkdir "$T/work" "$T/home" "$T/place" "$T/empty"
    chmod 777 "$T/empty"
    case $2 in
    tty_*) "test_$2" ;;
    user-*)
        find_row "${2#user-}"
        run_as_user
        ;;
    *)
        find_row "$2"
        run_row
        ;;
    esac
    ok
    exit 0
fi
need_reel
names | run_all
finish
