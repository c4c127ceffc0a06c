#include "replay/matcher.h"

#include "base/registers.h"
#include "replay/matcher_code.h"
#include "tracer/remote.h"
#include "tracer/window.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE     4096ull
#define USER_END 0x7ffffffff000ull
#define INT3     0xcc

/* After so many jumps into the middle of the window, passages are counted; after as many more a breakpoint
 * takes the window's place if it would stop less often. */
#define INSIDE_MANY 4096

/* The pages: entries are anywhere in the first part, code is no longer than the second, then comes the page
 * with what the code saves. */
enum { ENTRIES = 0x10000, DATA = ENTRIES + MATCHER_CODE_MOST, AREA = DATA + MATCHER_DATA_SIZE };
/* Keep this far from what is mapped: a program that runs over the end of its memory must fault as it did. */
#define DISTANCE 0x10000ull

#define REGISTERS 16

enum probe { PROBE_NONE, PROBE_JUMP, PROBE_TRAP, PROBE_SHARED };

struct matcher {
    uint64_t area; /* address of the pages, 0: none */
    struct matcher_counts counts;

    /* the search that goes on */
    const struct matcher_host *host;
    struct task *task;
    const struct point *point;
    uint64_t rip;
    enum probe probe;
    uint64_t skip;
    uint64_t inside;   /* jumps into the middle of the window */
    bool counting;     /* passages */
    bool count;        /* them in every search */
    uint64_t sequence; /* address of the common number, or 0 */
    bool comparing;    /* the last search ended in the midst of its code */
    bool tried;        /* the puppet stands at the point's rip, and that has been compared */
    struct condition conditions[CONDITIONS_MOST];
    size_t condition_count;
    struct window window;
    uint8_t patch[WINDOW_BYTES];
    uint64_t entry;   /* of the code */
    uint64_t matched; /* rip behind the int3 that tells of a match */
    uint64_t copy;    /* of the window */
    size_t copy_size;
    size_t offsets[WINDOW_INSTRUCTIONS];
};

struct error *matcher_create(struct matcher **ret) {
    *ret = calloc(1, sizeof(**ret));
    return *ret ? NULL : &error_no_memory;
}

void matcher_destroy(struct matcher *matcher) {
    free(matcher);
}

struct matcher_counts matcher_counts(const struct matcher *matcher) {
    return matcher->counts;
}

/* ---- the pages ---- */

void matcher_forget(struct matcher *matcher) {
    matcher->area = 0;
}

struct error *matcher_leave(struct matcher *matcher, struct puppet *puppet) {
    int64_t result;
    uint64_t area = matcher->area;
    if (!area)
        return NULL;
    matcher->area = 0;
    TRY(REMOTE_SYSCALL(puppet->task, PUPPET_STUB, SYS_munmap, &result, area, AREA, 0, 0, 0, 0));
    return result ? error_system((int)-result, "puppet: unmapping the matcher") : NULL;
}

struct search_place {
    const struct maps *maps;
    uint64_t target;
};

static bool take_target(void *context, uint64_t target) {
    ((struct search_place *)context)->target = target;
    return true;
}

/* Is there room for the pages around this entry? */
static bool has_room(void *context, uint64_t target) {
    struct search_place *place = context;
    uint64_t area = target & ~(uint64_t)(ENTRIES - 1);
    if (area < PUPPET_STUB + PUPPET_STUB_SIZE + DISTANCE || area + AREA + DISTANCE > USER_END)
        return false;
    for (size_t i = 0; i < place->maps->count; i++)
        if (place->maps->mappings[i].end + DISTANCE > area &&
            place->maps->mappings[i].start < area + AREA + DISTANCE)
            return false;
    place->target = target;
    return true;
}

static struct error *map_area(struct matcher *matcher, uint64_t area) {
    int64_t result;
    TRY(REMOTE_SYSCALL(matcher->task, PUPPET_STUB, SYS_mmap, &result, area, AREA,
                       PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, (uint64_t)-1, 0));
    if (result != (int64_t)area)
        return error_system((int)-result, "puppet: mapping the matcher");
    matcher->area = area;
    return NULL;
}

/* Where the window's jump leads. ERROR_UNSUPPORTED: no room within its reach. */
static struct error *find_entry(struct matcher *matcher, struct puppet *puppet, uint64_t *ret) {
    struct search_place place = {0};
    struct maps maps;
    if (matcher->area && window_jump_targets(&matcher->window, matcher->area, matcher->area + ENTRIES - 1,
                                             take_target, &place)) {
        *ret = place.target;
        return NULL;
    }
    TRY(matcher_leave(matcher, puppet));
    TRY(maps_read(matcher->task->tid, &maps));
    place.maps = &maps;
    bool found = window_jump_targets(&matcher->window, PAGE, USER_END, has_room, &place);
    maps_deinit(&maps);
    if (!found)
        return error_new(ERROR_UNSUPPORTED, "puppet: no room for the matcher near 0x%llx",
                         (unsigned long long)matcher->window.address);
    TRY(map_area(matcher, place.target & ~(uint64_t)(ENTRIES - 1)));
    *ret = place.target;
    return NULL;
}

/* ---- the code ---- */

/* Write the code for the conditions as they are now. */
static struct error *write_code(struct matcher *matcher) {
    static struct matcher_code code;
    matcher_code_begin(&code, matcher->entry, matcher->area + DATA, matcher->counting);
    if (matcher->sequence)
        matcher_code_sequence(&code, matcher->sequence);
    for (size_t i = 0; i < matcher->condition_count; i++)
        matcher_code_add(&code, &matcher->conditions[i]);
    matcher->matched = matcher_code_end(&code);
    matcher->copy = code.at + code.size;
    TRY(window_copy(&matcher->window, matcher->copy, code.data + MATCHER_CALL_TARGET, code.bytes + code.size,
                    &matcher->copy_size, matcher->offsets));
    code.size += matcher->copy_size;
    return task_write(matcher->task, code.at, code.bytes, code.size);
}

/* ---- conditions ---- */

/* The register that instructions encode by this number. */
static unsigned long long *register_of(struct user_regs_struct *regs, unsigned number) {
    unsigned long long *const all[REGISTERS] = {
        &regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
        &regs->r8,  &regs->r9,  &regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15};
    return all[number];
}

/* All registers. Those come first that differ now: they are the ones that change. */
static void begin_conditions(struct matcher *matcher, struct user_regs_struct *now) {
    struct user_regs_struct wanted = matcher->point->regs;
    matcher->condition_count = 0;
    for (int changes = 1; changes >= 0; changes--)
        for (unsigned number = 0; number < REGISTERS; number++) {
            uint64_t value = *register_of(&wanted, number);
            if ((*register_of(now, number) != value) == changes)
                matcher->conditions[matcher->condition_count++] =
                    (struct condition){.kind = CONDITION_REGISTER, .number = number, .value = value};
        }
}

/* Of the XSAVE area: x87 registers, xmm registers, upper halves of ymm registers (SDM volume 1, 13.4). */
enum { X87_START = 32, XMM_START = 160, XMM_END = 416, YMM_START = 576, YMM_END = 832 };

static bool xstate_condition(const struct point *point, size_t offset, struct condition *ret) {
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->value, point->xstate + offset, sizeof(ret->value));
    ret->half = offset / 8 % 2;
    if (offset >= X87_START && offset < XMM_START) {
        ret->kind = CONDITION_LEGACY;
        ret->number = (unsigned)offset;
    } else if (offset >= XMM_START && offset < XMM_END) {
        ret->kind = CONDITION_XMM;
        ret->number = (unsigned)(offset - XMM_START) / 16;
    } else if (offset >= YMM_START && offset < YMM_END) {
        ret->kind = CONDITION_YMM_HIGH;
        ret->number = (unsigned)(offset - YMM_START) / 16;
    } else {
        return false;
    }
    return true;
}

/* The condition that would have told this difference. False: there is none. */
static bool difference_condition(const struct matcher *matcher, enum point_difference difference,
                                 size_t index, struct condition *ret) {
    const struct point *point = matcher->point;
    memset(ret, 0, sizeof(*ret));
    switch (difference) {
    case POINT_REGISTER:
        ret->kind = CONDITION_FLAGS;
        ret->value = point->regs.eflags & ~0x10100ull; /* pushf pushes neither RF nor, here, TF */
        return registers[index].offset == offsetof(struct user_regs_struct, eflags);
    case POINT_XSTATE:
        return xstate_condition(point, index, ret);
    case POINT_WORD:
        ret->kind = CONDITION_WORD;
        ret->address = point->words[index].address;
        ret->value = point->words[index].value;
        return true;
    default:
        return false;
    }
}

static struct error *learn(struct matcher *matcher, enum point_difference difference, size_t index) {
    struct condition condition;
    if (matcher->condition_count == CONDITIONS_MOST ||
        !difference_condition(matcher, difference, index, &condition))
        return NULL;
    for (size_t i = 0; i < matcher->condition_count; i++)
        if (matcher->conditions[i].kind == condition.kind &&
            matcher->conditions[i].number == condition.number &&
            matcher->conditions[i].half == condition.half &&
            matcher->conditions[i].address == condition.address)
            return NULL;
    matcher->conditions[matcher->condition_count++] = condition;
    return matcher->probe == PROBE_JUMP ? write_code(matcher) : NULL;
}

/* ---- the probe ---- */

static struct error *set_rip(struct matcher *matcher, uint64_t rip) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(matcher->task->tid, &regs));
    regs.rip = rip;
    regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(matcher->task->tid, &regs);
}

static struct error *plant_jump(struct matcher *matcher) {
    uint8_t code[WINDOW_BYTES + DISPLACED_INSTRUCTION_MAX];
    const uint64_t passages = 0;
    size_t size = task_read(matcher->task, matcher->rip, code, sizeof(code));
    TRY(window_decode(code, size, matcher->rip, &matcher->window));
    if (matcher->host->is_probed(matcher->host->context, matcher->rip, matcher->window.length))
        return error_new(ERROR_UNSUPPORTED, "puppet: a breakpoint is in the way");
    TRY(find_entry(matcher, matcher->host->puppet, &matcher->entry));
    if (matcher->counting)
        TRY(task_write(matcher->task, matcher->area + DATA + MATCHER_PASSAGES, &passages, sizeof(passages)));
    TRY(write_code(matcher));
    window_patch(&matcher->window, matcher->entry, matcher->patch);
    TRY(task_write(matcher->task, matcher->rip, matcher->patch, matcher->window.length));
    matcher->probe = PROBE_JUMP;
    return NULL;
}

static struct error *plant_trap(struct matcher *matcher) {
    matcher->window = (struct window){.address = matcher->rip, .length = 1, .count = 1};
    matcher->patch[0] = INT3;
    matcher->counts.trapped++;
    matcher->probe = PROBE_SHARED;
    if (matcher->host->is_probed(matcher->host->context, matcher->rip, 1))
        return NULL;
    TRY(task_read_exact(matcher->task, matcher->rip, matcher->window.bytes, 1));
    TRY(task_write(matcher->task, matcher->rip, matcher->patch, 1));
    matcher->probe = PROBE_TRAP;
    return NULL;
}

static struct error *plant(struct matcher *matcher) {
    struct error *err = plant_jump(matcher);
    if (!error_is(err, ERROR_UNSUPPORTED) && !error_is(err, ERROR_BAD_DATA))
        return err;
    error_free(err);
    return plant_trap(matcher);
}

/* Put the code back, unless the program has changed it meanwhile. */
static struct error *uproot(struct matcher *matcher) {
    uint8_t found[WINDOW_BYTES];
    enum probe probe = matcher->probe;
    matcher->probe = PROBE_NONE;
    if (probe != PROBE_JUMP && probe != PROBE_TRAP)
        return NULL;
    size_t size = matcher->window.length;
    if (task_read(matcher->task, matcher->rip, found, size) != size ||
        memcmp(found, matcher->patch, size) != 0)
        return NULL;
    return task_write(matcher->task, matcher->rip, matcher->window.bytes, size);
}

/* Execute one instruction with the code as it was. *ret_stepped is false when that led to another stop. The
 * first step after a system call may stop where it began. */
static struct error *step(struct matcher *matcher, struct stop *ret_stop, bool *ret_stepped) {
    struct user_regs_struct before, after;
    enum probe probe = matcher->probe;
    TRY(uproot(matcher));
    TRY(trace_get_registers(matcher->task->tid, &before));
    for (int tries = 0; tries < 2; tries++) {
        TRY(matcher->host->run(matcher->host->context, RESUME_SYSEMU_STEP, ret_stop));
        *ret_stepped = ret_stop->kind == STOP_SIGNAL && ret_stop->signo == SIGTRAP;
        if (!*ret_stepped)
            return NULL;
        TRY(trace_get_registers(matcher->task->tid, &after));
        if (registers_compare(&before, &after) != REGISTER_COUNT)
            break;
    }
    TRY(task_write(matcher->task, matcher->rip, matcher->patch, matcher->window.length));
    matcher->probe = probe;
    return NULL;
}

/* ---- the search ---- */

/* What the puppet has in its memory without the probe. */
static size_t read_original(void *context, uint64_t address, void *ret, size_t size) {
    const struct matcher *matcher = context;
    size_t got = task_read(matcher->task, address, ret, size);
    if (matcher->probe != PROBE_JUMP && matcher->probe != PROBE_TRAP)
        return got;
    for (size_t i = 0; i < matcher->window.length; i++)
        if (matcher->rip + i >= address && matcher->rip + i < address + got)
            ((uint8_t *)ret)[matcher->rip + i - address] = matcher->window.bytes[i];
    return got;
}

/* The puppet stands at the point's rip: is it the match that is looked for? */
static struct error *try_candidate(struct matcher *matcher, bool *ret_found) {
    const struct memory_reader memory = {read_original, matcher};
    enum point_difference difference;
    size_t index;
    *ret_found = false;
    matcher->counts.candidates++;
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no reader */
    TRY(point_compare(matcher->point, matcher->task, &memory, &difference, &index));
    if (difference != POINT_SAME)
        return learn(matcher, difference, index);
    *ret_found = matcher->skip == 0;
    if (matcher->skip)
        matcher->skip--;
    return NULL;
}

static bool covers(const struct matcher *matcher, uint64_t rip) {
    return rip >= matcher->rip && rip < matcher->rip + matcher->window.length;
}

/* The puppet stands at an address of the program's: get it past the probe if it stands there. *ret_over: that
 * led to a stop, *ret_stop, which ends the search. */
static struct error *go_past(struct matcher *matcher, uint64_t rip, struct stop *ret_stop, bool *ret_over) {
    struct user_regs_struct regs;
    *ret_over = false;
    if (!covers(matcher, rip) || matcher->probe == PROBE_SHARED)
        return NULL;
    if (matcher->probe == PROBE_JUMP) {
        for (size_t i = 0; i < matcher->window.count; i++)
            if (matcher->window.instructions[i].address == rip)
                return set_rip(matcher, matcher->copy + matcher->offsets[i]);
    }
    do {
        bool stepped;
        TRY(step(matcher, ret_stop, &stepped));
        *ret_over = !stepped;
        if (!stepped)
            return NULL;
        TRY(trace_get_registers(matcher->task->tid, &regs));
    } while (covers(matcher, regs.rip) && regs.rip != matcher->rip); /* there it is a candidate again */
    return NULL;
}

/* Once more a jump into the middle of the window. */
static struct error *note_inside(struct matcher *matcher) {
    uint64_t passages = 0;
    matcher->counts.inside++;
    if (matcher->count)
        return NULL;
    if (++matcher->inside == INSIDE_MANY) {
        TRY(task_write(matcher->task, matcher->area + DATA + MATCHER_PASSAGES, &passages, sizeof(passages)));
        matcher->counting = true;
        return write_code(matcher);
    }
    if (matcher->inside != 2 * INSIDE_MANY)
        return NULL;
    TRY(task_read_exact(matcher->task, matcher->area + DATA + MATCHER_PASSAGES, &passages, sizeof(passages)));
    if (passages >= INSIDE_MANY)
        return NULL;
    TRY(uproot(matcher));
    return plant_trap(matcher);
}

enum meaning {
    MEANS_CANDIDATE,
    MEANS_INSIDE, /* a jump has led into the middle of the window, to *ret_rip */
    MEANS_OTHER,
};

static enum meaning interpret(const struct matcher *matcher, const struct stop *stop, uint64_t rip,
                              uint64_t *ret_rip) {
    bool is_trap = stop->signo == SIGTRAP;
    if (stop->kind != STOP_SIGNAL || (!is_trap && stop->signo != SIGILL))
        return MEANS_OTHER;
    *ret_rip = is_trap ? rip - 1 : rip;
    if (matcher->probe == PROBE_JUMP) {
        if (is_trap && rip == matcher->matched)
            return MEANS_CANDIDATE;
        return *ret_rip != matcher->rip && covers(matcher, *ret_rip) ? MEANS_INSIDE : MEANS_OTHER;
    }
    return is_trap && *ret_rip == matcher->rip ? MEANS_CANDIDATE : MEANS_OTHER;
}

/* One stop of the search. */
static struct error *deal_with(struct matcher *matcher, struct stop *stop, bool *ret_found, bool *ret_over) {
    struct user_regs_struct regs;
    uint64_t rip = 0;
    bool taken;
    TRY(trace_get_registers(matcher->task->tid, &regs));
    enum meaning meaning = interpret(matcher, stop, regs.rip, &rip);
    if (meaning == MEANS_CANDIDATE && matcher->probe == PROBE_SHARED) {
        /* the breakpoint's owner brings the puppet past it */
        uint64_t behind = regs.rip;
        if (!matcher->tried)
            TRY(set_rip(matcher, matcher->rip));
        if (!matcher->tried)
            TRY(try_candidate(matcher, ret_found));
        matcher->tried = false;
        if (*ret_found)
            return NULL;
        TRY(set_rip(matcher, behind));
    } else if (meaning == MEANS_CANDIDATE) {
        TRY(set_rip(matcher, matcher->rip));
        TRY(try_candidate(matcher, ret_found));
        return *ret_found ? NULL : go_past(matcher, matcher->rip, stop, ret_over);
    } else if (meaning == MEANS_INSIDE) {
        TRY(set_rip(matcher, rip));
        TRY(note_inside(matcher));
        return go_past(matcher, rip, stop, ret_over);
    }
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no pointer to it */
    TRY(matcher->host->offer(matcher->host->context, stop, &taken));
    *ret_over = !taken;
    return NULL;
}

static struct error *search(struct matcher *matcher, bool *ret_found, struct stop *ret_stop) {
    struct user_regs_struct regs;
    bool over = false;
    TRY(trace_get_registers(matcher->task->tid, &regs));
    matcher->tried = regs.rip == matcher->rip;
    if (matcher->tried) {
        TRY(try_candidate(matcher, ret_found));
        if (*ret_found)
            return NULL;
    }
    begin_conditions(matcher, &regs);
    TRY(plant(matcher));
    TRY(go_past(matcher, regs.rip, ret_stop, &over));
    while (!over && !*ret_found) {
        TRY(matcher->host->run(matcher->host->context, RESUME_SYSEMU, ret_stop));
        TRY(deal_with(matcher, ret_stop, ret_found, &over));
    }
    return NULL;
}

uint64_t matcher_left(const struct matcher *matcher) {
    return matcher->skip;
}

bool matcher_was_comparing(const struct matcher *matcher) {
    return matcher->comparing;
}

static bool is_in_code(const struct matcher *matcher, uint64_t rip) {
    return matcher->area && rip >= matcher->area && rip < matcher->copy;
}

/* In the copy, but at the beginning of none of its instructions: some are made of several. */
static bool is_in_between(const struct matcher *matcher, uint64_t rip) {
    if (!matcher->area || rip < matcher->copy || rip >= matcher->copy + matcher->copy_size)
        return false;
    for (size_t i = 0; i < matcher->window.count; i++)
        if (rip == matcher->copy + matcher->offsets[i])
            return false;
    return true;
}

/* A stop that comes from outside, or behind an instruction that did something, may come in the midst of the
 * comparison, which has registers of its own, or between the parts of an instruction: run it to its end. The
 * comparison's may be a match. */
static struct error *step_out(struct matcher *matcher, struct user_regs_struct *regs, bool *ret_found) {
    matcher->comparing = is_in_code(matcher, regs->rip);
    while (is_in_code(matcher, regs->rip) || is_in_between(matcher, regs->rip)) {
        struct stop stop;
        if (regs->rip == matcher->matched - 1) { /* all holds, and the registers are the program's */
            TRY(set_rip(matcher, matcher->rip));
            regs->rip = matcher->rip;
            return try_candidate(matcher, ret_found);
        }
        TRY(matcher->host->run(matcher->host->context, RESUME_SYSEMU_STEP, &stop));
        if (stop.kind != STOP_SIGNAL || (stop.signo != SIGTRAP && stop.signo != SIGSTOP))
            return error_new(ERROR_OTHER, "puppet: the matcher was interrupted twice");
        TRY(trace_get_registers(matcher->task->tid, regs));
    }
    return NULL;
}

/* Other stops than a match may come in the copy. */
static struct error *put_rip_right(struct matcher *matcher, const struct stop *stop, bool *ret_found) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(matcher->task->tid, &regs));
    if (stop->kind == STOP_SIGNAL && (stop->signo == SIGSTOP || stop->signo == SIGTRAP))
        TRY(step_out(matcher, &regs, ret_found));
    if (matcher->area && regs.rip >= matcher->area && regs.rip < matcher->area + AREA) {
        regs.rip = is_in_code(matcher, regs.rip)
                       ? matcher->rip
                       : window_original(&matcher->window, matcher->copy, matcher->offsets,
                                         matcher->copy_size, regs.rip);
        TRY(trace_set_registers(matcher->task->tid, &regs));
    }
    return NULL;
}

struct error *matcher_find(struct matcher *matcher, const struct matcher_host *host,
                           const struct point *point, uint64_t skip, bool *ret_found, struct stop *ret_stop) {
    *ret_found = false;
    if (point->regs.rip - PUPPET_STUB < PUPPET_STUB_SIZE)
        return error_new(ERROR_BAD_DATA, "recording: a point in memory that no program has");
    matcher->counts.points++;
    matcher->host = host;
    matcher->task = host->puppet->task;
    matcher->point = point;
    matcher->rip = point->regs.rip;
    matcher->skip = skip;
    matcher->probe = PROBE_NONE;
    matcher->condition_count = 0;
    matcher->inside = 0;
    matcher->counting = matcher->count;
    matcher->comparing = false;
    matcher->sequence = 0;
    matcher->copy = matcher->matched = 0;
    TRY(search(matcher, ret_found, ret_stop));
    TRY(uproot(matcher));
    return *ret_found ? NULL : put_rip_right(matcher, ret_stop, ret_found);
}

/* ---- counting ---- */

void matcher_count_passages(struct matcher *matcher, bool on) {
    matcher->count = on;
}

struct error *matcher_passages(struct matcher *matcher, uint64_t *ret) {
    *ret = 0;
    if (!matcher->area || !matcher->matched)
        return NULL;
    return task_read_exact(matcher->task, matcher->area + DATA + MATCHER_PASSAGES, ret, sizeof(*ret));
}

bool matcher_covers(const struct matcher *matcher, uint64_t address, size_t size) {
    return matcher->probe == PROBE_JUMP && address < matcher->rip + matcher->window.length &&
           address + size > matcher->rip;
}

static struct error *plant_counter(struct matcher *matcher, uint64_t stop_at,
                                   const struct matcher *sequence) {
    uint8_t code[WINDOW_BYTES + DISPLACED_INSTRUCTION_MAX];
    const uint64_t nothing[3] = {0};
    size_t size = task_read(matcher->task, matcher->rip, code, sizeof(code));
    TRY(window_decode(code, size, matcher->rip, &matcher->window));
    if (matcher->host->is_probed(matcher->host->context, matcher->rip, matcher->window.length))
        return error_new(ERROR_UNSUPPORTED, "puppet: another probe is in the way");
    TRY(find_entry(matcher, matcher->host->puppet, &matcher->entry));
    uint64_t data = matcher->area + DATA;
    TRY(task_write(matcher->task, data + MATCHER_PASSAGES, nothing, sizeof(nothing)));
    matcher->sequence = sequence ? sequence->area + DATA + MATCHER_SEQUENCE : 0;
    matcher->conditions[matcher->condition_count++] = (struct condition){
        .kind = CONDITION_WORD, .address = data + MATCHER_PASSAGES, .value = stop_at ? stop_at : UINT64_MAX};
    TRY(write_code(matcher));
    window_patch(&matcher->window, matcher->entry, matcher->patch);
    TRY(task_write(matcher->task, matcher->rip, matcher->patch, matcher->window.length));
    matcher->probe = PROBE_JUMP;
    return NULL;
}

struct error *matcher_count(struct matcher *matcher, const struct matcher_host *host, uint64_t address,
                            uint64_t stop_at, const struct matcher *sequence) {
    struct user_regs_struct regs;
    struct stop stop;
    bool over;
    matcher->host = host;
    matcher->task = host->puppet->task;
    matcher->rip = address;
    matcher->probe = PROBE_NONE;
    matcher->condition_count = 0;
    matcher->counting = true;
    TRY(plant_counter(matcher, stop_at, sequence));
    TRY(trace_get_registers(matcher->task->tid, &regs));
    return go_past(matcher, regs.rip, &stop, &over); /* where it stands is no passage */
}

struct error *matcher_count_offer(struct matcher *matcher, const struct stop *stop, bool *ret_taken,
                                  bool *ret_reached) {
    struct user_regs_struct regs;
    struct stop none;
    uint64_t rip = 0;
    bool over;
    *ret_taken = *ret_reached = false;
    if (matcher->probe != PROBE_JUMP)
        return NULL;
    TRY(trace_get_registers(matcher->task->tid, &regs));
    switch (interpret(matcher, stop, regs.rip, &rip)) {
    case MEANS_CANDIDATE:
        *ret_reached = true;
        return set_rip(matcher, matcher->rip);
    case MEANS_INSIDE:
        *ret_taken = true;
        TRY(set_rip(matcher, rip));
        return go_past(matcher, rip, &none, &over);
    case MEANS_OTHER:
        break;
    }
    return NULL;
}

struct error *matcher_count_read(struct matcher *matcher, uint64_t *ret_passages, uint64_t *ret_last) {
    uint64_t data = matcher->area + DATA;
    TRY(task_read_exact(matcher->task, data + MATCHER_LAST, ret_last, sizeof(*ret_last)));
    return task_read_exact(matcher->task, data + MATCHER_PASSAGES, ret_passages, sizeof(*ret_passages));
}

struct error *matcher_count_end(struct matcher *matcher) {
    return uproot(matcher);
}
