/* What the functions of the vdso answer, when they must not become system calls. */
#include "tracer/vdso.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Put bytes at address, if there is one: 0 or -EFAULT. */
static int64_t put(struct task *task, uint64_t address, const void *bytes, size_t size,
                   struct memory_ranges *written, struct error **ret) {
    if (!address)
        return 0;
    struct error *err = task_write(task, address, bytes, size);
    if (error_is(err, ERROR_TASK_GONE)) {
        *ret = err;
        return 0;
    }
    if (err) {
        error_free(err);
        return -EFAULT;
    }
    *ret = memory_ranges_add(written, address, size);
    return 0;
}

/* Clocks that the vdso reads by itself (do_hres() and do_coarse() in the kernel's lib/vdso/gettimeofday.c).
 */
static bool is_common(uint32_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_TAI;
}

/* Tasks are bound to one processor. */
static unsigned processor_of(pid_t tid) {
    cpu_set_t set;
    if (sched_getaffinity(tid, sizeof(set), &set) == 0)
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                return i;
    return 0;
}

static unsigned node_of(unsigned processor) {
    enum { NODES_MOST = 64 };
    char path[64];
    for (unsigned node = 0; node < NODES_MOST; node++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%u", processor, node);
        if (access(path, F_OK) == 0)
            return node;
    }
    return 0; /* a kernel that knows no nodes says so, too */
}

static int64_t answer(struct task *task, const struct user_regs_struct *regs, struct memory_ranges *written,
                      struct error **ret) {
    struct timespec spec;
    struct timeval time_of_day;
    struct timezone zone;
    unsigned processor, node;
    int64_t result, second;
    switch (regs->rax) {
    case SYS_clock_gettime:
        clock_gettime((clockid_t)regs->rdi, &spec);
        return regs->rsi ? put(task, regs->rsi, &spec, sizeof(spec), written, ret) : -EFAULT;
    case SYS_clock_getres:
        clock_getres((clockid_t)regs->rdi, &spec);
        return put(task, regs->rsi, &spec, sizeof(spec), written, ret);
    case SYS_gettimeofday:
        syscall(SYS_gettimeofday, &time_of_day, &zone);
        result = put(task, regs->rdi, &time_of_day, sizeof(time_of_day), written, ret);
        second = *ret ? 0 : put(task, regs->rsi, &zone, sizeof(zone), written, ret);
        return result ? result : second;
    case SYS_time:
        spec.tv_sec = time(NULL);
        result = put(task, regs->rdi, &spec.tv_sec, sizeof(spec.tv_sec), written, ret);
        return result ? result : spec.tv_sec;
    default: /* getcpu */
        processor = processor_of(task->tid);
        node = node_of(processor);
        result = put(task, regs->rdi, &processor, sizeof(processor), written, ret);
        second = *ret ? 0 : put(task, regs->rsi, &node, sizeof(node), written, ret);
        return result ? result : second;
    }
}

struct error *vdso_answer(struct task *task, struct user_regs_struct *regs, struct memory_ranges *written) {
    struct error *err = NULL;
    bool clock = regs->rax == SYS_clock_gettime || regs->rax == SYS_clock_getres;
    if (clock && !is_common((uint32_t)regs->rdi)) {
        regs->rip += VDSO_SECOND_CALL - VDSO_CALL;
        return NULL;
    }
    int64_t result = answer(task, regs, written, &err);
    TRY(err);
    regs->rax = (uint64_t)result;
    regs->rip += 2;
    return NULL;
}
