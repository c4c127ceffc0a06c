#include "replay/point.h"

#include "base/registers.h"

#include <Zydis/Zydis.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define WORD ((uint64_t)8)

/* ---- taking ---- */

enum {
    RED_ZONE = 128,      /* below rsp, where functions that call nothing keep variables */
    STACK_WORDS = 64,    /* from rsp up */
    STACK_HASHED = 4096, /* bytes */
    NEAR_BELOW = 64,     /* bytes around what a register points to */
    NEAR_ABOVE = 192,
    BEHIND_WORD = 64,  /* bytes at what a word points to */
    INSTRUCTIONS = 24, /* looked at from rip on, and as many where a jump back leads */
    CODE_BYTES = INSTRUCTIONS * ZYDIS_MAX_INSTRUCTION_LENGTH,
    OPERAND_MOST = 64,   /* bytes of memory that one operand may touch */
    DATA_HASHED = 32768, /* of the program's own variables, every time */
    SEEN = 4096,         /* entries of the table of known addresses: a power of two */
};

struct taking {
    struct task *task;
    const struct maps *maps;
    bool shared;
    struct point *point;
    uint64_t seen[SEEN]; /* addresses of words, 0: free */
};

/* The writable mapping that holds the address, or NULL. */
static const struct mapping *writable_mapping(const struct maps *maps, uint64_t address) {
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (maps->mappings[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == maps->count || maps->mappings[low].start > address)
        return NULL;
    const struct mapping *mapping = &maps->mappings[low];
    bool readable = (mapping->protection & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE);
    return readable && !mapping_is_kernel_data(mapping) ? mapping : NULL;
}

/* The same if it is private. */
static const struct mapping *own_mapping(const struct maps *maps, uint64_t address) {
    const struct mapping *mapping = writable_mapping(maps, address);
    return mapping && !mapping->shared ? mapping : NULL;
}

/* Note the address; false when it is known already. */
static bool add_seen(struct taking *taking, uint64_t address) {
    for (size_t at = (address >> 3) * 0x9e3779b1u % SEEN;; at = (at + 1) % SEEN) {
        if (taking->seen[at] == address)
            return false;
        if (!taking->seen[at]) {
            taking->seen[at] = address;
            return true;
        }
    }
}

/* Add the words of [address, address + size), as far as they are in the mapping of `anchor` and that is
 * memory of the program's own. */
static void add_words(struct taking *taking, uint64_t anchor, uint64_t address, uint64_t size) {
    uint64_t values[(NEAR_BELOW + NEAR_ABOVE + RED_ZONE + STACK_WORDS * 8) / 8 + 2];
    struct point *point = taking->point;
    uint64_t start = address & ~(WORD - 1), end = (address + size + WORD - 1) & ~(WORD - 1);
    const struct mapping *mapping =
        taking->shared ? writable_mapping(taking->maps, anchor) : own_mapping(taking->maps, anchor);
    if (!mapping)
        return;
    start = start > mapping->start ? start : mapping->start;
    end = end < mapping->end ? end : mapping->end;
    if (start >= end)
        return;
    if (end - start > sizeof(values))
        end = start + sizeof(values);
    size_t got = task_read(taking->task, start, values, end - start) / WORD;
    for (size_t i = 0; i < got && point->word_count < POINT_WORDS_MAX; i++)
        if (add_seen(taking, start + i * WORD))
            point->words[point->word_count++] =
                (struct point_word){.address = start + i * WORD, .value = values[i]};
}

/* The value of a 64-bit register, or of the one that a part of it belongs to. */
static uint64_t register_value(const struct user_regs_struct *regs, ZydisRegister part) {
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, part);
    const unsigned long long *const values[16] = {
        &regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
        &regs->r8,  &regs->r9,  &regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15};
    ZyanI8 id = ZydisRegisterGetId(whole);
    return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 && id >= 0 && id < 16 ? *values[id] : 0;
}

static void add_operand(struct taking *taking, const ZydisDecodedOperand *operand, uint64_t next) {
    const struct user_regs_struct *regs = &taking->point->regs;
    uint64_t address = operand->mem.disp.has_displacement ? (uint64_t)operand->mem.disp.value : 0;
    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return;
    if (operand->mem.base == ZYDIS_REGISTER_RIP)
        address += next;
    else if (operand->mem.base != ZYDIS_REGISTER_NONE)
        address += register_value(regs, operand->mem.base);
    if (operand->mem.index != ZYDIS_REGISTER_NONE)
        address += register_value(regs, operand->mem.index) * operand->mem.scale;
    if (operand->mem.segment == ZYDIS_REGISTER_FS)
        address += regs->fs_base;
    else if (operand->mem.segment == ZYDIS_REGISTER_GS)
        address += regs->gs_base;
    uint64_t size = operand->size / 8;
    add_words(taking, address, address, size < OPERAND_MOST ? size : OPERAND_MOST);
}

/* What the instructions from `address` on touch, with the registers as they are now. Returns where the first
 * jump back leads, or 0. */
static uint64_t add_operands(struct taking *taking, uint64_t address) {
    ZydisDecoder decoder;
    uint8_t code[CODE_BYTES];
    uint64_t back = 0;
    size_t size = task_read(taking->task, address, code, sizeof(code)), at = 0;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t i = 0; i < INSTRUCTIONS; i++) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + at, size - at, &instruction, operands)))
            break;
        at += instruction.length;
        for (size_t k = 0; k < instruction.operand_count; k++)
            add_operand(taking, &operands[k], address + at);
        bool jumps = instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT ||
                     instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR;
        if (jumps && instruction.raw.imm[0].is_relative && instruction.raw.imm[0].value.s < 0 && !back)
            back = address + at + instruction.raw.imm[0].value.u;
        if (instruction.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
            instruction.meta.category == ZYDIS_CATEGORY_RET)
            break;
    }
    return back;
}

static void take_words(struct taking *taking) {
    struct point *point = taking->point;
    const struct user_regs_struct *regs = &point->regs;
    const uint64_t pointers[] = {regs->rbp, regs->rax, regs->rbx, regs->rcx, regs->rdx,
                                 regs->rsi, regs->rdi, regs->r8,  regs->r9,  regs->r10,
                                 regs->r11, regs->r12, regs->r13, regs->r14, regs->r15};
    uint64_t back = add_operands(taking, regs->rip);
    if (back)
        add_operands(taking, back);
    add_words(taking, regs->rsp, regs->rsp - RED_ZONE, RED_ZONE + STACK_WORDS * WORD);
    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
        add_words(taking, pointers[i], pointers[i] - NEAR_BELOW, NEAR_BELOW + NEAR_ABOVE);
    size_t near = point->word_count;
    for (size_t i = 0; i < near && point->word_count < POINT_WORDS_MAX; i++)
        add_words(taking, point->words[i].value, point->words[i].value, BEHIND_WORD);
}

/* ---- the hash ---- */

static void add_range(struct point *point, uint64_t start, uint64_t end) {
    if (start >= end || point->range_count == POINT_RANGES_MAX)
        return;
    uint32_t size = end - start < POINT_RANGE_MAX ? (uint32_t)(end - start) : POINT_RANGE_MAX;
    point->ranges[point->range_count++] = (struct point_range){.address = start, .size = size};
}

/* The variables of the program's own file: the first writable mapping of a file, and what follows it without
 * a gap. */
static void add_variables(const struct maps *maps, struct point *point) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (!mapping->inode || !own_mapping(maps, mapping->start))
            continue;
        uint64_t end = mapping->end;
        if (i + 1 < maps->count && maps->mappings[i + 1].start == end && own_mapping(maps, end))
            end = maps->mappings[i + 1].end;
        add_range(point, mapping->start,
                  end - mapping->start < DATA_HASHED ? end : mapping->start + DATA_HASHED);
        return;
    }
}

/* Some more, each time where the last point left off. */
static void add_others(const struct maps *maps, struct point *point, size_t budget, uint64_t *cursor) {
    for (int round = 0; round < 2 && budget; round++, *cursor = 0)
        for (size_t i = 0; i < maps->count && budget; i++) {
            const struct mapping *mapping = &maps->mappings[i];
            uint64_t start = mapping->start > *cursor ? mapping->start : *cursor;
            if (start >= mapping->end || !own_mapping(maps, mapping->start))
                continue;
            uint64_t size = mapping->end - start < budget ? mapping->end - start : budget;
            if (point->range_count == POINT_RANGES_MAX)
                return;
            add_range(point, start, start + size);
            budget -= size;
            *cursor = start + size;
            if (!budget)
                return;
        }
}

/* Hash the ranges; what cannot be read at the end of one is left out. */
static struct error *hash_ranges(const struct point *point, const struct memory_reader *memory,
                                 uint64_t *ret) {
    static uint8_t block[1 << 16];
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return &error_no_memory;
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < point->range_count; i++) {
        uint64_t address = point->ranges[i].address;
        for (uint32_t left = point->ranges[i].size; left;) {
            size_t want = left < sizeof(block) ? left : sizeof(block);
            size_t got = memory_read(memory, address, block, want);
            XXH3_64bits_update(state, block, got);
            if (got < want)
                break;
            address += got;
            left -= (uint32_t)got;
        }
    }
    *ret = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return NULL;
}

static struct error *take_hash(struct task *task, const struct maps *maps, size_t budget, uint64_t *cursor,
                               struct point *point) {
    const struct mapping *stack = own_mapping(maps, point->regs.rsp);
    const struct memory_reader memory = task_memory(task);
    if (stack)
        add_range(point, point->regs.rsp,
                  stack->end - point->regs.rsp < STACK_HASHED ? stack->end : point->regs.rsp + STACK_HASHED);
    if (budget) {
        add_variables(maps, point);
        add_others(maps, point, budget, cursor);
    }
    return hash_ranges(point, &memory, &point->hash);
}

struct error *point_take(struct task *task, const struct maps *maps, bool shared, size_t budget,
                         uint64_t *cursor, struct point *ret) {
    struct taking *taking = calloc(1, sizeof(*taking));
    if (!taking)
        return &error_no_memory;
    *taking = (struct taking){.task = task, .maps = maps, .shared = shared, .point = ret};
    ret->word_count = ret->range_count = 0;
    struct error *err = trace_get_registers(task->tid, &ret->regs);
    if (!err)
        err = trace_get_xstate(task->tid, ret->xstate, &ret->xstate_size);
    if (!err) {
        ret->regs.orig_rax = (unsigned long long)-1;
        take_words(taking);
        err = take_hash(task, maps, budget, cursor, ret);
    }
    free(taking);
    return err;
}

/* ---- bytes: writer and reader ---- */

void point_encode(const struct point *point, struct buffer *buffer) {
    uint64_t address = 0;
    buffer_put_varint(buffer, point->elapsed);
    buffer_put(buffer, &point->regs, sizeof(point->regs));
    buffer_put_blob(buffer, point->xstate, point->xstate_size);
    buffer_put_varint(buffer, point->range_count);
    for (size_t i = 0; i < point->range_count; i++) {
        buffer_put_varint(buffer, point->ranges[i].address);
        buffer_put_varint(buffer, point->ranges[i].size);
    }
    buffer_put_u64(buffer, point->hash);
    buffer_put_varint(buffer, point->word_count);
    for (size_t i = 0; i < point->word_count; i++) {
        buffer_put_svarint(buffer, (int64_t)(point->words[i].address - address) / (int64_t)WORD);
        buffer_put_u64(buffer, point->words[i].value);
        address = point->words[i].address;
    }
}

static uint64_t decode_count(struct cursor *cursor, uint64_t most) {
    uint64_t count = cursor_varint(cursor);
    if (count <= most)
        return count;
    cursor_fail(cursor);
    return 0;
}

static void decode_ranges(struct cursor *cursor, struct point *ret) {
    uint64_t count = decode_count(cursor, POINT_RANGES_MAX);
    for (uint64_t i = 0; i < count; i++) {
        struct point_range range = {.address = cursor_varint(cursor)};
        range.size = (uint32_t)decode_count(cursor, POINT_RANGE_MAX);
        if (range.size > UINT64_MAX - range.address)
            cursor_fail(cursor);
        if (ret)
            ret->ranges[i] = range;
    }
    if (ret)
        ret->range_count = count;
}

static void decode_words(struct cursor *cursor, struct point *ret) {
    uint64_t count = decode_count(cursor, POINT_WORDS_MAX), address = 0;
    for (uint64_t i = 0; i < count; i++) {
        address += (uint64_t)cursor_svarint(cursor) * WORD;
        struct point_word word = {.address = address, .value = cursor_u64(cursor)};
        if (ret)
            ret->words[i] = word;
    }
    if (ret)
        ret->word_count = count;
}

struct error *point_decode(struct cursor *cursor, struct point *ret) {
    size_t xstate_size;
    uint64_t elapsed = cursor_varint(cursor);
    const void *regs = cursor_bytes(cursor, sizeof(struct user_regs_struct));
    const void *xstate = cursor_blob(cursor, &xstate_size);
    if (xstate_size > XSTATE_MAX)
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    if (ret) {
        ret->elapsed = elapsed;
        memcpy(&ret->regs, regs, sizeof(ret->regs));
        memcpy(ret->xstate, xstate, xstate_size);
        ret->xstate_size = xstate_size;
    }
    decode_ranges(cursor, ret);
    uint64_t hash = cursor_u64(cursor);
    if (ret)
        ret->hash = hash;
    decode_words(cursor, ret);
    if (cursor_left(cursor))
        cursor_fail(cursor);
    return cursor_check(cursor);
}

/* ---- comparing ---- */

/* Layout of the XSAVE area: SDM volume 1, 13.4. */
enum { LEGACY_END = 416, HEADER_START = 416, HEADER_END = 576, FPU_POINTERS = 6, FPU_POINTERS_END = 24 };

/* The last x87 instruction's opcode and addresses tell of where it was executed, which may be a copy. What is
 * reserved, for software, and which components are in use, does not matter. */
static void mask_xstate(uint8_t word[8], size_t offset) {
    for (size_t i = 0; i < 8; i++)
        if (offset + i >= FPU_POINTERS && offset + i < FPU_POINTERS_END)
            word[i] = 0;
    if (offset >= HEADER_START && offset < HEADER_END)
        memset(word, 0, 8);
}

bool point_xstate_same(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, size_t *ret_offset) {
    size_t size = a_size < b_size ? a_size : b_size;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint8_t x[8], y[8];
        if (memcmp(a + at, b + at, 8) == 0)
            continue;
        memcpy(x, a + at, 8);
        memcpy(y, b + at, 8);
        mask_xstate(x, at);
        mask_xstate(y, at);
        if (memcmp(x, y, 8) != 0) {
            *ret_offset = at;
            return false;
        }
    }
    return true;
}

/* The first word that differs, or word_count. Neighbours are read together. */
static size_t compare_words(const struct point *point, const struct memory_reader *memory) {
    enum { MOST = 64 };
    for (size_t i = 0; i < point->word_count;) {
        uint64_t values[MOST];
        size_t count = 1;
        while (count < MOST && i + count < point->word_count &&
               point->words[i + count].address == point->words[i].address + count * WORD)
            count++;
        size_t got = memory_read(memory, point->words[i].address, values, count * WORD) / WORD;
        for (size_t k = 0; k < count; k++)
            if (k >= got || values[k] != point->words[i + k].value)
                return i + k;
        i += count;
    }
    return point->word_count;
}

struct error *point_compare(const struct point *point, struct task *task, const struct memory_reader *memory,
                            enum point_difference *ret, size_t *ret_index) {
    static uint8_t xstate[XSTATE_MAX];
    struct user_regs_struct regs;
    size_t size;
    uint64_t hash;
    TRY(trace_get_registers(task->tid, &regs));
    *ret = POINT_REGISTER;
    *ret_index = registers_compare(&regs, &point->regs);
    if (*ret_index != REGISTER_COUNT)
        return NULL;
    TRY(trace_get_xstate(task->tid, xstate, &size));
    *ret = POINT_XSTATE;
    if (!point_xstate_same(xstate, size, point->xstate, point->xstate_size, ret_index))
        return NULL;
    *ret = POINT_WORD;
    *ret_index = compare_words(point, memory);
    if (*ret_index != point->word_count)
        return NULL;
    TRY(hash_ranges(point, memory, &hash));
    *ret = hash == point->hash ? POINT_SAME : POINT_MEMORY;
    return NULL;
}
