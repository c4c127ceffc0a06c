#include "replay/matcher_code.h"

#include <string.h>

/* Offsets in the data page, beside those of the header. */
enum {
    SAVED_RCX = 0,
    SAVED_RAX = 8,
    SAVED_RSP = 16,
    VECTOR = 64,
    LEGACY = 512, /* fxsave's 512 bytes */
    STACK_TOP = 2048,
};

#define INT3 0xcc

static void put(struct matcher_code *code, const void *bytes, size_t size) {
    memcpy(code->bytes + code->size, bytes, size);
    code->size += size;
}

#define PUT(code, ...) put(code, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* An instruction's 32-bit displacement to the data page, `behind` bytes before the instruction's end. */
static void put_data(struct matcher_code *code, unsigned offset, unsigned behind) {
    int32_t distance = (int32_t)(code->data + offset - (code->at + code->size + 4 + behind));
    put(code, &distance, sizeof(distance));
}

static void save_rax(struct matcher_code *code) {
    PUT(code, 0x48, 0x89, 0x05); /* mov %rax,saved(%rip) */
    put_data(code, SAVED_RAX, 0);
}

static void restore_rax(struct matcher_code *code) {
    PUT(code, 0x48, 0x8b, 0x05); /* mov saved(%rip),%rax */
    put_data(code, SAVED_RAX, 0);
}

static void restore_rcx(struct matcher_code *code) {
    PUT(code, 0x48, 0x8b, 0x0d); /* mov saved(%rip),%rcx */
    put_data(code, SAVED_RCX, 0);
}

/* rcx = -value */
static void put_negative(struct matcher_code *code, uint64_t value) {
    value = -value;
    PUT(code, 0x48, 0xb9); /* movabs $-value,%rcx */
    put(code, &value, sizeof(value));
}

/* Unless rcx is 0, leave. */
static void put_exit(struct matcher_code *code) {
    PUT(code, 0xe3, 5); /* jrcxz over the jump */
    PUT(code, 0xe9);
    code->exits[code->exit_count++] = code->size;
    PUT(code, 0, 0, 0, 0);
}

/* rcx = register - value */
static void compare_register(struct matcher_code *code, const struct condition *condition) {
    unsigned number = condition->number;
    switch (number) {
    case 1: /* rcx is in use */
        save_rax(code);
        put_negative(code, condition->value);
        PUT(code, 0x48, 0x8b, 0x05); /* mov saved rcx(%rip),%rax */
        put_data(code, SAVED_RCX, 0);
        PUT(code, 0x48, 0x8d, 0x0c, 0x01); /* lea (%rcx,%rax),%rcx */
        restore_rax(code);
        break;
    case 4: /* rsp can be no index */
        put_negative(code, condition->value);
        PUT(code, 0x48, 0x8d, 0x0c, 0x0c); /* lea (%rsp,%rcx),%rcx */
        break;
    default:
        put_negative(code, condition->value);
        PUT(code, number >= 8 ? 0x4a : 0x48, 0x8d, 0x0c,
            (uint8_t)((number & 7) << 3 | 1)); /* lea (%rcx,%reg),%rcx */
        break;
    }
}

/* rcx = 8 bytes of the data page - value; rax is saved and put back. */
static void compare_data(struct matcher_code *code, unsigned offset, uint64_t value) {
    put_negative(code, value);
    PUT(code, 0x48, 0x8b, 0x05); /* mov data(%rip),%rax */
    put_data(code, offset, 0);
    PUT(code, 0x48, 0x8d, 0x0c, 0x01); /* lea (%rcx,%rax),%rcx */
    restore_rax(code);
}

static void compare_flags(struct matcher_code *code, const struct condition *condition) {
    PUT(code, 0x48, 0x89, 0x25); /* mov %rsp,saved(%rip) */
    put_data(code, SAVED_RSP, 0);
    PUT(code, 0x48, 0x8d, 0x25); /* lea own stack(%rip),%rsp */
    put_data(code, STACK_TOP, 0);
    PUT(code, 0x9c);             /* pushf */
    PUT(code, 0x48, 0x8b, 0x25); /* mov saved(%rip),%rsp */
    put_data(code, SAVED_RSP, 0);
    save_rax(code);
    compare_data(code, STACK_TOP - 8, condition->value);
}

static void compare_word(struct matcher_code *code, const struct condition *condition) {
    save_rax(code);
    PUT(code, 0x48, 0xa1); /* movabs address,%rax */
    put(code, &condition->address, sizeof(condition->address));
    put_negative(code, condition->value);
    PUT(code, 0x48, 0x8d, 0x0c, 0x01); /* lea (%rcx,%rax),%rcx */
    restore_rax(code);
}

static void compare_xmm(struct matcher_code *code, const struct condition *condition) {
    uint8_t modrm = (uint8_t)((condition->number & 7) << 3 | 5);
    PUT(code, 0xf3);
    if (condition->number >= 8)
        PUT(code, 0x44);
    PUT(code, 0x0f, 0x7f, modrm); /* movdqu %xmmN,data(%rip) */
    put_data(code, VECTOR, 0);
    save_rax(code);
    compare_data(code, VECTOR + 8 * condition->half, condition->value);
}

static void compare_ymm_high(struct matcher_code *code, const struct condition *condition) {
    uint8_t modrm = (uint8_t)((condition->number & 7) << 3 | 5);
    PUT(code, 0xc4, condition->number >= 8 ? 0x63 : 0xe3, 0x7d, 0x19, modrm); /* vextractf128 $1 */
    put_data(code, VECTOR, 1);
    PUT(code, 1);
    save_rax(code);
    compare_data(code, VECTOR + 8 * condition->half, condition->value);
}

static void compare_legacy(struct matcher_code *code, const struct condition *condition) {
    PUT(code, 0x48, 0x0f, 0xae, 0x05); /* fxsave64 data(%rip) */
    put_data(code, LEGACY, 0);
    save_rax(code);
    compare_data(code, LEGACY + condition->number, condition->value);
}

void matcher_code_add(struct matcher_code *code, const struct condition *condition) {
    switch (condition->kind) {
    case CONDITION_REGISTER:
        compare_register(code, condition);
        break;
    case CONDITION_FLAGS:
        compare_flags(code, condition);
        break;
    case CONDITION_WORD:
        compare_word(code, condition);
        break;
    case CONDITION_XMM:
        compare_xmm(code, condition);
        break;
    case CONDITION_YMM_HIGH:
        compare_ymm_high(code, condition);
        break;
    case CONDITION_LEGACY:
        compare_legacy(code, condition);
        break;
    }
    put_exit(code);
}

static void count_passage(struct matcher_code *code) {
    PUT(code, 0x48, 0x8b, 0x0d); /* mov passages(%rip),%rcx */
    put_data(code, MATCHER_PASSAGES, 0);
    PUT(code, 0x48, 0x8d, 0x49, 0x01); /* lea 1(%rcx),%rcx */
    PUT(code, 0x48, 0x89, 0x0d);       /* mov %rcx,passages(%rip) */
    put_data(code, MATCHER_PASSAGES, 0);
}

void matcher_code_begin(struct matcher_code *code, uint64_t at, uint64_t data, bool counting) {
    code->at = at;
    code->data = data;
    code->size = code->exit_count = 0;
    PUT(code, 0x48, 0x89, 0x0d); /* mov %rcx,saved(%rip) */
    put_data(code, SAVED_RCX, 0);
    if (counting)
        count_passage(code);
}

void matcher_code_sequence(struct matcher_code *code, uint64_t sequence) {
    save_rax(code);
    PUT(code, 0x48, 0xa1); /* movabs sequence,%rax */
    put(code, &sequence, sizeof(sequence));
    PUT(code, 0x48, 0x8d, 0x40, 0x01); /* lea 1(%rax),%rax */
    PUT(code, 0x48, 0xa3);             /* movabs %rax,sequence */
    put(code, &sequence, sizeof(sequence));
    PUT(code, 0x48, 0x89, 0x05); /* mov %rax,last(%rip) */
    put_data(code, MATCHER_LAST, 0);
    restore_rax(code);
}

uint64_t matcher_code_end(struct matcher_code *code) {
    restore_rcx(code);
    PUT(code, INT3);
    uint64_t matched = code->at + code->size;
    for (size_t i = 0; i < code->exit_count; i++) {
        int32_t distance = (int32_t)(code->size - (code->exits[i] + 4));
        memcpy(code->bytes + code->exits[i], &distance, sizeof(distance));
    }
    restore_rcx(code);
    return matched;
}
