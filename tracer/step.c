#include "tracer/step.h"

#include <Zydis/Zydis.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define INT3 0xcc

static bool is_forbidden(const ZydisDecodedInstruction *instruction) {
    switch (instruction->meta.category) {
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
        return true;
    default:
        break;
    }
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_XBEGIN:
        return true;
    case ZYDIS_MNEMONIC_MOV: /* into ss: the trap comes an instruction later */
    case ZYDIS_MNEMONIC_POP:
        return instruction->operand_width == 16 && instruction->opcode == 0x8e;
    default:
        return false;
    }
}

enum step_kind step_classify(const uint8_t *bytes, size_t size, size_t *ret_length) {
    const ZyanU64 repeats = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, size, &instruction)))
        return STEP_NEVER;
    *ret_length = instruction.length;
    if (is_forbidden(&instruction))
        return STEP_NEVER;
    return instruction.attributes & repeats ? STEP_REPEATS : STEP_PLAIN;
}

/* Wait for a SIGTRAP that the kernel raised, and which leaves the task at `rip` (0: anywhere). */
static struct error *wait_trap(struct task *task, uint64_t rip, bool *ret_done) {
    struct user_regs_struct regs;
    siginfo_t info;
    int status;
    *ret_done = false;
    while (waitid(P_PID, (id_t)task->tid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0)
        if (errno != EINTR)
            return error_system(errno, "waiting for task %d", task->tid);
    if (info.si_code != CLD_TRAPPED || info.si_status != SIGTRAP)
        return NULL;
    TRY(trace_get_siginfo(task->tid, &info));
    TRY(trace_get_registers(task->tid, &regs));
    if (info.si_code <= 0 || (rip && regs.rip != rip))
        return NULL;
    while (waitpid(task->tid, &status, __WALL) < 0)
        if (errno != EINTR)
            return error_system(errno, "waiting for task %d", task->tid);
    task->stopped = true;
    *ret_done = true;
    return NULL;
}

struct error *step_once(struct task *task, bool *ret_done) {
    TRY(task_resume(task, RESUME_STEP, 0));
    return wait_trap(task, 0, ret_done);
}

struct error *step_until(struct task *task, uint64_t address, bool *ret_done) {
    const uint8_t trap = INT3;
    struct user_regs_struct regs;
    uint8_t original;
    TRY(task_read_exact(task, address, &original, 1));
    TRY(task_write(task, address, &trap, 1));
    struct error *err = task_resume(task, RESUME_CONT, 0);
    if (!err)
        err = wait_trap(task, address + 1, ret_done);
    struct error *restore_err = task_write(task, address, &original, 1);
    if (err) {
        error_free(restore_err);
        return err;
    }
    TRY(restore_err);
    if (!*ret_done)
        return NULL;
    TRY(trace_get_registers(task->tid, &regs));
    regs.rip = address;
    return trace_set_registers(task->tid, &regs);
}
