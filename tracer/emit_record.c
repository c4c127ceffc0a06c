/* Encodings: Intel SDM volume 2. Register numbers are those of encodings; DWARF counts them otherwise. */
#include "tracer/emit_record.h"

#include <stddef.h>
#include <string.h>

enum { RAX = 0, RCX = 1, RDX = 2, RSP = 4, R11 = 11 };

#define RED_ZONE 128

/* By DWARF number (System V ABI, figure 3.36). */
static const uint8_t encodings[16] = {0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

#define PUT(code, ...)                                                                                       \
    buffer_put(code, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- instructions ---- */

/* ModRM (and SIB) of [base + disp32] with a register field. */
static void put_operand(struct buffer *code, unsigned reg, unsigned base, int32_t displacement) {
    buffer_put_u8(code, (uint8_t)(0x80 | (reg & 7) << 3 | (base & 7)));
    if ((base & 7) == RSP)
        buffer_put_u8(code, 0x24);
    buffer_put_u32(code, (uint32_t)displacement);
}

static uint8_t rex(bool wide, unsigned reg, unsigned base) {
    return (uint8_t)(0x40 | wide << 3 | (reg > 7) << 2 | (base > 7));
}

/* mov between reg and memory; size 1, 2, 4 or 8. */
static void move(struct buffer *code, bool load, unsigned size, unsigned reg, unsigned base,
                 int32_t displacement) {
    if (size == 2)
        buffer_put_u8(code, 0x66);
    buffer_put_u8(code, rex(size == 8, reg, base));
    buffer_put_u8(code, (uint8_t)((load ? 0x8a : 0x88) | (size > 1)));
    put_operand(code, reg, base, displacement);
}

static void load(struct buffer *code, unsigned size, unsigned reg, unsigned base, int32_t displacement) {
    move(code, true, size, reg, base, displacement);
}

static void store(struct buffer *code, unsigned size, unsigned reg, unsigned base, int32_t displacement) {
    move(code, false, size, reg, base, displacement);
}

static void lea(struct buffer *code, unsigned reg, unsigned base, int32_t displacement) {
    PUT(code, rex(true, reg, base), 0x8d);
    put_operand(code, reg, base, displacement);
}

/* movups [base + displacement], xmm */
static void store_vector(struct buffer *code, unsigned vector, unsigned base, int32_t displacement) {
    PUT(code, rex(false, vector, base), 0x0f, 0x11);
    put_operand(code, vector, base, displacement);
}

/* `gs:` if the block is found by it. */
static void put_segment(struct buffer *code, const struct emit_place *place) {
    if (!place->block)
        buffer_put_u8(code, 0x65);
}

/* A ModRM of [disp32]; opcode with its REX.W. */
static void with_block(struct buffer *code, const struct emit_place *place, uint8_t opcode, unsigned reg,
                       uint32_t offset) {
    put_segment(code, place);
    PUT(code, rex(true, reg, 0), opcode, (uint8_t)(0x04 | (reg & 7) << 3), 0x25);
    buffer_put_u32(code, place->block + offset);
}

enum { MOV_TO_MEMORY = 0x89, MOV_FROM_MEMORY = 0x8b };

/* Call the agent; or stop: int3, and a nop of four bytes that says why. */
static void call_block(struct buffer *code, const struct emit_place *place, uint32_t offset) {
    if (place->block) {
        PUT(code, 0xcc, 0x0f, 0x1f, 0x40, offset == AGENT_FULL ? EMIT_STOP_FULL : EMIT_STOP_TEXT);
        return;
    }
    PUT(code, 0x65, 0xff, 0x14, 0x25);
    buffer_put_u32(code, offset);
}

enum emit_stop emit_stop_of(const uint8_t bytes[EMIT_STOP_SIZE]) {
    bool is_stop = bytes[0] == 0x0f && bytes[1] == 0x1f && bytes[2] == 0x40 &&
                   (bytes[3] == EMIT_STOP_FULL || bytes[3] == EMIT_STOP_TEXT);
    return is_stop ? (enum emit_stop)bytes[3] : EMIT_STOP_NONE;
}

static void move_constant(struct buffer *code, unsigned reg, uint64_t value) {
    PUT(code, rex(true, 0, reg), (uint8_t)(0xb8 | (reg & 7)));
    buffer_put_u64(code, value);
}

/* A jump with a 32-bit displacement: where that is, to be set when the target is known. */
static size_t jump(struct buffer *code, uint8_t condition) {
    PUT(code, 0x0f, (uint8_t)(0x80 | condition));
    buffer_put_u32(code, 0);
    return code->size - 4;
}

enum { CONDITION_BELOW = 2, CONDITION_ZERO = 4, CONDITION_NOT_ZERO = 5, CONDITION_ABOVE = 7 };

static void land(struct buffer *code, size_t jump_at, size_t target) {
    uint32_t displacement = (uint32_t)(target - (jump_at + 4));
    if (!code->failed)
        memcpy(code->data + jump_at, &displacement, sizeof(displacement));
}

/* ---- the parts ---- */

/* Where the program's rax and r11 are saved on the stack, and how far its rsp is above ours. */
struct saved {
    int32_t rax, r11, depth;
    int32_t skipped; /* bytes below the program's rsp that are left alone */
};

/* Below rsp lies the red zone, and at a `ret` what was the frame a moment ago: variables are looked at there,
 * too. */
static int32_t kept_below(const struct record_layout *layout, const struct emit_place *place) {
    int64_t kept = place->red_zone_is_dead ? 0 : RED_ZONE;
    for (size_t i = 0; i < layout->memory_count; i++) {
        const struct layout_memory *piece = &layout->memory[i];
        if (piece->base == LAYOUT_REGISTER && encodings[piece->reg] == RSP && -piece->offset > kept)
            kept = -piece->offset;
    }
    return (int32_t)((kept + 15) & ~INT64_C(15));
}

static struct saved save(struct buffer *code, const struct record_layout *layout,
                         const struct emit_place *place) {
    struct saved saved = {.r11 = 0, .skipped = place->block ? 0 : kept_below(layout, place)};
    if (place->block) {
        with_block(code, place, MOV_TO_MEMORY, RAX, AGENT_SAVED_RAX);
        with_block(code, place, MOV_TO_MEMORY, R11, AGENT_SAVED_R11);
        PUT(code, 0x9f, 0x0f, 0x90, 0xc0); /* lahf; seto al */
        with_block(code, place, MOV_TO_MEMORY, RAX, AGENT_SAVED_FLAGS);
        return saved;
    }
    if (saved.skipped)
        lea(code, RSP, RSP, -saved.skipped);
    PUT(code, 0x50); /* push rax */
    saved.rax = 8;
    if (!place->flags_are_dead) {
        PUT(code, 0x9f, 0x0f, 0x90, 0xc0, 0x50); /* lahf; seto al; push rax */
        saved.rax += 8;
    }
    PUT(code, 0x41, 0x53); /* push r11 */
    saved.depth = saved.rax + 8 + saved.skipped;
    return saved;
}

static void restore(struct buffer *code, const struct saved *saved, const struct emit_place *place) {
    if (place->block) {
        with_block(code, place, MOV_FROM_MEMORY, R11, AGENT_SAVED_R11);
        with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_SAVED_FLAGS);
        PUT(code, 0x04, 0x7f, 0x9e); /* as below */
        with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_SAVED_RAX);
        return;
    }
    PUT(code, 0x41, 0x5b); /* pop r11 */
    if (!place->flags_are_dead)
        PUT(code, 0x58, 0x04, 0x7f, 0x9e); /* pop rax; add al, 0x7f: overflows when al is 1; sahf */
    PUT(code, 0x58);
    if (saved->skipped)
        lea(code, RSP, RSP, saved->skipped);
}

/* Jumps to where nothing is written. */
struct to_end {
    size_t jumps[4];
    size_t count;
};

static void end_if(struct buffer *code, uint8_t condition, struct to_end *ret) {
    ret->jumps[ret->count++] = jump(code, condition);
}

static void check_block(struct buffer *code, const struct emit_place *place, struct to_end *ret) {
    put_segment(code, place);
    PUT(code, 0x81, 0x3c, 0x25); /* cmp dword gs:[AGENT_CHECK], AGENT_MAGIC */
    buffer_put_u32(code, place->block + AGENT_CHECK);
    buffer_put_u32(code, AGENT_MAGIC);
    end_if(code, CONDITION_NOT_ZERO, ret);
}

/* ---- is it noted? ---- */

#define RULE_HEAD offsetof(struct agent_rule, comparisons)

/* r11 becomes the rule's address, or 0: `lea r11, [rip + over the jump]; jmp behind the rule`. */
static void load_rule(struct buffer *code, const struct agent_rule *rule) {
    if (!rule) {
        PUT(code, 0x45, 0x31, 0xdb); /* xor r11d, r11d */
        return;
    }
    uint32_t size = (uint32_t)(RULE_HEAD + rule->count * sizeof(rule->comparisons[0]));
    PUT(code, 0x4c, 0x8d, 0x1d);
    buffer_put_u32(code, 5);
    buffer_put_u8(code, 0xe9);
    buffer_put_u32(code, size);
    buffer_put(code, rule, size);
}

/* rax becomes the program's rsp, and what is inside of a muted frame ends here; r11 is what it is muted from.
 */
static void end_if_inside(struct buffer *code, const struct emit_place *place, const struct saved *saved,
                          struct to_end *ret) {
    lea(code, RAX, RSP, saved->depth);
    with_block(code, place, 0x3b, RAX, AGENT_LOW); /* cmp */
    size_t elsewhere = jump(code, CONDITION_BELOW);
    PUT(code, 0x4c, 0x39, 0xd8); /* cmp rax, r11 */
    end_if(code, CONDITION_BELOW, ret);
    land(code, elsewhere, code->size);
}

static void filter(struct buffer *code, const struct emit_place *place, const struct saved *saved,
                   struct to_end *ret) {
    bool is_entry = place->filter == EMIT_JUDGE;
    size_t go = 0;
    if (place->filter == EMIT_ALL)
        return;
    with_block(code, place, MOV_FROM_MEMORY, R11, AGENT_MUTED);
    if (!is_entry || !place->rule) {
        PUT(code, 0x4c, 0x89, 0xd8); /* mov rax, r11 */
        if (!is_entry) {
            with_block(code, place, 0x0b, RAX, AGENT_SAMPLED); /* or */
            with_block(code, place, 0x0b, RAX, AGENT_DEPTH);
        }
        PUT(code, 0x48, 0x85, 0xc0); /* test rax, rax */
        go = jump(code, CONDITION_ZERO);
    }
    end_if_inside(code, place, saved, ret);
    if (is_entry)
        load_rule(code, place->rule);
    else {
        PUT(code, 0x41, 0xbb); /* mov r11d, leaves */
        buffer_put_u32(code, place->filter == EMIT_LEAVE);
    }
    PUT(code, 0x65, 0xff, 0x14, 0x25); /* call gs:[] */
    buffer_put_u32(code, is_entry ? AGENT_JUDGE : AGENT_PASSED);
    PUT(code, 0x85, 0xc0); /* test eax, eax */
    end_if(code, CONDITION_ZERO, ret);
    if (go)
        land(code, go, code->size);
}

/* ---- the record ---- */

/* r11 becomes the address of the record. */
static void reserve(struct buffer *code, const struct emit_place *place, uint32_t size, struct to_end *ret) {
    size_t again = code->size;
    with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_HEAD);
    with_block(code, place, 0x3b, RAX, AGENT_LIMIT); /* cmp */
    size_t full = jump(code, CONDITION_ABOVE);
    PUT(code, 0xb8); /* mov eax, size */
    buffer_put_u32(code, size);
    put_segment(code, place);
    PUT(code, 0x48, 0x0f, 0xc1, 0x04, 0x25); /* xadd gs:[AGENT_HEAD], rax */
    buffer_put_u32(code, place->block + AGENT_HEAD);
    PUT(code, 0x25); /* and eax: also zeroes the upper half */
    buffer_put_u32(code, AGENT_RING_SIZE - 1);
    with_block(code, place, MOV_FROM_MEMORY, R11, AGENT_RING);
    PUT(code, 0x49, 0x01, 0xc3, 0xeb, 0x00); /* add r11, rax; jmp over */
    size_t over = code->size;
    land(code, full, code->size);
    call_block(code, place, AGENT_FULL);
    if (!place->block) {
        PUT(code, 0x85, 0xc0); /* test eax, eax */
        size_t retry = jump(code, CONDITION_NOT_ZERO);
        land(code, retry, again);
    }
    PUT(code, 0xe9); /* jmp */
    buffer_put_u32(code, 0);
    if (place->block) /* there is room always */
        land(code, code->size - 4, again);
    else
        ret->jumps[ret->count++] = code->size - 4;
    if (!code->failed)
        code->data[over - 1] = (uint8_t)(code->size - over);
}

static void load_rax(struct buffer *code, const struct emit_place *place, const struct saved *saved) {
    if (place->block)
        with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_SAVED_RAX);
    else
        load(code, 8, RAX, RSP, saved->rax);
}

static void load_r11(struct buffer *code, const struct emit_place *place, const struct saved *saved) {
    if (place->block)
        with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_SAVED_R11);
    else
        load(code, 8, RAX, RSP, saved->r11);
}

static void note_registers(struct buffer *code, const struct record_layout *layout,
                           const struct emit_place *place, const struct saved *saved) {
    for (unsigned reg = 0; reg < LAYOUT_REGISTERS; reg++) {
        int32_t at = layout->register_at[reg];
        if (!(layout->registers >> reg & 1))
            continue;
        if (reg >= LAYOUT_FIRST_VECTOR) {
            store_vector(code, reg - LAYOUT_FIRST_VECTOR, R11, at);
            continue;
        }
        unsigned number = reg < 16 ? encodings[reg] : RAX;
        if (number == RAX)
            load_rax(code, place, saved);
        else if (number == R11)
            load_r11(code, place, saved);
        else if (number == RSP)
            lea(code, RAX, RSP, saved->depth);
        bool by_rax = number == RAX || number == R11 || number == RSP;
        store(code, 8, by_rax ? RAX : number, R11, at);
    }
}

/* Bytes at [base + from] to the record; rax is used. base is rsp or rbp. */
static void copy(struct buffer *code, unsigned base, int32_t from, int32_t to, uint32_t size) {
    for (uint32_t done = 0; done < size;) {
        unsigned part = 8;
        while (part > size - done)
            part /= 2;
        load(code, part, RAX, base, from + (int32_t)done);
        store(code, part, RAX, R11, to + (int32_t)done);
        done += part;
    }
}

/* The same, at an address that rax must hold: anew for each word. */
static void copy_behind_rax(struct buffer *code, const struct emit_place *place, const struct saved *saved,
                            int32_t from, int32_t to, uint32_t size) {
    for (uint32_t done = 0; done < size;) {
        unsigned part = 8;
        while (part > size - done)
            part /= 2;
        load_rax(code, place, saved);
        load(code, part, RAX, RAX, from + (int32_t)done);
        store(code, part, RAX, R11, to + (int32_t)done);
        done += part;
    }
}

static void copy_absolute(struct buffer *code, uint64_t from, int32_t to, uint32_t size) {
    for (uint32_t done = 0; done < size;) {
        unsigned part = 8;
        while (part > size - done)
            part /= 2;
        move_constant(code, RAX, from + done);
        load(code, part, RAX, RAX, 0);
        store(code, part, RAX, R11, to + (int32_t)done);
        done += part;
    }
}

/* rax: address, r11: the string's place with its size in it. */
static void note_text(struct buffer *code, const struct emit_place *place,
                      const struct layout_memory *piece) {
    PUT(code, 0x41, 0xc7); /* mov dword [r11 + at], size */
    put_operand(code, 0, R11, (int32_t)piece->at);
    buffer_put_u32(code, piece->size);
    load(code, 8, RAX, R11, (int32_t)piece->pointer);
    lea(code, R11, R11, (int32_t)piece->at);
    call_block(code, place, AGENT_TEXT);
    lea(code, R11, R11, -(int32_t)piece->at);
}

static void note_memory(struct buffer *code, const struct record_layout *layout,
                        const struct emit_place *place, const struct saved *saved) {
    for (size_t i = 0; i < layout->memory_count; i++) {
        const struct layout_memory *piece = &layout->memory[i];
        int32_t offset = (int32_t)piece->offset, at = (int32_t)piece->at;
        if (piece->base == LAYOUT_TEXT)
            note_text(code, place, piece);
        else if (piece->base == LAYOUT_ABSOLUTE)
            copy_absolute(code, (uint64_t)piece->offset, at, piece->size);
        else if (encodings[piece->reg] == RAX)
            copy_behind_rax(code, place, saved, offset, at, piece->size);
        else if (encodings[piece->reg] == RSP)
            copy(code, RSP, saved->depth + offset, at, piece->size);
        else
            copy(code, encodings[piece->reg], offset, at, piece->size);
    }
}

static void note_time(struct buffer *code, const struct emit_place *place, enum record_time time) {
    if (time == RECORD_TIME_COARSE) {
        with_block(code, place, MOV_FROM_MEMORY, RAX, AGENT_CLOCK);
        store(code, 8, RAX, R11, AGENT_RECORD_TIME);
        return;
    }
    if (place->block)
        with_block(code, place, MOV_TO_MEMORY, RDX, AGENT_SAVED_RDX);
    else
        PUT(code, 0x52);   /* push rdx */
    PUT(code, 0x0f, 0x31); /* rdtsc */
    store(code, 4, RAX, R11, AGENT_RECORD_TIME);
    store(code, 4, RDX, R11, AGENT_RECORD_TIME + 4);
    if (place->block)
        with_block(code, place, MOV_FROM_MEMORY, RDX, AGENT_SAVED_RDX);
    else
        PUT(code, 0x5a); /* pop rdx */
}

void emit_record(const struct record_layout *layout, uint32_t id, const struct emit_place *place,
                 struct buffer *code) {
    struct to_end to_end = {0};
    struct saved saved = save(code, layout, place);
    check_block(code, place, &to_end);
    filter(code, place, &saved, &to_end);
    reserve(code, place, layout->size, &to_end);
    note_registers(code, layout, place, &saved);
    if (layout->time)
        note_time(code, place, layout->time);
    note_memory(code, layout, place, &saved);
    move_constant(code, RAX, (uint64_t)layout->size << 8 * AGENT_RECORD_SIZE | id);
    store(code, 8, RAX, R11, AGENT_RECORD_ID);
    for (size_t i = 0; i < to_end.count; i++)
        land(code, to_end.jumps[i], code->size);
    restore(code, &saved, place);
}
