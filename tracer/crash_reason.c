/* crash_reason: why a process dies, in words. si_code: sigaction(2), asm-generic/siginfo.h. */
#include "tracer/crash_state.h"

#include "tracer/process.h"
#include "tracer/syscall.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct {
    int signo, code; /* signo 0: any */
    const char *text;
} codes[] = {
    {SIGSEGV, 1, "address not mapped"},
    {SIGSEGV, 2, "the mapping does not permit it"},
    {SIGSEGV, 3, "failed address bound checks"},
    {SIGSEGV, 4, "access denied by memory protection keys"},
    {SIGSEGV, 8, "ADI not enabled"},
    {SIGSEGV, 10, "control protection fault (shadow stack)"},
    {SIGBUS, 1, "invalid address alignment"},
    {SIGBUS, 2, "no such physical address: behind the end of the mapped file, or its disk is full"},
    {SIGBUS, 3, "hardware error of this object"},
    {SIGBUS, 4, "memory error consumed: action required"},
    {SIGBUS, 5, "memory error found: action optional"},
    {SIGFPE, 1, "integer divide by zero"},
    {SIGFPE, 2, "integer overflow"},
    {SIGFPE, 3, "floating-point divide by zero"},
    {SIGFPE, 4, "floating-point overflow"},
    {SIGFPE, 5, "floating-point underflow"},
    {SIGFPE, 6, "floating-point inexact result"},
    {SIGFPE, 7, "invalid floating-point operation"},
    {SIGFPE, 8, "subscript out of range"},
    {SIGILL, 1, "illegal opcode"},
    {SIGILL, 2, "illegal operand"},
    {SIGILL, 3, "illegal addressing mode"},
    {SIGILL, 4, "illegal trap"},
    {SIGILL, 5, "privileged opcode"},
    {SIGILL, 6, "privileged register"},
    {SIGTRAP, 1, "breakpoint"},
    {SIGTRAP, 2, "trace trap"},
    {SIGTRAP, 3, "branch trap"},
    {SIGTRAP, 4, "hardware breakpoint or watchpoint"},
    {SIGTRAP, 6, "perf event"},
    {SIGSYS, 1, "system call refused by a seccomp filter"},
    {SIGSYS, 2, "system call dispatched to the program"},
    {0, SI_KERNEL, "sent by the kernel"},
    {0, SI_USER, "sent by kill()"},
    {0, SI_QUEUE, "sent by sigqueue()"},
    {0, SI_TIMER, "a POSIX timer expired"},
    {0, SI_MESGQ, "a message queue got a message"},
    {0, SI_ASYNCIO, "asynchronous I/O is complete"},
    {0, SI_SIGIO, "a descriptor is ready"},
    {0, SI_TKILL, "sent by raise(), pthread_kill() or tgkill()"},
};

static void describe_code(struct crash_reason *reason, const siginfo_t *info) {
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == info->si_code && (!codes[i].signo || codes[i].signo == info->si_signo)) {
            snprintf(reason->code, sizeof(reason->code), "%s", codes[i].text);
            return;
        }
    snprintf(reason->code, sizeof(reason->code), "si_code %d", info->si_code);
}

static bool is_fault(const siginfo_t *info) {
    return info->si_code > 0 &&
           (info->si_signo == SIGSEGV || info->si_signo == SIGBUS || info->si_signo == SIGFPE ||
            info->si_signo == SIGILL || info->si_signo == SIGTRAP);
}

static bool is_memory_fault(const siginfo_t *info) {
    return is_fault(info) && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS);
}

static void describe_sender(struct crash *crash, const siginfo_t *info) {
    struct crash_reason *reason = &crash->reason;
    struct process_status status = {.name = "?"};
    if (info->si_code > 0 ||
        (info->si_code != SI_USER && info->si_code != SI_QUEUE && info->si_code != SI_TKILL))
        return;
    if (info->si_pid == crash->event->pid) {
        snprintf(reason->sender, sizeof(reason->sender), "the process itself");
        return;
    }
    error_free(process_status(info->si_pid, &status));
    snprintf(reason->sender, sizeof(reason->sender), "process %d (%s), user %u", info->si_pid, status.name,
             (unsigned)info->si_uid);
}

/* ---- the address ---- */

static const char *mapping_label(const struct mapping *mapping) {
    return *mapping->name ? mapping->name : "anonymous memory";
}

/* Where an address lies that is in no mapping. */
static void describe_hole(struct crash *crash, uint64_t address, char *ret, size_t size) {
    const struct mapping *below = NULL, *above = NULL;
    for (size_t i = 0; i < crash->maps.count; i++) {
        const struct mapping *mapping = &crash->maps.mappings[i];
        if (mapping->end <= address)
            below = mapping;
        else if (mapping->start > address && !above)
            above = mapping;
    }
    uint64_t behind = below ? address - below->end : UINT64_MAX;
    uint64_t before = above ? above->start - address : UINT64_MAX;
    enum { NEAR = 1 << 20 };
    if (address < 0x10000)
        snprintf(ret, size, address ? "%" PRIu64 " bytes from a null pointer" : "a null pointer", address);
    else if (behind <= before && behind < NEAR)
        snprintf(ret, size, "%" PRIu64 " bytes behind the end of %.100s", behind, mapping_label(below));
    else if (before < NEAR)
        snprintf(ret, size, "%" PRIu64 " bytes in front of %.100s", before, mapping_label(above));
    else
        snprintf(ret, size, "nothing is mapped near");
}

static void describe_place(struct crash *crash) {
    struct crash_reason *reason = &crash->reason;
    const struct mapping *mapping = maps_find(&crash->maps, reason->address);
    int64_t top = (int64_t)reason->address >> 47;
    if (top != 0 && top != -1)
        snprintf(reason->place, sizeof(reason->place), "not a canonical address");
    else if (top == -1)
        snprintf(reason->place, sizeof(reason->place), "an address of the kernel");
    else if (!mapping)
        describe_hole(crash, reason->address, reason->place, sizeof(reason->place));
    if (!mapping)
        return;
    reason->has_mapping = true;
    reason->mapping = *mapping; /* its name stays the maps' */
    snprintf(reason->place, sizeof(reason->place), "in %.100s (%c%c%c%c)", mapping_label(mapping),
             mapping->protection & PROT_READ ? 'r' : '-', mapping->protection & PROT_WRITE ? 'w' : '-',
             mapping->protection & PROT_EXEC ? 'x' : '-', mapping->shared ? 's' : 'p');
}

/* A stack that is full: what is accessed lies in front of the memory of the stack, where nothing or a guard
 * is mapped, and the stack pointer has come there, too. */
static bool is_stack_overflow(const struct crash *crash, uint64_t address, uint64_t rsp) {
    enum { FRAME_MOST = 16 << 20, PROBE = 4096, AT_END = 1 << 16 };
    const struct mapping *stack = NULL;
    for (size_t i = 0; i < crash->maps.count && !stack; i++) {
        const struct mapping *mapping = &crash->maps.mappings[i];
        if (mapping->end > address && mapping->protection & PROT_WRITE)
            stack = mapping;
    }
    if (!stack || stack->start <= address || stack->shared || stack->inode)
        return false;
    return stack->start - address <= FRAME_MOST && rsp < stack->start + AT_END &&
           rsp >= stack->start - FRAME_MOST && address + PROBE >= rsp && address < rsp + FRAME_MOST;
}

static void find_address(struct crash *crash, const siginfo_t *info, const struct user_regs_struct *regs) {
    struct crash_reason *reason = &crash->reason;
    uint64_t computed = 0;
    if (!is_fault(info) || info->si_signo == SIGTRAP)
        return;
    reason->has_address = info->si_code != SI_KERNEL;
    reason->address = (uint64_t)info->si_addr;
    if (!is_memory_fault(info))
        return;
    if (regs)
        reason->access = crash_access(crash, regs, reason->has_address, reason->address, &computed);
    if (!reason->has_address && computed) { /* the kernel names no address that is not canonical */
        reason->has_address = reason->address_computed = true;
        reason->address = computed;
    }
    if (!reason->has_address)
        return;
    describe_place(crash);
    reason->stack_overflow =
        regs && !reason->address_computed && is_stack_overflow(crash, reason->address, regs->rsp);
}

/* ---- in one line ---- */

static void put(struct crash_reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct crash_reason *reason, const char *format, ...) {
    size_t at = strlen(reason->summary);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->summary + at, sizeof(reason->summary) - at, format, arguments);
    va_end(arguments);
}

static void summarize(struct crash *crash) {
    struct crash_reason *reason = &crash->reason;
    if (!reason->signo) {
        put(reason, "exit with status %d", crash->event->exit_status);
        return;
    }
    put(reason, "%s", signal_name(reason->signo));
    if (reason->stack_overflow)
        put(reason, ": stack overflow");
    else if (reason->exception)
        put(reason, ": uncaught C++ exception %.150s%s%.200s", reason->exception, reason->what ? ": " : "",
            reason->what ? reason->what : "");
    else if (reason->message)
        put(reason, ": %.300s", reason->message);
    else if (*reason->code)
        put(reason, ": %s", reason->code);
    if (reason->has_address && !reason->message && !reason->exception) {
        if (reason->access != ACCESS_UNKNOWN)
            put(reason, ", %s", crash_access_name(reason->access));
        put(reason, " at 0x%" PRIx64, reason->address);
        if (*reason->place)
            put(reason, " (%s)", reason->place);
    }
    if (*reason->sender && strcmp(reason->sender, "the process itself") != 0)
        put(reason, " by %s", reason->sender);
    if (*reason->handler)
        put(reason, "; %s", reason->handler);
    for (char *at = reason->summary; *at; at++) /* one line */
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' ';
}

static bool is_in_handler(const struct crash *crash) {
    const struct crash_thread *thread = &crash->threads[0];
    for (size_t i = 0; i < thread->frame_count; i++)
        if (thread->frames[i].signal_frame)
            return true;
    return false;
}

static void describe_handler(struct crash *crash) {
    struct crash_reason *reason = &crash->reason;
    const struct crash_event *event = crash->event;
    switch (event->handler) {
    case HANDLER_NONE:
        break;
    case HANDLER_NOT_RUN:
        snprintf(reason->handler, sizeof(reason->handler), "its handler could not be run");
        break;
    case HANDLER_RAISED:
        snprintf(reason->handler, sizeof(reason->handler), "raised again by its handler");
        break;
    case HANDLER_BEFORE:
        if (!is_in_handler(crash))
            break;
        if (is_memory_fault(&event->first))
            snprintf(reason->handler, sizeof(reason->handler), "in the handler of %s at 0x%" PRIx64,
                     signal_name(event->first.si_signo), (uint64_t)event->first.si_addr);
        else
            snprintf(reason->handler, sizeof(reason->handler), "in the handler of %s",
                     signal_name(event->first.si_signo));
        break;
    }
}

struct error *crash_find_reason(struct crash *crash) {
    struct crash_reason *reason = &crash->reason;
    const struct crash_event *event = crash->event;
    const struct crash_thread *thread = &crash->threads[0];
    const struct user_regs_struct *regs = thread->has_registers ? &thread->regs : NULL;
    bool is_first = event->handler == HANDLER_NOT_RUN || event->handler == HANDLER_RAISED;
    const siginfo_t *info = is_first ? &event->first : &event->info;
    reason->signo = event->info.si_signo;
    if (reason->signo) {
        describe_code(reason, info);
        if (!event->unseen)
            describe_sender(crash, info);
        find_address(crash, info, regs);
        describe_handler(crash);
    }
    if (event->unseen && reason->signo == SIGSYS && regs)
        snprintf(reason->code, sizeof(reason->code), "system call %lld refused by a seccomp filter",
                 (long long)regs->orig_rax);
    if (reason->signo == SIGABRT && regs) {
        reason->message = crash_abort_message(crash);
        crash_exception(crash, regs->fs_base, &reason->exception, &reason->what);
    }
    summarize(crash);
    return NULL;
}
