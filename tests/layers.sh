#!/usr/bin/env bash
# Checks that imports run downwards only (shared/design.md, "Rooms"): each #include "room/file.h" of a room must be of
# the room itself or of one below it. Also that each header is guarded by REEL_ROOM_FILE_H. Prints what breaks the
# rules and exits 1.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

declare -A BELOW=(
    [cmd]="replay tracer trace dwarf config base"
    [replay]="tracer trace dwarf config base"
    [tracer]="trace dwarf config base"
    [trace]="config base"
    [dwarf]="base"
    [config]="base"
    [base]=""
)
violations=0
complain() {
    printf '%s\n' "$1"
    violations=$((violations + 1))
}

# Files of room $1.
files_of() { find "$1" -name '*.[chS]' -o -name '*.def' | sort; }

check_include() {
    local room=$1 file=$2 line=$3 included=$4 other
    other=${included%%/*}
    if [ "$other" = "$included" ]; then
        complain "$file:$line: \"$included\" does not name its room"
    elif [[ " $room ${BELOW[$room]} " != *" $other "* ]]; then
        complain "$file:$line: $room may not see \"$included\""
    elif [ ! -f "$included" ]; then
        [ -n "$(find build -path "*/$included" -print -quit 2>/dev/null)" ] || # made by the build
            complain "$file:$line: \"$included\" does not exist"
    fi
}

check_guard() {
    local file=$1 guard
    guard=REEL_$(printf '%s' "${file%.h}" | tr 'a-z/-' 'A-Z__')_H
    [ "$(grep -m 1 '^#' "$file")" = "#ifndef $guard" ] && grep -q "^#define $guard\$" "$file" ||
        complain "$file: not guarded by $guard"
}

for room in "${!BELOW[@]}"; do
    [ -d "$room" ] || continue
    while read -r file; do
        while IFS=: read -r line included; do
            check_include "$room" "$file" "$line" "$included"
        done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/;t found;b;:found;=;p' "$file" |
            paste -d: - -)
        [ "${file##*.}" != h ] || check_guard "$file"
    done < <(files_of "$room")
done
if ((violations > 0)); then
    printf '%d violations of the layers\n' "$violations"
    exit 1
fi
