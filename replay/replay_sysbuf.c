#include "replay/replay_sysbuf.h"

#include "tracer/remote.h"
#include "tracer/sysbuf_sites.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in record_sysbuf.c. */
#ifndef SYSBUF_EAGER
#define CALLS_BEFORE 64
#define MET_BEFORE   6
#else
#define CALLS_BEFORE 1
#define MET_BEFORE   1
#endif
#define MET_ROOM 256

#define RECORD_MOST    (SYSBUF_RING / 8)
#define SYSBUF_EFFECTS 16 /* effects of an event that waits */

struct waiting {
    uint64_t number; /* of the event */
    uint64_t end;    /* of its record, as block.head counts */
};

struct replay_sysbuf {
    struct sysbuf_data *data; /* NULL: the puppet has no blob (yet) */
    bool off;                 /* nor will it get one in this segment */
    unsigned calls;
    struct {
        uint64_t rip;
        unsigned count;
    } met[MET_ROOM];
    struct sysbuf_sites sites;
    struct waiting *waiting; /* from `first` on */
    size_t first, count, room;
    struct sysbuf_record *last; /* put into the ring */
};

static bool is_on(const struct replayer *replayer) {
    return replayer->sysbuf && replayer->sysbuf->data;
}

/* Can it be used at all in this replay? */
static bool is_wanted(const struct replayer *replayer) {
    const struct replayer_options *options = replayer->options;
    return options->buffer && !options->hooks && !options->observe && !replayer->tape.points &&
           !replayer->tape.turns;
}

static void drop(struct replay_sysbuf *sysbuf) {
    if (sysbuf->data)
        munmap(sysbuf->data, sizeof(*sysbuf->data));
    sysbuf_sites_deinit(&sysbuf->sites);
    free(sysbuf->waiting);
    free(sysbuf);
}

void replay_sysbuf_reset(struct replayer *replayer) {
    if (replayer->sysbuf)
        drop(replayer->sysbuf);
    replayer->sysbuf = NULL;
    replayer->has_stop = false;
}

uint64_t replay_sysbuf_end(const struct replayer *replayer) {
    return is_on(replayer) ? SYSBUF_END : PUPPET_STUB + PUPPET_STUB_SIZE;
}

/* ---- what can wait ---- */

/* Calls that the replayer does nothing about but answer them. */
static bool is_answer(const struct event *event) {
    const struct syscall_row *row = event->kind == EVENT_SYSCALL ? syscall_find(event->syscall.number) : NULL;
    if (!row || event->syscall.number >= SYSBUF_CALLS)
        return false;
    /* they have written more than they return, up to where memory could not be written any more; and so would
     * the hook, which may not fault */
    if (event->syscall.number == SYS_getdents || event->syscall.number == SYS_getdents64)
        return false;
    switch (row->handler) {
    case HANDLER_PLAIN:
    case HANDLER_REFUSE:
    case HANDLER_SIGACTION:
    case HANDLER_SIGPROCMASK:
    case HANDLER_OPEN:
    case HANDLER_FILE_WRITE:
    case HANDLER_FILE_RESIZE:
    case HANDLER_FILE_TRANSFER:
    case HANDLER_AFFINITY:
        return true;
    default:
        return false;
    }
}

/* The hook compares what is written out of one buffer, args[1]. */
static bool is_comparable(const struct event *event) {
    return !event->syscall.written_hash || event->syscall.number == SYS_write ||
           event->syscall.number == SYS_pwrite64 || event->syscall.number == SYS_sendto;
}

/* Bytes of its record; 0: it cannot wait. A call that failed may have been given memory that cannot be
 * written. */
static uint64_t record_size(const struct event *event) {
    uint64_t size = sizeof(struct sysbuf_record);
    if (!is_answer(event) || !is_comparable(event) || event->syscall.stream != STREAM_NONE ||
        event->effect_count > SYSBUF_EFFECTS || syscall_restarts(event->syscall.result) ||
        (syscall_failed(event->syscall.result) && event->effect_count))
        return 0;
    for (uint32_t i = 0; i < event->effect_count; i++) {
        const struct effect *effect = &event->effects[i];
        if (effect->kind != EFFECT_MEMORY || effect->size > RECORD_MOST)
            return 0;
        size += sizeof(struct sysbuf_bytes) + ((effect->size + 7ull) & ~7ull);
    }
    return size <= RECORD_MOST ? size : 0;
}

/* ---- the ring ---- */

/* Where a record of so many bytes goes, or NULL: there is no room now. */
static struct sysbuf_record *reserve(struct sysbuf_data *data, uint64_t size) {
    struct sysbuf_block *block = &data->block;
    uint64_t at = block->head % SYSBUF_RING, left = SYSBUF_RING - at,
             room = SYSBUF_RING - (block->head - block->tail);
    if (left >= size)
        return room >= size ? (struct sysbuf_record *)(data->ring + at) : NULL;
    if (room < left + size)
        return NULL;
    ((struct sysbuf_record *)(data->ring + at))->size = SYSBUF_WRAP;
    block->head += left;
    return (struct sysbuf_record *)data->ring;
}

static void put_record(struct sysbuf_record *record, const struct event *event, uint64_t size) {
    const uint64_t *args = event->syscall.args;
    *record = (struct sysbuf_record){.size = (uint32_t)size,
                                     .count = event->effect_count,
                                     .result = event->syscall.result,
                                     .rip = event->syscall.rip,
                                     .registers_hash = event->syscall.registers_hash,
                                     .written_hash = event->syscall.written_hash,
                                     .registers = {.rax = event->syscall.number,
                                                   .rdi = args[0],
                                                   .rsi = args[1],
                                                   .rdx = args[2],
                                                   .r10 = args[3],
                                                   .r8 = args[4],
                                                   .r9 = args[5]}};
    struct sysbuf_bytes *bytes = (struct sysbuf_bytes *)(record + 1);
    for (uint32_t i = 0; i < event->effect_count; i++) {
        const struct effect *effect = &event->effects[i];
        *bytes = (struct sysbuf_bytes){.address = effect->address, .size = effect->size};
        memcpy(bytes + 1, effect->bytes, effect->size);
        bytes = (struct sysbuf_bytes *)((uint8_t *)(bytes + 1) + ((effect->size + 7ull) & ~7ull));
    }
}

static struct error *note_waiting(struct replay_sysbuf *sysbuf, const struct event *event) {
    if (sysbuf->first == sysbuf->count)
        sysbuf->first = sysbuf->count = 0;
    if (sysbuf->count == sysbuf->room) {
        size_t room = sysbuf->room ? sysbuf->room * 2 : 1024;
        struct waiting *waiting = reallocarray(sysbuf->waiting, room, sizeof(*waiting));
        if (!waiting)
            return &error_no_memory;
        sysbuf->waiting = waiting;
        sysbuf->room = room;
    }
    sysbuf->waiting[sysbuf->count++] =
        (struct waiting){.number = event->number, .end = sysbuf->data->block.head};
    return NULL;
}

struct error *replay_sysbuf_take(struct replayer *replayer, const struct event *event, bool *ret_taken) {
    *ret_taken = false;
    if (!is_on(replayer) || replayer->has_stop || !replayer->sysbuf->sites.count ||
        replayer->thread->blocked || (replayer->options->to && event->number >= replayer->options->to))
        return NULL;
    uint64_t size = record_size(event);
    struct sysbuf_data *data = replayer->sysbuf->data;
    struct sysbuf_record *record = size ? reserve(data, size) : NULL;
    if (!record)
        return NULL;
    put_record(record, event, size);
    data->block.head += size;
    replayer->sysbuf->last = record;
    *ret_taken = true;
    return note_waiting(replayer->sysbuf, event);
}

/* ---- the puppet runs ---- */

static bool has_waiting(const struct replay_sysbuf *sysbuf) {
    return sysbuf->first < sysbuf->count;
}

/* How far it has come. The ring is in the program's reach. */
static struct error *note_answered(struct replayer *replayer) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    uint64_t tail = sysbuf->data->block.tail;
    size_t before = sysbuf->first;
    while (has_waiting(sysbuf) && sysbuf->waiting[sysbuf->first].end <= tail)
        sysbuf->first++;
    if (sysbuf->first > before)
        replayer->restarting = false;
    if (tail <= sysbuf->data->block.head)
        return NULL;
    return error_new(ERROR_DIVERGED,
                     "replay diverged: the program has written to memory at 0x%lx, which reel uses",
                     SYSBUF_DATA);
}

/* The first event that waits, out of its record. */
static struct error *first_waiting(struct replayer *replayer, struct effect *effects, struct event *ret) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    struct sysbuf_data *data = sysbuf->data;
    uint64_t at = data->block.tail % SYSBUF_RING;
    const struct sysbuf_record *record = (const struct sysbuf_record *)(data->ring + at);
    if (record->size == SYSBUF_WRAP) {
        data->block.tail += SYSBUF_RING - at;
        record = (const struct sysbuf_record *)data->ring;
    }
    *ret = (struct event){.kind = EVENT_SYSCALL, .number = sysbuf->waiting[sysbuf->first].number};
    const struct sysbuf_registers *regs = &record->registers;
    const uint64_t args[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
    ret->tid = replayer->thread->tid;
    ret->syscall.number = regs->rax;
    ret->syscall.rip = record->rip;
    memcpy(ret->syscall.args, args, sizeof(args));
    ret->syscall.result = record->result;
    ret->syscall.registers_hash = record->registers_hash;
    ret->syscall.written_hash = record->written_hash;
    const struct sysbuf_bytes *bytes = (const struct sysbuf_bytes *)(record + 1);
    for (uint32_t i = 0; i < record->count && i < SYSBUF_EFFECTS; i++) {
        effects[i] = (struct effect){
            .kind = EFFECT_MEMORY, .address = bytes->address, .size = bytes->size, .bytes = bytes + 1};
        bytes = (const struct sysbuf_bytes *)((const uint8_t *)(bytes + 1) + ((bytes->size + 7ull) & ~7ull));
    }
    ret->effects = effects;
    ret->effect_count = record->count;
    return NULL;
}

/* It stands at the call of the first event that waits, at a place that is not patched, or that differs. */
static struct error *answer_by_stop(struct replayer *replayer) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    struct effect effects[SYSBUF_EFFECTS];
    struct event event;
    TRY(first_waiting(replayer, effects, &event));
    TRY(replay_syscall(replayer, &event));
    sysbuf->data->block.tail = sysbuf->waiting[sysbuf->first].end;
    TRY(note_answered(replayer));
    return replay_sysbuf_met(replayer, &event);
}

/* It has stopped behind the last answer, with the registers of a call that the blob makes for that. */
static struct error *settle(struct replayer *replayer) {
    struct user_regs_struct *regs = &replayer->regs;
    const struct sysbuf_record *last = replayer->sysbuf->last;
    regs->rip = regs->rcx = last->rip;
    regs->r11 = regs->eflags;
    regs->rax = (uint64_t)last->result;
    regs->orig_rax = (unsigned long long)-1;
    return trace_set_registers(replayer->puppet->task->tid, regs);
}

/* Does the puppet run to this event by itself, so that it does no harm to be there already? */
static bool is_run_to(const struct event *event) {
    return event && (event->kind == EVENT_SYSCALL || event->kind == EVENT_INSTRUCTION ||
                     (event->kind == EVENT_SIGNAL && (event->signal.place == SIGNAL_SYNCHRONOUS ||
                                                      event->signal.place == SIGNAL_BEFORE_SYSCALL)));
}

struct error *replay_sysbuf_finish(struct replayer *replayer, const struct event *next) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    if (!is_on(replayer) || !has_waiting(sysbuf))
        return NULL;
    sysbuf->last->stop = !is_run_to(next);
    while (has_waiting(sysbuf)) {
        struct stop stop;
        TRY(replay_run(replayer, RESUME_SYSEMU, &stop));
        TRY(note_answered(replayer));
        bool at_call = stop.kind == STOP_SYSCALL_ENTRY;
        if (at_call && replayer->regs.rip == SYSBUF_PASSED && !has_waiting(sysbuf))
            return settle(replayer);
        replayer->stop = stop;
        replayer->has_stop = true;
        if (!has_waiting(sysbuf))
            break;
        TRY(answer_by_stop(replayer));
    }
    return NULL;
}

struct error *replay_sysbuf_resume(struct replayer *replayer) {
    if (!is_on(replayer))
        return NULL;
    struct sysbuf_block *block = &replayer->sysbuf->data->block;
    block->fs_base = replayer->regs.fs_base;
    block->gs_base = replayer->regs.gs_base;
    uint64_t moved = sysbuf_sites_moved(&replayer->sysbuf->sites, replayer->regs.rip);
    if (!moved)
        return NULL;
    replayer->regs.rip = moved;
    return trace_set_registers(replayer->puppet->task->tid, &replayer->regs);
}

struct error *replay_sysbuf_stopped(struct replayer *replayer) {
    uint64_t rip = 0;
    if (!is_on(replayer))
        return NULL;
    const struct sysbuf_site *site = sysbuf_sites_at(&replayer->sysbuf->sites, replayer->regs.rip);
    enum sysbuf_place place = site ? sysbuf_site_place(site, replayer->regs.rip, &rip) : SYSBUF_OUTSIDE;
    if (place != SYSBUF_CALLED && place != SYSBUF_GOING)
        return NULL;
    replayer->regs.rip = rip;
    if (place == SYSBUF_CALLED)
        replayer->regs.rcx = rip;
    return trace_set_registers(replayer->puppet->task->tid, &replayer->regs);
}

/* ---- beginning ---- */

static struct error *map_in_puppet(struct replayer *replayer, uint64_t address, uint64_t size, int protection,
                                   int flags, int fd, bool *ret_done) {
    int64_t result;
    TRY(REMOTE_SYSCALL(replayer->puppet->task, PUPPET_STUB, SYS_mmap, &result, address, size,
                       (uint64_t)protection, (uint64_t)(flags | MAP_FIXED_NOREPLACE), (uint64_t)(int64_t)fd,
                       0));
    *ret_done = result == (int64_t)address;
    if (!*ret_done && !syscall_failed(result)) /* an older kernel takes the address for a hint */
        TRY(REMOTE_SYSCALL(replayer->puppet->task, PUPPET_STUB, SYS_munmap, &result, (uint64_t)result, size,
                           0, 0, 0, 0));
    return NULL;
}

static struct error *begin(struct replayer *replayer) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    bool done;
    sysbuf->off = true;
    TRY(map_in_puppet(replayer, SYSBUF_CODE, SYSBUF_DATA - SYSBUF_CODE, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, &done));
    if (!done)
        return NULL;
    TRY(task_write(replayer->puppet->task, SYSBUF_CODE, sysbuf_blob, sysbuf_blob_size));
    int fd = memfd_create("reel", MFD_CLOEXEC); /* the puppet has reel's descriptors */
    if (fd < 0)
        return NULL;
    struct sysbuf_data *data = ftruncate(fd, sizeof(*data)) == 0
                                   ? mmap(NULL, sizeof(*data), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                                   : MAP_FAILED;
    struct error *err = data == MAP_FAILED ? NULL
                                           : map_in_puppet(replayer, SYSBUF_DATA, SYSBUF_DATA_SIZE,
                                                           PROT_READ | PROT_WRITE, MAP_SHARED, fd, &done);
    close(fd);
    if (data == MAP_FAILED)
        return NULL;
    if (!err && done)
        err = sysbuf_sites_add_area(&sysbuf->sites, SYSBUF_SLOTS);
    if (err || !done) {
        munmap(data, sizeof(*data));
        return err;
    }
    data->block.hook = SYSBUF_HOOK;
    data->block.replays = 1;
    sysbuf->data = data;
    sysbuf->off = false;
    return NULL;
}

/* ---- patching ---- */

static bool is_code(const struct maps *maps, uint64_t start, uint64_t end) {
    const struct mapping *mapping = maps_find(maps, start);
    return mapping && mapping->end >= end && !mapping->shared && !(mapping->protection & PROT_WRITE) &&
           mapping->protection & PROT_EXEC;
}

static struct error *plant(struct replayer *replayer, struct sysbuf_site *site, const struct maps *maps) {
    struct sysbuf_sites *sites = &replayer->sysbuf->sites;
    uint64_t slot = sysbuf_sites_find_slot(sites, site);
    uint64_t start = slot ? 0 : sysbuf_sites_find_room(maps, site);
    bool done = false;
    if (start && sites->area_count < SYSBUF_AREAS_MOST)
        TRY(map_in_puppet(replayer, start, SYSBUF_AREA_SIZE, PROT_READ | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, &done));
    if (done) {
        TRY(sysbuf_sites_add_area(sites, start));
        slot = sysbuf_sites_find_slot(sites, site);
    }
    return slot ? sysbuf_sites_plant(sites, replayer->puppet->task, site, slot) : NULL;
}

static struct error *ignore_unsupported(struct error *err) {
    if (!error_is(err, ERROR_UNSUPPORTED) && !error_is(err, ERROR_BAD_DATA))
        return err;
    error_free(err);
    return NULL;
}

static struct error *patch(struct replayer *replayer, uint64_t rip, uint64_t number) {
    enum { BEFORE = 16, AROUND = 256 };
    uint8_t code[BEFORE + AROUND];
    struct sysbuf_site site;
    struct maps maps;
    if (sysbuf_sites_has(&replayer->sysbuf->sites, rip - 2))
        return NULL;
    size_t size = task_read(replayer->puppet->task, rip - 2 - BEFORE, code, sizeof(code));
    struct error *err = sysbuf_site_decode(code, size, rip - 2 - BEFORE, rip - 2, number, &site);
    if (err)
        return ignore_unsupported(err);
    TRY(maps_read(replayer->puppet->task->tid, &maps));
    if (is_code(&maps, site.start - 1, site.start + site.length))
        err = plant(replayer, &site, &maps);
    maps_deinit(&maps);
    return ignore_unsupported(err);
}

static unsigned count_met(struct replay_sysbuf *sysbuf, uint64_t rip) {
    size_t i = (rip >> 1) % MET_ROOM;
    if (sysbuf->met[i].rip != rip)
        sysbuf->met[i].count = 0;
    sysbuf->met[i].rip = rip;
    return ++sysbuf->met[i].count;
}

struct error *replay_sysbuf_met(struct replayer *replayer, const struct event *event) {
    if (!is_wanted(replayer) || replayer->over || !record_size(event))
        return NULL;
    if (!replayer->sysbuf && !(replayer->sysbuf = calloc(1, sizeof(*replayer->sysbuf))))
        return &error_no_memory;
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    if (sysbuf->off)
        return NULL;
    if (!sysbuf->data && ++sysbuf->calls >= CALLS_BEFORE)
        TRY(begin(replayer));
    if (!sysbuf->data || count_met(sysbuf, event->syscall.rip) != MET_BEFORE)
        return NULL;
    return patch(replayer, event->syscall.rip, event->syscall.number);
}

/* ---- memory that changes ---- */

/* The recording needs the memory where something of ours is. */
static struct error *leave(struct replayer *replayer) {
    struct replay_sysbuf *sysbuf = replayer->sysbuf;
    struct task *task = replayer->puppet->task;
    int64_t result;
    sysbuf_sites_restore(&sysbuf->sites, task, 0, UINT64_MAX, true);
    for (size_t i = 0; i < sysbuf->sites.area_count; i++)
        TRY(REMOTE_SYSCALL(task, PUPPET_STUB, SYS_munmap, &result, sysbuf->sites.areas[i].start,
                           SYSBUF_AREA_SIZE, 0, 0, 0, 0));
    TRY(REMOTE_SYSCALL(task, PUPPET_STUB, SYS_munmap, &result, SYSBUF_START, SYSBUF_END - SYSBUF_START, 0, 0,
                       0, 0));
    munmap(sysbuf->data, sizeof(*sysbuf->data));
    sysbuf_sites_deinit(&sysbuf->sites);
    sysbuf->data = NULL;
    sysbuf->off = true;
    return NULL;
}

/* Nothing waits then: such events cannot. */
struct error *replay_sysbuf_shape(struct replayer *replayer, uint64_t address, uint64_t size) {
    if (!is_on(replayer))
        return NULL;
    if (sysbuf_sites_touch(&replayer->sysbuf->sites, address, size))
        return leave(replayer);
    sysbuf_sites_restore(&replayer->sysbuf->sites, replayer->puppet->task, address, address + size, true);
    return NULL;
}
