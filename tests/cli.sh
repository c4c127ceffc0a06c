#!/usr/bin/env bash
# The command line: verbs, options, exit codes, messages, and what a recording is on disk.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# try STATUS COMMAND...: run it into out.out and out.err; the status must be as said.
try() {
    local expected=$1
    shift
    step "$T/out" "$@"
    [ -z "$TIMED_OUT" ] || fail "$*: hangs"
    [ "$STATUS" = "$expected" ] || fail "$*: status $STATUS instead of $expected: $(first_line "$T/out.err")"
}
out_is() { [ "$(cat "$T/out.out")" = "$1" ] || fail "stdout is not '$1' but: $(head -c 200 "$T/out.out")"; }
err_is() { [ "$(cat "$T/out.err")" = "$1" ] || fail "stderr is not '$1' but: $(head -c 200 "$T/out.err")"; }
silent() { [ ! -s "$T/out.$1" ] || fail "std$1 is not empty: $(head -c 200 "$T/out.$1")"; }
out_has() { grep -q -- "$1" "$T/out.out" || fail "stdout lacks '$1': $(head -c 300 "$T/out.out" | tr '\n' '|')"; }
err_has() { grep -q -- "$1" "$T/out.err" || fail "stderr lacks '$1': $(head -c 300 "$T/out.err" | tr '\n' '|')"; }

# One line `reel: WHAT: WHY` on stderr, nothing on stdout.
one_line() {
    [ "$(wc -l <"$T/out.err")" = 1 ] || fail "not one line on stderr: $(head -c 300 "$T/out.err" | tr '\n' '|')"
    grep -q '^reel: .*: .' "$T/out.err" || fail "not \`reel: WHAT: WHY\` on stderr: $(first_line "$T/out.err")"
    silent out
}
# A failure of reel's own.
fails() {
    try 125 "$@"
    one_line
}
record() { try "$1" "$REEL" record --quiet -o "$2" -- "${@:3}"; }

# ---- verbs and options ----

test_no_arguments() {
    try 125 "$REEL"
    silent out
    err_has 'usage: reel'
}
test_unknown_verb() {
    fails "$REEL" frobnicate
    err_has frobnicate
    fails "$REEL" --frobnicate
    fails "$REEL" ''
}
test_unknown_option() {
    local verb
    for verb in record replay trace summary merge config dump ps doctor watch; do
        fails "$REEL" $verb --frobnicate
        err_has frobnicate
        fails "$REEL" $verb -Z
    done
}
test_option_without_value() {
    fails "$REEL" record -o
    fails "$REEL" record --max-size
    fails "$REEL" replay --to
}
test_bad_numbers() {
    local value
    for value in '' x 5x -1 99999999999999999999 1.5; do
        fails "$REEL" record --max-size "$value" true
        fails "$REEL" replay --to "$value"
    done
    fails "$REEL" record --max-size 0 true
    fails "$REEL" replay --to 0
    [ -z "$(find "$T" -mindepth 1 ! -name 'out.*')" ] || fail "a recording was made all the same"
}
test_help() {
    local verb
    try 0 "$REEL" --help
    silent err
    for verb in record replay trace summary merge config dump doctor watch; do
        try 0 "$REEL" --help
        out_has "$verb"
        try 0 "$REEL" $verb --help
        silent err
        out_has "usage: reel $verb"
    done
    [ "$(find "$T" -name '*.reel')" = "" ] || fail "--help made a recording"
}
test_version() {
    try 0 "$REEL" --version
    silent err
    out_has '^reel [0-9]'
}
test_no_program() {
    fails "$REEL" record
    fails "$REEL" record --
    fails "$REEL" record -o x.reel
    [ ! -e x.reel ] || fail "x.reel was made"
}
test_two_recordings() {
    record 0 a.reel true
    fails "$REEL" replay a.reel a.reel
}

# ---- the program's status ----

test_status() {
    local status
    for status in 0 1 42 124 125 126 127 137 255; do
        record $status r$status.reel bash -c "exit $status"
        silent err
        try $status "$REEL" replay r$status.reel
        silent err
    done
}
test_signals() {
    local signal
    for signal in TERM KILL SEGV ABRT HUP USR1 INT PIPE; do
        record $((128 + $(kill -l $signal))) r$signal.reel bash -c "kill -$signal \$\$"
        silent err
        try $((128 + $(kill -l $signal))) "$REEL" replay r$signal.reel
        # nobody knows at which instruction SIGKILL struck, and the replay says so
        [ $signal = KILL ] || silent err
    done
}
test_missing_program() {
    try 127 "$REEL" record -o x.reel no-such-program-anywhere
    one_line
    err_has no-such-program-anywhere
    try 127 "$REEL" record -o x.reel ./missing
    one_line
    [ ! -e x.reel ] || fail "x.reel was made"
}
test_not_executable() {
    echo 'echo x' >script
    try 126 "$REEL" record -o x.reel ./script
    one_line
    mkdir folder
    try 126 "$REEL" record -o x.reel ./folder
    one_line
    [ ! -e x.reel ] || fail "x.reel was made"
}
test_script() {
    printf '#!/bin/sh\necho "script $0 $# $2"\nexit 3\n' >'my script'
    chmod +x 'my script'
    record 3 s.reel './my script' a 'b c'
    out_is 'script ./my script 2 b c'
    rm 'my script'
    try 3 "$REEL" replay s.reel
    out_is 'script ./my script 2 b c'
}
test_script_without_interpreter() {
    printf '#!/no/such/interpreter\n' >script
    chmod +x script
    try 127 env "$REEL" record -o x.reel ./script
    one_line
}
test_32_bit() {
    printf 'int main(void) { return 5; }\n' >x.c
    gcc -m32 -static -o x32 x.c 2>/dev/null || {
        # No 32-bit libc: a program of two system calls will do.
        printf '.globl _start\n_start:\n mov $1, %%eax\n mov $5, %%ebx\n int $0x80\n' >x.s
        { as --32 -o x.o x.s && ld -m elf_i386 -o x32 x.o; } 2>/dev/null || skip "cannot build a 32-bit program"
    }
    bash -c ./x32 2>/dev/null
    [ $? = 5 ] || skip "this kernel runs no 32-bit programs"
    step "$T/out" "$REEL" record -o x.reel ./x32
    case $STATUS in
    5 | 125) ;; # it runs unrecorded, or it is refused
    *) fail "status $STATUS: $(first_line "$T/out.err")" ;;
    esac
    err_has '^reel: .*32'
}
test_valgrind() {
    cp /bin/true valgrind.x
    try 125 "$REEL" record -o x.reel ./valgrind.x
    one_line
    [ ! -e x.reel ] || fail "a recording was left"
    step "$T/out" "$REEL" record -o y.reel sh -c 'exec ./valgrind.x'
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(first_line "$T/out.err")"
    err_has 'recording stopped .*valgrind'
}
test_odd_names() {
    local name
    mkdir 'a folder'
    for name in 'with spaces' $'new\nline' 'ümläut' '-dash' "quote'\"" '*'; do
        cp /bin/echo "a folder/$name"
        record 0 "a folder/rec $name" "./a folder/$name" one 'two  three'
        out_is 'one two  three'
        rm "a folder/$name"
        try 0 "$REEL" replay "a folder/rec $name"
        out_is 'one two  three'
    done
    try 0 "$REEL" replay -- "a folder/rec -dash"
}

# ---- -- and the program's own options ----

test_double_dash() {
    try 0 "$REEL" record -q -o a.reel -- echo -- --quiet -o
    out_is '-- --quiet -o'
    try 0 "$REEL" record -q -o b.reel echo --help -o x --json
    out_is '--help -o x --json'
    try 0 "$REEL" replay b.reel
    out_is '--help -o x --json'
    try 0 "$REEL" record --quiet --output=c.reel printf %s --version
    out_is '--version'
}

# ---- streams ----

test_stdin() {
    printf 'some\ninput\n' >in
    STDIN=$T/in record 0 a.reel cat
    out_is $'some\ninput'
    rm in
    try 0 "$REEL" replay a.reel
    out_is $'some\ninput'
    # a replay reads no input
    printf 'other\n' >other
    STDIN=$T/other try 0 "$REEL" replay a.reel
    out_is $'some\ninput'
}
test_stdin_pipe() {
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c 'printf "a\nb\n" | "$1" record -q -o p.reel wc -l' - "$REEL"
    out_is 2
    try 0 "$REEL" replay p.reel
    out_is 2
}
test_own_words() {
    try 0 "$REEL" record -o loud.reel echo hello
    out_is hello
    [ -z "$(grep -v '^reel: ' "$T/out.err")" ] || fail "a line without reel: on stderr: $(first_line "$T/out.err")"
    err_has loud.reel
    try 0 "$REEL" record --verbose -o louder.reel echo hello
    out_is hello
    [ -z "$(grep -v '^reel: ' "$T/out.err")" ] || fail "a line without reel: on stderr: $(first_line "$T/out.err")"
    try 0 "$REEL" record --quiet -o quiet.reel bash -c 'echo out; echo err >&2'
    out_is out
    err_is err
}
test_replay_quiet() {
    record 4 a.reel bash -c 'echo out; echo err >&2; exit 4'
    try 4 "$REEL" replay --quiet a.reel
    silent out
    silent err
    try 4 "$REEL" replay a.reel
    out_is out
    err_is err
}
test_streams_are_kept_apart() {
    record 0 a.reel bash -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done'
    try 0 "$REEL" replay a.reel
    out_is $'o1\no2\no3'
    err_is $'e1\ne2\ne3'
    # one file for both: in the order of writing
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c '"$1" replay a.reel 2>&1' - "$REEL"
    out_is $'o1\ne1\no2\ne2\no3\ne3'
}
test_redirected_by_the_program() {
    record 0 a.reel bash -c 'echo one; exec >file; echo two; exec >&2; echo three'
    out_is one
    rm file
    try 0 "$REEL" replay a.reel
    out_is one
    err_is three
    [ ! -e file ] || fail "the replay wrote the file"
}
test_closed_stdout() {
    record 0 a.reel echo hello
    # shellcheck disable=SC2016 # for the inner shell
    step "$T/out" bash -c '"$1" replay a.reel >&-' - "$REEL"
    [ "$STATUS" = 0 ] || [ "$STATUS" = 125 ] || fail "status $STATUS: $(first_line "$T/out.err")"
    # shellcheck disable=SC2016 # for the inner shell
    step "$T/out" bash -c '"$1" replay a.reel >/dev/full' - "$REEL"
    [ "$STATUS" = 0 ] || [ "$STATUS" = 125 ] || fail "status $STATUS: $(first_line "$T/out.err")"
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c '"$1" record -q -o b.reel echo hello >&- 2>&-; [ -d b.reel ]' - "$REEL"
}

# ---- recordings on disk ----

test_default_name() {
    try 0 "$REEL" record --quiet true
    compgen -G 'true-[0-9]*.reel' >/dev/null || fail "no true-PID.reel: $(ls | tr '\n' ' ')"
    try 0 "$REEL" replay
}
test_existing_output() {
    mkdir full.reel
    touch full.reel/x file
    fails "$REEL" record -o full.reel touch ran
    err_has full.reel
    fails "$REEL" record -o file touch ran
    fails "$REEL" record -o file/below touch ran
    fails "$REEL" record -o '' touch ran
    record 0 a.reel true
    fails "$REEL" record -o a.reel touch ran
    [ ! -e ran ] || fail "the program ran all the same"
    try 0 "$REEL" replay a.reel
}
test_relative_output() {
    mkdir -p below/deeper
    try 0 "$REEL" record -q -o below/../below/a.reel bash -c 'cd /; echo from "$PWD"'
    out_is 'from /'
    [ -f below/a.reel/recording.json ] || fail "below/a.reel was not made"
    cd below/deeper || exit 1
    try 0 "$REEL" replay ../a.reel
    out_is 'from /'
    try 0 "$REEL" replay ../a.reel/
}
test_moved_recording() {
    record 6 a.reel bash -c 'echo hello; exit 6'
    mkdir elsewhere
    mv a.reel elsewhere/b
    cp -r elsewhere/b elsewhere/c
    tar -C elsewhere -cf - c | tar -C "$T" -xf -
    rm -r elsewhere/c
    try 6 "$REEL" replay elsewhere/b
    out_is hello
    try 6 "$REEL" replay c
    out_is hello
    chmod -R a-w c
    try 6 "$REEL" replay c
}
test_permissions() {
    umask 000
    record 0 a.reel echo hello
    [ "$(find a.reel -type d -printf '%m\n' | sort -u)" = 700 ] || fail "folders: $(find a.reel -type d ! -perm 700 | tr '\n' ' ')"
    [ "$(find a.reel -type f -printf '%m\n' | sort -u)" = 600 ] || fail "files: $(find a.reel -type f ! -perm 600 | tr '\n' ' ')"
    umask 077
    record 0 b.reel bash -c umask
    out_is 0077
    [ "$(find b.reel -type f -printf '%m\n' | sort -u)" = 600 ] || fail "files: $(find b.reel -type f ! -perm 600 | tr '\n' ' ')"
}
test_newest() {
    record 0 z.reel echo first
    sleep 0.05
    record 0 a.reel echo second
    try 0 "$REEL" replay
    out_is second
    rm -r a.reel
    try 0 "$REEL" replay
    out_is first
    try 0 "$REEL" dump
    out_has 'first'
}
test_no_recording() {
    fails "$REEL" replay
    fails "$REEL" dump
    fails "$REEL" replay missing.reel
    err_has missing.reel
    mkdir folder
    touch file
    fails "$REEL" replay folder
    fails "$REEL" replay file
    fails "$REEL" dump folder
    fails "$REEL" dump /etc/passwd
    fails "$REEL" replay ''
}
test_recording_json() {
    command -v python3 >/dev/null || skip "needs python3"
    record 3 a.reel bash -c 'exit 3' 'ärg'
    try 0 python3 -c '
import json, os
info = json.load(open("a.reel/recording.json"))
assert info["argv"] == ["bash", "-c", "exit 3", "\u00e4rg"], info["argv"]
assert info["cwd"] == os.getcwd(), info["cwd"]
assert info["format_version"] == 1 and info["state"] == "complete", info
assert info["kernel"] and info["host"] and info["cpu"]'
}

# ---- replay --to, --check-memory ----

test_to() {
    local events
    record 0 a.reel bash -c 'echo one; echo two; echo three'
    try 0 "$REEL" dump a.reel
    events=$(wc -l <"$T/out.out")
    cp "$T/out.out" all
    try 0 "$REEL" replay --to 5 a.reel
    silent out
    # up to the event that writes "two"
    try 0 "$REEL" replay --to "$(sed -n 's/^ *\([0-9]*\) .*write(1, "two.*/\1/p' all)" a.reel
    out_is $'one\ntwo'
    try 0 "$REEL" replay --to "$events" a.reel
    out_is $'one\ntwo\nthree'
    step "$T/out" "$REEL" replay --to 99999999 a.reel
    [ "$STATUS" = 0 ] || [ "$STATUS" = 125 ] || fail "--to beyond the end: status $STATUS"
}
# A script with children, in out.reel; their process IDs into A (the shell's), B (a fork), C (a program).
record_tree() {
    record 3 tree.reel sh -c 'echo one; (echo two $$; exit 4); /bin/echo three; kill -SEGV $(sh -c "echo \$PPID") & wait; exit 3'
    try 0 "$REEL" ps --json tree.reel
    cp out.out ps.json
}
pid_of() { sed -n "s/^{\"pid\":\([0-9]*\),.*$1.*/\1/p" ps.json | head -n 1; }

test_ps() {
    record_tree
    [ "$(wc -l <ps.json)" -ge 4 ] || fail "too few processes: $(cat ps.json)"
    grep -q '"start":"launch"' ps.json && grep -q '"start":"fork"' ps.json && grep -q '"status":4' ps.json ||
        fail "ps --json: $(cat ps.json)"
    grep -q '"signal":"SIGSEGV"' ps.json || fail "no crash in ps --json: $(cat ps.json)"
    try 0 "$REEL" ps tree.reel
    out_has '^ *[0-9]* *[0-9]* *[0-9]*  exit 3  *sh -c echo one'
    out_has '^ *[0-9]* *[0-9]* *[0-9]*  exit 0  *   */bin/echo three$'
    out_has 'SIGSEGV'
    ! grep -q '^.\{81\}' out.out || fail "longer than 80 columns: $(grep '^.\{81\}' out.out)"
    fails "$REEL" ps nothing
    fails "$REEL" ps tree.reel other
}

test_replay_pid() {
    record_tree
    try 3 "$REEL" replay tree.reel
    out_is one
    try 0 "$REEL" replay --pid "$(pid_of 'echo","argv":."[^"]*echo","three')" tree.reel
    out_is three
    try 4 "$REEL" replay -p d2 tree.reel
    out_has '^two '
    try 139 "$REEL" replay -p "$(pid_of SIGSEGV)" tree.reel
    fails "$REEL" replay --pid 1 tree.reel
    err_has 'no process 1 in it'
    fails "$REEL" replay --pid d999 tree.reel
    fails "$REEL" replay --pid x tree.reel
    try 0 "$REEL" dump --pid "$(pid_of 'echo","argv":."[^"]*echo","three')" tree.reel
    out_has 'write(1, "three'
    try 0 "$REEL" dump --raw --pid d2 tree.reel
    out_has 'exited with 4'
}

test_replay_all() {
    record_tree
    try 3 "$REEL" replay --all tree.reel
    silent err
    [ "$(sed 's/ .*//' out.out | tr '\n' ' ')" = 'one two three ' ] || fail "replay --all shows: $(cat out.out)"
    fails "$REEL" replay --all --pid 1 tree.reel
    fails "$REEL" replay --all --to 5 tree.reel
    rm -r tree.reel/d2
    fails "$REEL" replay --all tree.reel
    try 3 "$REEL" replay tree.reel
}

test_record_serial() {
    try 0 "$REEL" record --quiet --serial -o s.reel sh -c 'echo a | cat | cat'
    out_is a
    try 0 "$REEL" replay --all s.reel
    out_is a
}

test_check_memory_without() {
    record 0 a.reel true
    fails "$REEL" replay --check-memory a.reel
}

# ---- dump ----

# One file, that replays, is traced and debugged where nothing of it was before, as another user.
test_pack() {
    local as=(setpriv --reuid=65534 --regid=65534 --clear-groups) folder=$T/elsewhere
    cat >shop.c <<'END'
#include <stdio.h>
__attribute__((noinline)) static int price(int n) { return n * 3; }
int main(void) { printf("%d\n", price(14)); return 7; }
END
    gcc -g -O1 -o shop shop.c && objcopy --only-keep-debug shop shop.debug &&
        objcopy --strip-debug --add-gnu-debuglink=shop.debug shop || fail "does not compile"
    record 7 shop.reel ./shop
    try 0 "$REEL" pack shop.reel
    [ "$(stat -c %a shop.reel.tar.zst)" = 600 ] || fail "its mode: $(stat -c %a shop.reel.tar.zst)"
    tar tf shop.reel.tar.zst >names || fail "tar cannot list it"
    grep -q '^recording.json$' names && grep -q '^d1/1.log$' names && grep -q '^debug/.build-id/../.*\.debug$' names || fail "in it: $(cat names)"
    fails "$REEL" pack shop.reel
    err_has 'it is there already'
    try 0 "$REEL" pack -q -o other.pack shop.reel
    silent err
    mkdir -m 755 "$folder" && mv shop.reel.tar.zst "$folder/a file" && chmod 644 "$folder/a file" && rm -rf shop*
    cd "$folder" || fail "no folder"
    chmod 755 "$T"
    "${as[@]}" test -x "$REEL" && "${as[@]}" test -r "$folder/a file" || as=() # below a folder that is closed to others
    mkdir -m 777 scratch
    try 7 env TMPDIR="$folder/scratch" "${as[@]}" "$REEL" replay 'a file'
    [ "$(cat "$T/out.out")" = 42 ] || fail "the replay's output: $(cat "$T/out.out")"
    [ -z "$(ls scratch)" ] || fail "left behind: $(ls scratch)"
    try 7 "$REEL" trace --quiet --level minimal -o t.json 'a file'
    grep -q '"function": "price", "arguments": {"n": 14}' t.json || fail "not traced with debug information: $(tail -n 3 t.json)"
    if command -v gdb >/dev/null; then
        step "$T/out" "$REEL" debug 'a file' -- -nx -batch -ex 'break price' -ex reverse-continue -ex 'print n'
        out_has '^\$1 = 14$'
    fi
    try 0 "$REEL" ps 'a file'
    try 0 "$REEL" dump 'a file'
    tar xf 'a file' --one-top-level=again && try 7 "$REEL" replay again
}
# A program that replays, with nothing but the kernel and busybox, for another user.
test_script_of_a_recording() {
    local tool bare=()
    cat >shop.c <<'END'
#include <stdio.h>
__attribute__((noinline)) static int price(int n) { return n * 3; }
int main(void) { printf("%d\n", price(14)); return 7; }
END
    gcc -g -O1 -o shop shop.c || fail "does not compile"
    record 7 shop.reel ./shop
    try 0 "$REEL" script -o shop.sh shop.reel
    [ "$(stat -c %a shop.sh)" = 700 ] || fail "its mode: $(stat -c %a shop.sh)"
    head -n 20 shop.sh | grep -q '^#     ./shop$' || fail "it does not say what it is: $(head -n 5 shop.sh)"
    fails "$REEL" script -o shop.sh shop.reel
    fails "$REEL" script -o 'a b.sh' shop.reel
    rm -rf shop shop.c shop.reel
    mkdir scratch && export TMPDIR=$PWD/scratch
    try 7 ./shop.sh
    [ "$(cat "$T/out.out")" = 42 ] || fail "its output: $(cat "$T/out.out")"
    try 7 sh shop.sh --trace --quiet --level minimal -o t.json
    grep -q '"function": "price", "arguments": {"n": 14}' t.json || fail "not traced: $(tail -n 3 t.json)"
    try 0 ./shop.sh --summary
    out_has price
    try 0 ./shop.sh --ps
    try 0 ./shop.sh --extract shop.pack
    try 7 "$REEL" replay shop.pack
    try 0 ./shop.sh --help
    out_has '--extract FILE'
    fails ./shop.sh --nonsense
    fails ./shop.sh --extract shop.pack
    [ -z "$(ls scratch)" ] || fail "left behind: $(ls scratch)"
    cp shop.sh cut.sh && truncate -s -1 cut.sh
    fails ./cut.sh
    err_has 'it is damaged'
    command -v busybox bwrap >/dev/null || skip "needs busybox and bwrap for the rest"
    mkdir -p bare/bin bare/tmp bare/proc bare/dev && cp "$(command -v busybox)" bare/bin/busybox && cp shop.sh bare/
    for tool in sh tail tar gzip gunzip mktemp rm cp sed; do ln -s busybox bare/bin/$tool; done
    bare=(bwrap --unshare-user --uid 1000 --gid 1000 --unshare-pid --unshare-net --bind bare / --proc /proc --dev /dev --clearenv --setenv PATH /bin)
    "${bare[@]}" /bin/sh -c : 2>/dev/null || skip "no namespaces here for the rest"
    try 7 "${bare[@]}" /bin/sh /shop.sh
    [ "$(cat "$T/out.out")" = 42 ] || fail "with busybox: $(cat "$T/out.out")"
}
# What is no pack, or one that somebody has made up.
test_pack_hostile() {
    command -v python3 >/dev/null || skip "needs python3"
    record 1 a.reel bash -c 'echo hello; exit 1'
    try 0 "$REEL" pack -o good.pack a.reel
    mkdir scratch && export TMPDIR=$PWD/scratch
    cat >made.py <<'END'
import io, os, sys, tarfile
def made(name, entries):
    with tarfile.open(name, "w") as tar:
        for path, kind in entries:
            info = tarfile.TarInfo(path)
            info.type = kind
            data = b"{}" if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
REG = tarfile.REGTYPE
cases = [[], [("recording.json", REG)], [("../evil", REG)], [("/tmp/evil", REG)], [("files/../../evil", REG)], [("files/1/2", REG)],
         [("recording.json", tarfile.SYMTYPE)], [("files/1", tarfile.LNKTYPE)], [("files/1", tarfile.FIFOTYPE)],
         [("files/1", tarfile.CHRTYPE)], [("recording.json", REG), ("recording.json", REG)], [("d1", REG), ("d1/1.log", REG)],
         [("d1/.hidden/x", REG)], [("debug/", REG)], [("debug/a b", REG)], [("x" * 600, REG)], [("debug/./x", REG)], [("", REG)]]
for i, entries in enumerate(cases):
    made(f"bad{i}.pack", entries)
good = open("good.pack", "rb").read()
for i, size in enumerate([0, 3, 100, len(good) // 2, len(good) - 3]):
    open(f"cut{i}.pack", "wb").write(good[:size])
for i in range(40):
    at = (i * 7919 * 31 + 13) % len(good)
    open(f"flip{i}.pack", "wb").write(good[:at] + bytes([good[at] ^ 1 << i % 8]) + good[at + 1:])
END
    python3 made.py || fail "the archives are not made"
    local pack
    for pack in bad*.pack cut*.pack /dev/null; do
        fails "$REEL" replay "$pack"
        [ "$(wc -l <"$T/out.err")" = 1 ] || fail "$pack: $(cat "$T/out.err")"
        [ -z "$(ls scratch)" ] || fail "$pack: left behind: $(ls scratch)"
    done
    [ ! -e evil ] && [ ! -e ../evil ] && [ ! -e /tmp/evil ] || fail "it has written elsewhere"
    for pack in flip*.pack; do # a bit of padding may not matter
        step "$T/out" "$REEL" replay "$pack"
        case $STATUS in
        1) [ "$(cat "$T/out.out")" = hello ] || fail "$pack: another output" ;;
        125) [ "$(wc -l <"$T/out.err")" = 1 ] || fail "$pack: $(cat "$T/out.err")" ;;
        *) fail "$pack: status $STATUS" ;;
        esac
    done
    fails "$REEL" pack nothing
    fails "$REEL" pack good.pack
    fails "$REEL" pack -o /nowhere/x a.reel
    fails "$REEL" replay good.pack other
}
test_dump() {
    record 1 a.reel bash -c 'echo hello; read -r x <file'
    try 0 "$REEL" dump a.reel
    silent err
    out_has 'write(1, "hello\\n", 6) *= 6'
    out_has 'open.*"file", .*) *= -1 ENOENT'
    out_has 'exit_group(1)'
    ! grep -q 'execve(' "$T/out.out" || fail "the recording begins after execve, but the dump shows one"
}
test_dump_json() {
    command -v python3 >/dev/null || skip "needs python3"
    record 0 a.reel bash -c 'printf "h\303\244llo \377 \\001\n" "\""'
    try 0 "$REEL" dump --json a.reel
    silent err
    cp "$T/out.out" all
    try 0 python3 -c '
import json
rows = [json.loads(line) for line in open("all", encoding="utf-8")]
assert len(rows) > 20, len(rows)
assert [row["event"] for row in rows] == list(range(1, len(rows) + 1))
assert any(row.get("name") == "write" and row["result"] == 11 for row in rows)
assert rows[-1]["kind"] == "exit" and rows[-1]["status"] == 0, rows[-1]'
}
test_dump_to_a_closed_pipe() {
    record 0 a.reel bash -c 'for ((i = 0; i < 3000; i++)); do echo $i; done'
    # shellcheck disable=SC2016 # for the inner shell
    step "$T/out" bash -c '"$1" dump a.reel | head -n 1' - "$REEL"
    [ "$(wc -l <"$T/out.out")" = 1 ] || fail "not one line"
    ((STATUS < 128 || STATUS == 141)) || fail "status $STATUS"
}

# ---- doctor ----

test_doctor() {
    try 0 "$REEL" doctor
    silent err
    out_has ptrace
    out_has seccomp
    fails "$REEL" doctor surplus
}

# ---- config ----

test_config() {
    try 0 "$REEL" config --template
    silent err
    cp "$T/out.out" template.json
    python3 -m json.tool template.json >/dev/null || fail "the template is not JSON"
    try 0 "$REEL" config --check template.json
    out_is 'template.json: good'
    sed 's/"level": null/"level": "full"/' template.json >refined.json
    try 0 "$REEL" config --check refined.json
    out_has 'takes back a part'
    echo '{"max_dept": 1}' >bad.json
    fails "$REEL" config --check bad.json
    err_has 'bad.json: max_dept: no such key (did you mean max_call_depth?)'
    echo '{"conditions": ["f: len > 80 &&"]}' >bad.json
    fails "$REEL" config --check bad.json
    err_has 'column 12: an operand is missing'
    fails "$REEL" config --check missing.json
    fails "$REEL" config
    fails "$REEL" config --list --template
    fails "$REEL" config --list surplus
    fails "$REEL" config --tempate
    err_has 'did you mean --template'
}
# Each option stands in reel-config(5) as in the table.
test_config_manual() {
    local paragraph
    try 0 "$REEL" config --list
    sed -e '/^\.TP$/d' -e '/^\.br$/d' -e 's/^\.B //' -e 's/\\-/-/g' -e "s/\\\\(aq/'/g" "$ROOT/man/reel-config.5" |
        tr -s ' \n' ' ' >manual
    tr -s ' ' <"$T/out.out" | sed 's/^$/\x01/' | tr '\n\001' ' \n' | sed -e 's/^ //' -e 's/  */ /g' -e 's/ $//' >paragraphs
    [ "$(wc -l <paragraphs)" -ge 20 ] || fail "few paragraphs"
    while read -r paragraph; do
        grep -q -F -- "$paragraph" manual || fail "not in reel-config(5): $paragraph"
    done <paragraphs
}
# ---- summary and merge ----

# A trace of one call; its microsecond is $1.
trace_of() {
    printf '{"traces": [{"timestamp": "2026-01-15T10:30:45.00000%s", "type": "function_entry", "depth": 0, "pid": %s, "tid": %s, "data": {"function": "work"}}], "metadata": {"program": "./app"}}\n' "$1" "$1" "$1"
}
test_summary() {
    trace_of 1 >a.json
    try 0 "$REEL" summary a.json
    silent err
    out_has 'function_entry'
    out_has ' work$'
    try 0 "$REEL" summary --json --top 1 a.json
    python3 -c 'import json, sys; t = json.load(sys.stdin); assert t["functions"][0]["function"] == "work", t' \
        <"$T/out.out" || fail "not the JSON that was expected"
}
test_summary_of_nothing() {
    fails "$REEL" summary
    fails "$REEL" summary missing.json
    : >empty.json
    fails "$REEL" summary empty.json
    trace_of 1 >a.json
    fails "$REEL" summary a.json a.json
    fails "$REEL" summary --top x a.json
    fails "$REEL" summary .
}
test_summary_of_cut_trace() {
    trace_of 1 | head -c 160 >a.json
    try 125 "$REEL" summary a.json
    out_has ' work$'
    err_has 'cut off at byte 160'
}
test_merge() {
    trace_of 2 >a.json
    trace_of 1 >b.json
    try 0 "$REEL" merge -o all.json a.json b.json
    silent out
    err_has '2 events of 2 traces'
    python3 -c 'import json; t = json.load(open("all.json")); assert [e["pid"] for e in t["traces"]] == [1, 2], t' ||
        fail "not in order"
    try 0 "$REEL" merge -q --format jsonl -o - a.json b.json
    silent err
    [ "$(wc -l <"$T/out.out")" = 3 ] || fail "not three lines"
}
test_merge_refuses() {
    trace_of 1 >a.json
    cp a.json kept.json
    fails "$REEL" merge a.json
    fails "$REEL" merge -o all.json
    fails "$REEL" merge -o all.json missing.json
    fails "$REEL" merge -o all.json --format xml a.json
    fails "$REEL" merge -o a.json a.json
    cmp -s a.json kept.json || fail "a trace was overwritten"
    [ ! -e all.json ] || fail "an output was made"
}

# ---- environment and surroundings of the program ----

test_environment_is_passed() {
    mkdir here
    cd here || exit 1
    # shellcheck disable=SC2016 # for the inner shell
    REEL_TEST='some value' try 0 "$REEL" record -q -o ../a.reel bash -c 'echo "$REEL_TEST $PWD"; ulimit -n; nice; trap'
    cp "$T/out.out" "$T/recorded"
    # shellcheck disable=SC2016 # for the inner shell
    REEL_TEST='some value' try 0 bash -c 'echo "$REEL_TEST $PWD"; ulimit -n; nice; trap'
    cmp -s "$T/out.out" "$T/recorded" || fail "differs from a run without reel: $(difference "$T/out.out" "$T/recorded")"
}
# Ignored signals and the mask are inherited as without reel (reel itself ignores some).
test_signals_are_passed() {
    grep '^Sig\(Blk\|Ign\|Cgt\)' /proc/self/status >"$T/plain"
    try 0 grep '^Sig\(Blk\|Ign\|Cgt\)' /proc/self/status
    cp "$T/out.out" "$T/plain"
    record 0 a.reel grep '^Sig\(Blk\|Ign\|Cgt\)' /proc/self/status
    cmp -s "$T/out.out" "$T/plain" || fail "not as without reel: $(tr '\n\t' '| ' <"$T/out.out")"
}
test_descriptors_are_passed() {
    printf 'from three\n' >three
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c 'exec 3<three; ls -l /proc/self/fd >plain; "$1" record -q -o a.reel ls -l /proc/self/fd >recorded; "$1" record -q -o b.reel cat <&3' - "$REEL"
    out_is 'from three'
    [ "$(grep -c -- '->' plain)" = "$(grep -c -- '->' recorded)" ] ||
        fail "the program sees other descriptors: $(grep -o '[0-9]* -> .*' recorded | tr '\n' ' ')"
    rm three
    try 0 "$REEL" replay b.reel
    out_is 'from three'
}
# A replay in a bare environment, from another folder, under another umask.
test_replay_elsewhere() {
    # shellcheck disable=SC2016 # for the inner shell
    record 0 a.reel bash -c 'echo "$HOME $PATH $PWD $(umask)"; date +%Z'
    cp "$T/out.out" "$T/recorded"
    cd / || exit 1
    try 0 env -i TZ=Asia/Tokyo "$REEL" replay "$T/a.reel"
    [ "$(head -n 1 "$T/out.out")" = "$(head -n 1 "$T/recorded")" ] || fail "stdout is: $(first_line "$T/out.out")"
}

# A small stack is enough for reel, too.
test_small_stack() {
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c 'ulimit -s 128; exec "$1" record -q --check-memory -o a.reel -- ls /' - "$REEL"
    cp "$T/out.out" "$T/recorded"
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c 'ulimit -s 128; exec "$1" replay --check-memory a.reel' - "$REEL"
    cmp -s "$T/out.out" "$T/recorded" || fail "differs: $(difference "$T/out.out" "$T/recorded")"
}
# Children that reel has from the shell it replaced are none of its business.
test_inherited_children() {
    # shellcheck disable=SC2016 # for the inner shell
    try 3 bash -c 'sleep 100 & sleep 0.01 & exec "$1" record -q -o a.reel -- bash -c "echo out; exit 3"' - "$REEL"
    out_is out
    # shellcheck disable=SC2016 # for the inner shell
    try 0 bash -c 'exec "$1" record -q -o b.reel -- echo out > >(cat >"$2")' - "$REEL" "$T/copy"
    [ "$(cat "$T/copy")" = out ] || fail "the reader got: $(first_line "$T/copy")"
    pkill -KILL -x -f 'sleep 100' || true
}
# reel's own timer works whatever signals are blocked when it starts, and an alarm set before is the program's.
test_alarm_is_blocked() {
    gcc -O1 -o late "$ROOT/tests/victims/sig_late_info.c" -D_GNU_SOURCE || fail "does not compile"
    try 0 env --block-signal=SIGALRM "$REEL" record -q -o a.reel ./late
    out_is once
    try 0 "$REEL" replay a.reel
    out_is once
    /usr/bin/python3 -c 'import signal, os, sys
signal.alarm(1)
os.execv(sys.argv[1], sys.argv[1:])' "$REEL" record -q -o b.reel sleep 60
    [ $? = 142 ] || fail "the alarm that was set before reel did not end the program"
}
# What a program sends to its process group reaches reel, too, and is not passed on once more.
test_signal_to_the_group() {
    try 0 setsid --wait "$REEL" record -q -o a.reel -- bash -c 'trap "echo got it" USR1; trap "echo term" TERM; kill -USR1 0
        kill -TERM 0; sleep 0.6; echo end'
    [ "$(sort "$T/out.out" | uniq -c | tr -s ' \n' ' ')" = ' 1 end 1 got it 1 term ' ] ||
        fail "stdout is: $(tr '\n' '|' <"$T/out.out")"
    try 0 "$REEL" replay -q a.reel
}
# A replay writes all of its output, also to a pipe that somebody made non-blocking.
test_output_to_a_slow_reader() {
    record 0 a.reel seq 1 60000
    cp "$T/out.out" "$T/recorded"
    /usr/bin/python3 -c 'import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
child = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(0.5)
with open(r, "rb") as pipe, open("replayed", "wb") as out:
    while block := pipe.read(4096): out.write(block)
sys.exit(child.wait())' "$REEL" replay a.reel || fail "status $?"
    cmp -s replayed "$T/recorded" || fail "differs: $(difference replayed "$T/recorded")"
}

# reel hunt: each goal, and what is kept.
test_hunt() {
    try 1 "$REEL" hunt --runs 2 -o none.reel -- true
    err_has 'nothing found in 2 runs'
    # shellcheck disable=SC2016
    try 0 "$REEL" hunt --until crash --runs 9 -o crash2.reel -- /bin/sh -c 'n=$(($(cat count 2>/dev/null) + 1)); echo $n >count
        [ $n -lt 4 ] || kill -SEGV $$'
    [ "$(cat count)" = 4 ] || fail "$(cat count) runs"
    err_has 'run 4 after .*: SIGSEGV; kept crash2.reel'
    try 139 "$REEL" replay -q crash2.reel
    rm count
    # shellcheck disable=SC2016
    try 0 "$REEL" hunt --until exit=3 --until exit=7 -o exit.reel -- /bin/sh -c 'n=$(($(cat count 2>/dev/null) + 1)); echo $n >count
        exit $n'
    try 3 "$REEL" replay -q exit.reel
    rm count
    # shellcheck disable=SC2016
    try 0 "$REEL" hunt -q --until 'stderr~^is [5-9]$' --runs 9 -o text.reel -- /bin/sh -c 'n=$(($(cat count 2>/dev/null) + 1))
        echo $n >count; echo is $n >&2'
    err_has 'run 5 after .*: a line of stderr matches; kept text.reel'
    try 0 "$REEL" replay text.reel
    err_has '^is 5$'
    try 0 "$REEL" hunt --until hang --timeout 1 -o hang.reel -- sleep 60
    try 143 "$REEL" replay -q hang.reel
    # one that writes all the while hangs, too; and a hunt that is broken off has found nothing
    try 0 "$REEL" hunt --until hang --timeout 1 -o yes.reel -- yes
    rm -r yes.reel
    timeout -s INT 1 env --default-signal "$REEL" hunt -o broken.reel -- sleep 60 >"$T/out.out" 2>"$T/out.err"
    err_has 'nothing found in 1 runs'
    try 125 "$REEL" hunt --runs 2 -o hang.reel -- true
    err_has 'already exists'
    try 127 "$REEL" hunt --runs 2 -- ./nobody
    try 125 "$REEL" hunt --until fame -- true
    err_has 'nothing to hunt for'
    [ "$(echo *.reel)" = 'crash2.reel exit.reel hang.reel text.reel' ] || fail "left: $(echo *.reel)"
}

# What a thousand plain runs hardly ever show, a hunt finds, and its replay shows it each time. Each run finds it with a
# chance of a hundredth or more.
test_hunt_race() {
    local i
    gcc -O1 -o lost "$ROOT/tests/programs/lost_update.c" -lpthread || fail "does not compile"
    try 0 "$REEL" hunt --runs 2000 -o lost.reel -- ./lost
    rm lost
    for i in 1 2 3; do
        try 1 "$REEL" replay lost.reel
        err_has '^lost [0-9]* updates$'
        [ "$i" = 1 ] || cmp -s "$T/out.err" "$T/first" || fail "replays differ"
        cp "$T/out.err" "$T/first"
    done
}
test_hunt_deadlock() {
    gcc -O1 -o dead "$ROOT/tests/programs/deadlock.c" -lpthread || fail "does not compile"
    try 0 "$REEL" hunt --until hang --timeout 10 --runs 2000 -o dead.reel -- ./dead
    rm dead
    try 143 "$REEL" replay dead.reel
    out_is ''
    try 0 "$REEL" dump dead.reel # who waits last gives the turn to nobody: that is not in the log
    [ "$(grep -c 'FUTEX_WAIT.*waits$' "$T/out.out")" -ge 2 ] || fail "the threads do not wait for each other"
}

# The README's first command, but for the installing.
test_demo() {
    try 0 bash "$ROOT/tests/demo.sh" "$REEL"
    out_has 'What you saw'
}

functions_main "$@"
