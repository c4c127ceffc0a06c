#include "tracer/gate.h"

#include "tracer/await.h"
#include "tracer/maps.h"
#include "tracer/sigframe.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u
#define RED_ZONE   128u

/* syscall; ret */
static const uint8_t call_code[] = {0x0f, 0x05, 0xc3};
/* What libc gives as the restorer of a handler: mov $15,%rax (glibc) or %eax (musl); syscall */
static const uint8_t glibc_restorer[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
static const uint8_t musl_restorer[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

/* Where they are in the process looked at last: there are some calls in a row. */
static struct gate { uint64_t call, restorer; } known;

/* ---- where ---- */

static bool is_at(struct task *task, uint64_t address, const uint8_t *code, size_t size) {
    uint8_t there[16];
    return address && task_read(task, address, there, size) == size && !memcmp(there, code, size);
}

static bool is_there(struct task *task, const struct gate *gate) {
    return is_at(task, gate->call, call_code, sizeof(call_code)) &&
           (is_at(task, gate->restorer, glibc_restorer, sizeof(glibc_restorer)) ||
            is_at(task, gate->restorer, musl_restorer, sizeof(musl_restorer)));
}

static uint64_t find(const uint8_t *code, size_t size, uint64_t address, const uint8_t *what, size_t length) {
    const uint8_t *found = memmem(code, size, what, length);
    return found ? address + (uint64_t)(found - code) : 0;
}

/* Both in one mapping: libc, or a static program. */
static void search(struct task *task, const struct mapping *mapping, struct gate *gate) {
    const size_t most = 64u << 20, size = mapping->end - mapping->start;
    uint8_t *code = size <= most ? malloc(size) : NULL;
    size_t got = code ? task_read(task, mapping->start, code, size) : 0;
    gate->call = find(code, got, mapping->start, call_code, sizeof(call_code));
    gate->restorer = find(code, got, mapping->start, glibc_restorer, sizeof(glibc_restorer));
    if (!gate->restorer)
        gate->restorer = find(code, got, mapping->start, musl_restorer, sizeof(musl_restorer));
    free(code);
}

static bool find_gate(struct task *task, struct gate *ret) {
    struct maps maps;
    *ret = known;
    if (is_there(task, ret)) /* whatever process it was found in */
        return true;
    *ret = (struct gate){0};
    struct error *err = maps_read(task->tid, &maps);
    for (size_t i = 0; !err && i < maps.count && !(ret->call && ret->restorer); i++) {
        ret->call = ret->restorer = 0;
        if (maps.mappings[i].protection & PROT_EXEC && maps.mappings[i].inode)
            search(task, &maps.mappings[i], ret);
    }
    if (!err)
        maps_deinit(&maps);
    error_free(err);
    if (!ret->call || !ret->restorer)
        return false;
    known = *ret;
    return true;
}

/* ---- the frame ---- */

struct passage {
    struct gate gate;
    struct user_regs_struct saved;
    uint64_t sigmask;
    uint64_t frame; /* its address */
    size_t size;
    uint8_t *below; /* what was there; owned */
};

static bool write_frame(struct task *task, struct passage *passage) {
    static uint8_t xstate[XSTATE_MAX], frame[SIGFRAME_MOST]; /* too large for a small stack */
    size_t xstate_size;
    struct error *err = trace_get_xstate(task->tid, xstate, &xstate_size);
    if (err) {
        error_free(err);
        return false;
    }
    passage->frame = (passage->saved.rsp - RED_ZONE - SIGFRAME_MOST) & ~63ull;
    if (!sigframe_make(passage->frame, passage->gate.restorer, &passage->saved, passage->sigmask, xstate,
                       xstate_size, frame, &passage->size))
        return false;
    passage->frame = (passage->saved.rsp - RED_ZONE - passage->size) & ~63ull;
    (void)sigframe_make(passage->frame, passage->gate.restorer, &passage->saved, passage->sigmask, xstate,
                        xstate_size, frame, &passage->size);
    passage->below = malloc(passage->size);
    if (!passage->below || task_read(task, passage->frame, passage->below, passage->size) != passage->size)
        return false;
    err = task_write(task, passage->frame, frame, passage->size);
    error_free(err);
    return !err;
}

/* ---- the call ---- */

/* To the next stop of the call, entry or exit. */
static struct error *to_call_stop(struct task *task) {
    int status;
    do {
        TRY(task_resume(task, RESUME_SYSCALL, 0));
        TRY(await_stop(task, -1, &status));
    } while (status >> 8 != (SIGTRAP | 0x80)); /* all signals wait; a group stop goes on */
    return NULL;
}

/* First where it goes on, then the mask: between the two a handler may run, above which the frame lies. */
static struct error *enter(struct task *task, const struct passage *passage, long number,
                           const uint64_t args[6]) {
    struct user_regs_struct regs = passage->saved;
    regs.rip = passage->gate.call;
    regs.rsp = passage->frame;
    regs.rax = (uint64_t)number;
    regs.orig_rax = (uint64_t)-1;
    regs.rdi = args[0];
    regs.rsi = args[1];
    regs.rdx = args[2];
    regs.r10 = args[3];
    regs.r8 = args[4];
    regs.r9 = args[5];
    TRY(trace_set_registers(task->tid, &regs));
    TRY(trace_set_sigmask(task->tid, UINT64_MAX));
    TRY(to_call_stop(task));
    return to_call_stop(task);
}

/* In the reverse order. It is interrupted before, so that the kernel comes to where it makes a call again. */
static struct error *leave(struct task *task, const struct passage *passage) {
    int status;
    TRY(trace_interrupt(task->tid));
    TRY(trace_set_sigmask(task->tid, passage->sigmask));
    TRY(trace_set_registers(task->tid, &passage->saved));
    TRY(task_write(task, passage->frame, passage->below, passage->size));
    TRY(task_resume(task, RESUME_CONT, 0));
    return await_stop(task, -1, &status);
}

static struct error *pass(struct task *task, struct passage *passage, long number, const uint64_t args[6],
                          bool *ret_done, int64_t *ret) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &passage->saved));
    TRY(trace_get_sigmask(task->tid, &passage->sigmask));
    if (!find_gate(task, &passage->gate) || !write_frame(task, passage))
        return NULL;
    TRY(enter(task, passage, number, args));
    TRY(trace_get_registers(task->tid, &regs));
    *ret = (int64_t)regs.rax;
    *ret_done = true;
    return leave(task, passage);
}

struct error *gate_syscall(struct task *task, long number, const uint64_t args[6], bool *ret_done,
                           int64_t *ret) {
    struct passage passage = {0};
    *ret_done = false;
    struct error *err = pass(task, &passage, number, args, ret_done, ret);
    free(passage.below);
    return err;
}
