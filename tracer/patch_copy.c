#include "tracer/patch_copy.h"

#include <string.h>

#define GROUP_5_JUMP    4 /* of opcode ff */
#define NUMBER_RSP      4
#define PUSH_SIZE       5 /* push $low */
#define MODRM_MEMORY_32 2

bool patch_copy_is_call(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_CALL || displaced->operation == DISPLACED_CALL_INDIRECT;
}

bool patch_copy_ends(const struct displaced *displaced) {
    static const uint8_t ud2[] = {0x0f, 0x0b};
    if (displaced->length == sizeof(ud2) && !memcmp(displaced->bytes, ud2, sizeof(ud2)))
        return true;
    return displaced->operation == DISPLACED_JUMP || displaced->operation == DISPLACED_JUMP_INDIRECT ||
           displaced->operation == DISPLACED_RET;
}

/* Does it reach its target through the stack pointer, which the push in front of it has moved? */
static bool is_stack_call(const struct displaced *displaced) {
    const struct displaced_operand *operand = &displaced->operand;
    return displaced->operation == DISPLACED_CALL_INDIRECT &&
           (operand->is_memory ? operand->base == NUMBER_RSP : operand->reg == NUMBER_RSP);
}

const char *patch_copy_obstacle(const struct displaced *displaced) {
    if (displaced->operation == DISPLACED_SYSCALL)
        return "a system call, which may be restarted";
    if (is_stack_call(displaced) && (!displaced->operand.is_memory || displaced->operand.is_32_bit ||
                                     displaced->operand.displacement < 0))
        return "a call through the stack pointer itself";
    return NULL;
}

static bool put_distance(uint64_t target, uint64_t base, struct buffer *code) {
    int64_t distance = (int64_t)(target - (base + code->size + sizeof(int32_t)));
    buffer_put_u32(code, (uint32_t)distance);
    return distance == (int32_t)distance;
}

bool patch_copy_put_jump(uint64_t target, uint64_t base, struct buffer *code) {
    buffer_put_u8(code, 0xe9);
    return put_distance(target, base, code);
}

void patch_copy_put_branch(const struct displaced *displaced, struct buffer *code, size_t *ret) {
    if (displaced->operation == DISPLACED_LOOP) {
        if (displaced->is_32_bit_count)
            buffer_put_u8(code, 0x67);
        buffer_put_u8(code, 0xe0 | displaced->condition);
        buffer_put(code, "\x02\xeb\x05\xe9", 4); /* taken: over the short jump, to the long one */
    } else {
        buffer_put_u8(code, 0x0f);
        buffer_put_u8(code, 0x80 | displaced->condition);
    }
    *ret = code->size;
    buffer_put_u32(code, 0);
}

bool patch_copy_set_target(struct buffer *code, uint64_t base, size_t place, uint64_t target) {
    int64_t distance = (int64_t)(target - (base + place + sizeof(int32_t)));
    int32_t near = (int32_t)distance;
    if (!code->failed)
        memcpy(code->data + place, &near, sizeof(near));
    return distance == near;
}

static bool put_as_is(const struct displaced *displaced, const uint8_t *bytes, uint64_t base,
                      struct buffer *code) {
    size_t start = code->size;
    buffer_put(code, bytes, displaced->length);
    if (!displaced->relative_at || code->failed)
        return true;
    int64_t distance = (int64_t)(displaced->relative_target - (base + code->size));
    int32_t near = (int32_t)distance;
    memcpy(code->data + start + displaced->relative_at, &near, sizeof(near));
    return distance == near;
}

/* One push makes the accesses of the call, and faults as it would. */
static void put_return_address(const struct displaced *displaced, struct buffer *code) {
    uint64_t next = displaced->address + displaced->length;
    buffer_put_u8(code, 0x68);
    buffer_put_u32(code, (uint32_t)next);
    buffer_put(code, "\xc7\x44\x24\x04", 4);
    buffer_put_u32(code, (uint32_t)(next >> 32));
}

/* jmp *disp(%rsp,...) with 8 more to go: with a 32-bit displacement, whatever it had. */
static void put_stack_jump(const struct displaced *displaced, struct buffer *code) {
    uint8_t modrm = displaced->bytes[displaced->modrm_at];
    buffer_put(code, displaced->bytes, displaced->modrm_at);
    buffer_put_u8(code, (uint8_t)(MODRM_MEMORY_32 << 6 | GROUP_5_JUMP << 3 | (modrm & 7)));
    buffer_put_u8(code, displaced->bytes[displaced->modrm_at + 1]); /* SIB, always there with rsp */
    buffer_put_u32(code, (uint32_t)(displaced->operand.displacement + 8));
}

static bool put_indirect_call(const struct displaced *displaced, uint64_t base, struct buffer *code) {
    uint8_t bytes[DISPLACED_INSTRUCTION_MAX];
    put_return_address(displaced, code);
    if (is_stack_call(displaced)) {
        put_stack_jump(displaced, code);
        return true;
    }
    memcpy(bytes, displaced->bytes, displaced->length);
    bytes[displaced->modrm_at] = (uint8_t)((bytes[displaced->modrm_at] & ~(7 << 3)) | (GROUP_5_JUMP << 3));
    return put_as_is(displaced, bytes, base, code);
}

bool patch_copy_put(const struct displaced *displaced, uint64_t base, struct buffer *code) {
    size_t place;
    switch (displaced->operation) {
    case DISPLACED_CALL:
        put_return_address(displaced, code);
        return patch_copy_put_jump(displaced->target, base, code);
    case DISPLACED_CALL_INDIRECT:
        return put_indirect_call(displaced, base, code);
    case DISPLACED_JUMP:
        return patch_copy_put_jump(displaced->target, base, code);
    case DISPLACED_BRANCH:
    case DISPLACED_LOOP:
        patch_copy_put_branch(displaced, code, &place);
        return patch_copy_set_target(code, base, place, displaced->target);
    default:
        return put_as_is(displaced, displaced->bytes, base, code);
    }
}

uint64_t patch_copy_pushed(const struct displaced *displaced, size_t offset) {
    return patch_copy_is_call(displaced) && offset >= PUSH_SIZE ? 8 : 0;
}
