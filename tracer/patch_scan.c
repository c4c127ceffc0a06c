/* What lies on the stacks of stopped tasks. */
#include "tracer/patch_state.h"

#include <stdlib.h>

#define PIECE      65536
#define STACK_MOST (64ull << 20)

/* From what rt_sigreturn would find, 8 below rsp, to the end of the mapping. */
static struct error *scan(const struct maps *maps, struct task *task, uint8_t *bytes, patch_scan *visit,
                          void *context, bool *go_on) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    const struct mapping *stack = maps_find(maps, regs.rsp);
    uint64_t at = (regs.rsp - 8) & ~7ull;
    uint64_t end = stack ? stack->end : at;
    end = end - at > STACK_MOST ? at + STACK_MOST : end;
    while (*go_on && at < end) {
        size_t size = task_read(task, at, bytes, end - at < PIECE ? end - at : PIECE);
        *go_on = visit(context, bytes, size);
        if (size < PIECE)
            break;
        at += PIECE - PATCH_SCAN_OVERLAP;
    }
    return NULL;
}

struct error *patch_scan_stacks(const struct maps *maps, const struct halt *halt, patch_scan *visit,
                                void *context) {
    uint8_t *bytes = malloc(PIECE);
    struct error *err = bytes ? NULL : &error_no_memory;
    bool go_on = true;
    for (size_t i = 0; !err && go_on && i < halt->count; i++)
        if (halt->stops[i].task->stopped)
            err = scan(maps, halt->stops[i].task, bytes, visit, context, &go_on);
    free(bytes);
    return err;
}
