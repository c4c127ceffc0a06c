#include "tracer/window.h"

#include <string.h>

#define INT3 0xcc
#define LOCK 0xf0 /* the prefix; code for one thread may jump past it */

/* One-byte opcodes that trap in 64-bit mode on every processor: int3, and those that are undefined (SDM
 * volume 2, appendix A). None is a prefix of anything. */
static const uint8_t trapping[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
                                   0x3f, 0x60, 0x61, 0x82, 0x9a, INT3, 0xce, 0xd4, 0xd6, 0xea};
#define TRAPPING_COUNT (sizeof(trapping) / sizeof(trapping[0]))

struct error *window_decode(const uint8_t *bytes, size_t size, uint64_t address, struct window *ret) {
    struct window window = {.address = address};
    while (window.length < WINDOW_JUMP) {
        struct displaced *displaced = &window.instructions[window.count];
        TRY(displaced_decode(bytes + window.length, size - window.length, address + window.length,
                             displaced));
        window.length += displaced->length;
        window.count++;
    }
    memcpy(window.bytes, bytes, window.length);
    *ret = window;
    return NULL;
}

/* ---- jumps into it ---- */

/* Where the bytes would jump to as one of the direct jumps; false: they are none. */
static bool jump_target(const uint8_t *bytes, size_t left, uint64_t address, uint64_t *ret) {
    int32_t far;
    size_t opcode = 0;
    if (left >= 2 && (bytes[0] == 0xeb || (bytes[0] & 0xf0) == 0x70 || (bytes[0] & 0xfc) == 0xe0)) {
        *ret = address + 2 + (uint64_t)(int64_t)(int8_t)bytes[1];
        return true;
    }
    if (left >= 6 && bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80)
        opcode = 2;
    else if (left >= 5 && (bytes[0] == 0xe8 || bytes[0] == 0xe9))
        opcode = 1;
    if (!opcode)
        return false;
    memcpy(&far, bytes + opcode, sizeof(far));
    *ret = address + opcode + sizeof(far) + (uint64_t)(int64_t)far;
    return true;
}

static bool is_call(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_CALL || displaced->operation == DISPLACED_CALL_INDIRECT;
}

static bool never_falls_through(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_JUMP || displaced->operation == DISPLACED_JUMP_INDIRECT ||
           displaced->operation == DISPLACED_RET;
}

bool window_is_target(const struct window *window, const uint8_t *bytes, size_t size, uint64_t address) {
    for (size_t i = 0; i + 1 < window->count; i++) /* returns; and something must lead behind a jump */
        if (is_call(&window->instructions[i]) || (never_falls_through(&window->instructions[i]) &&
                                                  window->instructions[i + 1].operation != DISPLACED_NOP))
            return true;
    for (size_t i = 0; i < size; i++) {
        uint64_t target, at = window->address;
        if (!jump_target(bytes + i, size - i, address + i, &target) || target <= window->address ||
            target >= window->address + window->length)
            continue;
        for (size_t k = 0; k < window->count; k++, at += window->instructions[k - 1].length)
            if (target == at || (target == at + 1 && window->instructions[k].bytes[0] == LOCK))
                return true;
    }
    return false;
}

/* ---- the copy ---- */

struct writer {
    uint8_t *bytes;
    size_t size;
    uint64_t at; /* address of bytes[0] */
    uint64_t scratch;
    bool out_of_reach;
};

static void put(struct writer *writer, const void *bytes, size_t size) {
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

#define PUT(writer, ...) put(writer, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static bool reaches(uint64_t from, uint64_t to) {
    int64_t distance = (int64_t)(to - from);
    return distance == (int32_t)distance;
}

static void put_relative(struct writer *writer, uint64_t target) {
    uint64_t end = writer->at + writer->size + 4;
    int32_t distance = (int32_t)(target - end);
    if (!reaches(end, target))
        writer->out_of_reach = true;
    put(writer, &distance, sizeof(distance));
}

#define FAR_JUMP 14
static void put_far_jump(struct writer *writer, uint64_t target) {
    PUT(writer, 0xff, 0x25, 0, 0, 0, 0); /* jmp *0(%rip) */
    put(writer, &target, sizeof(target));
}

static void put_jump(struct writer *writer, uint64_t target) {
    if (!reaches(writer->at + writer->size + WINDOW_JUMP, target)) {
        put_far_jump(writer, target);
        return;
    }
    PUT(writer, 0xe9);
    put_relative(writer, target);
}

static void put_branch(struct writer *writer, uint8_t condition, uint64_t target) {
    if (reaches(writer->at + writer->size + 6, target)) {
        PUT(writer, 0x0f, 0x80 | condition);
        put_relative(writer, target);
        return;
    }
    PUT(writer, 0x70 | (condition ^ 1), FAR_JUMP);
    put_far_jump(writer, target);
}

static void put_loop(struct writer *writer, const struct displaced *displaced) {
    if (displaced->is_32_bit_count)
        PUT(writer, 0x67);
    PUT(writer, 0xe0 | displaced->condition, 2); /* taken: over the short jump */
    PUT(writer, 0xeb, FAR_JUMP);
    put_far_jump(writer, displaced->target);
}

/* What a call leaves on the stack: lea -8(%rsp),%rsp; movl ...,(%rsp); movl ...,4(%rsp). */
static void put_return_address(struct writer *writer, const struct displaced *displaced) {
    uint64_t next = displaced->address + displaced->length;
    uint32_t low = (uint32_t)next, high = (uint32_t)(next >> 32);
    PUT(writer, 0x48, 0x8d, 0x64, 0x24, 0xf8);
    PUT(writer, 0xc7, 0x04, 0x24);
    put(writer, &low, sizeof(low));
    PUT(writer, 0xc7, 0x44, 0x24, 0x04);
    put(writer, &high, sizeof(high));
}

static void put_as_is(struct writer *writer, const struct displaced *displaced, const uint8_t *bytes) {
    uint64_t end = writer->at + writer->size + displaced->length;
    size_t start = writer->size;
    put(writer, bytes, displaced->length);
    if (!displaced->relative_at)
        return;
    int32_t distance = (int32_t)(displaced->relative_target - end);
    if (!reaches(end, displaced->relative_target))
        writer->out_of_reach = true;
    memcpy(writer->bytes + start + displaced->relative_at, &distance, sizeof(distance));
}

/* The target is pushed, as the call would read it, and taken off again into the scratch word. */
static void put_indirect_call(struct writer *writer, const struct displaced *displaced) {
    enum { CALL = 2, PUSH = 6 }; /* of opcode ff */
    uint8_t bytes[DISPLACED_INSTRUCTION_MAX];
    memcpy(bytes, displaced->bytes, displaced->length);
    bytes[displaced->modrm_at] = (uint8_t)((bytes[displaced->modrm_at] & ~(7 << 3)) | (PUSH << 3));
    put_as_is(writer, displaced, bytes);
    PUT(writer, 0x8f, 0x05); /* pop scratch(%rip) */
    put_relative(writer, writer->scratch);
    put_return_address(writer, displaced);
    PUT(writer, 0xff, 0x25); /* jmp *scratch(%rip) */
    put_relative(writer, writer->scratch);
}

static void put_instruction(struct writer *writer, const struct displaced *displaced) {
    switch (displaced->operation) {
    case DISPLACED_CALL:
        put_return_address(writer, displaced);
        put_jump(writer, displaced->target);
        break;
    case DISPLACED_CALL_INDIRECT:
        put_indirect_call(writer, displaced);
        break;
    case DISPLACED_JUMP:
        put_jump(writer, displaced->target);
        break;
    case DISPLACED_BRANCH:
        put_branch(writer, displaced->condition, displaced->target);
        break;
    case DISPLACED_LOOP:
        put_loop(writer, displaced);
        break;
    default:
        put_as_is(writer, displaced, displaced->bytes);
        break;
    }
}

struct error *window_copy(const struct window *window, uint64_t at, uint64_t scratch,
                          uint8_t ret[WINDOW_COPY_MAX], size_t *ret_size,
                          size_t ret_offsets[WINDOW_INSTRUCTIONS]) {
    struct writer writer = {.bytes = ret, .at = at, .scratch = scratch};
    for (size_t i = 0; i < window->count; i++) {
        ret_offsets[i] = writer.size;
        put_instruction(&writer, &window->instructions[i]);
    }
    put_jump(&writer, window->address + window->length);
    if (writer.out_of_reach)
        return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: an operand is out of reach",
                         (unsigned long long)window->address);
    *ret_size = writer.size;
    return NULL;
}

/* ---- the patch ---- */

bool window_jump_targets(const struct window *window, uint64_t low, uint64_t high,
                         bool (*visit)(void *context, uint64_t target), void *context) {
    uint64_t from = window->address + WINDOW_JUMP;
    for (size_t top = 0; top < TRAPPING_COUNT; top++) {
        for (size_t second = 0; second < TRAPPING_COUNT; second++) {
            int32_t most = (int32_t)((uint32_t)trapping[top] << 24 | (uint32_t)trapping[second] << 16);
            uint64_t base = from + (uint64_t)(int64_t)most;
            if (base + 0xffff < low || base > high || base >> 47)
                continue;
            for (size_t third = 0; third < TRAPPING_COUNT; third++)
                for (size_t fourth = 0; fourth < TRAPPING_COUNT; fourth++) {
                    uint64_t target = base + ((uint64_t)trapping[third] << 8 | trapping[fourth]);
                    if (target >= low && target <= high && visit(context, target))
                        return true;
                }
        }
    }
    return false;
}

void window_patch(const struct window *window, uint64_t target, uint8_t ret[WINDOW_BYTES]) {
    int32_t distance = (int32_t)(target - (window->address + WINDOW_JUMP));
    memset(ret, INT3, WINDOW_BYTES);
    ret[0] = 0xe9;
    memcpy(ret + 1, &distance, sizeof(distance));
}

uint64_t window_original(const struct window *window, uint64_t at, const size_t offsets[WINDOW_INSTRUCTIONS],
                         size_t size, uint64_t rip) {
    if (rip < at || rip >= at + size)
        return rip;
    for (size_t i = window->count; i-- > 0;)
        if (rip >= at + offsets[i])
            return window->instructions[i].address;
    return rip;
}
