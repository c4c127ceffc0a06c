/* Call frame instructions (DWARF 5, section 6.4.2), executed up to an address. */
#include "dwarf/cfi.h"
#include "dwarf/encoding.h"

#include <libdwarf/dwarf.h>
#include <string.h>

/* Compilers remember one row at a time; a bound for hostile ones. */
#define REMEMBER_MAX 8

enum operand {
    OPERAND_NONE,
    OPERAND_LOW_BITS, /* in the opcode itself */
    OPERAND_UNSIGNED, /* unsigned LEB128 */
    OPERAND_FACTORED, /* the same, times the CIE's data factor */
    OPERAND_NEGATIVE, /* the same, negated */
    OPERAND_SIGNED_FACTORED,
    OPERAND_U8,
    OPERAND_U16,
    OPERAND_U32,
    OPERAND_U64,
    OPERAND_POINTER, /* encoded as the addresses of the FDEs are */
    OPERAND_BLOCK,   /* an expression */
};

enum action {
    ACTION_UNKNOWN,
    ACTION_NOTHING,
    ACTION_ADVANCE,            /* by the first operand times the code factor */
    ACTION_SET_LOCATION,       /* to the first operand */
    ACTION_CFA,                /* is register + offset */
    ACTION_CFA_REGISTER,       /* another register, the same offset */
    ACTION_CFA_OFFSET,         /* the other way round */
    ACTION_CFA_EXPRESSION,     /* is what the expression gives */
    ACTION_RULE,               /* of the register in the first operand: see `rule` */
    ACTION_RESTORE,            /* the rule that the CIE gave to the register */
    ACTION_REMEMBER,           /* push the rules */
    ACTION_RESTORE_REMEMBERED, /* pop them */
    ACTION_ARGUMENTS_SIZE,
};

struct instruction {
    enum action action;
    enum operand operands[2];
    enum cfi_rule_kind rule; /* ACTION_RULE */
};

/* The instructions with an operand in their low six bits. */
static const struct instruction primary[4] = {
    [DW_CFA_advance_loc >> 6] = {ACTION_ADVANCE, {OPERAND_LOW_BITS}, 0},
    [DW_CFA_offset >> 6] = {ACTION_RULE, {OPERAND_LOW_BITS, OPERAND_FACTORED}, CFI_OFFSET},
    [DW_CFA_restore >> 6] = {ACTION_RESTORE, {OPERAND_LOW_BITS}, 0},
};

static const struct instruction extended[64] = {
    [DW_CFA_nop] = {ACTION_NOTHING, {0}, 0},
    [DW_CFA_set_loc] = {ACTION_SET_LOCATION, {OPERAND_POINTER}, 0},
    [DW_CFA_advance_loc1] = {ACTION_ADVANCE, {OPERAND_U8}, 0},
    [DW_CFA_advance_loc2] = {ACTION_ADVANCE, {OPERAND_U16}, 0},
    [DW_CFA_advance_loc4] = {ACTION_ADVANCE, {OPERAND_U32}, 0},
    [DW_CFA_MIPS_advance_loc8] = {ACTION_ADVANCE, {OPERAND_U64}, 0},
    [DW_CFA_offset_extended] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_FACTORED}, CFI_OFFSET},
    [DW_CFA_offset_extended_sf] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_SIGNED_FACTORED}, CFI_OFFSET},
    [DW_CFA_GNU_negative_offset_extended] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_NEGATIVE}, CFI_OFFSET},
    [DW_CFA_val_offset] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_FACTORED}, CFI_VAL_OFFSET},
    [DW_CFA_val_offset_sf] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_SIGNED_FACTORED}, CFI_VAL_OFFSET},
    [DW_CFA_undefined] = {ACTION_RULE, {OPERAND_UNSIGNED}, CFI_UNDEFINED},
    [DW_CFA_same_value] = {ACTION_RULE, {OPERAND_UNSIGNED}, CFI_SAME_VALUE},
    [DW_CFA_register] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_UNSIGNED}, CFI_REGISTER},
    [DW_CFA_expression] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_BLOCK}, CFI_EXPRESSION},
    [DW_CFA_val_expression] = {ACTION_RULE, {OPERAND_UNSIGNED, OPERAND_BLOCK}, CFI_VAL_EXPRESSION},
    [DW_CFA_restore_extended] = {ACTION_RESTORE, {OPERAND_UNSIGNED}, 0},
    [DW_CFA_remember_state] = {ACTION_REMEMBER, {0}, 0},
    [DW_CFA_restore_state] = {ACTION_RESTORE_REMEMBERED, {0}, 0},
    [DW_CFA_def_cfa] = {ACTION_CFA, {OPERAND_UNSIGNED, OPERAND_UNSIGNED}, 0},
    [DW_CFA_def_cfa_sf] = {ACTION_CFA, {OPERAND_UNSIGNED, OPERAND_SIGNED_FACTORED}, 0},
    [DW_CFA_def_cfa_register] = {ACTION_CFA_REGISTER, {OPERAND_UNSIGNED}, 0},
    [DW_CFA_def_cfa_offset] = {ACTION_CFA_OFFSET, {OPERAND_UNSIGNED}, 0},
    [DW_CFA_def_cfa_offset_sf] = {ACTION_CFA_OFFSET, {OPERAND_SIGNED_FACTORED}, 0},
    [DW_CFA_def_cfa_expression] = {ACTION_CFA_EXPRESSION, {OPERAND_BLOCK}, 0},
    [DW_CFA_GNU_args_size] = {ACTION_ARGUMENTS_SIZE, {OPERAND_UNSIGNED}, 0},
};

/* The rules for registers that a row keeps, and the CFA's. */
struct rules {
    struct cfi_rule cfa, registers[FRAME_REGISTERS];
};

struct machine {
    const struct cfi_section *section;
    const struct cfi_cie *cie;
    struct cursor cursor;
    uint64_t target;                          /* stop before an instruction that moves beyond it */
    bool stopped, in_cie;                     /* reached the target; executing the CIE's instructions */
    struct cfi_row row;                       /* so far */
    struct cfi_rule initial[FRAME_REGISTERS]; /* as the CIE left them */
    struct rules remembered[REMEMBER_MAX];
    size_t remembered_count;
};

struct operands {
    uint64_t numbers[2];
    const uint8_t *block;
    size_t block_size;
};

static struct error *bad(const struct machine *machine, const char *what) {
    return error_new(ERROR_BAD_DATA, "%s: %s before byte %zu", cfi_section_name(machine->section), what,
                     machine->cursor.offset);
}

static uint64_t read_operand(struct machine *machine, enum operand kind, uint8_t opcode,
                             struct operands *operands) {
    struct cursor *cursor = &machine->cursor;
    uint64_t factor = (uint64_t)machine->cie->data_factor; /* products wrap as two's complement */
    switch (kind) {
    case OPERAND_NONE:
        return 0;
    case OPERAND_LOW_BITS:
        return opcode & 0x3f;
    case OPERAND_UNSIGNED:
        return cursor_varint(cursor);
    case OPERAND_FACTORED:
        return cursor_varint(cursor) * factor;
    case OPERAND_NEGATIVE:
        return -(cursor_varint(cursor) * factor);
    case OPERAND_SIGNED_FACTORED:
        return (uint64_t)encoding_sleb128(cursor) * factor;
    case OPERAND_U8:
        return cursor_u8(cursor);
    case OPERAND_U16:
        return cursor_u16(cursor);
    case OPERAND_U32:
        return cursor_u32(cursor);
    case OPERAND_U64:
        return cursor_u64(cursor);
    case OPERAND_POINTER:
        return encoding_pointer(cursor, machine->cie->pointer_encoding, machine->section->vaddr, 0);
    case OPERAND_BLOCK:
        operands->block = cursor_blob(cursor, &operands->block_size);
        return 0;
    }
    return 0;
}

static struct error *move_to(struct machine *machine, uint64_t location) {
    if (machine->in_cie)
        return bad(machine, "a CIE that describes more than one row");
    if (location > machine->target)
        machine->stopped = true;
    else
        machine->row.low = location;
    return NULL;
}

static struct error *advance(struct machine *machine, uint64_t delta) {
    uint64_t bytes, location;
    if (__builtin_mul_overflow(delta, machine->cie->code_factor, &bytes) ||
        __builtin_add_overflow(machine->row.low, bytes, &location))
        return bad(machine, "a row beyond the end of memory");
    return move_to(machine, location);
}

static struct error *change_cfa(struct machine *machine, enum action action,
                                const struct operands *operands) {
    struct cfi_rule *cfa = &machine->row.cfa;
    if (action == ACTION_CFA_EXPRESSION) {
        *cfa = (struct cfi_rule){.kind = CFI_VAL_EXPRESSION,
                                 .expression = operands->block,
                                 .expression_size = operands->block_size};
        return NULL;
    }
    if (action == ACTION_CFA) {
        *cfa = (struct cfi_rule){
            .kind = CFI_VAL_OFFSET, .reg = operands->numbers[0], .offset = (int64_t)operands->numbers[1]};
        return NULL;
    }
    if (cfa->kind != CFI_VAL_OFFSET)
        return bad(machine, "a change of a CFA that is not register and offset");
    if (action == ACTION_CFA_REGISTER)
        cfa->reg = operands->numbers[0];
    else
        cfa->offset = (int64_t)operands->numbers[0];
    return NULL;
}

static void set_rule(struct machine *machine, enum cfi_rule_kind kind, const struct operands *operands) {
    uint64_t number = operands->numbers[0];
    if (number >= FRAME_REGISTERS)
        return;
    machine->row.rules[number] = (struct cfi_rule){.kind = kind,
                                                   .offset = (int64_t)operands->numbers[1],
                                                   .reg = operands->numbers[1],
                                                   .expression = operands->block,
                                                   .expression_size = operands->block_size};
}

static struct error *restore(struct machine *machine, uint64_t number) {
    if (machine->in_cie)
        return bad(machine, "a CIE that restores a register");
    if (number < FRAME_REGISTERS)
        machine->row.rules[number] = machine->initial[number];
    return NULL;
}

static struct error *remember(struct machine *machine) {
    if (machine->remembered_count == REMEMBER_MAX)
        return bad(machine, "too many remembered rows");
    struct rules *rules = &machine->remembered[machine->remembered_count++];
    rules->cfa = machine->row.cfa;
    memcpy(rules->registers, machine->row.rules, sizeof(rules->registers));
    return NULL;
}

static struct error *restore_remembered(struct machine *machine) {
    if (!machine->remembered_count)
        return bad(machine, "a row is restored that was not remembered");
    const struct rules *rules = &machine->remembered[--machine->remembered_count];
    machine->row.cfa = rules->cfa;
    memcpy(machine->row.rules, rules->registers, sizeof(rules->registers));
    return NULL;
}

static struct error *act(struct machine *machine, const struct instruction *instruction,
                         const struct operands *operands) {
    switch (instruction->action) {
    case ACTION_UNKNOWN: /* was refused before */
    case ACTION_NOTHING:
        break;
    case ACTION_ADVANCE:
        return advance(machine, operands->numbers[0]);
    case ACTION_SET_LOCATION:
        return move_to(machine, operands->numbers[0]);
    case ACTION_CFA:
    case ACTION_CFA_REGISTER:
    case ACTION_CFA_OFFSET:
    case ACTION_CFA_EXPRESSION:
        return change_cfa(machine, instruction->action, operands);
    case ACTION_RULE:
        set_rule(machine, instruction->rule, operands);
        break;
    case ACTION_RESTORE:
        return restore(machine, operands->numbers[0]);
    case ACTION_REMEMBER:
        return remember(machine);
    case ACTION_RESTORE_REMEMBERED:
        return restore_remembered(machine);
    case ACTION_ARGUMENTS_SIZE:
        machine->row.arguments_size = operands->numbers[0];
        break;
    }
    return NULL;
}

static struct error *step(struct machine *machine) {
    uint8_t opcode = cursor_u8(&machine->cursor);
    const struct instruction *instruction = opcode >> 6 ? &primary[opcode >> 6] : &extended[opcode];
    if (instruction->action == ACTION_UNKNOWN)
        return error_new(ERROR_UNSUPPORTED, "%s: unknown instruction 0x%x before byte %zu",
                         cfi_section_name(machine->section), opcode, machine->cursor.offset);
    struct operands operands = {.block = NULL};
    for (size_t i = 0; i < 2; i++)
        operands.numbers[i] = read_operand(machine, instruction->operands[i], opcode, &operands);
    TRY(cursor_check(&machine->cursor));
    return act(machine, instruction, &operands);
}

static struct error *execute(struct machine *machine, size_t begin, size_t end) {
    cursor_init(&machine->cursor, machine->section->data, end, cfi_section_name(machine->section));
    cursor_seek(&machine->cursor, begin);
    while (!machine->stopped && cursor_left(&machine->cursor))
        TRY(step(machine));
    return NULL;
}

struct error *cfi_execute(const struct cfi_section *section, const struct cfi_cie *cie,
                          const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *ret) {
    struct machine machine;
    machine.section = section;
    machine.cie = cie;
    machine.target = vaddr;
    machine.stopped = false;
    machine.remembered_count = 0; /* the rows themselves stay as they are: clearing them costs the most */
    machine.row = (struct cfi_row){
        .low = fde->low, .return_register = cie->return_register, .signal_frame = cie->signal_frame};
    machine.in_cie = true;
    TRY(execute(&machine, cie->begin, cie->end));
    machine.in_cie = false;
    memcpy(machine.initial, machine.row.rules, sizeof(machine.initial));
    TRY(execute(&machine, fde->begin, fde->end));
    *ret = machine.row;
    return NULL;
}
