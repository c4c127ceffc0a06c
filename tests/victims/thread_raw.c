/* Threads made by the raw clone call, with the words that the kernel writes at their beginning and end. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

static volatile int parent_tid, child_tid, seen, ended_with;

static int child(void *argument) {
    seen = child_tid;
    ended_with = *(int *)argument;
    syscall(SYS_sched_yield);
    return 0;
}

static void run(int flags, int value) {
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    child_tid = parent_tid = -1;
    int tid = clone(child, stack + 65536, flags, &value, (void *)&parent_tid, NULL, (void *)&child_tid);
    CHECK(tid > 0);
    if (flags & CLONE_CHILD_CLEARTID)
        for (int word; (word = child_tid) != 0;)
            syscall(SYS_futex, &child_tid, FUTEX_WAIT, word, NULL, NULL, 0);
    else
        while (kill(tid, 0) == 0 || ended_with != value)
            usleep(100);
    printf("tid %d parent word %d seen %d child word %d\n", tid, parent_tid, seen, child_tid);
    munmap(stack, 65536);
}

int main(void) {
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    run(flags | CLONE_CHILD_CLEARTID, 1);
    run(flags | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID, 2);
    run(flags | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID, 3);
    return 0;
}
