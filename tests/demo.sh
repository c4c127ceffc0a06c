#!/usr/bin/env bash
# What reel does, on a real program: record it, take its inputs away, run it again.
set -u
reel=$(realpath "${1:-build/reel}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place" || exit 1
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
exec 3>&1 # what is shown, also while a program's output goes to a file
run() {
    printf '$ %s\n' "${*/#"$reel"/reel}" >&3
    "$@"
}

mkdir shop
for i in 1 2 3 4 5 6 7 8; do echo "order $i: $((RANDOM % 90 + 10)) EUR" >shop/$i.txt; done
cat >sum.awk <<'AWK'
{ sum += $3 } END { srand(); printf "%d orders, %d EUR; lucky number %d; it is %s\n", NR, sum, rand() * 1e6, strftime("%T") }
AWK
awk_program=$(readlink -f "$(command -v mawk || command -v gawk || command -v awk)")

say "1. Record a real program: awk reads eight files, asks the clock, rolls dice."
run "$reel" record -o demo.reel -- "$awk_program" -f sum.awk shop/1.txt shop/2.txt shop/3.txt shop/4.txt \
    shop/5.txt shop/6.txt shop/7.txt shop/8.txt >first.out || { cat first.out; exit 1; }
cat first.out

say "2. Take away everything it read."
run rm -r shop sum.awk

say "3. Run the same execution again, twice: same orders, same dice, same time of day."
run "$reel" replay demo.reel >second.out || exit 1
cat second.out
run "$reel" replay demo.reel >third.out || exit 1
cat third.out

say "4. Look at what it asked the kernel, from the recording."
"$reel" dump demo.reel | grep -E 'openat|read\(|clock|write\(' | tail -n 8

cmp -s first.out second.out && cmp -s first.out third.out || { echo "reel: demo: the replay differed"; exit 1; }
say "What you saw: an unmodified program was recorded (demo.reel, $(du -sh demo.reel | cut -f1)); its inputs were deleted;
and the very same execution ran again from the recording alone, bit for bit, as often as you like.
Try it on a program of yours:  reel record -- ./yours   and   reel replay"
