#include "tracer/await.h"

#include "base/clock.h"

#include "tracer/process.h"

#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

/* Between two looks, in nanoseconds. A stop takes some 50 us to come. */
#define PAUSE_NS 50000

static int64_t now_ms(void) {
    return (int64_t)(clock_now() / CLOCK_MILLISECOND);
}

static struct error *gone(const struct task *task) {
    return error_system(ESRCH, "task %d", task->tid);
}

/* Look once. WNOWAIT leaves what is seen; only a stop is then taken. */
static struct error *look(struct task *task, int flags, bool *ret_stopped, int *ret) {
    siginfo_t info = {0};
    int options = WEXITED | WSTOPPED | WNOWAIT | __WALL | flags;
    int result;
    while ((result = waitid(P_PID, (id_t)task->tid, &info, options)) < 0 && errno == EINTR)
        ;
    if (result < 0)
        return gone(task);
    *ret_stopped = info.si_pid != 0;
    if (!*ret_stopped)
        return NULL;
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
        return gone(task);
    int status;
    if (waitpid(task->tid, &status, __WALL | WNOHANG) != task->tid)
        return gone(task);
    if (!WIFSTOPPED(status)) /* killed between the two looks: its end is taken, but that is known now */
        return gone(task);
    task->stopped = true;
    *ret = status;
    return NULL;
}

struct error *await_peek(struct task *task, bool *ret_stopped, int *ret) {
    *ret_stopped = false;
    return look(task, WNOHANG, ret_stopped, ret);
}

void await_pause(unsigned looks) {
    enum { QUICK = 200 };
    if (looks < QUICK)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

/* Not by a wait that sleeps: the end of a leader is not reported before its threads have been waited for. */
static struct error *await_for_ever(struct task *task, int *ret) {
    bool stopped = false;
    for (unsigned looks = 0;; looks++) {
        TRY(look(task, WNOHANG, &stopped, ret));
        if (stopped)
            return NULL;
        if (looks % 64 == 63 && process_is_ended(task->tid))
            return gone(task);
        await_pause(looks);
    }
}

struct error *await_stop(struct task *task, int milliseconds, int *ret) {
    bool stopped = false;
    if (milliseconds < 0)
        return await_for_ever(task, ret);
    for (int64_t end = now_ms() + milliseconds;;) {
        TRY(look(task, WNOHANG, &stopped, ret));
        if (stopped)
            return NULL;
        if (process_is_ended(task->tid)) /* a leader that has gone before its threads is not reported */
            return gone(task);
        if (now_ms() > end)
            return error_new(ERROR_LIMIT, "task %d: does not stop", task->tid);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}
