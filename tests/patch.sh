#!/usr/bin/env bash
# Programs with all entries, exits and branches of all their functions replaced by jumps (build/tests/patch/patch_all) do what
# they do without; how much of which binary that is; and processes from which a tracer is killed.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE=$ROOT/tests/patch/programs
PATCH_ALL=$BUILD/tests/patch/patch_all

# ---- what is run ----

need() {
    local each
    for each in "$@"; do
        command -v "$each" >/dev/null || skip "needs $each"
    done
}
# build NAME FLAG...: ./NAME
build() {
    local name=$1 source=$HERE/$1.c compile=(gcc -std=gnu11)
    shift
    [ -f "$source" ] || { source=$HERE/$name.cc && compile=(g++ -std=gnu++17); }
    "${compile[@]}" -Wall -Wextra -pthread -o "$name" "$source" "$@" 2>"$T/build.err" ||
        fail "$name does not compile: $(first_line "$T/build.err")"
}
# alike PROGRAM ARGUMENT...: patched, it prints and ends as without.
alike() {
    local status option
    step "$T/alone" "$@"
    status=$STATUS
    for option in '' --count; do
        # shellcheck disable=SC2086 # no option is no argument
        step "$T/out" "$PATCH_ALL" $option "$@"
        [ -z "$TIMED_OUT" ] || fail "$1 $option: hangs"
        [ "$STATUS" = "$status" ] || fail "$1 $option: status $STATUS, $status without: $(tail -n 1 "$T/out.err")"
        cmp -s "$T/alone.out" "$T/out.out" || fail "$1 $option: stdout differs: $(difference "$T/alone.out" "$T/out.out")"
    done
}

test_python() {
    need python3
    cat >work.py <<'END'
import json, re, hashlib, random, zlib, decimal
random.seed(1)
numbers = {str(i): [random.random() for _ in range(5)] for i in range(2000)}
text = json.dumps(numbers, sort_keys=True)
assert json.loads(text) == numbers
print(hashlib.sha256(text.encode()).hexdigest(), len(zlib.compress(text.encode())))
print(len(re.findall(r'\d+\.\d+', text)), decimal.Decimal(2).sqrt())
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(18))
caught = 0
for i in range(20000):
    try:
        if i % 3 == 0: raise ValueError(i)
    except ValueError: caught += 1
print(caught, "%.10f %r" % (1 / 3, 1e300 * 10))
END
    alike python3 work.py
}
test_python_processes() {
    need python3
    alike python3 -c '
import threading, subprocess, os
def work(): sum(i * i for i in range(50000))
threads = [threading.Thread(target=work) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
print(subprocess.run(["echo", "hello"], capture_output=True).stdout)
child = os.fork()
if child == 0: os._exit(3)
print(os.waitpid(child, 0)[1])'
}
test_perl() {
    need perl
    cat >work.pl <<'END'
my %h; srand(3); for my $i (1..30000) { my $k = sprintf("%05d", int(rand(5000))); $h{$k} .= chr(65 + $i % 26); }
my $s = join ",", map {"$_=$h{$_}"} sort keys %h; $s =~ s/(A+)(B|C)/<$2$1>/g; print length($s), " ", unpack("%32C*", $s), "\n";
eval { die {x => 1} }; print ref($@), "\n";
END
    alike perl work.pl
}
test_sqlite() {
    need sqlite3
    cat >work.sql <<'END'
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i+1 from n where i<20000) insert into t select i, printf('%08d-%s',i*7919%10007, hex(i)), i/3.0 from n;
create index tb on t(b);
select count(*), sum(c), min(b), max(b) from t;
select substr(b,1,3) k, count(*), avg(c) from t group by k order by k limit 20;
update t set c=c+1 where b like '%7%'; delete from t where a%3=0;
select a.a, b.b from t a join t b on a.a=b.a+1 where a.b>b.b order by 1 limit 5;
END
    alike sqlite3 -batch -init work.sql :memory: .quit
}
test_compiler() {
    local cc1
    cc1=$(gcc -print-prog-name=cc1)
    [ -x "$cc1" ] || skip "needs cc1"
    gcc -E "$HERE/busy.c" -o work.i
    alike "$cc1" -quiet -O2 work.i -o -
}
test_git() {
    need git
    git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && cp "$HERE"/* . && git add . &&
        git -c user.name=a -c user.email=a@b commit -q -m two
    alike git log --stat
    alike git grep -c int
}
test_openssl() {
    need openssl
    alike openssl dgst -sha512 /bin/bash
    alike openssl aes-256-cbc -K 00 -iv 00 -in /bin/bash
}
test_xz() {
    need xz
    alike xz -c /bin/bash
}
test_exceptions() {
    need g++
    local level
    for level in -O0 -O2; do
        build throwing "$level"
        alike ./throwing
    done
}

# ---- threads, signals, arming and disarming ----

test_busy() {
    build busy -O2
    alike ./busy 8 0 2
}
test_busy_toggled() {
    build busy -O2
    step "$T/out" "$PATCH_ALL" --toggle 10 ./busy 8 0 "$(soak_or 60 6)"
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(tail -n 1 "$T/out.err")"
    printf '     %s\n' "$(tail -n 1 "$T/out.err")"
}
# 10 kHz, and each handler is patched, too.
test_busy_signals() {
    build busy -O2
    step "$T/out" "$PATCH_ALL" --entries --exits --toggle 30 ./busy 4 100 "$(soak_or 60 6)"
    [ "$STATUS" = 0 ] || fail "status $STATUS: $(tail -n 1 "$T/out.err")"
}

# A tracer that is killed while everything is patched; another takes the patches back and leaves.
test_killed() {
    build busy -O2
    local rounds pid tracer i restored
    rounds=$(soak_or 200 10)
    ./busy 8 0 $((rounds * 3 + 20)) >"$T/busy.out" &
    pid=$!
    sleep 0.3
    # shellcheck disable=SC2064 # this very process
    trap "kill $pid; end_of_test" EXIT
    for ((i = 1; i <= rounds; i++)); do
        rm -f "$T/tracer.err" # what the last one said
        : >"$T/tracer.err"
        "$PATCH_ALL" --recover --attach "$pid" >/dev/null 2>"$T/tracer.err" &
        tracer=$!
        until grep -q attached "$T/tracer.err"; do
            kill -0 "$tracer" 2>/dev/null || fail "round $i: $(tail -n 1 "$T/tracer.err")"
            sleep 0.01
        done
        sleep "0.$((RANDOM % 400 + 100))"
        kill -9 "$tracer"
        wait "$tracer" 2>/dev/null
        [ "$(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null)" != Z ] || fail "round $i: the process has died"
    done
    step "$T/out" "$PATCH_ALL" --recover --detach 100 --attach "$pid"
    [ "$STATUS" = 0 ] || fail "leaving: status $STATUS: $(tail -n 1 "$T/out.err")"
    restored=$(sed -n 's/.* \([0-9]*\) places restored.*/\1/p' "$T/out.err")
    [ "${restored:-0}" -gt 1000 ] || fail "only ${restored:-0} places were restored"
    trap end_of_test EXIT
    kill "$pid"
    wait "$pid" 2>/dev/null
    true
}

# ---- how much of it ----

test_coverage() {
    local file files=()
    for file in "$(gcc -print-file-name=libc.so.6)" "$(gcc -print-file-name=libstdc++.so.6)" \
        "$(gcc -print-prog-name=cc1)" /usr/lib/x86_64-linux-gnu/{libsqlite3.so.0,libpython3.11.so.1.0,libcrypto.so.3} \
        /usr/bin/{git,python3.11,perl,redis-server,openssl} /usr/sbin/nginx; do
        [ ! -f "$file" ] || files+=("$file")
    done
    step "$T/out" "$BUILD/tests/patch/coverage" "${files[@]}"
    [ "$STATUS" = 0 ] || fail "status $STATUS"
    sed 's/^/     /' "$T/out.out"
    awk 'NR > 1 && ($4 + 0 < 99 || $6 + 0 < 95 || $8 + 0 < 98) { print $1; bad = 1 } END { exit bad }' "$T/out.out" >"$T/less" ||
        fail "less than 99 % of entries, 95 % of exits or 98 % of branches: $(tr '\n' ' ' <"$T/less")"
}

functions_main "$@"
