/* crash_access: the instruction that failed. The kernel does not hand the error code of a page fault to a
 * tracer, so the operands of the instruction say which access it was. */
#include "tracer/crash_state.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Disassembly: instructions before and behind rip, and how far in front of rip a function may begin. */
enum { LINES_BEFORE = 12, LINES_AFTER = 8, FUNCTION_MOST = 1 << 20 };

static void make_decoder(ZydisDecoder *ret) {
    ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

/* ---- addresses of operands ---- */

static bool register_value(const struct user_regs_struct *regs, ZydisRegister reg, uint64_t *ret) {
    const unsigned long long *const by_number[] = {
        &regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
        &regs->r8,  &regs->r9,  &regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15};
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
        *ret = *by_number[reg - ZYDIS_REGISTER_RAX];
        return true;
    }
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
        *ret = (uint32_t)*by_number[reg - ZYDIS_REGISTER_EAX];
        return true;
    }
    return false;
}

/* Implicit operands of the stack are as they are before the instruction: what is pushed goes below. */
static bool operand_address(const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operand,
                            const struct user_regs_struct *regs, uint64_t *ret) {
    uint64_t address = (uint64_t)operand->mem.disp.value, value;
    if (operand->mem.base == ZYDIS_REGISTER_RIP)
        address += regs->rip + instruction->length;
    else if (operand->mem.base != ZYDIS_REGISTER_NONE && !register_value(regs, operand->mem.base, &value))
        return false;
    else if (operand->mem.base != ZYDIS_REGISTER_NONE)
        address += value;
    if (operand->mem.index != ZYDIS_REGISTER_NONE) {
        if (!register_value(regs, operand->mem.index, &value))
            return false;
        address += value * operand->mem.scale;
    }
    if (operand->mem.segment == ZYDIS_REGISTER_FS)
        address += regs->fs_base;
    else if (operand->mem.segment == ZYDIS_REGISTER_GS)
        address += regs->gs_base;
    bool pushes = operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
                  operand->mem.base == ZYDIS_REGISTER_RSP &&
                  operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    *ret = pushes ? address - operand->size / 8 : address;
    return true;
}

static bool is_canonical(uint64_t address) {
    int64_t top = (int64_t)address >> 47;
    return top == 0 || top == -1;
}

static enum crash_access access_of(const ZydisDecodedOperand *operand) {
    if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        return ACCESS_WRITE;
    return operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? ACCESS_READ : ACCESS_UNKNOWN;
}

enum crash_access crash_access(struct crash *crash, const struct user_regs_struct *regs, bool has_address,
                               uint64_t address, uint64_t *ret_address) {
    uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    enum crash_access found = ACCESS_UNKNOWN;
    size_t size = memory_read(&crash->reader, regs->rip, bytes, sizeof(bytes));
    if (has_address && address == regs->rip && (!size || !crash_is_code(crash, regs->rip)))
        return ACCESS_EXECUTE;
    make_decoder(&decoder);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, size, &instruction, operands)))
        return ACCESS_UNKNOWN;
    for (size_t i = 0; i < instruction.operand_count; i++) {
        uint64_t at;
        if (operands[i].type != ZYDIS_OPERAND_TYPE_MEMORY || operands[i].mem.type != ZYDIS_MEMOP_TYPE_MEM ||
            !operand_address(&instruction, &operands[i], regs, &at))
            continue;
        bool hit = has_address
                       ? address >= at && address - at < (operands[i].size / 8 ? operands[i].size / 8 : 1)
                       : !is_canonical(at) || !is_canonical(at + operands[i].size / 8);
        if (!hit)
            continue;
        if (!has_address)
            *ret_address = at;
        found = access_of(&operands[i]);
    }
    /* `jmp` and `ret` to an address that is not canonical fail before rip changes */
    bool transfers = instruction.meta.category == ZYDIS_CATEGORY_RET ||
                     instruction.meta.category == ZYDIS_CATEGORY_CALL ||
                     instruction.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
    if (found == ACCESS_UNKNOWN && !has_address && transfers) {
        uint64_t target = 0;
        bool known = instruction.meta.category == ZYDIS_CATEGORY_RET
                         ? memory_read_exact(&crash->reader, regs->rsp, &target, sizeof(target))
                     : operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
                         ? register_value(regs, operands[0].reg.value, &target)
                     : operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY
                         ? operand_address(&instruction, &operands[0], regs, &target) &&
                               memory_read_exact(&crash->reader, target, &target, sizeof(target))
                         : false;
        if (known && !is_canonical(target)) {
            *ret_address = target;
            return ACCESS_EXECUTE;
        }
    }
    return found;
}

const char *crash_access_name(enum crash_access access) {
    static const char *const names[] = {[ACCESS_UNKNOWN] = "unknown",
                                        [ACCESS_READ] = "read",
                                        [ACCESS_WRITE] = "write",
                                        [ACCESS_EXECUTE] = "execute"};
    return names[access];
}

/* ---- disassembly ---- */

struct listing {
    struct crash *crash;
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    const uint8_t *bytes;
    uint64_t start; /* of bytes */
    size_t size;
    uint64_t rip;
};

/* Where to begin so that rip is met and LINES_BEFORE instructions are shown; from starts of instructions. */
static uint64_t first_shown(const struct listing *listing, bool *ret_meets) {
    uint64_t recent[LINES_BEFORE] = {0}, at = listing->start;
    size_t count = 0;
    while (at < listing->rip) {
        ZydisDecodedInstruction instruction;
        recent[count++ % LINES_BEFORE] = at;
        if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&listing->decoder, NULL,
                                                      listing->bytes + (at - listing->start),
                                                      listing->size - (at - listing->start), &instruction)))
            at++;
        else
            at += instruction.length;
    }
    *ret_meets = at == listing->rip && count;
    return count < LINES_BEFORE ? recent[0] : recent[count % LINES_BEFORE];
}

static size_t put_line(const struct listing *listing, uint64_t at, struct buffer *ret) {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char text[256] = "(bad)", line[400];
    size_t offset = (size_t)(at - listing->start), length = 1;
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&listing->decoder, listing->bytes + offset,
                                            listing->size - offset, &instruction, operands))) {
        length = instruction.length;
        ZydisFormatterFormatInstruction(&listing->formatter, &instruction, operands,
                                        instruction.operand_count_visible, text, sizeof(text), at, NULL);
    }
    int size =
        snprintf(line, sizeof(line), "%s0x%" PRIx64 "  %s\n", at == listing->rip ? "=> " : "   ", at, text);
    buffer_put(ret, line, (size_t)size);
    return length;
}

/* From the beginning of the function on; without one from rip on. */
static uint64_t function_start(struct crash *crash, uint64_t rip) {
    uint64_t low, high;
    const struct loaded_module *module = process_modules_find(&crash->modules, rip);
    if (!module || !module->module->unwind ||
        !unwind_function_range(module->module->unwind, rip - module->bias, &low, &high))
        return rip;
    low += module->bias;
    return low <= rip && rip - low < FUNCTION_MOST ? low : rip;
}

char *crash_disassemble(struct crash *crash, const struct user_regs_struct *regs) {
    struct listing listing = {.crash = crash, .rip = regs->rip};
    struct buffer text = {0};
    listing.start = function_start(crash, regs->rip);
    size_t want = (size_t)(regs->rip - listing.start) + LINES_AFTER * ZYDIS_MAX_INSTRUCTION_LENGTH;
    uint8_t *bytes = malloc(want);
    if (!bytes)
        return NULL;
    listing.bytes = bytes;
    listing.size = memory_read(&crash->reader, listing.start, bytes, want);
    uint64_t end = listing.start + listing.size;
    make_decoder(&listing.decoder);
    ZydisFormatterInit(&listing.formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    if (regs->rip < end) {
        bool meets = false;
        uint64_t at = listing.start < regs->rip ? first_shown(&listing, &meets) : regs->rip;
        if (!meets)
            at = regs->rip;
        for (size_t after = 0; at < end && after <= LINES_AFTER; after += at > regs->rip)
            at += put_line(&listing, at, &text);
    }
    free(bytes);
    buffer_put_u8(&text, 0);
    if (text.failed || text.size < 2) {
        buffer_deinit(&text);
        return NULL;
    }
    return (char *)text.data;
}
