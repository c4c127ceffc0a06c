#!/usr/bin/env bash
# The real programs. One row: row NAME REPLAYS NEEDS SETUP COMMAND
#
#   REPLAYS  10 for the programs that the first promise of reel names, 3 for heavy ones, - for $REPLAYS
#   NEEDS    programs (names or paths) without which the row is skipped; tests/programs/packages lists where they are from
#   SETUP    shell that makes the inputs, run in the empty working directory without reel
#   COMMAND  shell words of the recorded program; `bash -c` where a shell is what is recorded. "< FILE" is not possible.
#
# Setup and command see $PYTHON, $CC1 and $ROOT. All inputs are deleted before the replay of all processes. What several
# processes print at the same moment may come in another order in the replay: a command sorts it.
# shellcheck disable=SC2016 # the strings are evaluated later

# ---- named in the promise ----
row ls 10 ls 'mkdir sub; touch a b "c d" .hidden; ln -s a link; head -c 12345 /dev/zero >big' 'ls -la'
row date 10 date '' 'date +%N'
row od 10 od '' 'od -A x -t x1z -N 4096 /dev/urandom'
row cat-50M 10 cat 'head -c 50M /dev/urandom >big' 'cat big'
row sha256sum-50M 10 sha256sum 'head -c 50M /dev/urandom >big' 'sha256sum big'
# Above 131072 lines sort starts threads, as many as there are processors: a recorded program sees one.
row sort-200000 10 sort 'seq 200000 | shuf >lines' 'sort lines'
row tar-create 10 tar 'mkdir d; for i in $(seq 50); do head -c $((i * 100)) /dev/urandom >d/$i; done' 'tar -cvf out.tar d'
row tar-stdout - tar 'mkdir d; head -c 100000 /dev/urandom >d/x' 'tar -cf - d'
row tar-extract - tar 'mkdir d; seq 1000 >d/x; tar -cf in.tar d; rm -r d' 'tar -xvf in.tar'
row gzip 10 gzip 'seq 100000 >lines' 'gzip -c lines'
row gunzip - gzip 'seq 100000 | gzip >lines.gz' 'gzip -dc lines.gz'
row gzip-in-place - gzip 'seq 10000 >lines' 'gzip -v lines'
row find 10 find 'mkdir -p a/b/c d; touch a/1 a/b/2 a/b/c/3 d/4' 'find . -printf "%p %s %i %T@\n"'
row mawk 10 mawk 'seq 20000 >lines' 'mawk "BEGIN { srand(); x = rand() } { s += \$1 } END { print s, x, NR }" lines'
row gawk - gawk 'seq 20000 >lines' 'gawk "BEGIN { srand(); print rand(), systime(), PROCINFO[\"pid\"] } { s[\$1 % 7] += \$1 } END { for (k in s) print k, s[k] }" lines'
row perl 10 perl '' 'perl -e "%h = map { \$_ => 1 } 1 .. 200; print join(q( ), keys %h), qq(\n), time, q( ), rand, qq( \$\$\n)"'
row perl-text - perl 'seq 20000 >lines' 'perl -ne "\$s += \$_; \$c{length \$_}++; END { print qq(\$s \$_ \$c{\$_}\n) for sort keys %c }" lines'
row python3 10 "$PYTHON" '' '"$PYTHON" -c "
import json, os, random, time
print(random.random(), random.getrandbits(64), time.time_ns(), time.monotonic_ns(), os.urandom(16).hex(), os.getpid())
print({str(i) for i in range(100)}, {f\"k{i}\": i for i in range(10)}, hash(\"text\"), id(object()))
print(json.dumps({\"a\": [1, 2.5, None], \"b\": {\"c\": \"\\u00e4\"}}, indent=1), json.loads(\"[1, 2, {}]\"))"'
row python3-files - "$PYTHON" 'seq 1000 >lines' '"$PYTHON" -c "
import os, pathlib, sys
pathlib.Path(\"made\").write_text(\"x\" * 5000)
print(sum(map(int, open(\"lines\"))), os.stat(\"made\").st_mtime_ns, sorted(os.listdir(\".\")), os.cpu_count())
os.rename(\"made\", \"moved\"); os.unlink(\"moved\"); print(os.path.exists(\"made\"), file=sys.stderr); sys.exit(7)"'
row python3-modules - "$PYTHON" '' '"$PYTHON" -c "
import decimal, fractions, hashlib, re, tempfile, unicodedata, uuid, zlib
print(uuid.uuid4(), hashlib.sha512(b\"x\" * 100000).hexdigest(), re.findall(r\"\d+\", \"a1b22\"), zlib.crc32(b\"abc\"))
print(decimal.Decimal(2).sqrt(), fractions.Fraction(1, 3), unicodedata.name(\"\\u00e9\"), tempfile.mkdtemp(dir=\".\"))"'
row python3-traceback - "$PYTHON" '' '"$PYTHON" -c "
import time
def f(n): return f(n - 1) if n else 1 / (time.time_ns() * 0)
f(50)"'
row python3-mmap - "$PYTHON" 'head -c 1M /dev/urandom >in' '"$PYTHON" -c "
import hashlib, mmap
f = open(\"in\", \"r+b\"); m = mmap.mmap(f.fileno(), 0); m[5:10] = b\"hello\"; m.flush()
print(hashlib.sha1(m).hexdigest(), m.find(b\"hello\")); m.close(); print(hashlib.sha1(open(\"in\", \"rb\").read()).hexdigest())"'
row python3-timer - "$PYTHON" '' '"$PYTHON" -c "
import signal
seen, calls = [], 0
def handler(signo, frame): seen.append((calls, frame.f_lineno))
def fib(n):
    global calls
    calls += 1
    return n if n < 2 else fib(n - 1) + fib(n - 2)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
print(fib(24), sum(len(str(i * i)) for i in range(300000)), sorted(str(i) for i in range(50000))[777])
print(len(seen), seen)"'
row python3-profile - "$PYTHON" '' '"$PYTHON" -c "
import json, signal
seen, data = [], {}
def handler(signo, frame): seen.append((frame.f_lineno, len(data)))
signal.signal(signal.SIGPROF, handler)
signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
for i in range(60000):
    data[str(i % 5000)] = [i, i * 0.5, {i % 7: str(i)}]
    if i % 20000 == 0:
        data = json.loads(json.dumps(data))
print(len(seen), hash(tuple(seen)))"'
row sqlite3-20000 10 sqlite3 '{ echo "create table t (id integer primary key, v text, r integer); begin;"
    for i in $(seq 20000); do echo "insert into t (v, r) values (\"row $i\", random());"; done
    echo "commit; select count(*), sum(r), max(v) from t;"; } >script' 'sqlite3 test.db ".read script"'
row sqlite3-autocommit - sqlite3 '{ echo "create table t (id integer primary key, v text);"
    for i in $(seq 200); do echo "insert into t (v) values (hex(randomblob(20)));"; done
    echo "select count(*), max(v) from t;"; } >script' 'sqlite3 test.db ".read script"'
row sqlite3-wal - sqlite3 'echo "pragma journal_mode=wal; create table t (a); insert into t values (random()); select * from t; pragma wal_checkpoint;" >script' 'sqlite3 test.db ".read script"'
row git-log 10 git 'small_repository' 'git log --stat --format=fuller'
row git-status 10 git 'small_repository; echo changed >>file3; echo new >untracked' 'git status'
row git-diff - git 'small_repository; for i in 1 2 3; do echo changed >>file$i; done' 'git diff'
row git-commit - git 'small_repository; echo more >>file1; git add file1' 'git commit -q --no-edit -m more'
row git-show - git 'small_repository' 'git show --raw HEAD~2'
row git-grep - git 'small_repository' 'git grep --threads=1 -n line'
row cc1 10 "$CC1" 'gcc -E -D_GNU_SOURCE -I"$ROOT" "$ROOT/replay/event.c" >unit.i' '"$CC1" -quiet -O2 -g -fpreprocessed unit.i -o -'
row cc1-errors - "$CC1" 'echo "int f(void) { return x + ; }" >bad.c' '"$CC1" -quiet bad.c -o /dev/null'
row bc 10 bc 'echo "scale=500; a(1)*4; 2^4000; quit" >script' 'bc -l script'
row openssl-rand 10 openssl '' 'openssl rand -hex 64'
row openssl-dgst 10 openssl 'head -c 1M /dev/urandom >in' 'openssl dgst -sha3-256 in'
row openssl-speed 3 openssl '' 'openssl speed -seconds 1 sha256'
row openssl-genrsa - openssl '' 'openssl genrsa 1024'
row curl 10 curl 'seq 1000 >in' 'curl -s "file://$PWD/in"'
row bash 10 bash 'printf "%s\n" one two "three 3" >lines' 'bash -c "s=0; for ((i = 0; i < 2000; i++)); do ((s += RANDOM)); done; echo \$s \$EPOCHREALTIME \$\$ \$SECONDS; while read -r l; do echo \"<\$l>\"; done <lines; declare -A a=([x]=1 [y]=2 [z]=3); echo \"\${!a[@]}\"; printf %s\\\\n *; exit 5"'
row dash 10 dash 'seq 50 >lines' 'dash -c "s=0; while read -r n; do s=\$((s + n)); done <lines; echo \$s \$\$; echo problem >&2; exit 3"'
row static 10 busybox 'seq 1000 >lines' 'busybox sha256sum lines'

# ---- one program becoming another, and children (whose output the recorded program reads itself) ----
row bash-exec - bash '' 'bash -c "echo before \$\$; exec date +%N"'
row env-exec - env '' 'env -i A=1 B=2 env'
row nice-exec - nice '' 'nice -n 5 nice'
row bash-children - bash '' 'bash -c "x=\$(date +%N | tr 0-9 a-j); echo \$x; (exit 3); echo \$?; sleep 0.1 & p=\$!; wait \$p; echo \$? \$p; y=\$(head -c 300 /dev/urandom | base64 -w 0); echo \${#y} \$y"'
row bash-pipeline - bash '' 'bash -c "shopt -s lastpipe; seq 100 | sort -rn | while read -r n; do ((s += n)); echo -n \"\$n \"; done; echo \"= \$s \${PIPESTATUS[*]}\""'
row bash-killed-child - bash '' 'bash -c "sleep 100 & kill -9 \$!; wait \$! 2>/dev/null; echo \$?; trap \"echo child\" CHLD; (exit 4) & wait; echo over"'
row dash-children - dash '' 'dash -c "x=\$(date +%s%N); echo \$x; y=\$(echo a b | wc -w); echo \$y; (exit 9) || echo \$?"'
row python3-children - "$PYTHON" '' '"$PYTHON" -c "
import os, subprocess
print(subprocess.run([\"date\", \"+%N\"], capture_output=True, text=True))
pid = os.fork()
if pid == 0: os._exit(12)
print(os.waitpid(pid, 0)[1] >> 8)"'
row make - make 'printf "all: a b\na: in\n\tcat in in >a\nb: a\n\twc -l a >b\n" >Makefile; seq 10 >in' 'make'
row gcc - gcc 'printf "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n" >x.c' 'gcc -O1 -c x.c -o x.o'
row xargs - xargs 'seq 20 >in' 'xargs -a in -n 5 true'
row xargs-parallel - xargs 'seq 40 >in' 'bash -c "xargs -a in -n 1 -P 4 sh -c \"echo \\\$1 \\\$\\\$; exit 0\" - | sort"'
row bash-jobs - bash '' 'bash -c "set -m; for i in 1 2 3; do (echo job \$i; sleep 0.0\$i; exit \$i) & wait \$!; echo status \$?; done; sleep 50 & kill %%; wait %% 2>/dev/null; echo \$?; sleep 0.1 & jobs; fg >/dev/null; echo over"'
row bash-pipelines - bash 'seq 1000 >lines' 'bash -c "sort -rn lines | head -n 5 | while read -r x; do echo \"line \$x\"; done; diff <(seq 5) <(seq 2 6); echo \"\$(ls | wc -l) \$(echo \$(echo deep))\"; (echo sub; (echo subsub; exit 3); echo \$?); { echo a; echo b; } | tac"'
row bash-traps - bash '' 'bash -c "trap \"echo chld\" CHLD; (exit 4); /bin/true; sleep 0.05 & wait; trap \"echo bye\" EXIT; (trap \"echo sub bye\" EXIT; exit 2); coproc cat; echo to coproc >&\${COPROC[1]}; read -r x <&\${COPROC[0]}; echo \$x"'
row dash-tree - dash '' 'dash -c "f() { [ \$1 = 0 ] || (echo \$1; f \$((\$1 - 1))); }; f 8; for i in 1 2 3; do /bin/echo \$i | cat | cat; done"'
row make-project 3 make 'project 52' 'make -s -j2'
row gcc-link - gcc 'printf "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n" >x.c' 'gcc -O2 -g x.c -o x'
row g++-link - g++ 'printf "#include <iostream>\nint main() { std::cout << 1; }\n" >x.cc' 'g++ -O1 x.cc -o x'
row git-clone 3 git 'mkdir from; cd from; small_repository; cd ..; git config --global pack.threads 1; git config --global index.threads 1' 'bash -c "git clone -q from to && cd to && git gc -q && git fsck --no-progress && git log --oneline | cat"'
row python3-tree - "$PYTHON" '' '"$PYTHON" -c "
import os, subprocess, sys
print(subprocess.run([\"sh\", \"-c\", \"echo out; echo err >&2; exit 3\"]), flush=True)
print(subprocess.check_output([sys.executable, \"-c\", \"import random; print(random.random())\"]), flush=True)
p = subprocess.Popen([\"sort\", \"-n\"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(p.communicate(\"3\\n1\\n2\\n\"), os.system(\"exit 5\"), flush=True)
for i in range(3):
    pid = os.fork()
    if pid == 0:
        print(\"child\", i, os.getpid(), os.urandom(4).hex(), flush=True)
        os._exit(i)
    print(os.waitpid(pid, 0), flush=True)"'
row perl-tree - perl '' 'perl -e "\$| = 1; for (1 .. 3) { my \$p = fork; if (!\$p) { print qq(child \$\$ ), rand, qq(\n); exit \$_ } waitpid \$p, 0; print \$? >> 8, qq(\n) } open(F, q(-|), q(sh -c \"echo piped; date +%N\")); print <F>; print qx(echo quoted); system q(echo system)"'
row redis-server 3 redis-benchmark 'cat >script <<"END"
port=$((20000 + $$ % 10000))
redis-server --port $port --save "" --dir . --dbfilename d.rdb >log 2>&1 & server=$!
until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.1; done
redis-benchmark -p $port -q -n 1000 -c 10 -t set,get,incr,lpush >/dev/null
redis-cli -p $port bgsave
until redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:0; do sleep 0.1; done
redis-cli -p $port dbsize
redis-cli -p $port shutdown nosave
wait $server
echo $?
END' 'bash script'
row unshare - unshare '' 'unshare -Urpf --mount-proc bash -c "echo \$\$; ps -e; (exit 3); echo \$?; sleep 0.1 & wait \$!; kill -USR1 \$\$; id"'
row bwrap - bwrap '' 'bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all bash -c "echo \$\$; id; ls /proc | head -n 3"'
row setsid-daemon - setsid '' 'bash -c "setsid -f sh -c \"sleep 0.3; echo from the daemon\" ; echo first; sleep 0.6"'
row timeout - timeout '' 'timeout 0.2 sleep 50'
row find-exec - find 'touch a b c' 'find . -type f -exec sh -c "echo \$0 \$\$" {} \;'
row script-of-scripts - bash 'printf "#!/bin/sh\necho inner \$1; exit 4\n" >inner; printf "#!/bin/bash\n./inner one; echo \$?; ./inner two | tr a-z A-Z; exec ./inner three\n" >outer; chmod +x inner outer' './outer'

# ---- everyday programs ----
row true - true '' 'true'
row false - false '' 'false'
row echo - echo '' '/bin/echo hello'
row sed - sed 'seq 5000 >lines' 'sed -n -e "s/\([0-9]\)\$/<\1>/p" lines'
row sed-in-place - sed 'seq 5000 >lines' 'sed -i s/1/x/g lines'
row grep - grep 'mkdir -p a/b; seq 1000 >a/1; seq 500 2000 >a/b/2' 'grep -rn 99 a'
row grep-none - grep 'seq 10 >lines' 'grep nothing lines missing'
row wc - wc 'seq 30000 >lines' 'wc lines /dev/null'
row xz - xz 'seq 50000 >lines' 'xz -T1 -c lines'
row unxz - xz 'seq 50000 | xz -T1 >lines.xz' 'xz -T1 -dc lines.xz'
row bzip2 - bzip2 'seq 50000 >lines' 'bzip2 -c lines'
# Without these options zstd works in threads.
row zstd - zstd 'seq 50000 >lines' 'zstd -q --single-thread --no-asyncio -c lines'
row diff - diff 'seq 1000 >a; seq 3 1003 >b' 'diff -u a b'
row cmp - cmp 'seq 1000 >a; seq 1001 >b' 'cmp a b'
row env - env '' 'env'
row uniq - uniq 'seq 3000 | sed "s/.\$//" >lines' 'uniq -c lines'
row cut - cut 'seq 3000 | sed "s,.*,&:x&:y," >lines' 'cut -d: -f2,3 lines'
row tr - bash 'seq 3000 >lines' 'bash -c "exec tr 0-9 a-j <lines"'
row head - head 'seq 3000 >lines' 'head -n 5 lines /dev/null'
row tail - tail 'seq 300000 >lines' 'tail -n 5 lines'
row tac - tac 'seq 300 >lines' 'tac lines'
row shuf - shuf '' 'shuf -i 1-500'
row split - split 'seq 3000 >lines' 'split -l 1000 --verbose lines'
row join - join 'seq 10 | sort >a; seq 5 15 | sort >b' 'join a b'
row paste - paste 'seq 100 >a; seq 100 200 >b' 'paste a b'
row nl - nl 'seq 100 >a' 'nl a'
row base64 - base64 'head -c 5000 /dev/urandom >in' 'base64 in'
row md5sum-check - md5sum 'seq 10 >a; md5sum a >sums; echo x >>a' 'md5sum -c sums'
row dd - dd '' 'dd if=/dev/urandom of=out bs=4k count=100 status=none'
row dd-status - dd '' 'dd if=/dev/zero of=/dev/null bs=1M count=50'
row cp - cp 'mkdir d; seq 1000 >d/x; head -c 1M /dev/zero >d/y' 'cp -av d e'
row mv - mv 'seq 10 >a' 'mv -v a b'
row rm - rm 'mkdir -p d/e; touch d/e/f' 'rm -rv d'
row mkdir - mkdir '' 'mkdir -pv a/b/c'
row touch - touch '' 'touch -d yesterday a'
row stat - stat 'touch a' 'stat a . /proc /dev/null missing'
row du - du 'mkdir -p a/b; seq 10000 >a/b/c' 'du -a'
row df - df '' 'df -P .'
row realpath - realpath 'ln -s /usr/bin link' 'realpath link .'
row mktemp - mktemp '' 'mktemp -p .'
row sleep - sleep '' 'sleep 0.2'
row seq-1000000 3 seq '' 'seq 1000000'
row factor - factor '' 'factor 1234567890123456789 600851475143 18446744073709551557'
row expr - expr '' 'expr 17 "*" 4 + 1'
row printf - printf '' '/usr/bin/printf "%s %05d\n" a 5 b 6'
row id - id '' 'id'
row who - who '' 'who'
row uname - uname '' 'uname -a'
row nproc - nproc '' 'nproc --all'
row hostname - hostname '' 'hostname'
row uptime - uptime '' 'uptime'
row free - free '' 'free'
row ps - ps '' 'ps -eo pid,ppid,stat,etime,comm'
row getent - getent '' 'getent passwd root nobody'
row getent-hosts - getent '' 'getent hosts localhost'
row locale - locale '' 'locale -a'
row xxd - xxd 'head -c 5000 /dev/urandom >in' 'xxd in'
row strings - strings '' 'strings -n 8 /bin/true'
row nm - nm 'echo "int a, b; int f(void) { return a; }" >x.c; gcc -c x.c' 'nm x.o'
row readelf - readelf '' 'readelf -aW /bin/true'
row objdump - objdump 'echo "int a, b; int f(int x) { return x ? a / x : b; }" >x.c; gcc -O2 -c x.c' 'objdump -dr x.o'
row as - as 'printf ".globl _start\n_start:\n mov \$60, %%eax\n xor %%edi, %%edi\n syscall\n" >x.s' 'as -o x.o x.s'
row ld - ld 'printf ".globl _start\n_start:\n mov \$60, %%eax\n xor %%edi, %%edi\n syscall\n" >x.s; as -o x.o x.s' 'ld -o x x.o'
row freestanding - ld 'printf ".globl _start\n_start:\n mov \$60, %%eax\n mov \$9, %%edi\n syscall\n" >x.s; as -o x.o x.s; ld -o x x.o' './x'
row ar - ar 'echo "int a;" >x.c; gcc -c x.c' 'ar rcsv x.a x.o'
row file - file '' 'file -b /bin/true /etc/passwd'
row tclsh - tclsh 'echo "puts [clock clicks]; puts [expr rand()]; foreach i {1 2 3} {puts \$i}; puts [pid]; exit 3" >script' 'tclsh script'
row m4 - m4 'printf "define(x,5)x eval(x*7) len(abc)\n" >in' 'm4 in'
row ed - ed 'seq 10 >lines; printf "3,5d\n1,\$p\nw\nq\n" >commands' 'bash -c "exec ed -s lines <commands"'
row vim - vim 'seq 10 >lines' 'vim -u NONE -i NONE -n -es -c "%s/\$/x/" -c "%print" -c "wq" lines'
row jq - jq 'echo "{\"a\": [3, 1, 2], \"b\": \"x\"}" >in' 'jq "{s: (.a | sort), b, t: now}" in'
row busybox-sh - busybox 'seq 10 >lines' 'busybox sh -c "s=0; while read -r n; do s=\$((s + n)); done <lines; echo \$s"'
row busybox-awk - busybox '' 'busybox awk "BEGIN { srand(); print rand(), srand() }"'
row ldconfig - /sbin/ldconfig '' '/sbin/ldconfig -p'
row mount - mount '' 'mount'
row lscpu - lscpu '' 'lscpu'
row cal - cal '' 'cal 9 1752'
row which - which '' 'which ls sh'
row script-shebang - bash 'printf "#!/bin/bash\necho script \$0 \$# \$*\nexit 11\n" >script; chmod +x script' './script a "b c"'
row stdin-closed - bash '' 'bash -c "exec cat <&-"'
row stdout-closed - bash '' 'bash -c "exec echo lost >&-"'
row broken-pipe - bash '' 'bash -c "trap \"\" PIPE; mkfifo f; exec 3<>f 4>f 3<&-; echo x >&4; echo \$? >&2"'
row big-arguments - echo '' '/bin/echo $(seq 20000)'

# ---- processes that share memory ----
row python3-multiprocessing 3 "$PYTHON" '' '"$PYTHON" -c "
import multiprocessing as mp, os, random
def square(x): return x * x + random.randrange(3)
def count(value, n):
    for _ in range(n):
        with value.get_lock(): value.value += 1
def put(queue, n):
    for i in range(n): queue.put((os.getpid(), i))
def store(array, i): array[i] = i * 1.5
def run(target, *arguments):
    made = [mp.Process(target=target, args=a) for a in arguments]
    for p in made: p.start()
    return made
def join(made):
    for p in made: p.join()
with mp.Pool(3) as pool: print(sum(pool.map(square, range(200), 7)))
value, queue, array = mp.Value(\"i\", 0), mp.Queue(), mp.Array(\"d\", 10, lock=False)
join(run(count, *[(value, 100)] * 3)); print(value.value)
made = run(put, (queue, 50), (queue, 50)); print([queue.get() for _ in range(100)]); join(made)
join(run(store, *[(array, i) for i in range(10)])); print(list(array))"'
row sqlite3-wal-two 3 sqlite3 'cat >script <<"END"
sqlite3 -cmd ".timeout 20000" w.db "pragma journal_mode=wal; create table t (p, i, r);" >/dev/null
write() { for i in $(seq 30); do echo "insert into t values ($1, $i, random()); select count(*) from t;"; done | sqlite3 -cmd ".timeout 20000" w.db >out.$1; }
write 1 & write 2 & wait
cat out.1 out.2
sqlite3 w.db "select count(*), sum(r % 1000) from t;"
END' 'bash script'
row stress-ng 3 stress-ng '' 'stress-ng --cpu 2 --futex 2 --timer 2 --switch 2 --mmap 2 --mmap-bytes 8m -t 5'
row nginx 3 'nginx ab' 'cat >script <<"END"
port=$((20000 + $$ % 10000))
mkdir html; seq 500 >html/index.html
cat >conf <<CONF
worker_processes 2; daemon off; error_log $PWD/error.log; pid $PWD/pid;
events { worker_connections 64; }
http { access_log $PWD/access.log; server { listen 127.0.0.1:$port; root $PWD/html; }
  client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5; }
CONF
nginx -p $PWD -c $PWD/conf & server=$!
until [ -s pid ] && ab -n 1 http://127.0.0.1:$port/ >/dev/null 2>&1; do sleep 0.1; done
ab -q -n 2000 -c 8 http://127.0.0.1:$port/ | grep -E "^(Complete|Failed)"
kill -QUIT $server; wait $server
echo $?
wc -l <access.log
END' 'bash script'

# ---- threads ----
row zstd-threads - zstd 'seq 400000 >lines' 'zstd -q -T4 -c lines'
row sort-parallel - sort 'seq 300000 | shuf >lines' 'sort --parallel=4 lines'
row xz-threads - xz 'seq 300000 >lines' 'xz -T2 -0 -c lines'
row git-grep-threads - git 'small_repository' 'git grep --threads=4 -n line'
row python3-threads - "$PYTHON" '' '"$PYTHON" -c "
import queue, threading, time
q, done, log = queue.Queue(5), 0, []
def produce(i):
    global done
    for k in range(200):
        q.put((i, k)); done += 1
        if k % 50 == 0: time.sleep(0.001); log.append((i, k, time.time_ns()))
def consume():
    for k in range(800): log.append(q.get())
ts = [threading.Thread(target=produce, args=(i,)) for i in range(4)] + [threading.Thread(target=consume)]
for t in ts: t.start()
for t in ts: t.join()
print(done, log)"'
row python3-pool - "$PYTHON" '' '"$PYTHON" -c "
import hashlib, os
from concurrent.futures import ThreadPoolExecutor, as_completed
with ThreadPoolExecutor(4) as pool:
    jobs = {pool.submit(lambda x: hashlib.sha256(os.urandom(64) + bytes([x])).hexdigest(), i): i for i in range(60)}
    for job in as_completed(jobs): print(jobs[job], job.result())"'
row python3-asyncio - "$PYTHON" '' '"$PYTHON" -c "
import asyncio, random
async def work(i):
    await asyncio.sleep(random.random() / 50)
    print(i, await asyncio.to_thread(sum, range(i * 1000)))
async def main(): await asyncio.gather(*[work(i) for i in range(20)])
asyncio.run(main())"'
row node - node 'seq 1000 >lines' 'node -e "
let s = 0; for (let i = 0; i < 1e6; i++) s += i;
setTimeout(() => console.log(s, Date.now(), Math.random()), 5);
require(\"fs\").readFile(\"lines\", (e, d) => console.log(d.length, process.pid));"'
row java - javac 'printf "%s\n" "import java.util.concurrent.*; public class T { static long n; public static void main(String[] a) throws Exception {" \
    "ExecutorService e = Executors.newFixedThreadPool(4); var l = new java.util.ArrayList<Future<Long>>();" \
    "for (int i = 0; i < 20; i++) { final int k = i; l.add(e.submit(() -> { long s = 0; for (int j = 0; j < 20000; j++) { s += j * k; n++; } return s; })); }" \
    "long t = 0; for (var f : l) t += f.get(); e.shutdown(); System.out.println(t + \" \" + n + \" \" + System.nanoTime()); } }" >T.java; javac T.java' 'java T'
