/* fuzz_location: any bytes at all as a DWARF expression.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs random expressions for a while, the same ones every time: fuzz_location SEED ROUNDS */
#include "dwarf/location.h"
#include "tests/fuzz/smoke.h"

#include <libdwarf/dwarf.h>
#include <stdlib.h>
#include <string.h>

/* Some of all memory can be read: bytes that depend on the address. */
static size_t read_some(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    size_t count = 0;
    for (; count < size && (address + count) % 4096 < 4000; count++)
        ((uint8_t *)ret)[count] = (uint8_t)((address + count) * 31 >> 3);
    return count;
}

static struct error *base_type(void *context, uint64_t unit_offset, struct location_type *ret) {
    (void)context;
    static const uint8_t sizes[] = {1, 2, 4, 8, 16, 10, 3, 0, 200, 4, 8};
    static const uint8_t encodings[] = {DW_ATE_signed,  DW_ATE_unsigned,      DW_ATE_float,
                                        DW_ATE_boolean, DW_ATE_address,       DW_ATE_complex_float,
                                        DW_ATE_UTF,     DW_ATE_decimal_float, DW_ATE_lo_user};
    if (unit_offset == 77)
        return error_new(ERROR_BAD_DATA, "no type");
    *ret = (struct location_type){.size = sizes[unit_offset % sizeof(sizes)],
                                  .encoding = encodings[unit_offset % sizeof(encodings)]};
    return NULL;
}

static struct error *indexed_address(void *context, uint64_t index, uint64_t *ret) {
    (void)context;
    *ret = index * 8;
    return index > 1000 ? error_new(ERROR_BAD_DATA, "no such index") : NULL;
}

static struct error *entry_value(void *context, const uint8_t *expression, size_t size,
                                 struct location_value *ret) {
    (void)context;
    if (!size)
        return error_new(ERROR_NOT_FOUND, "gone");
    location_value_from_u64(expression[size - 1], ret);
    ret->type.size = expression[0] % 4 ? 8 : expression[0]; /* what a careless callback might give */
    return NULL;
}

static struct error *parameter(void *context, uint64_t unit_offset, struct location_value *ret) {
    (void)context;
    location_value_from_u64(unit_offset, ret);
    return unit_offset % 2 ? error_new(ERROR_NOT_FOUND, "gone") : NULL;
}

static struct error *tls_address(void *context, uint64_t offset, uint64_t *ret) {
    (void)context;
    *ret = offset + 4096;
    return NULL;
}

struct input {
    const uint8_t *data;
    size_t size;
};

/* A part of the expression itself: calls within calls. */
static struct error *call(void *context, bool in_unit, uint64_t offset, const uint8_t **ret,
                          size_t *ret_size) {
    const struct input *input = context;
    size_t skip = input->size ? offset % input->size : 0;
    *ret = input->data + skip;
    *ret_size = in_unit ? input->size - skip : (input->size - skip) / 2;
    return NULL;
}

static size_t accepted; /* so that the smoke test knows that it reached the depths */

static void use_location(const struct location *location, const struct location_context *context) {
    uint8_t bytes[64], again[64];
    uint64_t sizes[] = {1, 8, 63, 64, 80, 129, 512};
    accepted++;
    require(location->count >= 1, "a location without places");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        enum location_state state = location_read(location, context, sizes[i], bytes);
        require(state == location_read(location, context, sizes[i], again), "read twice, two answers");
        require(!memcmp(bytes, again, (sizes[i] + 7) / 8), "read twice, two values");
    }
}

static void evaluate(const struct input *input, const struct location_context *context) {
    struct location location;
    struct location_value value;
    const uint64_t initial = 4096;
    struct error *err = location_evaluate(input->data, input->size, context, &location);
    if (!err) {
        use_location(&location, context);
        location_deinit(&location);
    }
    error_free(err);
    error_free(location_evaluate_value(input->data, input->size, context, &initial, &value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct memory_reader memory = {.read = read_some};
    static uint8_t xstate[1088];
    struct input input = {data, size};
    struct frame_registers registers = {.known = 0x1ff6f, .xstate = xstate, .xstate_size = sizeof(xstate)};
    for (uint64_t i = 0; i < FRAME_REGISTERS; i++)
        registers.value[i] = i * 0x1000;
    for (size_t i = 0; i < sizeof(xstate); i++)
        xstate[i] = (uint8_t)(i * 7);
    struct location_context context = {.address_size = 8, .offset_size = 4, .dwarf_version = 4};
    evaluate(&input, &context);
    context = (struct location_context){.registers = &registers,
                                        .memory = &memory,
                                        .bias = 0x10000,
                                        .address_size = 8,
                                        .offset_size = size % 2 ? 4 : 8,
                                        .dwarf_version = size % 5 ? 5 : 2,
                                        .has_frame_base = true,
                                        .frame_base = 0x3000,
                                        .has_cfa = true,
                                        .cfa = 0x4000,
                                        .has_object = true,
                                        .object_address = 0x5000,
                                        .context = &input,
                                        .indexed_address = indexed_address,
                                        .base_type = base_type,
                                        .entry_value = entry_value,
                                        .parameter = parameter,
                                        .tls_address = tls_address,
                                        .call = call};
    evaluate(&input, &context);
    return 0;
}

#ifdef FUZZ_SMOKE

#define EXPRESSION_MAX 48

/* What makes sense in many places, so that expressions get somewhere: values first, then what uses them. */
static uint8_t likely_operator(void) {
    static const uint8_t operators[] = {
        DW_OP_dup,         DW_OP_swap,        DW_OP_plus,       DW_OP_div,           DW_OP_mod,
        DW_OP_shl,         DW_OP_shra,        DW_OP_abs,        DW_OP_convert,       DW_OP_reinterpret,
        DW_OP_const_type,  DW_OP_regval_type, DW_OP_deref_type, DW_OP_piece,         DW_OP_bit_piece,
        DW_OP_stack_value, DW_OP_entry_value, DW_OP_call2,      DW_OP_bra,           DW_OP_skip,
        DW_OP_deref,       DW_OP_lt,          DW_OP_pick,       DW_OP_implicit_value};
    switch (next_random() % 4) {
    case 0:
        return (uint8_t)(DW_OP_lit0 + next_random() % 32);
    case 1:
        return (uint8_t)(DW_OP_reg0 + next_random() % 64);
    case 2:
        return operators[next_random() % sizeof(operators)];
    default:
        return (uint8_t)next_random();
    }
}

static void run_random(void) {
    size_t size = next_random() % EXPRESSION_MAX;
    uint8_t *data = malloc(size ? size : 1); /* exactly as big, so that ASAN sees a read beyond */
    if (!data)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = next_random() % 3 ? likely_operator() : (uint8_t)(next_random() % 12);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv) {
    unsigned long rounds;
    if (!smoke_begin(argc, argv, 0, &rounds))
        return 2;
    for (unsigned long i = 0; i < rounds; i++)
        run_random();
    printf("fuzz_location: %lu rounds, %zu locations accepted\n", rounds, accepted);
    return accepted > rounds / 50 ? 0 : 1;
}

#endif
