#include "tracer/patch_code.h"

#include "dwarf/cfi.h"
#include "tracer/patch_code_state.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX (1ull << 30)

/* ---- bits ---- */

static bool bit(const uint64_t *bits, uint64_t index) {
    return bits[index / 64] >> (index % 64) & 1;
}

static void set_bit(uint64_t *bits, uint64_t index) {
    bits[index / 64] |= 1ull << (index % 64);
}

static bool covers(const struct patch_code *code, uint64_t vaddr) {
    return vaddr >= code->low && vaddr < code->high;
}

bool patch_code_is_start(const struct patch_code *code, uint64_t vaddr) {
    return covers(code, vaddr) && bit(code->starts, vaddr - code->low);
}

bool patch_code_is_target(const struct patch_code *code, uint64_t vaddr) {
    return covers(code, vaddr) && bit(code->targets, vaddr - code->low);
}

bool patch_code_has_target(const struct patch_code *code, uint64_t low, uint64_t high) {
    for (uint64_t at = low; at < high; at++)
        if (patch_code_is_target(code, at))
            return true;
    return false;
}

bool patch_code_is_block(const struct patch_code *code, uint64_t vaddr) {
    return patch_code_is_target(code, vaddr) && !bit(code->entered, vaddr - code->low);
}

bool patch_code_mark(struct patch_code *code, uint64_t vaddr) {
    if (!covers(code, vaddr))
        return false;
    set_bit(code->targets, vaddr - code->low);
    set_bit(code->entered, vaddr - code->low);
    return true;
}

/* ---- where the bytes are ---- */

const uint8_t *patch_code_bytes(const struct patch_code *code, uint64_t vaddr, size_t *ret_size) {
    for (size_t i = 0; i < code->range_count; i++) {
        const struct elf_range *range = &code->ranges[i];
        if (vaddr < range->vaddr || vaddr >= range->vaddr + range->size)
            continue;
        *ret_size = range->size - (vaddr - range->vaddr);
        return elf_bytes(code->image, range->offset + (vaddr - range->vaddr), *ret_size);
    }
    return NULL;
}

static struct patch_function *function_at(const struct patch_code *code, uint64_t vaddr) {
    size_t low = 0, high = code->function_count;
    uint64_t offset = vaddr - code->low;
    while (covers(code, vaddr) && low < high) {
        size_t middle = low + (high - low) / 2;
        struct patch_function *function = &code->functions[middle];
        if (offset < function->low)
            high = middle;
        else if (offset >= function->high)
            low = middle + 1;
        else
            return function;
    }
    return NULL;
}

struct patch_function *patch_code_function_of(struct patch_code *code, uint64_t vaddr) {
    return function_at(code, vaddr);
}

const struct patch_function *patch_code_function(const struct patch_code *code, uint64_t vaddr) {
    return function_at(code, vaddr);
}

uint64_t patch_code_before(const struct patch_code *code, uint64_t vaddr) {
    const struct patch_function *function = function_at(code, vaddr);
    for (uint64_t at = vaddr - 1; function && at >= code->low + function->low && vaddr - at <= 15; at--)
        if (patch_code_is_start(code, at))
            return at;
    return 0;
}

const char *patch_code_where(const struct patch_code *code, uint64_t vaddr, uint64_t *ret) {
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, vaddr, &size);
    *ret = vaddr;
    if (!bytes || size <= sizeof(endbr64) || memcmp(bytes, endbr64, sizeof(endbr64)))
        return NULL;
    *ret = vaddr + sizeof(endbr64);
    return patch_code_is_target(code, *ret) ? "a jump leads behind its endbr64" : NULL;
}

size_t patch_code_branches_to(const struct patch_code *code, uint64_t vaddr, size_t *ret_first) {
    size_t low = 0, high = code->branch_count;
    uint64_t target = vaddr - code->low;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->branches[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = low;
    while (high < code->branch_count && code->branches[high].target == target)
        high++;
    return high - low;
}

/* ---- functions ---- */

static struct error *add_function(struct patch_code *code, size_t *room, uint64_t low, uint64_t high,
                                  bool has_frame) {
    if (!covers(code, low) || high <= low)
        return NULL;
    high = high < code->high ? high : code->high;
    if (code->function_count == *room) {
        *room = *room ? *room * 2 : 256;
        struct patch_function *grown = realloc(code->functions, *room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        code->functions = grown;
    }
    code->functions[code->function_count++] = (struct patch_function){
        .low = (uint32_t)(low - code->low), .high = (uint32_t)(high - code->low), .has_frame = has_frame};
    return NULL;
}

static int compare_functions(const void *a, const void *b) {
    const struct patch_function *left = a, *right = b;
    return (left->low > right->low) - (left->low < right->low);
}

/* Between frame descriptions, from each start that is known to the next one. */
static struct error *add_starts(struct patch_code *code, const uint64_t *starts, size_t count, size_t *room) {
    size_t framed = code->function_count;
    for (size_t i = 0; i < count; i++) {
        size_t left = 0;
        patch_code_mark(code, starts[i]);
        const struct patch_function *around = NULL;
        size_t low = 0, high = framed;
        while (low < high) { /* the first that begins behind */
            size_t middle = low + (high - low) / 2;
            if (code->low + code->functions[middle].low <= starts[i])
                low = middle + 1;
            else
                high = middle;
        }
        around = low ? &code->functions[low - 1] : NULL;
        if (!covers(code, starts[i]) || (around && starts[i] < code->low + around->high) ||
            !patch_code_bytes(code, starts[i], &left))
            continue;
        uint64_t end = starts[i] + left;
        if (i + 1 < count && starts[i + 1] < end)
            end = starts[i + 1];
        if (low < framed && code->low + code->functions[low].low < end)
            end = code->low + code->functions[low].low;
        TRY(add_function(code, room, starts[i], end, false));
    }
    return NULL;
}

/* Frame descriptions may overlap in damaged files: what comes first is right. */
static void make_disjoint(struct patch_code *code) {
    size_t kept = 0;
    if (code->function_count)
        qsort(code->functions, code->function_count, sizeof(*code->functions), compare_functions);
    for (size_t i = 0; i < code->function_count; i++) {
        struct patch_function function = code->functions[i];
        if (kept && function.low < code->functions[kept - 1].high)
            code->functions[kept - 1].high = function.low;
        if (kept && code->functions[kept - 1].high <= code->functions[kept - 1].low)
            kept--;
        code->functions[kept++] = function;
    }
    code->function_count = kept;
}

static struct error *find_functions(struct patch_code *code, const struct unwind_table *unwind) {
    struct unwind_range *frames = NULL;
    uint64_t *starts = NULL;
    size_t frame_count = 0, start_count = 0, room = 0;
    TRY(unwind_ranges(unwind, &frames, &frame_count));
    struct error *err = NULL;
    for (size_t i = 0; !err && i < frame_count; i++) {
        patch_code_mark(code, frames[i].low);
        err = add_function(code, &room, frames[i].low, frames[i].high, true);
    }
    make_disjoint(code);
    if (!err)
        err = elf_function_starts(code->image, &starts, &start_count);
    if (!err)
        err = add_starts(code, starts, start_count, &room);
    make_disjoint(code);
    free(frames);
    free(starts);
    return err;
}

/* ---- decoding ---- */

static struct error *add_branch(struct patch_code *code, uint64_t source, uint64_t target) {
    if (!covers(code, target))
        return NULL;
    set_bit(code->targets, target - code->low);
    if (code->branch_count == code->branch_room) {
        size_t room = code->branch_room ? code->branch_room * 2 : 1024;
        struct patch_branch *grown = realloc(code->branches, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        code->branches = grown;
        code->branch_room = room;
    }
    code->branches[code->branch_count++] = (struct patch_branch){.target = (uint32_t)(target - code->low),
                                                                 .source = (uint32_t)(source - code->low)};
    return NULL;
}

/* Is vaddr in the function, and not its beginning? */
static bool is_inside(const struct patch_code *code, const struct patch_function *function, uint64_t vaddr) {
    return vaddr > code->low + function->low && vaddr < code->low + function->high;
}

static struct error *on_relative(struct patch_code_walk *walk, const ZydisDecodedInstruction *instruction,
                                 uint64_t at) {
    struct patch_code *code = walk->code;
    uint64_t target = at + instruction->length + (uint64_t)instruction->raw.imm[0].value.s;
    bool is_call = instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction->opcode == 0xe8;
    if (!is_call)
        return add_branch(code, at, target);
    patch_code_mark(code, target);
    walk->called = target;
    if (is_inside(code, walk->function, target)) /* reads its own address */
        walk->function->has_label = true;
    return NULL;
}

static struct error *on_address(struct patch_code_walk *walk, const ZydisDecodedInstruction *instruction,
                                uint64_t target) {
    struct patch_code *code = walk->code;
    bool is_lea = instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction->opcode == 0x8d &&
                  instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    if (!is_lea)
        return NULL;
    bool is_label = patch_code_mark(code, target);
    if (is_label && !is_inside(code, walk->function, target))
        return NULL;
    if (is_label)
        walk->function->has_label = true;
    return patch_code_note_address(walk, target, is_label);
}

static bool is_plain(const ZydisDecodedInstruction *instruction, uint8_t opcode, uint8_t reg) {
    return instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction->opcode == opcode &&
           instruction->raw.modrm.reg == reg;
}

static bool is_rip_relative(const ZydisDecodedInstruction *instruction) {
    return instruction->attributes & ZYDIS_ATTRIB_HAS_MODRM && instruction->raw.modrm.mod == 0 &&
           instruction->raw.modrm.rm == 5;
}

/* Those of the one-byte and 0f opcodes that take flags as they find them. */
static bool reads_flags(const ZydisDecodedInstruction *instruction) {
    uint8_t opcode = instruction->opcode, reg = instruction->raw.modrm.reg;
    if (instruction->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    if (instruction->opcode_map == ZYDIS_OPCODE_MAP_0F) /* jcc, setcc, cmovcc */
        return (opcode & 0xf0) == 0x80 || (opcode & 0xf0) == 0x90 || (opcode & 0xf0) == 0x40;
    if (instruction->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
        return false;
    if (opcode >= 0x80 && opcode <= 0x83) /* adc, sbb of a constant */
        return reg == 2 || reg == 3;
    return (opcode & 0xf0) == 0x70 || (opcode >= 0x10 && opcode <= 0x1d && (opcode & 7) < 6) ||
           opcode == 0x9c || opcode == 0x9f; /* jcc, adc, sbb, pushf, lahf */
}

/* Behind a call: does the function that was called answer by flags? */
static void look_behind_call(struct patch_code_walk *walk, const ZydisDecodedInstruction *instruction) {
    struct patch_function *function = walk->called ? patch_code_function_of(walk->code, walk->called) : NULL;
    walk->called = 0;
    if (function && reads_flags(instruction))
        function->returns_flags = true;
}

/* add of registers: the last step to an entry of a jump table. */
static bool is_addition(const ZydisDecodedInstruction *instruction) {
    return instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           (instruction->opcode == 0x01 || instruction->opcode == 0x03) && instruction->raw.modrm.mod == 3;
}

static struct error *on_instruction(struct patch_code_walk *walk, const ZydisDecodedInstruction *instruction,
                                    uint64_t at) {
    struct patch_code *code = walk->code;
    set_bit(code->starts, at - code->low);
    look_behind_call(walk, instruction);
    if (instruction->raw.imm[0].is_relative)
        return on_relative(walk, instruction, at);
    for (int i = 0; i < 2; i++) /* the address of code as a constant */
        if (instruction->raw.imm[i].size >= 32)
            patch_code_mark(code, instruction->raw.imm[i].value.u);
    bool is_relative = is_rip_relative(instruction);
    if (is_plain(instruction, 0xff, 4) && !is_relative) {
        walk->function->has_jump = true;
        if (walk->has_added || !patch_code_is_tail_call(walk, at))
            walk->function->has_inner_jump = true;
    }
    walk->has_added = is_addition(instruction);
    if (is_relative)
        return on_address(walk, instruction,
                          at + instruction->length + (uint64_t)instruction->raw.disp.value);
    return NULL;
}

static const uint8_t signal_return[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

/* Decode one function. What cannot be decoded makes it one that is left alone. */
static struct error *walk_function(struct patch_code_walk *walk) {
    struct patch_code *code = walk->code;
    struct patch_function *function = walk->function;
    uint64_t at = code->low + function->low, end = code->low + function->high;
    size_t left = 0;
    const uint8_t *bytes = patch_code_bytes(code, at, &left);
    if (bytes && left < end - at)
        end = at + left;
    if (!bytes)
        return NULL;
    function->is_signal_return =
        memmem(bytes, end - at < 32 ? end - at : 32, signal_return, sizeof(signal_return));
    while (at < end) {
        ZydisDecodedInstruction instruction;
        if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&walk->decoder, NULL, bytes, end - at, &instruction))) {
            if (function->has_frame)
                function->obstacle = "the function cannot be decoded whole";
            else
                function->high = (uint32_t)(at - code->low);
            walk->decoded_to = at;
            return NULL;
        }
        TRY(on_instruction(walk, &instruction, at));
        at += instruction.length;
        bytes += instruction.length;
    }
    walk->decoded_to = end;
    return NULL;
}

/* Bytes that no function is known to be at: whatever could be a direct jump there is one. */
static void sweep(struct patch_code *code, uint64_t low, uint64_t high) {
    size_t left;
    const uint8_t *bytes = patch_code_bytes(code, low, &left);
    left = bytes && left > high - low ? high - low : left;
    for (size_t i = 0; bytes && i + 2 <= left; i++) {
        uint64_t next = low + i;
        int32_t far = 0;
        size_t opcode = 0;
        if (bytes[i] == 0xeb || (bytes[i] & 0xf0) == 0x70 || (bytes[i] & 0xfc) == 0xe0)
            patch_code_mark(code, next + 2 + (uint64_t)(int64_t)(int8_t)bytes[i + 1]);
        if (bytes[i] == 0xe8 || bytes[i] == 0xe9)
            opcode = 1;
        else if (bytes[i] == 0x0f && (bytes[i + 1] & 0xf0) == 0x80)
            opcode = 2;
        if (!opcode || i + opcode + sizeof(far) > left)
            continue;
        memcpy(&far, bytes + i + opcode, sizeof(far));
        patch_code_mark(code, next + opcode + sizeof(far) + (uint64_t)(int64_t)far);
    }
}

/* All bytes of [low, high) that are in code ranges. */
static void sweep_ranges(struct patch_code *code, uint64_t low, uint64_t high) {
    for (size_t i = 0; i < code->range_count; i++) {
        const struct elf_range *range = &code->ranges[i];
        uint64_t from = low > range->vaddr ? low : range->vaddr;
        uint64_t to = high < range->vaddr + range->size ? high : range->vaddr + range->size;
        if (from < to)
            sweep(code, from, to);
    }
}

static struct error *walk_all(struct patch_code *code, const struct unwind_table *unwind) {
    struct patch_code_walk walk = {.code = code, .unwind = unwind};
    uint64_t known_to = code->low;
    ZydisDecoderInit(&walk.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&walk.decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
    struct error *err = NULL;
    for (size_t i = 0; !err && i < code->function_count; i++) {
        walk.function = &code->functions[i];
        walk.decoded_to = code->low + walk.function->low;
        walk.called = 0;
        sweep_ranges(code, known_to,
                     walk.function->has_frame ? code->low + walk.function->low
                                              : code->low + walk.function->high);
        err = walk_function(&walk);
        known_to = walk.decoded_to;
    }
    sweep_ranges(code, known_to, code->high);
    if (!err)
        err = patch_code_read_data(&walk);
    free(walk.addresses);
    return err;
}

/* ---- what cannot be known ---- */

static void mark_all(struct patch_code *code, const struct patch_function *function) {
    for (uint32_t at = function->low; at < function->high; at++)
        if (bit(code->starts, at))
            patch_code_mark(code, code->low + at);
}

static void judge(struct patch_code *code, struct patch_function *function) {
    if (function->is_signal_return)
        function->obstacle = "the return from signal handlers";
    if (!function->has_jump)
        return;
    if ((function->has_inner_jump && !function->has_table) ||
        (function->has_label && !function->has_label_table))
        mark_all(code, function);
}

static int compare_branches(const void *a, const void *b) {
    const struct patch_branch *left = a, *right = b;
    if (left->target != right->target)
        return left->target < right->target ? -1 : 1;
    return (left->source > right->source) - (left->source < right->source);
}

static struct error *analyse(struct patch_code *code, const struct unwind_table *unwind) {
    TRY(elf_code_ranges(code->image, &code->ranges, &code->range_count));
    code->low = UINT64_MAX;
    for (size_t i = 0; i < code->range_count; i++) {
        const struct elf_range *range = &code->ranges[i];
        code->low = range->vaddr < code->low ? range->vaddr : code->low;
        code->high = range->vaddr + range->size > code->high ? range->vaddr + range->size : code->high;
    }
    if (code->high <= code->low || code->high - code->low > CODE_MAX)
        return error_new(ERROR_UNSUPPORTED, "jump probes: the module has no code, or too much");
    size_t words = (code->high - code->low) / 64 + 1;
    code->starts = calloc(words, sizeof(uint64_t));
    code->targets = calloc(words, sizeof(uint64_t));
    code->entered = calloc(words, sizeof(uint64_t));
    if (!code->starts || !code->targets || !code->entered)
        return &error_no_memory;
    TRY(find_functions(code, unwind));
    TRY(walk_all(code, unwind));
    for (size_t i = 0; i < code->function_count; i++)
        judge(code, &code->functions[i]);
    if (code->branch_count)
        qsort(code->branches, code->branch_count, sizeof(*code->branches), compare_branches);
    return NULL;
}

struct error *patch_code_create(const struct elf_image *image, const struct unwind_table *unwind,
                                struct patch_code **ret) {
    struct patch_code *code = calloc(1, sizeof(*code));
    if (!code)
        return &error_no_memory;
    code->image = image;
    struct error *err = analyse(code, unwind);
    if (err) {
        patch_code_destroy(code);
        return err;
    }
    *ret = code;
    return NULL;
}

void patch_code_destroy(struct patch_code *code) {
    if (!code)
        return;
    free(code->ranges);
    free(code->starts);
    free(code->targets);
    free(code->entered);
    free(code->branches);
    free(code->functions);
    free(code);
}
