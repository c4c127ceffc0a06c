/* crash_stack: the frames of a stopped thread.
 *
 * By call frame information; where there is none (a jump to nowhere, code made at run time) by what usually
 * holds: the return address lies at rsp right behind a call, rbp leads to the caller. Such frames are marked
 * as guessed. A stack is hostile: it may be endless, go round in circles, lead anywhere. */
#include "tracer/crash_state.h"

#include "dwarf/line.h"

#include <stdlib.h>
#include <string.h>

/* Frames that are walked at all, so that the outermost ones of an endless recursion are found, too. */
enum { WALK_MOST = 4 << 20, CHECK_TIME_EVERY = 1024 };

void crash_thread_deinit(struct crash_thread *thread) {
    for (size_t i = 0; i < thread->frame_count; i++) {
        for (size_t k = 0; k < thread->frames[i].variable_count; k++)
            free(thread->frames[i].variables[k].value);
        free(thread->frames[i].variables);
    }
    free(thread->frames);
    free(thread->xstate);
    *thread = (struct crash_thread){0};
}

bool crash_is_code(const struct crash *crash, uint64_t address) {
    const struct mapping *mapping = maps_find(&crash->maps, address);
    return mapping && mapping->protection & 4 /* PROT_EXEC */;
}

/* ---- from a frame to its caller ---- */

/* The instruction before a return address is a call: e8 rel32, or ff /2 in one of its lengths. */
static bool is_behind_call(struct crash *crash, uint64_t address) {
    uint8_t bytes[7];
    if (address < sizeof(bytes) || !crash_is_code(crash, address - 1) ||
        !memory_read_exact(&crash->reader, address - sizeof(bytes), bytes, sizeof(bytes)))
        return false;
    if (bytes[2] == 0xe8)
        return true;
    for (size_t i = 0; i + 2 <= sizeof(bytes); i++)
        if (bytes[i] == 0xff && (bytes[i + 1] & 0x38) == 0x10)
            return true;
    return false;
}

static void set_caller(struct frame_registers *caller, const struct frame_registers *frame, uint64_t rip,
                       uint64_t rsp) {
    *caller = *frame;
    caller->xstate = NULL;
    caller->xstate_size = 0;
    /* callee-saved registers as they are, the others are lost */
    caller->known &= 1u << FRAME_RBX | 1u << FRAME_RBP | 0xfu << 12;
    frame_set_register(caller, FRAME_RIP, rip);
    frame_set_register(caller, FRAME_RSP, rsp);
    caller->is_return_address = true;
}

/* The innermost function has no call frame information, or there is no function: just behind the call that
 * led there, the return address is at rsp. */
static bool guess_by_rsp(struct crash *crash, const struct frame_registers *frame, uint64_t *ret_cfa,
                         struct frame_registers *ret) {
    uint64_t rsp, address;
    if (frame->is_return_address || !frame_register(frame, FRAME_RSP, &rsp) ||
        !memory_read_exact(&crash->reader, rsp, &address, sizeof(address)) || !is_behind_call(crash, address))
        return false;
    *ret_cfa = rsp + 8;
    set_caller(ret, frame, address, rsp + 8);
    return true;
}

static bool guess_by_rbp(struct crash *crash, const struct frame_registers *frame, uint64_t *ret_cfa,
                         struct frame_registers *ret) {
    uint64_t rsp, rbp, pair[2];
    if (!frame_register(frame, FRAME_RSP, &rsp) || !frame_register(frame, FRAME_RBP, &rbp) || rbp < rsp ||
        rbp % 8 || rbp - rsp > 8u << 20 || !memory_read_exact(&crash->reader, rbp, pair, sizeof(pair)) ||
        !is_behind_call(crash, pair[1]))
        return false;
    *ret_cfa = rbp + 16;
    set_caller(ret, frame, pair[1], rbp + 16);
    frame_set_register(ret, FRAME_RBP, pair[0]);
    return true;
}

struct walk {
    struct crash *crash;
    struct crash_thread *thread;
    size_t first, last;
    struct crash_frame *ring; /* the last ones seen, behind the first ones */
    size_t count;             /* frames seen */
    struct error *error;      /* memory is out */
};

/* Work out the caller of a frame, and complete the frame itself. False: there is none. */
static bool step(struct walk *walk, struct crash_frame *frame, struct frame_registers *ret) {
    struct crash *crash = walk->crash;
    struct error *err = NULL;
    if (frame->module && frame->module->module->unwind) {
        err = unwind_step(frame->module->module->unwind, frame->module->bias, &frame->registers,
                          &crash->reader, &frame->cfa, ret, &frame->signal_frame);
        if (!err)
            return true;
    }
    bool unknown = !err || error_is(err, ERROR_NOT_FOUND);
    walk->thread->end = unknown ? "no call frame information, and no frame pointer" : "the stack is damaged";
    error_free(err);
    frame->cfa = 0;
    frame->guessed = true;
    if (guess_by_rsp(crash, &frame->registers, &frame->cfa, ret) ||
        (unknown && guess_by_rbp(crash, &frame->registers, &frame->cfa, ret))) {
        walk->thread->end = NULL;
        return true;
    }
    frame->guessed = false;
    return false;
}

static bool add_first(struct walk *walk, const struct crash_frame *frame) {
    struct crash_thread *thread = walk->thread;
    if (thread->frame_count == thread->frame_room) {
        size_t room = thread->frame_room ? 2 * thread->frame_room : 16;
        struct crash_frame *grown = realloc(thread->frames, room * sizeof(*grown));
        if (!grown)
            return false;
        thread->frames = grown;
        thread->frame_room = room;
    }
    thread->frames[thread->frame_count++] = *frame;
    return true;
}

static bool add(struct walk *walk, const struct crash_frame *frame) {
    size_t index = walk->count++;
    if (index < walk->first)
        return add_first(walk, frame);
    if (!walk->ring && !(walk->ring = calloc(walk->last + 1, sizeof(*walk->ring))))
        return false;
    if (walk->last)
        walk->ring[(index - walk->first) % walk->last] = *frame;
    return true;
}

/* The frames of the ring, oldest first, behind the first ones. */
static bool join(struct walk *walk) {
    size_t beyond = walk->count > walk->first ? walk->count - walk->first : 0;
    size_t kept = beyond < walk->last ? beyond : walk->last;
    for (size_t i = 0; i < kept; i++) {
        struct crash_frame *frame = &walk->ring[(beyond - kept + i) % walk->last];
        frame->skipped = i ? 0 : beyond - kept;
        if (!add_first(walk, frame))
            return false;
    }
    if (beyond > kept && !kept)
        walk->thread->end = "only the innermost frames are shown";
    return true;
}

static bool goes_on(struct walk *walk, const struct crash_frame *frame,
                    const struct frame_registers *caller) {
    uint64_t rsp, caller_rsp;
    if (walk->count >= WALK_MOST || (walk->count % CHECK_TIME_EVERY == 0 && !crash_has_time(walk->crash))) {
        walk->thread->end = "the stack is too deep to be walked";
        return false;
    }
    if (frame->signal_frame)
        return true;
    if (frame_register(&frame->registers, FRAME_RSP, &rsp) &&
        frame_register(caller, FRAME_RSP, &caller_rsp) && caller_rsp <= rsp) {
        walk->thread->end = "the stack goes round in circles";
        return false;
    }
    return true;
}

static void walk_frames(struct walk *walk) {
    struct frame_registers registers;
    frame_from_user_regs(&walk->thread->regs, &registers);
    registers.xstate = walk->thread->xstate;
    registers.xstate_size = walk->thread->xstate_size;
    for (;;) {
        struct crash_frame frame = {.registers = registers, .inlined = -1};
        if (!frame_pc(&registers, &frame.pc))
            return; /* its callee was the outermost */
        frame.module = process_modules_find(&walk->crash->modules, frame.pc);
        struct frame_registers caller = {0};
        bool more = step(walk, &frame, &caller);
        if (!add(walk, &frame)) {
            walk->error = &error_no_memory;
            return;
        }
        if (!more || !goes_on(walk, &frame, &caller))
            return;
        registers = caller;
    }
}

struct error *crash_stack(struct crash *crash, struct crash_thread *thread, size_t first, size_t last) {
    struct walk walk = {.crash = crash, .thread = thread, .first = first, .last = last};
    if (!thread->has_registers)
        return NULL;
    walk_frames(&walk);
    if (!walk.error && !join(&walk))
        walk.error = &error_no_memory;
    thread->depth = walk.count;
    free(walk.ring);
    return walk.error;
}

/* ---- names and lines ---- */

static const char *shown_name(const struct function *function) {
    return function->source == FUNCTION_DWARF ? function->name : function->display;
}

static bool covers(const struct inlined *inlined, uint64_t vaddr) {
    for (size_t i = 0; i < inlined->range_count; i++)
        if (vaddr >= inlined->ranges[i].low && vaddr < inlined->ranges[i].high)
            return true;
    return false;
}

/* The deepest inlined instance at an address, or -1. */
static int innermost(const struct inlined *instances, size_t count, uint64_t vaddr) {
    int found = -1;
    for (size_t i = 0; i < count; i++)
        if (covers(&instances[i], vaddr) && (found < 0 || instances[i].depth > instances[found].depth))
            found = (int)i;
    return found;
}

/* The frame as it is seen: first what is inlined there, from the inside out, then the function itself. */
static bool expand(struct walk *walk, struct crash_frame *frame) {
    enum { INLINED_MOST = 64 };
    const struct inlined *instances = NULL;
    size_t count = 0, skipped = frame->skipped;
    uint64_t vaddr = frame->pc - frame->module->bias;
    struct module *module = frame->module->module->module;
    struct line_row row = {0};
    error_free(module_line_at(module, vaddr, &row));
    frame->file = row.file;
    frame->line = row.line;
    error_free(function_inlined(module, frame->function, &instances, &count));
    int at = innermost(instances, count, vaddr);
    for (int i = 0; i < INLINED_MOST && at >= 0 && (size_t)at < count; i++) {
        struct crash_frame inner = *frame;
        inner.name = instances[at].name;
        inner.inlined = at;
        inner.skipped = skipped;
        skipped = 0;
        if (!add_first(walk, &inner))
            return false;
        frame->file = instances[at].call_file;
        frame->line = instances[at].call_line;
        at = instances[at].parent;
    }
    frame->skipped = skipped;
    frame->name = frame->signal_frame ? "<signal handler called>" : shown_name(frame->function);
    return add_first(walk, frame);
}

struct error *crash_symbolize(struct crash *crash, struct crash_thread *thread) {
    struct crash_frame *frames = thread->frames;
    size_t count = thread->frame_count;
    struct walk walk = {.crash = crash, .thread = thread};
    bool good = true;
    thread->frames = NULL;
    thread->frame_count = thread->frame_room = 0;
    for (size_t i = 0; i < count && good; i++) {
        struct error *err = NULL;
        if (frames[i].module && crash_has_time(crash))
            err = module_function_at(frames[i].module->module->module, frames[i].pc - frames[i].module->bias,
                                     &frames[i].function);
        if (err)
            frames[i].function = NULL;
        error_free(err);
        good = frames[i].function ? expand(&walk, &frames[i]) : add_first(&walk, &frames[i]);
    }
    free(frames);
    return good ? NULL : &error_no_memory;
}
