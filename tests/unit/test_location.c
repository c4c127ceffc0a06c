/* dwarf/location: every operator, by expressions assembled here, gives what this test works out by itself;
 * and what makes no sense is refused. */
#include "dwarf/location.h"
#include "scratch.h"

#include <libdwarf/dwarf.h>
#include <math.h>
#include <stdbool.h>

/* ---- a small world ---- */

#define MEMORY  0x7000
#define BIAS    0x100000
#define OF(n)   ((uint64_t)(n)*0x1001) /* register n */
#define UNKNOWN 5                      /* this one is not known */
#define U64(n)                                                                                               \
    (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24),                           \
        (uint8_t)((uint64_t)(n) >> 32), (uint8_t)((uint64_t)(n) >> 40), (uint8_t)((uint64_t)(n) >> 48),      \
        (uint8_t)((uint64_t)(n) >> 56)
#define U32(n) (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24)

/* Byte i of memory is i * 7 + 1. */
static uint8_t memory_byte(uint64_t address) {
    return (uint8_t)((address - MEMORY) * 7 + 1);
}

static size_t read_world(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    size_t count = 0;
    for (; count < size && address + count >= MEMORY && address + count < MEMORY + 256; count++)
        ((uint8_t *)ret)[count] = memory_byte(address + count);
    return count;
}

static uint64_t memory_word(uint64_t address, size_t size) {
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)memory_byte(address + i) << (8 * i);
    return word;
}

/* Base types, by the offsets of their DIEs. */
enum { S1 = 10, U1, S4, U4, S8, U8, S16, U16, F4, F8, F16, BOOL, COMPLEX, EMPTY, HUGE_TYPE, TYPES_END };

static const struct location_type types[TYPES_END] = {
    [S1] = {0, 1, DW_ATE_signed_char},
    [U1] = {0, 1, DW_ATE_unsigned_char},
    [S4] = {0, 4, DW_ATE_signed},
    [U4] = {0, 4, DW_ATE_unsigned},
    [S8] = {0, 8, DW_ATE_signed},
    [U8] = {0, 8, DW_ATE_unsigned},
    [S16] = {0, 16, DW_ATE_signed},
    [U16] = {0, 16, DW_ATE_unsigned},
    [F4] = {0, 4, DW_ATE_float},
    [F8] = {0, 8, DW_ATE_float},
    [F16] = {0, 16, DW_ATE_float},
    [BOOL] = {0, 1, DW_ATE_boolean},
    [COMPLEX] = {0, 8, DW_ATE_complex_float},
    [EMPTY] = {0, 0, DW_ATE_signed},
    [HUGE_TYPE] = {0, 17, DW_ATE_signed},
};

static struct error *base_type(void *context, uint64_t unit_offset, struct location_type *ret) {
    (void)context;
    if (unit_offset >= TYPES_END || unit_offset < S1)
        return error_new(ERROR_BAD_DATA, "test: no base type");
    *ret = types[unit_offset];
    return NULL;
}

static struct error *indexed_address(void *context, uint64_t index, uint64_t *ret) {
    (void)context;
    if (index > 9)
        return error_new(ERROR_BAD_DATA, "test: no such index");
    *ret = 0x4000 + index * 8;
    return NULL;
}

/* An entry value of DW_OP_regN is N * 3; others are gone. */
static struct error *entry_value(void *context, const uint8_t *expression, size_t size,
                                 struct location_value *ret) {
    (void)context;
    if (size != 1 || expression[0] < DW_OP_reg0 || expression[0] > DW_OP_reg31)
        return error_new(ERROR_NOT_FOUND, "test: gone");
    location_value_from_u64((uint64_t)(expression[0] - DW_OP_reg0) * 3, ret);
    return NULL;
}

static struct error *parameter(void *context, uint64_t unit_offset, struct location_value *ret) {
    (void)context;
    if (unit_offset != 0x01020304)
        return error_new(ERROR_NOT_FOUND, "test: gone");
    location_value_from_u64(99, ret);
    return NULL;
}

static struct error *tls_address(void *context, uint64_t offset, uint64_t *ret) {
    (void)context;
    *ret = 0x7fff0000 + offset;
    return NULL;
}

/* What is called: by its offset in the unit; call_ref finds the same at 0x1000 more. */
static struct error *call(void *context, bool in_unit, uint64_t offset, const uint8_t **ret,
                          size_t *ret_size) {
    static const uint8_t doubled[] = {DW_OP_lit2, DW_OP_mul}, in_register[] = {DW_OP_reg3};
    static const uint8_t itself[] = {DW_OP_call2, 4, 0}, pieces[] = {DW_OP_reg3, DW_OP_piece, 2};
    (void)context;
    offset -= in_unit ? 0 : 0x1000;
    *ret = offset == 1 ? doubled : offset == 2 ? in_register : offset == 4 ? itself : pieces;
    *ret_size = offset == 3 ? 0 : offset == 1 ? 2 : offset == 2 ? 1 : 3;
    return offset > 5 ? error_new(ERROR_BAD_DATA, "test: no such DIE") : NULL;
}

static struct frame_registers world_registers;
static uint8_t world_xstate[512];
static const struct memory_reader world_memory = {.read = read_world};

static struct location_context world(void) {
    world_registers = (struct frame_registers){.xstate = world_xstate, .xstate_size = sizeof(world_xstate)};
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        if (i != UNKNOWN)
            frame_set_register(&world_registers, i, OF(i));
    for (size_t i = 0; i < sizeof(world_xstate); i++)
        world_xstate[i] = (uint8_t)(i * 3);
    return (struct location_context){.registers = &world_registers,
                                     .memory = &world_memory,
                                     .bias = BIAS,
                                     .address_size = 8,
                                     .offset_size = 4,
                                     .dwarf_version = 5,
                                     .has_frame_base = true,
                                     .frame_base = 0x5000,
                                     .has_cfa = true,
                                     .cfa = 0x6000,
                                     .has_object = true,
                                     .object_address = 0x9000,
                                     .indexed_address = indexed_address,
                                     .base_type = base_type,
                                     .entry_value = entry_value,
                                     .parameter = parameter,
                                     .tls_address = tls_address,
                                     .call = call};
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct error *evaluate(const uint8_t *expression, size_t size, struct location *ret) {
    /* A copy of exactly this size, so that a sanitizer sees reads beyond it. */
    struct location_context context = world();
    uint8_t *exact = malloc(size ? size : 1);
    if (size)
        memcpy(exact, expression, size);
    struct error *err = location_evaluate(exact, size, &context, ret);
    free(exact);
    return err;
}

/* The expression gives one place in memory. */
static uint64_t address_of(const uint8_t *expression, size_t size) {
    struct location location;
    CHECK_OK(evaluate(expression, size, &location));
    ck_assert_uint_eq(location.count, 1);
    ck_assert_int_eq(location.pieces[0].kind, PIECE_MEMORY);
    ck_assert_uint_eq(location.pieces[0].bit_size, 0);
    uint64_t address = location.pieces[0].address;
    location_deinit(&location);
    return address;
}

#define GIVES(wanted, ...)                                                                                   \
    do {                                                                                                     \
        uint64_t wanted_ = (uint64_t)(wanted), found_ = address_of(BYTES(__VA_ARGS__));                      \
        ck_assert_msg(found_ == wanted_, "%s: 0x%llx, not 0x%llx", #__VA_ARGS__, (unsigned long long)found_, \
                      (unsigned long long)wanted_);                                                          \
    } while (0)

#define REFUSED(code, text, ...)                                                                             \
    do {                                                                                                     \
        struct location refused_;                                                                            \
        CHECK_FAILS(evaluate(BYTES(__VA_ARGS__), &refused_), code, text);                                    \
    } while (0)

/* ---- constants, addresses, registers ---- */

START_TEST(literals_and_constants) {
    for (unsigned i = 0; i < 32; i++)
        GIVES(i, (uint8_t)(DW_OP_lit0 + i));
    GIVES(0xfe, DW_OP_const1u, 0xfe);
    GIVES(-2, DW_OP_const1s, 0xfe);
    GIVES(0xfedc, DW_OP_const2u, 0xdc, 0xfe);
    GIVES((int16_t)0xfedc, DW_OP_const2s, 0xdc, 0xfe);
    GIVES(0xfedcba98, DW_OP_const4u, U32(0xfedcba98));
    GIVES((int32_t)0xfedcba98, DW_OP_const4s, U32(0xfedcba98));
    GIVES(0xfedcba9876543210, DW_OP_const8u, U64(0xfedcba9876543210));
    GIVES(0xfedcba9876543210, DW_OP_const8s, U64(0xfedcba9876543210));
    GIVES(624485, DW_OP_constu, 0xe5, 0x8e, 0x26); /* the example that everybody gives */
    GIVES(-123456, DW_OP_consts, 0xc0, 0xbb, 0x78);
    GIVES(0x4010, DW_OP_constx, 2);
    GIVES(0x4010, DW_OP_GNU_const_index, 2);
}
END_TEST

START_TEST(addresses_are_of_the_process) {
    GIVES(0x1234 + BIAS, DW_OP_addr, U64(0x1234));
    GIVES(0x4008 + BIAS, DW_OP_addrx, 1);
    GIVES(0x4008 + BIAS, DW_OP_GNU_addr_index, 1);
    GIVES(0x7fff0020, DW_OP_const1u, 0x20, DW_OP_form_tls_address);
    GIVES(0x7fff0020, DW_OP_const1u, 0x20, DW_OP_GNU_push_tls_address);
    GIVES(0x5000 - 16, DW_OP_fbreg, 0x70);
    GIVES(0x6000, DW_OP_call_frame_cfa);
    GIVES(0x9000, DW_OP_push_object_address);
}
END_TEST

START_TEST(registers_and_memory) {
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        if (i != UNKNOWN)
            GIVES(OF(i) - 3, (uint8_t)(DW_OP_breg0 + i), 0x7d);
    GIVES(OF(9) + 128, DW_OP_bregx, 9, 0x80, 1);
    GIVES(memory_word(MEMORY + 8, 8), DW_OP_const2u, 8, MEMORY >> 8, DW_OP_deref);
    for (uint8_t size = 1; size <= 8; size++)
        GIVES(memory_word(MEMORY + 3, size), DW_OP_const2u, 3, MEMORY >> 8, DW_OP_deref_size, size);
    REFUSED(ERROR_NOT_FOUND, "register 5", DW_OP_breg5, 0);
    REFUSED(ERROR_NOT_FOUND, "register 17", DW_OP_breg17, 0);
    REFUSED(ERROR_NOT_FOUND, "register 4294967296", DW_OP_bregx, 0x80, 0x80, 0x80, 0x80, 0x10, 0);
    REFUSED(ERROR_NOT_FOUND, "0x0 cannot be read", DW_OP_lit0, DW_OP_deref);
    REFUSED(ERROR_NOT_FOUND, "0x70fc cannot be read", DW_OP_const2u, 0xfc, MEMORY >> 8, DW_OP_deref);
    REFUSED(ERROR_BAD_DATA, "absurd size", DW_OP_const2u, 3, MEMORY >> 8, DW_OP_deref_size, 9);
    REFUSED(ERROR_BAD_DATA, "absurd size", DW_OP_const2u, 3, MEMORY >> 8, DW_OP_deref_size, 0);
}
END_TEST

/* ---- the stack and arithmetic ---- */

START_TEST(the_stack) {
    GIVES(3 + 3, DW_OP_lit3, DW_OP_dup, DW_OP_plus);
    GIVES(3, DW_OP_lit3, DW_OP_lit4, DW_OP_drop);
    GIVES(7 - 3, DW_OP_lit3, DW_OP_lit7, DW_OP_swap, DW_OP_minus);
    GIVES(3, DW_OP_lit3, DW_OP_lit7, DW_OP_over);
    GIVES(9, DW_OP_lit9, DW_OP_lit8, DW_OP_lit7, DW_OP_pick, 2);
    GIVES(7, DW_OP_lit9, DW_OP_lit8, DW_OP_lit7, DW_OP_pick, 0);
    /* The top goes to the third place, and the others up. */
    GIVES(8, DW_OP_lit9, DW_OP_lit8, DW_OP_lit7, DW_OP_rot);
    GIVES(9, DW_OP_lit9, DW_OP_lit8, DW_OP_lit7, DW_OP_rot, DW_OP_drop);
    GIVES(7, DW_OP_lit9, DW_OP_lit8, DW_OP_lit7, DW_OP_rot, DW_OP_drop, DW_OP_drop);
    GIVES(5, DW_OP_nop, DW_OP_lit5, DW_OP_nop);
    REFUSED(ERROR_BAD_DATA, "below the stack", DW_OP_dup);
    REFUSED(ERROR_BAD_DATA, "below the stack", DW_OP_lit1, DW_OP_over);
    REFUSED(ERROR_BAD_DATA, "below the stack", DW_OP_lit1, DW_OP_pick, 255);
    REFUSED(ERROR_BAD_DATA, "two values", DW_OP_lit1, DW_OP_swap);
    REFUSED(ERROR_BAD_DATA, "three values", DW_OP_lit1, DW_OP_lit1, DW_OP_rot);
    REFUSED(ERROR_BAD_DATA, "none is on the stack", DW_OP_drop);
    REFUSED(ERROR_BAD_DATA, "none is on the stack", DW_OP_lit1, DW_OP_plus);
    REFUSED(ERROR_BAD_DATA, "none is on the stack", DW_OP_lit1, DW_OP_drop);
}
END_TEST

START_TEST(arithmetic_of_the_generic_type) {
    GIVES(5, DW_OP_const1s, 0xfb, DW_OP_abs);
    GIVES(5, DW_OP_lit5, DW_OP_abs);
    GIVES(12 & 10, DW_OP_lit12, DW_OP_lit10, DW_OP_and);
    GIVES(12 | 10, DW_OP_lit12, DW_OP_lit10, DW_OP_or);
    GIVES(12 ^ 10, DW_OP_lit12, DW_OP_lit10, DW_OP_xor);
    GIVES(-7 / 2, DW_OP_const1s, 0xf9, DW_OP_lit2, DW_OP_div); /* signed */
    GIVES(INT64_MIN, DW_OP_const8u, U64(0x8000000000000000), DW_OP_const1s, 0xff, DW_OP_div);
    GIVES((uint64_t)-7 % 10, DW_OP_const1s, 0xf9, DW_OP_lit10, DW_OP_mod); /* unsigned */
    GIVES(3 - 8, DW_OP_lit3, DW_OP_lit8, DW_OP_minus);
    GIVES(3 * -8, DW_OP_lit3, DW_OP_const1s, 0xf8, DW_OP_mul);
    GIVES(-3, DW_OP_lit3, DW_OP_neg);
    GIVES(~3ull, DW_OP_lit3, DW_OP_not);
    GIVES(11, DW_OP_lit3, DW_OP_lit8, DW_OP_plus);
    GIVES(0, DW_OP_const8u, U64(0xffffffffffffffff), DW_OP_lit1, DW_OP_plus);
    GIVES(3 + 300, DW_OP_lit3, DW_OP_plus_uconst, 0xac, 2);
    GIVES(3ull << 62, DW_OP_lit3, DW_OP_const1u, 62, DW_OP_shl);
    GIVES(0, DW_OP_lit3, DW_OP_const1u, 64, DW_OP_shl);
    GIVES(UINT64_MAX >> 60, DW_OP_const1s, 0xff, DW_OP_const1u, 60, DW_OP_shr);
    GIVES(0, DW_OP_const1s, 0xff, DW_OP_const1u, 64, DW_OP_shr);
    GIVES(-2, DW_OP_const1s, 0xf8, DW_OP_lit2, DW_OP_shra);
    GIVES(-1, DW_OP_const1s, 0xf8, DW_OP_const1s, 0xff, DW_OP_shra);
    GIVES(0, DW_OP_lit8, DW_OP_const1u, 200, DW_OP_shra);
    REFUSED(ERROR_BAD_DATA, "division by zero", DW_OP_lit1, DW_OP_lit0, DW_OP_div);
    REFUSED(ERROR_BAD_DATA, "division by zero", DW_OP_lit1, DW_OP_lit0, DW_OP_mod);
}
END_TEST

START_TEST(comparisons_of_the_generic_type_are_signed) {
    static const int numbers[] = {-2, -1, 0, 1, 2};
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            int left = numbers[a], right = numbers[b];
#define COMPARES(operator, c_operator)                                                                       \
    GIVES(left c_operator right, DW_OP_const1s, (uint8_t)left, DW_OP_const1s, (uint8_t)right, operator)
            COMPARES(DW_OP_eq, ==);
            COMPARES(DW_OP_ne, !=);
            COMPARES(DW_OP_lt, <);
            COMPARES(DW_OP_le, <=);
            COMPARES(DW_OP_gt, >);
            COMPARES(DW_OP_ge, >=);
        }
}
END_TEST

START_TEST(jumps_and_calls) {
    GIVES(7, DW_OP_lit7, DW_OP_skip, 1, 0, DW_OP_lit3);
    GIVES(9, DW_OP_lit7, DW_OP_lit0, DW_OP_bra, 1, 0, DW_OP_lit9);
    GIVES(7, DW_OP_lit7, DW_OP_lit1, DW_OP_bra, 1, 0, DW_OP_lit9);
    /* 5 factorial: the product below the counter; jumps back. */
    GIVES(120, DW_OP_lit1, DW_OP_lit5, DW_OP_dup, DW_OP_rot, DW_OP_mul, DW_OP_swap, DW_OP_lit1, DW_OP_minus,
          DW_OP_dup, DW_OP_bra, 0xf6, 0xff, DW_OP_drop);
    GIVES(14, DW_OP_lit7, DW_OP_call2, 1, 0);
    GIVES(28, DW_OP_lit7, DW_OP_call4, 1, 0, 0, 0, DW_OP_call_ref, 1, 0x10, 0, 0);
    GIVES(7, DW_OP_lit7, DW_OP_call2, 3, 0); /* a DIE without a location changes nothing */
    REFUSED(ERROR_BAD_DATA, "too many calls", DW_OP_call2, 4, 0);
    REFUSED(ERROR_BAD_DATA, "no such DIE", DW_OP_call2, 6, 0);
    REFUSED(ERROR_BAD_DATA, "too many steps", DW_OP_skip, 0xfd, 0xff);
    REFUSED(ERROR_BAD_DATA, "too many values", DW_OP_lit1, DW_OP_skip, 0xfc, 0xff);
    REFUSED(ERROR_BAD_DATA, "damaged", DW_OP_skip, 0xfc, 0xff);
    REFUSED(ERROR_BAD_DATA, "damaged", DW_OP_skip, 1, 0);
    REFUSED(ERROR_BAD_DATA, "damaged", DW_OP_lit1, DW_OP_bra, 0, 0x80);
}
END_TEST

/* ---- base types ---- */

static struct location_value value_of(const uint8_t *expression, size_t size) {
    struct location_context context = world();
    struct location_value value;
    CHECK_OK(location_evaluate_value(expression, size, &context, NULL, &value));
    return value;
}

/* The expression gives this object, of this type. */
static void check_typed(const struct location_value *value, unsigned type, const void *wanted,
                        const char *what) {
    ck_assert_msg(value->type.die == type && value->type.size == types[type].size, "%s: type %d", what,
                  (int)value->type.die);
    size_t size = type == F16 ? 10 : value->type.size; /* a long double is padded with anything */
    ck_assert_msg(!memcmp(value->bytes, wanted, size), "%s: another value", what);
}

#define TYPED(type, c_type, wanted, ...)                                                                     \
    do {                                                                                                     \
        c_type wanted_;                                                                                      \
        memset(&wanted_, 0, sizeof(wanted_));                                                                \
        wanted_ = (wanted);                                                                                  \
        struct location_value value_ = value_of(BYTES(__VA_ARGS__));                                         \
        check_typed(&value_, type, &wanted_, #__VA_ARGS__);                                                  \
    } while (0)

#define CONST_S4(n) DW_OP_const_type, S4, 4, U32((uint32_t)(n))
#define CONST_U4(n) DW_OP_const_type, U4, 4, U32((uint32_t)(n))

START_TEST(typed_integers) {
    TYPED(S4, int32_t, -5, CONST_S4(-5));
    TYPED(S4, int32_t, -5 / 2, CONST_S4(-5), CONST_S4(2), DW_OP_div);
    TYPED(U4, uint32_t, (uint32_t)-5 / 2, CONST_U4(-5), CONST_U4(2), DW_OP_div);
    TYPED(S4, int32_t, -5 % 3, CONST_S4(-5), CONST_S4(3), DW_OP_mod);
    TYPED(U4, uint32_t, (uint32_t)-5 % 3, CONST_U4(-5), CONST_U4(3), DW_OP_mod);
    TYPED(S4, int32_t, INT32_MIN, CONST_S4(INT32_MIN), CONST_S4(-1), DW_OP_div);
    TYPED(S4, int32_t, 0, CONST_S4(INT32_MIN), CONST_S4(-1), DW_OP_mod);
    TYPED(S16, __int128, (__int128)((unsigned __int128)1 << 127), DW_OP_const1u, 1, DW_OP_convert, S16,
          DW_OP_const1u, 127, DW_OP_shl, CONST_S4(-1), DW_OP_convert, S16, DW_OP_div); /* has no opposite */
    TYPED(S16, __int128, 0, DW_OP_const1u, 1, DW_OP_convert, S16, DW_OP_const1u, 127, DW_OP_shl, CONST_S4(-1),
          DW_OP_convert, S16, DW_OP_mod);
    TYPED(S4, int32_t, INT32_MIN, CONST_S4(INT32_MAX), CONST_S4(1), DW_OP_plus); /* wraps around */
    TYPED(S4, int32_t, INT32_MIN, CONST_S4(INT32_MIN), DW_OP_abs);
    TYPED(U4, uint32_t, (uint32_t)-5, CONST_U4(-5), DW_OP_abs);
    TYPED(S4, int32_t, 5, CONST_S4(-5), DW_OP_abs);
    TYPED(U4, uint32_t, 5, CONST_U4(-5), DW_OP_neg);
    TYPED(S4, int32_t, ~77, CONST_S4(77), DW_OP_not);
    TYPED(S4, int32_t, 77 + 200, CONST_S4(77), DW_OP_plus_uconst, 0xc8, 1);
    TYPED(S4, int32_t, 0x0ffffffe, CONST_S4(-20), DW_OP_lit4, DW_OP_shr); /* logical, also of a signed type */
    TYPED(U4, uint32_t, (uint32_t)-2, CONST_U4(-20), DW_OP_lit4, DW_OP_shra);
    TYPED(U4, uint32_t, 0, CONST_U4(-20), DW_OP_const1u, 32, DW_OP_shl);
    TYPED(U4, uint32_t, 0x80000000, CONST_U4(3), DW_OP_const1u, 31, DW_OP_shl);
    GIVES(1, CONST_S4(-1), CONST_S4(1), DW_OP_lt);
    GIVES(0, CONST_U4(-1), CONST_U4(1), DW_OP_lt);
    TYPED(S8, int64_t, OF(3) + 1, DW_OP_regval_type, 3, S8, DW_OP_lit1, DW_OP_plus); /* generic fits */
    TYPED(S8, int64_t, OF(3) + 1, DW_OP_lit1, DW_OP_GNU_regval_type, 3, S8, DW_OP_plus);
    TYPED(S4, int32_t, (int32_t)OF(3), DW_OP_regval_type, 3, S4);
    TYPED(U4, uint32_t, (uint32_t)memory_word(MEMORY + 5, 4), DW_OP_const2u, 5, MEMORY >> 8, DW_OP_deref_type,
          4, U4);
    TYPED(U16, unsigned __int128,
          (unsigned __int128)memory_word(MEMORY + 13, 8) << 64 | memory_word(MEMORY + 5, 8), DW_OP_const2u, 5,
          MEMORY >> 8, DW_OP_GNU_deref_type, 16, U16);
    TYPED(U1, uint8_t, 200, DW_OP_GNU_const_type, U1, 1, 200);
    TYPED(BOOL, uint8_t, 1, DW_OP_const_type, BOOL, 1, 1);
}
END_TEST

START_TEST(integers_are_converted) {
    TYPED(S1, int8_t, (int8_t)0x1ff, DW_OP_const2u, 0xff, 1, DW_OP_convert, S1);
    TYPED(S16, __int128, -5, CONST_S4(-5), DW_OP_convert, S16);
    TYPED(S16, __int128, 0xfffffffb, CONST_U4(-5), DW_OP_convert, S16);
    TYPED(S16, __int128, -5, DW_OP_const1s, 0xfb, DW_OP_convert, S16); /* the generic type is signed */
    TYPED(U16, unsigned __int128, ((unsigned __int128)1 << 100) * 3, DW_OP_lit3, DW_OP_convert, U16,
          DW_OP_const1u, 100, DW_OP_shl);
    TYPED(S16, __int128, ((__int128)INT64_MAX * INT64_MAX), DW_OP_const8u, U64(INT64_MAX), DW_OP_convert, S16,
          DW_OP_dup, DW_OP_mul);
    TYPED(S16, __int128, ((__int128)INT64_MAX * INT64_MIN) / 7, DW_OP_const8u, U64(INT64_MAX), DW_OP_convert,
          S16, DW_OP_const8u, U64(INT64_MIN), DW_OP_convert, S16, DW_OP_mul, DW_OP_lit7, DW_OP_convert, S16,
          DW_OP_div);
    TYPED(U4, uint32_t, (uint32_t)-5, CONST_S4(-5), DW_OP_GNU_convert, U4);
    TYPED(U4, uint32_t, (uint32_t)-5, CONST_S4(-5), DW_OP_reinterpret, U4);
    GIVES(-5, CONST_S4(-5), DW_OP_convert, 0);
    GIVES(0xfffffffb, CONST_U4(-5), DW_OP_convert, 0);
    GIVES(MEMORY, DW_OP_const2u, 0, MEMORY >> 8, DW_OP_convert, U8); /* an address of another integer type */
}
END_TEST

/* The bytes of a constant of this type, for an expression. */
#define BYTES4(x)                                                                                            \
    ((union {                                                                                                \
        float f;                                                                                             \
        uint8_t b[4];                                                                                        \
    }){x})                                                                                                   \
        .b
#define CONST_F4(x) DW_OP_const_type, F4, 4, BYTES4(x)[0], BYTES4(x)[1], BYTES4(x)[2], BYTES4(x)[3]
#define BYTES8(x)                                                                                            \
    ((union {                                                                                                \
        double f;                                                                                            \
        uint8_t b[8];                                                                                        \
    }){x})                                                                                                   \
        .b
#define CONST_F8(x)                                                                                          \
    DW_OP_const_type, F8, 8, BYTES8(x)[0], BYTES8(x)[1], BYTES8(x)[2], BYTES8(x)[3], BYTES8(x)[4],           \
        BYTES8(x)[5], BYTES8(x)[6], BYTES8(x)[7]

START_TEST(floats) {
    volatile float third = 1.0f / 3, seven = 7;
    volatile double tenth = 0.1, three = 3;
    TYPED(F4, float, third, CONST_F4(1), CONST_F4(3), DW_OP_div);
    TYPED(F4, float, third *seven, CONST_F4(third), CONST_F4(7), DW_OP_mul);
    TYPED(F4, float, third - seven, CONST_F4(third), CONST_F4(7), DW_OP_minus);
    TYPED(F8, double, tenth + three, CONST_F8(0.1), CONST_F8(3), DW_OP_plus);
    TYPED(F8, double, tenth / three, CONST_F8(0.1), CONST_F8(3), DW_OP_div);
    TYPED(F8, double, -tenth, CONST_F8(0.1), DW_OP_neg);
    TYPED(F8, double, tenth, CONST_F8(-0.1), DW_OP_abs);
    TYPED(F8, double, 0.0, CONST_F8(-0.0), DW_OP_abs);
    TYPED(F8, double, INFINITY, CONST_F8(1), CONST_F8(0), DW_OP_div);
    TYPED(F16, long double, (long double)tenth / 3, CONST_F8(0.1), DW_OP_convert, F16, DW_OP_lit3,
          DW_OP_convert, F16, DW_OP_div);
    TYPED(F4, float, (float)tenth, CONST_F8(0.1), DW_OP_convert, F4);
    TYPED(F8, double, -5, DW_OP_const1s, 0xfb, DW_OP_convert, F8);
    TYPED(F8, double, 4294967291.0, CONST_U4(-5), DW_OP_convert, F8);
    TYPED(F4, float, (float)0x7fffffbfffffffffll, DW_OP_const8u, U64(0x7fffffbfffffffff), DW_OP_convert, F4);
    TYPED(S4, int32_t, -2, CONST_F8(-2.9), DW_OP_convert, S4);
    TYPED(U8, uint64_t, 0xfffffffffffff800, CONST_F8(18446744073709549568.0), DW_OP_convert, U8);
    TYPED(U1, uint8_t, 0, CONST_F4(-0.9f), DW_OP_convert, U1);
    TYPED(S16, __int128, (__int128)1 << 100, CONST_F8(0x1p100), DW_OP_convert, S16);
    TYPED(S16, __int128, -((__int128)1 << 126) * 2, CONST_F8(-0x1p127), DW_OP_convert, S16);
    TYPED(U4, uint32_t, 0x3f800000, CONST_F4(1), DW_OP_reinterpret, U4);
    GIVES(0x3ff0000000000000, CONST_F8(1), DW_OP_GNU_reinterpret, 0);
    GIVES(-7, CONST_F8(-7.5), DW_OP_convert, 0);
    GIVES(1, CONST_F8(1), CONST_F8(2), DW_OP_lt);
    GIVES(0, CONST_F8(NAN), CONST_F8(NAN), DW_OP_eq);
    GIVES(1, CONST_F8(NAN), CONST_F8(NAN), DW_OP_ne);
    GIVES(0, CONST_F8(NAN), CONST_F8(1), DW_OP_ge);
    GIVES(0, CONST_F8(NAN), CONST_F8(1), DW_OP_le);
    float in_register;
    memcpy(&in_register, (memset(world_xstate, 0, 1), world(), world_xstate + 160 + 16), 4);
    struct location_value value = value_of(BYTES(DW_OP_regval_type, 18, F4)); /* xmm1 */
    ck_assert_mem_eq(value.bytes, world_xstate + 176, 4);
    REFUSED(ERROR_BAD_DATA, "floats do not have", CONST_F8(1), CONST_F8(2), DW_OP_and);
    REFUSED(ERROR_BAD_DATA, "does not have", CONST_F8(1), DW_OP_not);
    REFUSED(ERROR_BAD_DATA, "different types", CONST_F8(1), CONST_F4(2), DW_OP_plus);
    REFUSED(ERROR_BAD_DATA, "different types", CONST_F8(1), DW_OP_lit1, DW_OP_shl);
    REFUSED(ERROR_BAD_DATA, "does not fit", CONST_F8(1e10), DW_OP_convert, S4);
    REFUSED(ERROR_BAD_DATA, "does not fit", CONST_F8(-1), DW_OP_convert, U4);
    REFUSED(ERROR_BAD_DATA, "does not fit", CONST_F8(NAN), DW_OP_convert, S16);
    REFUSED(ERROR_BAD_DATA, "does not fit", CONST_F8(INFINITY), DW_OP_convert, 0);
    REFUSED(ERROR_BAD_DATA, "integer is needed", CONST_F8(1), DW_OP_deref);
    REFUSED(ERROR_BAD_DATA, "integer is needed", CONST_F8(1)); /* no address */
}
END_TEST

START_TEST(types_that_do_not_fit) {
    REFUSED(ERROR_BAD_DATA, "different types", CONST_S4(1), CONST_U4(1), DW_OP_plus);
    REFUSED(ERROR_BAD_DATA, "different types", CONST_S4(1), DW_OP_lit1, DW_OP_plus);
    REFUSED(ERROR_BAD_DATA, "another size", CONST_S4(1), DW_OP_reinterpret, S8);
    REFUSED(ERROR_BAD_DATA, "not of the size", DW_OP_const_type, S4, 3, 1, 2, 3);
    REFUSED(ERROR_BAD_DATA, "damaged", DW_OP_const_type, S4, 4, 1, 2, 3);
    REFUSED(ERROR_BAD_DATA, "not of the size", DW_OP_const2u, 5, MEMORY >> 8, DW_OP_deref_type, 8, S4);
    REFUSED(ERROR_BAD_DATA, "that is none", DW_OP_regval_type, 3, 0);
    REFUSED(ERROR_BAD_DATA, "no base type", DW_OP_regval_type, 3, 99);
    REFUSED(ERROR_UNSUPPORTED, "0 bytes", DW_OP_regval_type, 3, EMPTY);
    REFUSED(ERROR_UNSUPPORTED, "17 bytes", DW_OP_regval_type, 3, HUGE_TYPE);
    REFUSED(ERROR_NOT_FOUND, "register 3", DW_OP_regval_type, 3, S16);
    REFUSED(ERROR_NOT_FOUND, "register 5", DW_OP_regval_type, UNKNOWN, S8);
    REFUSED(ERROR_UNSUPPORTED, "encodings", DW_OP_lit1, DW_OP_convert, COMPLEX);
    REFUSED(ERROR_BAD_DATA, "does not have", DW_OP_lit1, DW_OP_reinterpret, COMPLEX, DW_OP_neg);
    REFUSED(ERROR_BAD_DATA, "different types", DW_OP_lit1, DW_OP_reinterpret, COMPLEX, DW_OP_dup, DW_OP_plus);
}
END_TEST

/* ---- locations that are no memory ---- */

static void check_piece(const struct location_piece *piece, enum location_piece_kind kind, uint64_t bit_size,
                        uint64_t bit_offset) {
    ck_assert_int_eq(piece->kind, kind);
    ck_assert_uint_eq(piece->bit_size, bit_size);
    ck_assert_uint_eq(piece->bit_offset, bit_offset);
}

#define EVALUATE(location, count_wanted, ...)                                                                \
    do {                                                                                                     \
        CHECK_OK(evaluate(BYTES(__VA_ARGS__), location));                                                    \
        ck_assert_uint_eq((location)->count, count_wanted);                                                  \
    } while (0)

START_TEST(simple_locations) {
    struct location location;
    for (unsigned i = 0; i < 32; i++) {
        EVALUATE(&location, 1, (uint8_t)(DW_OP_reg0 + i));
        check_piece(location.pieces, PIECE_REGISTER, 0, 0);
        ck_assert_uint_eq(location.pieces[0].reg, i);
        location_deinit(&location);
    }
    EVALUATE(&location, 1, DW_OP_regx, 33, DW_OP_GNU_uninit);
    check_piece(location.pieces, PIECE_REGISTER, 0, 0);
    ck_assert_uint_eq(location.pieces[0].reg, 33);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_implicit_value, 3, 7, 8, 9);
    check_piece(location.pieces, PIECE_BYTES, 0, 0);
    ck_assert_uint_eq(location.pieces[0].byte_count, 3);
    ck_assert_mem_eq(location.pieces[0].bytes, "\7\10\11", 3);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_lit7, DW_OP_stack_value);
    check_piece(location.pieces, PIECE_BYTES, 0, 0);
    ck_assert_uint_eq(location.pieces[0].byte_count, 8);
    ck_assert_mem_eq(location.pieces[0].bytes, "\7\0\0\0\0\0\0\0", 8);
    location_deinit(&location);
    EVALUATE(&location, 1, CONST_S4(-2), DW_OP_stack_value);
    ck_assert_uint_eq(location.pieces[0].byte_count, 4);
    location_deinit(&location);
    const uint8_t pointers[] = {DW_OP_implicit_pointer, DW_OP_GNU_implicit_pointer};
    for (size_t i = 0; i < 2; i++) {
        EVALUATE(&location, 1, pointers[i], U32(0x12345678), 0x7c);
        check_piece(location.pieces, PIECE_POINTER, 0, 0);
        ck_assert_uint_eq(location.pieces[0].target, 0x12345678);
        ck_assert_int_eq(location.pieces[0].target_offset, -4);
        location_deinit(&location);
    }
}
END_TEST

START_TEST(sizes_of_references) {
    static const uint8_t expression[] = {DW_OP_implicit_pointer, U64(0x1122334455667788), 3};
    struct location_context context = world();
    struct location location;
    context.offset_size = 8;
    CHECK_OK(location_evaluate(expression, sizeof(expression), &context, &location));
    ck_assert_uint_eq(location.pieces[0].target, 0x1122334455667788);
    location_deinit(&location);
    context.offset_size = 4;
    context.dwarf_version = 2; /* as large as an address */
    CHECK_OK(location_evaluate(expression, sizeof(expression), &context, &location));
    ck_assert_uint_eq(location.pieces[0].target, 0x1122334455667788);
    location_deinit(&location);
}
END_TEST

START_TEST(what_is_optimized_out) {
    struct location location;
    struct location_context context = world();
    CHECK_OK(location_evaluate(NULL, 0, &context, &location));
    ck_assert_uint_eq(location.count, 1);
    check_piece(location.pieces, PIECE_OPTIMIZED_OUT, 0, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_nop);
    check_piece(location.pieces, PIECE_OPTIMIZED_OUT, 0, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_call2, 3, 0); /* of a DIE that is optimized out */
    check_piece(location.pieces, PIECE_OPTIMIZED_OUT, 0, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_reg3, DW_OP_piece, 4, DW_OP_entry_value, 2, DW_OP_breg3, 0,
             DW_OP_stack_value, DW_OP_piece, 4);
    check_piece(location.pieces, PIECE_OPTIMIZED_OUT, 0, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_GNU_parameter_ref, U32(1), DW_OP_stack_value);
    check_piece(location.pieces, PIECE_OPTIMIZED_OUT, 0, 0);
    location_deinit(&location);
    static const uint8_t gone[] = {DW_OP_entry_value, 2, DW_OP_breg3, 0};
    struct location_value value;
    CHECK_FAILS(location_evaluate_value(gone, sizeof(gone), &context, NULL, &value), ERROR_NOT_FOUND,
                "no number");
}
END_TEST

START_TEST(values_of_the_caller) {
    GIVES(6 * 3 + 1, DW_OP_entry_value, 1, DW_OP_reg6, DW_OP_lit1, DW_OP_plus);
    GIVES(6 * 3, DW_OP_GNU_entry_value, 1, DW_OP_reg6);
    GIVES(99, DW_OP_GNU_parameter_ref, U32(0x01020304));
    REFUSED(ERROR_BAD_DATA, "damaged", DW_OP_entry_value, 2, DW_OP_reg6);
}
END_TEST

START_TEST(pieces) {
    struct location location;
    EVALUATE(&location, 6, DW_OP_reg3, DW_OP_piece, 4, DW_OP_piece, 2, DW_OP_fbreg, 8, DW_OP_piece, 0x80, 1,
             DW_OP_lit9, DW_OP_stack_value, DW_OP_bit_piece, 3, 5, DW_OP_implicit_value, 2, 1, 2, DW_OP_piece,
             2, DW_OP_implicit_pointer, U32(5), 0, DW_OP_piece, 8);
    check_piece(&location.pieces[0], PIECE_REGISTER, 32, 0);
    check_piece(&location.pieces[1], PIECE_OPTIMIZED_OUT, 16, 0);
    check_piece(&location.pieces[2], PIECE_MEMORY, 1024, 0);
    ck_assert_uint_eq(location.pieces[2].address, 0x5008);
    check_piece(&location.pieces[3], PIECE_BYTES, 3, 5);
    ck_assert_uint_eq(location.pieces[3].bytes[0], 9);
    check_piece(&location.pieces[4], PIECE_BYTES, 16, 0);
    check_piece(&location.pieces[5], PIECE_POINTER, 64, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_call2, 2, 0, DW_OP_piece, 3); /* the register is said by another DIE */
    check_piece(&location.pieces[0], PIECE_REGISTER, 24, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_call2, 5, 0); /* a whole piece is */
    check_piece(&location.pieces[0], PIECE_REGISTER, 16, 0);
    location_deinit(&location);
    EVALUATE(&location, 1, DW_OP_reg3, DW_OP_piece, 0, DW_OP_lit1, DW_OP_piece, 0, DW_OP_reg4, DW_OP_piece,
             1);
    ck_assert_uint_eq(location.pieces[0].reg, 4);
    location_deinit(&location);
}
END_TEST

START_TEST(locations_that_make_no_sense) {
    REFUSED(ERROR_BAD_DATA, "complete", DW_OP_reg3, DW_OP_lit1);
    REFUSED(ERROR_BAD_DATA, "complete", DW_OP_lit3, DW_OP_stack_value, DW_OP_deref);
    REFUSED(ERROR_BAD_DATA, "complete", DW_OP_implicit_value, 1, 1, DW_OP_reg3);
    REFUSED(ERROR_BAD_DATA, "none is on the stack", DW_OP_stack_value);
    REFUSED(ERROR_BAD_DATA, "behind the last piece", DW_OP_reg3, DW_OP_piece, 1, DW_OP_lit1);
    REFUSED(ERROR_BAD_DATA, "behind the last piece", DW_OP_reg3, DW_OP_piece, 1, DW_OP_reg4);
    REFUSED(ERROR_BAD_DATA, "none is on the stack", DW_OP_lit1, DW_OP_drop, DW_OP_piece, 1);
    REFUSED(ERROR_BAD_DATA, "absurd size", DW_OP_reg3, DW_OP_piece, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0x7f);
    REFUSED(ERROR_BAD_DATA, "absurd number", DW_OP_regx, 0x80, 0x80, 0x80, 0x80, 0x10);
}
END_TEST

START_TEST(operators_that_are_not_supported_are_named) {
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_xderef", DW_OP_xderef);
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_xderef_size", DW_OP_xderef_size, 1);
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_xderef_type", DW_OP_xderef_type, 1, 1);
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_WASM_location", DW_OP_WASM_location);
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_GNU_variable_value", DW_OP_GNU_variable_value);
    REFUSED(ERROR_UNSUPPORTED, "DW_OP_GNU_encoded_addr", DW_OP_GNU_encoded_addr);
    REFUSED(ERROR_UNSUPPORTED, "0x0 (unknown)", 0);
    REFUSED(ERROR_UNSUPPORTED, "0xff (unknown)", 0xff);
}
END_TEST

START_TEST(what_the_context_lacks_is_said) {
    static const struct {
        uint8_t bytes[8];
        const char *text;
    } rows[] = {
        {{DW_OP_fbreg, 0}, "frame base"},
        {{DW_OP_call_frame_cfa}, "frame's address"},
        {{DW_OP_push_object_address}, "object"},
        {{DW_OP_addrx, 0}, ".debug_addr"},
        {{DW_OP_constx, 0}, ".debug_addr"},
        {{DW_OP_entry_value, 1, DW_OP_reg3}, "entry"},
        {{DW_OP_GNU_parameter_ref, 1}, "parameter"},
        {{DW_OP_lit0, DW_OP_form_tls_address}, "thread-local"},
        {{DW_OP_call2, 1}, "another DIE"},
        {{DW_OP_lit0, DW_OP_convert, 1}, "base type"},
    };
    struct location_context context = {.address_size = 8, .offset_size = 4, .dwarf_version = 5};
    struct location location;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_FAILS(location_evaluate(rows[i].bytes, 8, &context, &location), ERROR_UNSUPPORTED,
                    rows[i].text);
    CHECK_FAILS(location_evaluate(BYTES(DW_OP_breg3, 0), &context, &location), ERROR_NOT_FOUND, "register 3");
    CHECK_FAILS(location_evaluate(BYTES(DW_OP_regval_type, 3, S8), &context, &location), ERROR_UNSUPPORTED,
                "base type");
    CHECK_FAILS(location_evaluate(BYTES(DW_OP_lit3, DW_OP_deref), &context, &location), ERROR_NOT_FOUND,
                "memory");
    context.address_size = 4;
    CHECK_FAILS(location_evaluate(BYTES(DW_OP_lit0), &context, &location), ERROR_UNSUPPORTED, "4 bytes");
}
END_TEST

START_TEST(operands_that_are_cut_off) {
    static const uint8_t with_operands[] = {DW_OP_addr,
                                            DW_OP_const1u,
                                            DW_OP_const1s,
                                            DW_OP_const2u,
                                            DW_OP_const2s,
                                            DW_OP_const4u,
                                            DW_OP_const4s,
                                            DW_OP_const8u,
                                            DW_OP_const8s,
                                            DW_OP_constu,
                                            DW_OP_consts,
                                            DW_OP_plus_uconst,
                                            DW_OP_skip,
                                            DW_OP_breg3,
                                            DW_OP_regx,
                                            DW_OP_fbreg,
                                            DW_OP_bregx,
                                            DW_OP_piece,
                                            DW_OP_bit_piece,
                                            DW_OP_call2,
                                            DW_OP_call4,
                                            DW_OP_call_ref,
                                            DW_OP_addrx,
                                            DW_OP_constx,
                                            DW_OP_convert,
                                            DW_OP_entry_value,
                                            DW_OP_implicit_value,
                                            DW_OP_const_type,
                                            DW_OP_regval_type,
                                            DW_OP_deref_type,
                                            DW_OP_deref_size,
                                            DW_OP_pick,
                                            DW_OP_bra,
                                            DW_OP_implicit_pointer,
                                            DW_OP_GNU_parameter_ref};
    for (size_t i = 0; i < sizeof(with_operands); i++) {
        struct location location;
        CHECK_FAILS(evaluate(BYTES(DW_OP_lit1, with_operands[i]), &location), ERROR_BAD_DATA, "");
        if (with_operands[i] != DW_OP_const1u &&
            with_operands[i] != DW_OP_const1s) /* one byte is all of theirs */
            CHECK_FAILS(evaluate(BYTES(DW_OP_lit1, with_operands[i], 0x80), &location), ERROR_BAD_DATA, "");
    }
}
END_TEST

/* ---- numbers for other attributes ---- */

static struct error *number_of(const uint8_t *expression, size_t size, const uint64_t *initial,
                               uint64_t *ret) {
    struct location_context context = world();
    return location_evaluate_address(expression, size, &context, initial, ret);
}

START_TEST(numbers) {
    const uint64_t initial = 0x100;
    uint64_t value;
    CHECK_OK(number_of(BYTES(DW_OP_plus_uconst, 8), &initial, &value));
    ck_assert_uint_eq(value, 0x108);
    CHECK_OK(number_of(NULL, 0, &initial, &value)); /* nothing changes it */
    ck_assert_uint_eq(value, 0x100);
    CHECK_OK(number_of(BYTES(DW_OP_reg6), NULL, &value)); /* a frame base in a register */
    ck_assert_uint_eq(value, OF(6));
    CHECK_OK(number_of(BYTES(DW_OP_call_frame_cfa), NULL, &value));
    ck_assert_uint_eq(value, 0x6000);
    CHECK_OK(number_of(BYTES(DW_OP_lit9, DW_OP_stack_value), NULL, &value));
    ck_assert_uint_eq(value, 9);
    CHECK_OK(number_of(BYTES(CONST_S4(-3)), NULL, &value));
    ck_assert_uint_eq(value, (uint64_t)-3);
    CHECK_OK(number_of(BYTES(DW_OP_implicit_value, 2, 1, 2), NULL, &value));
    ck_assert_uint_eq(value, 0x201);
    CHECK_FAILS(number_of(NULL, 0, NULL, &value), ERROR_NOT_FOUND, "no number");
    CHECK_FAILS(number_of(BYTES(DW_OP_reg5), NULL, &value), ERROR_NOT_FOUND, "register 5");
    CHECK_FAILS(number_of(BYTES(DW_OP_implicit_pointer, 0, 0, 0, 0, 0), NULL, &value), ERROR_NOT_FOUND,
                "no number");
    CHECK_FAILS(number_of(BYTES(DW_OP_reg3, DW_OP_piece, 8), NULL, &value), ERROR_BAD_DATA, "pieces");
    CHECK_FAILS(number_of(BYTES(DW_OP_implicit_value, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9), NULL, &value),
                ERROR_BAD_DATA, "too large");
    CHECK_FAILS(number_of(BYTES(CONST_F8(1)), NULL, &value), ERROR_BAD_DATA, "something else");
}
END_TEST

/* ---- copying bits out ---- */

static enum location_state read_object(const uint8_t *expression, size_t size, uint64_t bits, void *ret) {
    struct location_context context = world();
    struct location location;
    CHECK_OK(location_evaluate(expression, size, &context, &location));
    enum location_state state = location_read(&location, &context, bits, ret);
    location_deinit(&location);
    return state;
}

START_TEST(objects_are_read) {
    uint8_t bytes[300];
    uint64_t word;
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3), 64, &word), LOCATION_OK);
    ck_assert_uint_eq(word, OF(3));
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3), 8, bytes), LOCATION_OK);
    ck_assert_uint_eq(bytes[0], (uint8_t)OF(3));
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg18), 128, bytes), LOCATION_OK);
    ck_assert_mem_eq(bytes, world_xstate + 176, 16);
    ck_assert_int_eq(read_object(BYTES(DW_OP_const2u, 2, MEMORY >> 8), 1600, bytes), LOCATION_OK);
    for (size_t i = 0; i < 200; i++)
        ck_assert_uint_eq(bytes[i], memory_byte(MEMORY + 2 + i));
    ck_assert_int_eq(read_object(BYTES(DW_OP_implicit_value, 3, 7, 8, 9), 24, bytes), LOCATION_OK);
    ck_assert_mem_eq(bytes, "\7\10\11", 3);
    ck_assert_int_eq(read_object(BYTES(DW_OP_const1s, 0xfe, DW_OP_stack_value), 32, bytes), LOCATION_OK);
    ck_assert_mem_eq(bytes, "\xfe\xff\xff\xff", 4);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3), 0, bytes), LOCATION_OK);
}
END_TEST

START_TEST(objects_in_x87_registers) {
    struct location_context context = world();
    struct location location;
    long double number = 2.7182818284590452354L, whole = 0;
    float single;
    double twice;
    CHECK_OK(location_evaluate(BYTES(DW_OP_regx, 34), &context, &location));
    memcpy(world_xstate + 48, &number, 10);
    ck_assert_int_eq(location_read(&location, &context, 128, &whole), LOCATION_OK);
    ck_assert_mem_eq(&whole, &number, 10);
    ck_assert_int_eq(location_read(&location, &context, 64, &twice), LOCATION_OK);
    ck_assert_double_eq(twice, 2.7182818284590452354);
    ck_assert_int_eq(location_read(&location, &context, 32, &single), LOCATION_OK);
    ck_assert_float_eq(single, 2.7182818284590452354f);
    ck_assert_int_eq(location_read(&location, &context, 16, &single), LOCATION_UNREADABLE);
    location_deinit(&location);
}
END_TEST

START_TEST(what_cannot_be_read_is_told) {
    uint8_t bytes[64];
    ck_assert_int_eq(read_object(NULL, 0, 32, bytes), LOCATION_OPTIMIZED_OUT);
    ck_assert_int_eq(read_object(BYTES(DW_OP_implicit_pointer, 0, 0, 0, 0, 0), 64, bytes),
                     LOCATION_OPTIMIZED_OUT);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg5), 64, bytes), LOCATION_UNREADABLE);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3), 65, bytes), LOCATION_UNREADABLE); /* more than it has */
    ck_assert_int_eq(read_object(BYTES(DW_OP_lit0), 64, bytes), LOCATION_UNREADABLE);
    ck_assert_int_eq(read_object(BYTES(DW_OP_const2u, 0xfc, MEMORY >> 8), 64, bytes), LOCATION_UNREADABLE);
    for (size_t i = 0; i < 8; i++)
        ck_assert_uint_eq(bytes[i], 0);
    ck_assert_int_eq(read_object(BYTES(DW_OP_implicit_value, 1, 7), 16, bytes), LOCATION_OPTIMIZED_OUT);
    /* Some of it is there; the rest is not, and is 0. */
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3, DW_OP_piece, 2, DW_OP_piece, 2), 32, bytes),
                     LOCATION_OPTIMIZED_OUT);
    ck_assert_mem_eq(bytes, "\3\60\0\0", 4);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3, DW_OP_piece, 2), 32, bytes), LOCATION_OPTIMIZED_OUT);
    ck_assert_int_eq(read_object(BYTES(DW_OP_lit0, DW_OP_piece, 2, DW_OP_piece, 2), 32, bytes),
                     LOCATION_UNREADABLE);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3, DW_OP_bit_piece, 8, 60), 8, bytes), LOCATION_UNREADABLE);
    ck_assert_int_eq(read_object(BYTES(DW_OP_reg3, DW_OP_bit_piece, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 1),
                                 8, bytes),
                     LOCATION_UNREADABLE);
}
END_TEST

static unsigned bit_of(const uint8_t *bytes, uint64_t bit) {
    return bytes[bit / 8] >> (bit % 8) & 1;
}

/* Pieces of odd sizes, at odd places, of all kinds: each bit is looked at on its own. */
START_TEST(bits_of_pieces) {
    uint8_t bytes[100], value[8] = {0xa5, 0x5a, 0x12, 0x34, 0x9c, 0xf0, 0x0f, 0x81}, memory[256];
    for (size_t i = 0; i < sizeof(memory); i++)
        memory[i] = memory_byte(MEMORY + i);
    for (unsigned size = 1; size < 40; size += 3)
        for (unsigned offset = 0; offset < 20; offset += 3) {
            uint64_t from_register = OF(9), total = size + 600 + size + 3;
            ck_assert_int_eq(
                read_object(BYTES(DW_OP_reg9, DW_OP_bit_piece, (uint8_t)size, (uint8_t)offset, DW_OP_const2u,
                                  2, MEMORY >> 8, DW_OP_bit_piece, 0xd8, 4, (uint8_t)offset,
                                  DW_OP_implicit_value, 8, value[0], value[1], value[2], value[3], value[4],
                                  value[5], value[6], value[7], DW_OP_bit_piece, (uint8_t)size,
                                  (uint8_t)offset, DW_OP_lit5, DW_OP_stack_value, DW_OP_bit_piece, 3, 0),
                            total, bytes),
                LOCATION_OK);
            for (uint64_t i = 0; i < size; i++) {
                ck_assert_uint_eq(bit_of(bytes, i), from_register >> (offset + i) & 1);
                ck_assert_uint_eq(bit_of(bytes, size + 600 + i), bit_of(value, offset + i));
            }
            for (uint64_t i = 0; i < 600; i++)
                ck_assert_uint_eq(bit_of(bytes, size + i), bit_of(memory, 16 + offset + i));
            for (uint64_t i = 0; i < 3; i++)
                ck_assert_uint_eq(bit_of(bytes, total - 3 + i), 5 >> i & 1);
            for (uint64_t i = total; i % 8; i++)
                ck_assert_uint_eq(bit_of(bytes, i), 0);
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("location");
    TCase *stack = tcase_create("expressions");
    tcase_add_test(stack, literals_and_constants);
    tcase_add_test(stack, addresses_are_of_the_process);
    tcase_add_test(stack, registers_and_memory);
    tcase_add_test(stack, the_stack);
    tcase_add_test(stack, arithmetic_of_the_generic_type);
    tcase_add_test(stack, comparisons_of_the_generic_type_are_signed);
    tcase_add_test(stack, jumps_and_calls);
    tcase_add_test(stack, typed_integers);
    tcase_add_test(stack, integers_are_converted);
    tcase_add_test(stack, floats);
    tcase_add_test(stack, types_that_do_not_fit);
    suite_add_tcase(suite, stack);
    TCase *locations = tcase_create("locations");
    tcase_add_test(locations, simple_locations);
    tcase_add_test(locations, sizes_of_references);
    tcase_add_test(locations, what_is_optimized_out);
    tcase_add_test(locations, values_of_the_caller);
    tcase_add_test(locations, pieces);
    tcase_add_test(locations, locations_that_make_no_sense);
    tcase_add_test(locations, operators_that_are_not_supported_are_named);
    tcase_add_test(locations, what_the_context_lacks_is_said);
    tcase_add_test(locations, operands_that_are_cut_off);
    tcase_add_test(locations, numbers);
    suite_add_tcase(suite, locations);
    TCase *reading = tcase_create("reading");
    tcase_add_test(reading, objects_are_read);
    tcase_add_test(reading, objects_in_x87_registers);
    tcase_add_test(reading, what_cannot_be_read_is_told);
    tcase_add_test(reading, bits_of_pieces);
    suite_add_tcase(suite, reading);
    return scratch_run(suite);
}
