#include "trace/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE = 0, TRACE = 1 /* the descriptors of the guard */ };

/* Memory that both processes see. A state is written to the place that is not current, and then made current.
 */
struct shared {
    _Atomic int current; /* 0, 1, or NOTHING */
    struct state {
        uint64_t offset;
        size_t size;
        uint8_t tail[GUARD_TAIL_MAX];
    } states[2];
};

enum { NOTHING = 2 };

struct guard {
    struct shared *shared;
    int pipe; /* the writing end; its closing is the sign */
};

/* ---- in the guard: nothing but system calls ---- */

static void repair(const struct shared *shared) {
    int current = atomic_load(&shared->current);
    if (current == NOTHING)
        return;
    const struct state *state = &shared->states[current];
    size_t done = 0;
    while (done < state->size) {
        ssize_t count = pwrite(TRACE, state->tail + done, state->size - done, (off_t)(state->offset + done));
        if (count <= 0)
            return; /* its room was the file's before; there is nobody to tell */
        done += (size_t)count;
    }
    if (ftruncate(TRACE, (off_t)(state->offset + state->size)) < 0)
        return;
}

/* Keep just the two descriptors. */
static void keep_descriptors(int pipe_end, int fd) {
    int high_pipe = fcntl(pipe_end, F_DUPFD, 3), high_fd = fcntl(fd, F_DUPFD, 3);
    dup2(high_pipe, PIPE);
    dup2(high_fd, TRACE);
    if (syscall(SYS_close_range, TRACE + 1, UINT_MAX, 0) == 0)
        return;
    for (long i = TRACE + 1, end = sysconf(_SC_OPEN_MAX); i < end; i++) /* kernels before 5.9 */
        close((int)i);
}

__attribute__((noreturn)) static void watch(const struct shared *shared, int pipe_end, int fd) {
    char byte;
    keep_descriptors(pipe_end, fd);
    prctl(PR_SET_NAME, "reel-guard");
    while (read(PIPE, &byte, 1) < 0 && errno == EINTR)
        ;
    repair(shared);
    _exit(0);
}

/* A process like those of fork(2), but its end is no signal to the parent, and no handlers of libc run. */
static pid_t quiet_fork(void) {
    return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* The child that ends at once, so that its child is nobody's. */
__attribute__((noreturn)) static void leave_guard(const struct shared *shared, int pipe_end, int fd) {
    setsid();
    pid_t pid = quiet_fork();
    if (pid == 0)
        watch(shared, pipe_end, fd);
    _exit(pid < 0);
}

/* ---- in reel ---- */

static struct error *start(struct guard *guard, int pipe_end, int fd) {
    sigset_t all, before;
    int status = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the guard inherits this */
    pid_t pid = quiet_fork();
    if (pid == 0)
        leave_guard(guard->shared, pipe_end, fd);
    int errnum = errno;
    if (pid > 0)
        while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid > 0 && status == 0 ? NULL : error_system(pid < 0 ? errnum : EAGAIN, "guard of the trace");
}

struct error *guard_create(int fd, struct guard **ret) {
    int ends[2];
    struct guard *guard = calloc(1, sizeof(*guard));
    if (!guard)
        return &error_no_memory;
    guard->pipe = -1;
    guard->shared =
        mmap(NULL, sizeof(*guard->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct error *err = NULL;
    if (guard->shared == MAP_FAILED)
        err = error_system(errno, "guard of the trace");
    else if (pipe2(ends, O_CLOEXEC) < 0)
        err = error_system(errno, "guard of the trace");
    if (err) {
        guard_destroy(guard);
        return err;
    }
    guard->shared->current = NOTHING;
    guard->pipe = ends[1];
    err = start(guard, ends[0], fd);
    close(ends[0]);
    if (err) {
        guard_destroy(guard);
        return err;
    }
    *ret = guard;
    return NULL;
}

void guard_tell(struct guard *guard, uint64_t offset, const void *tail, size_t size) {
    if (size > GUARD_TAIL_MAX) {
        atomic_store(&guard->shared->current, NOTHING);
        return;
    }
    int next = atomic_load(&guard->shared->current) == 0 ? 1 : 0;
    struct state *state = &guard->shared->states[next];
    state->offset = offset;
    state->size = size;
    memcpy(state->tail, tail, size);
    atomic_store(&guard->shared->current, next);
}

void guard_destroy(struct guard *guard) {
    if (!guard)
        return;
    if (guard->shared != MAP_FAILED) {
        atomic_store(&guard->shared->current, NOTHING);
        munmap(guard->shared, sizeof(*guard->shared));
    }
    if (guard->pipe >= 0)
        close(guard->pipe);
    free(guard);
}
