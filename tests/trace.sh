#!/usr/bin/env bash
# Golden tests of traces: each victim of tests/trace/ says itself what its trace must hold (say.h), for several compilers,
# optimisations and versions of DWARF; live, and from its recording. And the options of `reel trace`.
#
# In the first lines of a victim, each a comment of its own:
#   library: FILE      compile tests/trace/parts/FILE to a shared library of this name, beside the program
#   options: ...       more for reel trace
#   recording: no      it cannot be recorded (threads, children)
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VICTIMS=$ROOT/tests/trace
CHECK=$VICTIMS/check.py

# ---- victims ----

# Names VICTIM-COMPILER-OPTIMISATION-DWARF.
matrix() {
    local source compiler optimisation dwarf
    for source in "$VICTIMS"/*.c "$VICTIMS"/*.cc; do
        source=${source##*/}
        if [ -z "$SOAK" ]; then
            printf '%s\n' "${source%.*}"-{gcc-0-5,gcc-2-5,clang-1-4}
            continue
        fi
        for compiler in gcc clang; do
            for optimisation in 0 1 2 3; do
                for dwarf in 4 5; do
                    printf '%s\n' "${source%.*}-$compiler-$optimisation-$dwarf"
                done
            done
        done
    done
}

# header SOURCE KEY: what its first lines say about KEY.
header() { head -n 8 "$1" | sed -n "s@^/\* $2: \(.*[^ ]\) \*/\$@\1@p"; }

# compile COMPILER OPTIMISATION DWARF SOURCE OUTPUT [OPTION...]
compile() {
    local compiler=$1 standard=gnu11
    if [ "${4##*.}" = cc ]; then
        compiler=${compiler/gcc/g++} compiler=${compiler/clang/clang++} standard=gnu++17
    fi
    "$compiler" -std=$standard -D_GNU_SOURCE -Wall -Wextra -g "-gdwarf-$3" "-O$2" "${@:6}" -o "$5" "$4" -lm -pthread \
        2>"$T/compile.err" || fail "does not compile: $(first_line "$T/compile.err")"
}

# Is this what the victim says? $1: how it ran, $2: its output, $3: optimisation, traces
compare() {
    local how=$1
    shift
    python3 "$CHECK" "$@" >"$T/differences" || fail "$how: $(wc -l <"$T/differences") differences" "$(cat "$T/differences")"
}

victim() {
    local name compiler optimisation dwarf source part alone options
    begin "$1"
    IFS=- read -r name compiler optimisation dwarf <<<"$1"
    source=$VICTIMS/$name.c
    [ -f "$source" ] || source+=c
    command -v "$compiler" >/dev/null || skip "needs $compiler"
    command -v python3 >/dev/null || skip "needs python3"
    read -r -a options < <(header "$source" options)
    part=$(header "$source" library)
    [ -z "$part" ] ||
        compile "$compiler" "$optimisation" "$dwarf" "$VICTIMS/parts/$part" "${part%.*}.so" -fPIC -shared
    compile "$compiler" "$optimisation" "$dwarf" "$source" program

    step alone ./program
    alone=$STATUS
    step live "$REEL" trace --quiet --level full "${options[@]}" --output live.json -- ./program
    [ -z "$TIMED_OUT" ] || fail "the trace hung"
    [ "$STATUS" = "$alone" ] || fail "status $STATUS, without reel $alone: $(first_line live.err)"
    [ -z "$(words live.err)" ] || fail "$(words live.err)"
    compare "live" live.out "$optimisation" live*.json
    [ "$(header "$source" recording)" != no ] || return 0

    step recorded "$REEL" record --quiet -o program.reel -- ./program
    [ "$STATUS" = "$alone" ] || fail "recorded: status $STATUS: $(first_line recorded.err)"
    step again "$REEL" trace --quiet --level full "${options[@]}" --output again.json program.reel
    [ "$STATUS" = "$alone" ] || fail "traced from the recording: status $STATUS: $(first_line again.err)"
    [ -z "$(words again.err)" ] || fail "traced from the recording: $(words again.err)"
    compare "from the recording" recorded.out "$optimisation" again.json
    compare "live and from the recording" --same live.json again.json
}

{
    if [ "${1:-}" = --one ]; then
        victim "$2"
        ok
        exit 0
    fi
    need_reel
    matrix | run_all
    finish
}
