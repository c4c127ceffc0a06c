/* A window that is given up while the program runs.
 *
 * When a moved instruction faults and the program handles the signal, the handler may return to the original
 * address of that instruction, which lies in overwritten bytes. So the original bytes have to be there by
 * then. Other threads run meanwhile: the first byte becomes int3, then the others are restored, then the
 * first (the way of text_poke_bp(), arch/x86/kernel/alternative.c). Who meets the int3 goes on in the
 * trampoline: patch_handle(). */
#include "tracer/patch_state.h"

#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INT3 0xcc

/* Each processor has gone through the kernel since, and holds no old bytes. */
static void synchronize(void) {
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static struct error *restore(struct task *task, const struct patch_write *write) {
    const uint8_t int3 = INT3;
    uint8_t now[PATCH_JUMP];
    if (task_read(task, write->address, now, write->length) != write->length ||
        memcmp(now, write->patched, write->length))
        return NULL;                      /* the program has changed it */
    if (write->length == sizeof(int32_t)) /* a displacement: both are right at any time */
        return task_write(task, write->address, write->original, write->length);
    TRY(task_write(task, write->address, &int3, sizeof(int3)));
    synchronize();
    TRY(task_write(task, write->address + 1, write->original + 1, write->length - 1u));
    synchronize();
    return task_write(task, write->address, write->original, 1);
}

/* Its sites are to be probed by other means. */
static void tell_sites(struct patch_set *set, const struct patch_trampoline *trampoline) {
    for (size_t i = 0; i < set->record_count; i++) {
        struct patch_record *record = set->records[i];
        if (record->where < trampoline->low || record->where >= trampoline->low + trampoline->length)
            continue;
        record->site.is_built = false;
        record->site.obstacle = PATCH_RETIRED;
    }
}

/* Guests first: while a hole is in use, the code that it lies in must not be. */
struct error *patch_retire(struct patch_set *set, struct task *task, uint32_t index) {
    struct patch_trampoline *trampoline = &set->trampolines[index];
    size_t kept = 0;
    if (trampoline->is_gone)
        return NULL;
    set->has_gone = trampoline->is_gone = true;
    for (size_t i = 0; i < set->write_count; i++)
        if (set->writes[i].host == index && set->writes[i].trampoline != index) {
            TRY(patch_retire(set, task, set->writes[i].trampoline));
            i = SIZE_MAX; /* the writes are others now */
        }
    for (int is_hole = 0; is_hole < 2; is_hole++) /* a short jump before the hole that it leads to */
        for (size_t i = 0; i < set->write_count; i++) {
            const struct patch_write *write = &set->writes[i];
            if (write->trampoline == index && write->is_armed &&
                (write->address != trampoline->low) == (is_hole != 0))
                TRY(restore(task, write));
        }
    for (size_t i = 0; i < set->write_count; i++) {
        if (set->writes[i].trampoline != index)
            set->writes[kept++] = set->writes[i];
        else
            set->armed -= set->writes[i].is_armed;
    }
    set->write_count = kept;
    tell_sites(set, trampoline);
    return NULL;
}

const struct patch_trampoline *patch_retired_at(const struct patch_set *set, uint64_t address) {
    for (size_t i = 0; set->has_gone && i < set->trampoline_count; i++)
        if (set->trampolines[i].is_gone && set->trampolines[i].low == address)
            return &set->trampolines[i];
    return NULL;
}
