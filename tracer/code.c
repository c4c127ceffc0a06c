#include "tracer/code.h"

#include <Zydis/Zydis.h>

#include <stdlib.h>
#include <string.h>

bool ranges_contain(const struct address_range *ranges, size_t count, uint64_t vaddr) {
    for (size_t i = 0; i < count; i++)
        if (vaddr >= ranges[i].low && vaddr < ranges[i].high)
            return true;
    return false;
}

void function_code_deinit(struct function_code *code) {
    free(code->transfers);
    free(code->starts);
    free(code->stores);
    *code = (struct function_code){0};
}

static int compare_addresses(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_transfers(const void *a, const void *b) {
    return compare_addresses(&((const struct code_transfer *)a)->vaddr,
                             &((const struct code_transfer *)b)->vaddr);
}

static struct error *add_start(struct function_code *code, uint64_t vaddr, size_t *room) {
    if (code->start_count == *room) {
        *room = *room ? *room * 2 : 64;
        uint64_t *grown = realloc(code->starts, *room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        code->starts = grown;
    }
    code->starts[code->start_count++] = vaddr;
    return NULL;
}

static int compare_stores(const void *a, const void *b) {
    return compare_addresses(&((const struct code_store *)a)->vaddr, &((const struct code_store *)b)->vaddr);
}

static struct error *add_transfer(struct function_code *code, const struct code_transfer *transfer) {
    struct code_transfer *grown = realloc(code->transfers, (code->count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    code->transfers = grown;
    grown[code->count++] = *transfer;
    return NULL;
}

/* False for instructions that go on to the next one, or come back to it (calls). */
static bool is_transfer(const ZydisDecodedInstruction *instruction, struct code_transfer *ret) {
    switch (instruction->meta.category) {
    case ZYDIS_CATEGORY_RET:
        ret->kind = CODE_RETURN;
        return true;
    case ZYDIS_CATEGORY_UNCOND_BR:
        ret->kind = instruction->raw.imm[0].is_relative ? CODE_JUMP : CODE_JUMP_INDIRECT;
        break;
    case ZYDIS_CATEGORY_COND_BR:
        ret->kind = CODE_BRANCH;
        break;
    default:
        return false;
    }
    if (instruction->raw.imm[0].is_relative)
        ret->target = ret->next + (uint64_t)instruction->raw.imm[0].value.s;
    return true;
}

/* DWARF numbers of the 64-bit registers, in the order of the encoding (System V ABI, figure 3.36). */
static bool dwarf_register(ZydisRegister reg, unsigned *ret) {
    static const unsigned char numbers[16] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15)
        return false;
    *ret = numbers[reg - ZYDIS_REGISTER_RAX];
    return true;
}

static struct error *add_stores(struct function_code *code, const ZydisDecodedInstruction *instruction,
                                const ZydisDecodedOperand *operands, uint64_t vaddr) {
    for (unsigned i = 0; i < instruction->operand_count; i++) {
        const ZydisDecodedOperand *operand = &operands[i];
        struct code_store store = {
            .vaddr = vaddr, .offset = operand->mem.disp.value, .size = operand->size / 8};
        if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
            !(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
            operand->mem.index != ZYDIS_REGISTER_NONE || !dwarf_register(operand->mem.base, &store.reg))
            continue;
        struct code_store *grown = realloc(code->stores, (code->store_count + 1) * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        code->stores = grown;
        grown[code->store_count++] = store;
    }
    return NULL;
}

/* jmp *TABLE(,%reg,8) */
static uint64_t table_of(const ZydisDecodedOperand *operand) {
    bool is_table = operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.base == ZYDIS_REGISTER_NONE &&
                    operand->mem.index != ZYDIS_REGISTER_NONE && operand->mem.scale == sizeof(uint64_t) &&
                    operand->mem.segment != ZYDIS_REGISTER_FS && operand->mem.segment != ZYDIS_REGISTER_GS;
    return is_table ? (uint64_t)operand->mem.disp.value : 0;
}

static bool is_pop(const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operands) {
    return instruction->mnemonic == ZYDIS_MNEMONIC_POP || instruction->mnemonic == ZYDIS_MNEMONIC_LEAVE ||
           ((instruction->mnemonic == ZYDIS_MNEMONIC_ADD || instruction->mnemonic == ZYDIS_MNEMONIC_LEA ||
             instruction->mnemonic == ZYDIS_MNEMONIC_MOV) &&
            operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && operands[0].reg.value == ZYDIS_REGISTER_RSP);
}

static struct error *bad(uint64_t vaddr, const char *why) {
    return error_new(ERROR_BAD_DATA, "code at 0x%llx: %s", (unsigned long long)vaddr, why);
}

static struct error *read_range(const struct elf_image *image, const struct address_range *range,
                                const ZydisDecoder *decoder, size_t *room, struct function_code *ret) {
    uint64_t offset;
    const uint8_t *bytes = NULL;
    if (range->high > range->low && elf_vaddr_to_offset(image, range->low, &offset))
        bytes = elf_bytes(image, offset, range->high - range->low);
    if (!bytes)
        return bad(range->low, "is not in the file");
    bool after_pop = false;
    for (uint64_t at = range->low; at < range->high;) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        struct code_transfer transfer = {.vaddr = at, .after_pop = after_pop};
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(decoder, bytes + (at - range->low), range->high - at,
                                               &instruction, operands)))
            return bad(at, "is no instruction");
        TRY(add_start(ret, at, room));
        TRY(add_stores(ret, &instruction, operands, at));
        at += instruction.length;
        transfer.next = at;
        after_pop = is_pop(&instruction, operands);
        if (!is_transfer(&instruction, &transfer))
            continue;
        if (transfer.kind == CODE_JUMP_INDIRECT)
            transfer.table = table_of(&operands[0]);
        TRY(add_transfer(ret, &transfer));
    }
    return NULL;
}

struct error *function_code_read(const struct elf_image *image, const struct address_range *ranges,
                                 size_t count, struct function_code *ret) {
    ZydisDecoder decoder;
    size_t room = 0;
    *ret = (struct function_code){0};
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t i = 0; i < count; i++) {
        struct error *err = read_range(image, &ranges[i], &decoder, &room, ret);
        if (err) {
            function_code_deinit(ret);
            return err;
        }
    }
    if (ret->start_count)
        qsort(ret->starts, ret->start_count, sizeof(*ret->starts), compare_addresses);
    if (ret->count)
        qsort(ret->transfers, ret->count, sizeof(*ret->transfers), compare_transfers);
    if (ret->store_count)
        qsort(ret->stores, ret->store_count, sizeof(*ret->stores), compare_stores);
    return NULL;
}

bool function_code_is_start(const struct function_code *code, uint64_t vaddr) {
    return code->start_count &&
           bsearch(&vaddr, code->starts, code->start_count, sizeof(vaddr), compare_addresses);
}

size_t function_code_transfer_from(const struct function_code *code, uint64_t vaddr) {
    size_t low = 0, high = code->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->transfers[middle].vaddr < vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct code_transfer *function_code_before(const struct function_code *code, uint64_t vaddr) {
    size_t index = function_code_transfer_from(code, vaddr);
    return index ? &code->transfers[index - 1] : NULL;
}

size_t function_code_store_from(const struct function_code *code, uint64_t vaddr) {
    size_t low = 0, high = code->store_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->stores[middle].vaddr < vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
