#include "tracer/will.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct list {
    _Atomic pid_t tids[WILL_MOST]; /* 0: a free slot */
};

struct will {
    struct list *list;
    int pipe; /* the writing end; its closing is the sign */
};

/* ---- in the other process: nothing but system calls ---- */

__attribute__((noreturn)) static void watch(struct list *list, int end) {
    char byte;
    dup2(end, 0);
    if (syscall(SYS_close_range, 1, UINT_MAX, 0) < 0) /* kernels before 5.9 */
        for (long i = 1, most = sysconf(_SC_OPEN_MAX); i < most; i++)
            close((int)i);
    prctl(PR_SET_NAME, "reel-will");
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < WILL_MOST; i++) {
        pid_t tid = atomic_load(&list->tids[i]);
        if (tid)
            kill(tid, SIGKILL);
    }
    _exit(0);
}

/* As fork(2), but its end is no signal to the parent, and no handlers of libc run. */
static pid_t quiet_fork(void) {
    return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* The child ends at once, so that its child is nobody's, and in a session of its own. */
__attribute__((noreturn)) static void leave(struct list *list, int end) {
    setsid();
    pid_t pid = quiet_fork();
    if (pid == 0)
        watch(list, end);
    _exit(pid < 0);
}

/* ---- in reel ---- */

static struct error *start(struct will *will, int end) {
    sigset_t all, before;
    int status = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* which is inherited */
    pid_t pid = quiet_fork();
    if (pid == 0)
        leave(will->list, end);
    int number = errno;
    if (pid > 0)
        while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid > 0 && status == 0 ? NULL : error_system(pid < 0 ? number : EAGAIN, "a process of reel's own");
}

struct error *will_create(struct will **ret) {
    int ends[2];
    struct will *will = calloc(1, sizeof(*will));
    if (!will)
        return &error_no_memory;
    will->pipe = -1;
    will->list = mmap(NULL, sizeof(*will->list), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (will->list == MAP_FAILED || pipe2(ends, O_CLOEXEC) < 0) {
        struct error *err = error_system(errno, "a process of reel's own");
        will_destroy(will);
        return err;
    }
    will->pipe = ends[1];
    struct error *err = start(will, ends[0]);
    close(ends[0]);
    if (err) {
        will_destroy(will);
        return err;
    }
    *ret = will;
    return NULL;
}

void will_destroy(struct will *will) {
    if (!will)
        return;
    if (will->pipe >= 0)
        close(will->pipe);
    if (will->list != MAP_FAILED)
        munmap(will->list, sizeof(*will->list));
    free(will);
}

bool will_add(struct will *will, pid_t tid, size_t *ret_slot) {
    for (size_t i = 0; i < WILL_MOST; i++)
        if (!atomic_load(&will->list->tids[i])) {
            atomic_store(&will->list->tids[i], tid);
            *ret_slot = i;
            return true;
        }
    return false;
}

void will_remove(struct will *will, size_t slot) {
    atomic_store(&will->list->tids[slot], 0);
}
