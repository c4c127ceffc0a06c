/* Crashes of every kind: crashes KIND. */
#include "fact.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct order {
    int id;
    double price;
    char name[16];
    struct order *next;
};

static volatile int sink;

/* ---- memory ---- */

static CALLED int read_order(const struct order *order, int count) {
    int total = count * 7;
    char text[] = "forty-two";
    FACT("local", "[\"read_order\", \"total\", %d]", total);
    FACT("local", "[\"read_order\", \"text\", \"%s\"]", text);
    FACT("argument", "[\"read_order\", \"count\", %d]", count);
    FACT("line", "[\"read_order\", %d]", __LINE__ + 1);
    return order->id + total + text[0];
}

static void crash_read(void) {
    struct order *order = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(order, 8192);
    FACT_TEXT("code_text", "address not mapped");
    FACT_TEXT("access", "read");
    FACT_ADDRESS("address", order);
    FACT("stack", "[\"read_order\", \"crash_read\", \"main\"]");
    sink = read_order(order, 6);
}

static void crash_null(void) {
    FACT_TEXT("access", "read");
    FACT_ADDRESS("address", 0);
    FACT_TEXT("place", "null pointer");
    sink = read_order(NULL, 3);
}

static CALLED void write_name(struct order *order, const char *name) {
    FACT("argument", "[\"write_name\", \"name\", \"%s\"]", name);
    memcpy(&order->price, &(double){1.5}, 0);
    order->price = 2.5;
    order->id = (int)strlen(name);
}

static void crash_write(void) {
    struct order *order = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FACT_TEXT("code_text", "the mapping does not permit it");
    FACT_TEXT("access", "write");
    FACT_ADDRESS("address", &order->price);
    FACT_TEXT("place", "(r--p)");
    FACT("stack", "[\"write_name\", \"crash_write\", \"main\"]");
    write_name(order, "pen");
}

static void crash_exec(void) {
    void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*function)(void);
    memcpy(&function, &data, sizeof(function));
    FACT_TEXT("access", "execute");
    FACT_ADDRESS("address", data);
    FACT("stack", "[\"crash_exec\", \"main\"]");
    function();
    sink = 1;
}

static void crash_null_call(void) {
    void (*volatile function)(void) = NULL;
    FACT_TEXT("access", "execute");
    FACT_ADDRESS("address", 0);
    FACT_TEXT("place", "null pointer");
    FACT("stack", "[\"crash_null_call\", \"main\"]");
    function();
    sink = 1;
}

static void crash_noncanonical(void) {
    struct order *volatile order = (struct order *)0xdead000000000010ull;
    FACT_TEXT("access", "read");
    FACT_ADDRESS("address", 0xdead000000000010ull + offsetof(struct order, next));
    FACT_TEXT("place", "not a canonical address");
    FACT("stack", "[\"crash_noncanonical\", \"main\"]");
    sink = order->next != NULL;
}

static void crash_noncanonical_call(void) {
    void (*volatile function)(void) = (void (*)(void))0xdead000000000010ull;
    FACT_TEXT("access", "execute");
    FACT_ADDRESS("address", 0xdead000000000010ull);
    FACT("stack", "[\"crash_noncanonical_call\", \"main\"]");
    function();
    sink = 1;
}

static CALLED int recurse(int depth) {
    volatile char room[512];
    room[depth % 512] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[depth % 512];
}

static void crash_overflow(void) {
    FACT("stack_overflow", "true");
    FACT("stack", "[\"recurse\", \"recurse\", \"recurse\", \"crash_overflow\", \"main\"]");
    sink = recurse(1);
}

static void *overflow_thread(void *argument) {
    FACT("tid", "%d", (int)gettid());
    FACT("stack_overflow", "true");
    FACT("stack", "[\"recurse\", \"recurse\", \"overflow_thread\"]");
    sink = recurse(1);
    return argument;
}

static void crash_thread_overflow(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, overflow_thread, NULL);
    pthread_join(thread, NULL);
}

static void ignore_it(int signo) {
    sink = signo;
}

/* The handler cannot be run: there is no stack left for it. */
static void crash_overflow_handler(void) {
    signal(SIGSEGV, ignore_it);
    FACT("stack_overflow", "true");
    FACT("stack", "[\"recurse\", \"recurse\", \"crash_overflow_handler\", \"main\"]");
    FACT_TEXT("handler", "its handler could not be run");
    sink = recurse(1);
}

static void crash_bus(void) {
    char name[] = "/tmp/reel-crash.XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    FACT_ADDRESS("address", map + 4096);
    FACT_TEXT("access", "write");
    FACT_TEXT("mapping", name);
    FACT("stack", "[\"crash_bus\", \"main\"]");
    map[4096] = 1;
}

/* ---- instructions ---- */

static CALLED int divide(int by) {
    FACT("argument", "[\"divide\", \"by\", %d]", by);
    return 100 / by;
}

static void crash_divide(void) {
    FACT_TEXT("code_text", "integer divide by zero");
    FACT("stack", "[\"divide\", \"crash_divide\", \"main\"]");
    sink = divide(0);
}

static void crash_illegal(void) {
    FACT_TEXT("code_text", "illegal operand");
    FACT("stack", "[\"crash_illegal\", \"main\"]");
    FACT("register", "[\"rbx\", \"0x1122334455667788\"]");
    __asm__ volatile("movabs $0x1122334455667788, %%rbx; ud2" : : : "rbx");
}

static void crash_trap(void) {
    FACT("stack", "[\"crash_trap\", \"main\"]");
    __asm__ volatile("int3; nop");
}

/* ---- messages ---- */

static void crash_abort(void) {
    FACT("stack", "[\"abort\", \"crash_abort\", \"main\"]");
    abort();
}

static CALLED void check_order(struct order *order) {
    assert(order->id == 4711);
}

static void crash_assert(void) {
    struct order order = {.id = 12, .name = "ink"};
    FACT("local",
         "[\"crash_assert\", \"order\", {\"id\": 12, \"price\": 0.0, \"name\": \"ink\", \"next\": null}]");
    FACT_TEXT("message_has", "Assertion `order->id == 4711' failed.");
    FACT("stack", "[\"abort\", \"check_order\", \"crash_assert\", \"main\"]");
    check_order(&order);
}

static void crash_double_free(void) {
    char *volatile text = strdup("once");
    FACT_TEXT("message_has", "free(): double free detected");
    FACT("stack", "[\"abort\", \"crash_double_free\", \"main\"]");
    free(text);
    free(text);
}

static CALLED void smash(const char *text) {
    char room[8];
    char *volatile at = room;
    for (size_t i = 0; text[i]; i++)
        at[i] = text[i];
    sink = room[0];
}

static void crash_smash(void) {
    FACT_TEXT("message_has", "stack smashing detected");
    FACT("stack", "[\"abort\", \"smash\"]");
    smash("this is a text that is far too long for such a small room, which will be noticed");
}

/* ---- seccomp ---- */

static void filter(unsigned action) {
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = instructions};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        exit(77);
}

static void crash_sys(void) {
    filter(SECCOMP_RET_TRAP);
    FACT("stack", "[\"crash_sys\", \"main\"]");
    sink = (int)syscall(SYS_getppid);
}

static void crash_sys_kill(void) {
    filter(SECCOMP_RET_KILL_PROCESS);
    FACT_TEXT("code_text", "system call 110 refused by a seccomp filter");
    FACT("stack", "[\"crash_sys_kill\", \"main\"]");
    sink = (int)syscall(SYS_getppid);
}

/* ---- signals ---- */

static void crash_term(void) {
    FACT("sender_pid", "%d", (int)getpid());
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}

static CALLED void raiser(int number) {
    FACT("argument", "[\"raiser\", \"number\", %d]", number);
    raise(SIGUSR1);
}

static void *raise_thread(void *argument) {
    FACT("tid", "%d", (int)gettid());
    FACT("stack", "[\"raiser\", \"raise_thread\"]");
    raiser(*(int *)argument);
    return NULL;
}

static void crash_raise_thread(void) {
    int number = 31;
    pthread_t thread;
    FACT("threads", "2");
    FACT("thread", "[%d, \"crash_raise_thread\"]", (int)getpid());
    pthread_create(&thread, NULL, raise_thread, &number);
    pthread_join(thread, NULL);
}

static pthread_barrier_t barrier;

static CALLED void wait_here(int index) {
    FACT("thread", "[%d, \"wait_here\"]", (int)gettid());
    pthread_barrier_wait(&barrier);
    for (;;)
        sink = index;
}

static CALLED int crash_here(int index) {
    FACT("tid", "%d", (int)gettid());
    FACT("stack", "[\"crash_here\", \"one_of_many\"]");
    FACT("argument", "[\"crash_here\", \"index\", %d]", index);
    pthread_barrier_wait(&barrier);
    return *(volatile int *)16;
}

static void *one_of_many(void *argument) {
    int index = (int)(size_t)argument;
    if (index == 11)
        sink = crash_here(index);
    else
        wait_here(index);
    return NULL;
}

static void crash_sixteen(void) {
    pthread_t threads[15];
    pthread_barrier_init(&barrier, NULL, 15);
    FACT("threads", "16");
    for (size_t i = 0; i < 15; i++)
        pthread_create(&threads[i], NULL, one_of_many, (void *)i);
    for (size_t i = 0; i < 15; i++)
        pthread_join(threads[i], NULL);
}

/* ---- handlers ---- */

static void bad_handler(int signo) {
    FACT("argument", "[\"bad_handler\", \"signo\", %d]", signo);
    sink = *(volatile int *)24;
}

static void crash_in_handler(void) {
    signal(SIGUSR1, bad_handler);
    FACT_ADDRESS("address", 24);
    FACT("stack", "[\"bad_handler\", \"crash_in_handler\", \"main\"]");
    raise(SIGUSR1);
}

/* It is a crash when the handler raises it again, and not before. */
static void raising_handler(int signo) {
    signal(signo, SIG_DFL);
    raise(signo);
}

static void crash_reraise(void) {
    signal(SIGSEGV, raising_handler);
    FACT("stack", "[\"crash_reraise\", \"main\"]");
    FACT_ADDRESS("address", 40);
    FACT_TEXT("handler", "raised again by its handler");
    sink = *(volatile int *)40;
}

static volatile sig_atomic_t handled;
static void *volatile there;

static void fixing_handler(int signo) {
    (void)signo;
    handled++;
    mprotect(there, 4096, PROT_READ | PROT_WRITE);
}

/* 100 that are handled are no crashes. */
static void crash_not(void) {
    there = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, fixing_handler);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 100; i++) {
        mprotect(there, 4096, PROT_NONE);
        *(volatile int *)there = i;
        raise(SIGPIPE);
    }
    exit(handled == 100 ? 0 : 1);
}

/* ---- processes ---- */

static void crash_child(void) {
    int status;
    pid_t child = fork();
    if (!child) {
        FACT("pid", "%d", (int)getpid());
        FACT("stack", "[\"read_order\", \"crash_child\", \"main\"]");
        sink = read_order((struct order *)64, 1);
    }
    waitpid(child, &status, 0);
    exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 5 : 1);
}

static CALLED void leave(int status) {
    FACT("argument", "[\"leave\", \"status\", %d]", status);
    exit(status);
}

static void crash_exit(void) {
    FACT("exit_status", "9");
    FACT("stack", "[\"exit\", \"leave\", \"crash_exit\", \"main\"]");
    leave(9);
}

static void *leave_thread(void *argument) {
    FACT("tid", "%d", (int)gettid());
    FACT("exit_status", "9");
    FACT("stack", "[\"exit\", \"leave_thread\"]");
    exit(9);
    return argument;
}

static void crash_exit_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, leave_thread, NULL);
    for (;;)
        pause();
}

static void crash_many_frames(void) {
    struct rlimit limit = {.rlim_cur = 1ul << 26, .rlim_max = RLIM_INFINITY};
    if (!getenv("DEEPER")) {
        setrlimit(RLIMIT_STACK, &limit);
        setenv("DEEPER", "1", 1);
        execl("/proc/self/exe", "crashes", "many_frames", (char *)NULL);
    }
    crash_overflow();
}

static const struct {
    const char *name, *signal;
    void (*crash)(void);
} kinds[] = {
    {"read", "SIGSEGV", crash_read},
    {"null", "SIGSEGV", crash_null},
    {"write", "SIGSEGV", crash_write},
    {"exec", "SIGSEGV", crash_exec},
    {"null_call", "SIGSEGV", crash_null_call},
    {"noncanonical", "SIGSEGV", crash_noncanonical},
    {"noncanonical_call", "SIGSEGV", crash_noncanonical_call},
    {"overflow", "SIGSEGV", crash_overflow},
    {"thread_overflow", "SIGSEGV", crash_thread_overflow},
    {"overflow_handler", "SIGSEGV", crash_overflow_handler},
    {"many_frames", "SIGSEGV", crash_many_frames},
    {"bus", "SIGBUS", crash_bus},
    {"divide", "SIGFPE", crash_divide},
    {"illegal", "SIGILL", crash_illegal},
    {"trap", "SIGTRAP", crash_trap},
    {"abort", "SIGABRT", crash_abort},
    {"assert", "SIGABRT", crash_assert},
    {"double_free", "SIGABRT", crash_double_free},
    {"smash", "SIGABRT", crash_smash},
    {"sys", "SIGSYS", crash_sys},
    {"sys_kill", "SIGSYS", crash_sys_kill},
    {"term", "SIGTERM", crash_term},
    {"raise_thread", "SIGUSR1", crash_raise_thread},
    {"sixteen", "SIGSEGV", crash_sixteen},
    {"in_handler", "SIGSEGV", crash_in_handler},
    {"reraise", "SIGSEGV", crash_reraise},
    {"not", NULL, crash_not},
    {"child", "SIGSEGV", crash_child},
    {"exit", NULL, crash_exit},
    {"exit_thread", NULL, crash_exit_thread},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (argc == 2 && !strcmp(argv[1], kinds[i].name)) {
            if (kinds[i].signal)
                FACT_TEXT("signal", kinds[i].signal);
            if (strcmp(argv[1], "child"))
                FACT("pid", "%d", (int)getpid());
            kinds[i].crash();
            return 1;
        }
    for (size_t i = 0; argc == 1 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        puts(kinds[i].name);
    return argc != 1;
}
