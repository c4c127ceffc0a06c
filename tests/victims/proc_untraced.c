/* Children and threads that are not to be traced: CLONE_UNTRACED in all its calls. The flag stays where the
 * program has put it. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void reap(pid_t pid, int status) {
    int found;
    CHECK(waitpid(pid, &found, 0) == pid);
    printf("child %d: status 0x%x\n", pid, found);
    CHECK(WIFEXITED(found) && WEXITSTATUS(found) == status);
}

static void by_clone(void) {
    /* the register after the call, in caller and child */
    unsigned long flags = CLONE_UNTRACED | SIGCHLD, after = flags;
    long pid = SYS_clone;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "+a"(pid), "+D"(after)
                     : "S"(0L), "d"(0L), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    if (pid == 0)
        _exit(after == flags && getpid() > 0 ? 21 : 99);
    CHECK(pid > 0 && after == flags);
    reap((pid_t)pid, 21);
}

static void by_clone3(struct clone_args *args) {
    unsigned long long flags = args->flags;
    long pid = syscall(SYS_clone3, args, sizeof(*args));
    if (pid == 0)
        _exit(args->flags == flags && write(1, "child\n", 6) == 6 ? 22 : 99);
    CHECK(pid > 0 && args->flags == flags);
    reap((pid_t)pid, 22);
}

static int thread_ran;

static int in_thread(void *argument) {
    thread_ran = getpid() == *(pid_t *)argument;
    return 0;
}

static void a_thread(void) {
    static char stack[65536] __attribute__((aligned(16)));
    static volatile pid_t tid = -1; /* cleared by the kernel at its end */
    pid_t self = getpid(), made;
    made = clone(in_thread, stack + sizeof(stack),
                 CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                     CLONE_UNTRACED | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                 &self, &tid, NULL, &tid);
    CHECK(made > 0);
    while (tid)
        usleep(100);
    CHECK(thread_ran);
}

int main(void) {
    by_clone();
    struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
    by_clone3(&args);
    static const struct clone_args constant = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
    by_clone3((struct clone_args *)(uintptr_t)&constant); /* where it cannot be written */
    a_thread();
    /* one that fails, and a child's child */
    SHOW(syscall(SYS_clone, CLONE_UNTRACED | CLONE_THREAD, 0, 0, 0, 0));
    fflush(stdout);
    long pid = syscall(SYS_clone, CLONE_UNTRACED | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        by_clone();
        fflush(stdout);
        execl("/bin/echo", "echo", "executed", NULL);
    }
    reap((pid_t)pid, 0);
    return 0;
}
