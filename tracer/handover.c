#include "tracer/handover.h"

#include "tracer/process.h"
#include "tracer/ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 1: pause; dec %rcx; jnz 1b; ud2 */
const uint8_t handover_loop[HANDOVER_LOOP_SIZE] = {0xf3, 0x90, 0x48, 0xff, 0xc9, 0x75, 0xf9, 0x0f, 0x0b};
/* A pause takes 10 to 140 cycles. */
#define LOOP_ROUNDS 1000000000ull

#define TRAP_FLAG 0x100ull

/* With Yama's restrictions only descendants may be seized: not those whose parent has ended. */
static bool is_restricted(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    char scope = '3';
    int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    if (read(fd, &scope, 1) != 1)
        scope = '3';
    close(fd);
    if (scope == '0')
        return false;
    bool capable = syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_SYS_PTRACE;
    return !capable || scope == '3';
}

bool handover_is_possible(struct task *task, uint64_t loop) {
    uint8_t code[HANDOVER_LOOP_SIZE];
    char path[64];
    if (!loop || is_restricted() || task_read(task, loop, code, sizeof(code)) != sizeof(code) ||
        memcmp(code, handover_loop, sizeof(code)) != 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/mem", task->tid); /* asks what PTRACE_SEIZE asks */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

struct error *handover_give(struct engine *engine, struct task *task, uint64_t loop, struct handover *ret) {
    struct handover handover = {
        .tid = task->tid, .filtered = task->filtered, .strict = task->strict, .watched = task->watched};
    TRY(trace_get_registers(task->tid, &handover.regs));
    TRY(trace_get_sigmask(task->tid, &handover.sigmask));
    struct user_regs_struct regs = handover.regs;
    regs.rip = loop;
    regs.rcx = LOOP_ROUNDS;
    regs.orig_rax = (unsigned long long)-1; /* nothing is made again */
    regs.eflags &= ~TRAP_FLAG;
    TRY(trace_set_sigmask(task->tid, UINT64_MAX));
    TRY(trace_set_registers(task->tid, &regs));
    TRY(trace_detach(task->tid, 0));
    engine_forget(engine, task);
    *ret = handover;
    return NULL;
}

/* Stopped, or *ret says how it has ended. A task that was killed before it was seized is not told of. */
static struct error *seize(struct engine *engine, struct task *task, struct stop *ret) {
    struct error *err = trace_seize(task->tid, true);
    if (!err)
        err = trace_interrupt(task->tid);
    if (!err)
        err = engine_next_of(engine, task, true, ret);
    if (!err || (!error_is(err, ERROR_TASK_GONE) && !process_is_ended(task->tid)))
        return err;
    error_free(err);
    engine_lost(engine, task, ret);
    return NULL;
}

static struct error *put_back(struct task *task, const struct handover *handover) {
    TRY(trace_set_registers(task->tid, &handover->regs));
    return trace_set_sigmask(task->tid, handover->sigmask);
}

struct error *handover_take(struct engine *engine, const struct handover *handover, struct stop *ret) {
    struct task *task = engine_task(engine, handover->tid);
    if (!task)
        return &error_no_memory;
    TRY(seize(engine, task, ret));
    if (ret->kind == STOP_EXITED || ret->kind == STOP_KILLED)
        return NULL;
    task->filtered = handover->filtered;
    task->strict = handover->strict;
    task->watched = handover->watched;
    task->in_syscall = false;
    struct error *err = put_back(task, handover);
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err); /* killed meanwhile: that is what comes next */
    return engine_next_of(engine, task, true, ret);
}
