/* record_memory: calls that shape the address space while recording. replay_syscall.c is the twin. */
#include "replay/record_hooks.h"

#include "base/say.h"
#include "replay/puppet.h"
#include "tracer/maps.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define PAGE 4096u

/* ---- memory ---- */

static bool covers_stub(uint64_t address, uint64_t size) {
    return address < PUPPET_STUB + PUPPET_STUB_SIZE && address + size > PUPPET_STUB;
}

/* The recording ends when a memory call has changed, or looked at, the page that replay keeps for itself. */
static bool stop_at_stub(struct recorder *recorder, uint64_t address, uint64_t size) {
    if (!covers_stub(address, size))
        return false;
    recorder_stop(recorder, "%s of memory at 0x%llx, which replay needs", recorder->thread->row->name,
                  PUPPET_STUB);
    return true;
}

/* How much of [start, start + size) is mapped. */
static uint64_t mapped_part(const struct maps *maps, uint64_t start, uint64_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        uint64_t from = mapping->start > start ? mapping->start : start;
        uint64_t to = mapping->end < start + size ? mapping->end : start + size;
        sum += from < to ? to - from : 0;
    }
    return sum;
}

/* What a driver refuses at the last moment has unmapped what was there before. */
static struct error *failed_mmap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    uint64_t size = (call->args[1] + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    struct maps maps;
    if (!(call->args[3] & MAP_FIXED) || call->args[3] & MAP_ANONYMOUS || call->args[0] % PAGE ||
        call->result == -EBADF || call->result == -EACCES)
        return NULL;
    TRY(maps_read(record_tid(recorder), &maps));
    if (mapped_part(&maps, call->args[0], size) < size)
        recorder_stop(recorder, "mmap with MAP_FIXED failed and left a hole, which cannot be recorded");
    maps_deinit(&maps);
    return NULL;
}

struct error *record_exit_mmap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!record_succeeded(recorder))
        return failed_mmap(recorder);
    uint64_t address = (uint64_t)call->result;
    if (stop_at_stub(recorder, address, call->args[1]))
        return NULL;
    insn_sites_remove(&recorder->thread->process->sites, address, address + call->args[1]);
    if (call->args[3] & MAP_ANONYMOUS)
        return NULL;
    return record_mapped(recorder, address, call->args[1], (int)call->args[2], (int)call->args[3],
                         (int)call->args[4], call->args[5]);
}

struct error *record_exit_munmap(struct recorder *recorder) {
    if (record_succeeded(recorder) &&
        !stop_at_stub(recorder, recorder->thread->call.args[0], recorder->thread->call.args[1]))
        insn_sites_remove(&recorder->thread->process->sites, recorder->thread->call.args[0],
                          recorder->thread->call.args[0] + recorder->thread->call.args[1]);
    return NULL;
}

/* Refused by one mapping (a read-only file, a sealed one), it has been done to those before. */
static struct error *failed_mprotect(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    TRY(maps_read(record_tid(recorder), &maps));
    const struct mapping *first = maps_find(&maps, args[0]);
    if (first && (uint64_t)first->protection == (args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC)))
        recorder_stop(recorder, "mprotect failed half-way, which cannot be recorded");
    maps_deinit(&maps);
    return NULL;
}

struct error *record_exit_mprotect(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    bool partly = recorder->thread->call.result == -ENOMEM; /* up to a hole it was done */
    if (recorder->thread->call.result == -EACCES || recorder->thread->call.result == -EPERM)
        return failed_mprotect(recorder);
    if ((!record_succeeded(recorder) && !partly) || stop_at_stub(recorder, args[0], args[1]))
        return NULL;
    return args[2] & PROT_EXEC ? record_executable(recorder, args[0], args[1]) : NULL;
}

struct error *record_exit_mremap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!record_succeeded(recorder) || stop_at_stub(recorder, (uint64_t)call->result, call->args[2]))
        return NULL;
    if ((uint64_t)call->result != call->args[0])
        insn_sites_remove(&recorder->thread->process->sites, call->args[0], call->args[0] + call->args[1]);
    if (call->args[2] > call->args[1])
        return record_grown(recorder, (uint64_t)call->result, call->args[2]);
    return NULL;
}

static bool private_anonymous(const struct maps *maps, uint64_t start, uint64_t size) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping->start < start + size && mapping->end > start && (mapping->shared || mapping->inode))
            return false;
    }
    return true;
}

/* MADV_FREE lets the kernel choose when pages become zero; MADV_DONTNEED is one of its choices, and always
 * the same. Of other memory than private anonymous memory the kernel refuses the one and does the other. */
struct error *record_entry_madvise(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    if ((uint32_t)args[2] != MADV_FREE) {
        recorder->thread->refused = !memory_advice_known(args[2]);
        return NULL;
    }
    TRY(maps_read(record_tid(recorder), &maps));
    recorder->thread->refused = !private_anonymous(&maps, args[0], args[1]);
    maps_deinit(&maps);
    return recorder->thread->refused ? NULL
                                     : record_set_argument(recorder, ARGUMENT_REGISTER(rdx), MADV_DONTNEED);
}

/* Refused by one mapping (a locked or a sealed one), it has been done to those before: what is there now is
 * logged. */
static struct error *failed_madvise(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    struct error *err = NULL;
    TRY(maps_read(record_tid(recorder), &maps));
    for (size_t i = 0; !err && i < maps.count; i++) {
        const struct mapping *mapping = &maps.mappings[i];
        uint64_t from = mapping->start > args[0] ? mapping->start : args[0];
        uint64_t to = mapping->end < args[0] + args[1] ? mapping->end : args[0] + args[1];
        if (from < to && !mapping->shared)
            err = effects_add_memory(&recorder->effects, recorder->thread->task, from, to - from);
    }
    maps_deinit(&maps);
    return err;
}

struct error *record_exit_madvise(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (record_succeeded(recorder) || call->result == -ENOMEM)
        stop_at_stub(recorder, call->args[0], call->args[1]);
    if ((uint32_t)call->args[2] == MADV_FREE) /* the argument register is the program's own again */
        TRY(record_set_argument(recorder, ARGUMENT_REGISTER(rdx), call->args[2]));
    bool failed = call->result == -EINVAL || call->result == -EPERM;
    if (failed && !recorder->thread->refused && memory_advice_discards(call->args[2]) &&
        call->args[0] % PAGE == 0)
        return failed_madvise(recorder);
    if (record_succeeded(recorder) || call->result == -ENOMEM)
        stop_at_stub(recorder, call->args[0], call->args[1]);
    return NULL;
}

/* brk always answers where the heap ends. */
struct error *record_exit_brk(struct recorder *recorder) {
    recorder->thread->process->brk_end = (uint64_t)recorder->thread->call.result;
    return NULL;
}

/* A segment that nobody outside of the domain has attached is memory like any other; its contents are logged
 * as they are when it is attached. */
struct error *record_exit_shmat(struct recorder *recorder) {
    struct shmid_ds info;
    struct maps maps;
    uint64_t address = (uint64_t)recorder->thread->call.result, id = recorder->thread->call.args[0];
    if (!record_succeeded(recorder))
        return NULL;
    TRY(record_shared_attached(recorder, id));
    TRY(maps_read(record_tid(recorder), &maps));
    const struct mapping *mapping = maps_find(&maps, address);
    struct error *err = NULL;
    uint64_t size = mapping ? mapping->end - mapping->start : 0;
    if (mapping && stop_at_stub(recorder, address, size))
        err = NULL;
    else if (!mapping || shmctl((int)id, IPC_STAT, &info) < 0 ||
             info.shm_nattch != record_shared_attachments(recorder, id) +
                                    (recorder->join ? record_shared_attachments(recorder->join, id) : 0))
        recorder_stop(recorder, "shmat: memory shared with processes that are not recorded");
    else
        err = effects_add_memory(&recorder->effects, recorder->thread->task, address, size);
    maps_deinit(&maps);
    return err;
}

struct error *record_entry_unsupported(struct recorder *recorder) {
    recorder_stop(recorder, "%s cannot be recorded%s%s", recorder->thread->row->name,
                  recorder->thread->row->why ? ": " : "",
                  recorder->thread->row->why ? recorder->thread->row->why : "");
    return NULL;
}

/* A lower stack limit takes nothing away that the stack has grown to already. */
struct error *record_exit_setrlimit(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    bool prlimit = call->number == SYS_prlimit64;
    const struct thread *target = record_find_named(recorder, prlimit ? (pid_t)call->args[0] : 0);
    bool own = target && target->process == recorder->thread->process;
    if (!record_succeeded(recorder) || !own || call->args[prlimit ? 1 : 0] != RLIMIT_STACK ||
        !call->args[prlimit ? 2 : 1])
        return NULL;
    struct maps maps;
    struct error *err = NULL;
    TRY(maps_read(record_tid(recorder), &maps));
    for (size_t i = 0; !err && i < maps.count; i++)
        if (strcmp(maps.mappings[i].name, "[stack]") == 0)
            err = effects_add(&recorder->effects, EFFECT_STACK, maps.mappings[i].start, 0, NULL, 0);
    maps_deinit(&maps);
    return err;
}

/* With READ_IMPLIES_EXEC all that is readable becomes executable: nothing says so in the calls. */
struct error *record_entry_personality(struct recorder *recorder) {
    uint64_t persona = recorder->thread->call.args[0];
    if (persona != 0xffffffff && persona & READ_IMPLIES_EXEC)
        recorder_stop(recorder, "the program sets READ_IMPLIES_EXEC, which cannot be recorded");
    return NULL;
}
