#include "dwarf/abi.h"

#include "dwarf/abi_class.h"

#include <stdlib.h>
#include <string.h>

/* DWARF numbers of rdi rsi rdx rcx r8 r9. */
static const unsigned integer_registers[] = {5, 4, 1, 2, 8, 9};
#define INTEGER_REGISTERS 6
#define SSE_REGISTERS     8
#define RAX               0
#define RDX               1
#define XMM0              17
#define ST0               33

/* What earlier arguments have taken. */
struct allocation {
    unsigned integers, vectors; /* registers used */
    uint64_t stack;             /* bytes used above the return address */
    const char *lost;           /* an earlier argument is not known, and so are all after it */
};

static void unknown(struct abi_place *place, const char *why) {
    *place = (struct abi_place){.why = why, .size = place->size};
}

static struct abi_piece *add_piece(struct abi_place *place, enum abi_piece_kind kind, uint64_t value_offset,
                                   uint64_t size) {
    struct abi_piece *piece = &place->pieces[place->piece_count++];
    *piece = (struct abi_piece){.kind = kind, .value_offset = value_offset, .size = size};
    return piece;
}

static uint64_t bytes_of_eightbyte(uint64_t size, size_t index) {
    uint64_t left = size - index * 8;
    return left < 8 ? left : 8;
}

/* ---- arguments ---- */

/* Arguments in memory are copies on the stack, aligned to 8, or to more when their type says so. */
static void place_on_stack(const struct abi_classes *classes, struct allocation *used,
                           struct abi_place *ret) {
    uint64_t alignment = classes->alignment > 8 ? classes->alignment : 8;
    used->stack = (used->stack + alignment - 1) & ~(alignment - 1);
    add_piece(ret, ABI_STACK, 0, classes->size)->offset = 8 + used->stack;
    used->stack += (classes->size + 7) & ~(uint64_t)7;
}

static unsigned count_class(const struct abi_classes *classes, enum abi_class class) {
    return (classes->eightbytes[0] == class) + (classes->eightbytes[1] == class);
}

/* The address of the value, where an integer argument would be. */
static void place_address(const struct abi_classes *classes, struct allocation *used, struct abi_place *ret) {
    if (used->integers < INTEGER_REGISTERS) {
        add_piece(ret, ABI_MEMORY, 0, classes->size)->reg = integer_registers[used->integers++];
    } else {
        add_piece(ret, ABI_INDIRECT, 0, classes->size)->offset = 8 + used->stack;
        used->stack += 8;
    }
}

/* All eightbytes are in registers, or none is. */
static void place_in_registers(const struct abi_classes *classes, struct allocation *used,
                               struct abi_place *ret) {
    for (size_t i = 0; i < ABI_EIGHTBYTES; i++) {
        struct abi_piece *piece;
        switch (classes->eightbytes[i]) {
        case CLASS_INTEGER:
            piece = add_piece(ret, ABI_REGISTER, i * 8, bytes_of_eightbyte(classes->size, i));
            piece->reg = integer_registers[used->integers++];
            break;
        case CLASS_SSE:
            piece = add_piece(ret, ABI_REGISTER, i * 8, bytes_of_eightbyte(classes->size, i));
            piece->reg = XMM0 + used->vectors++;
            break;
        case CLASS_SSEUP: /* the upper half of the register before */
            ret->pieces[ret->piece_count - 1].size += bytes_of_eightbyte(classes->size, i);
            break;
        default:
            break;
        }
    }
}

static void place_argument(const struct abi_classes *classes, struct allocation *used,
                           struct abi_place *ret) {
    unsigned integers = count_class(classes, CLASS_INTEGER), vectors = count_class(classes, CLASS_SSE);
    enum abi_class first = classes->eightbytes[0];
    ret->known = true;
    if (classes->by_reference)
        place_address(classes, used, ret);
    else if (first == CLASS_NONE && classes->eightbytes[1] == CLASS_NONE)
        return; /* empty: not passed */
    else if (first == CLASS_MEMORY || first == CLASS_X87 || first == CLASS_COMPLEX_X87 ||
             used->integers + integers > INTEGER_REGISTERS || used->vectors + vectors > SSE_REGISTERS)
        place_on_stack(classes, used, ret);
    else
        place_in_registers(classes, used, ret);
}

/* ---- languages whose calls are not quite C's ---- */

static bool is_scalar(const struct type *type) {
    switch (type_strip(type)->kind) {
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
    case TYPE_ARRAY:
        return false;
    default:
        return true;
    }
}

/* &str, &[T]: an address and a number, which are two arguments. */
static bool is_fat_pointer(const struct type *type) {
    const struct type *whole;
    struct error *err = type_resolve(type, &whole);
    bool fat = !err && whole->member_count == 2 && whole->size == 16 && whole->members[0].name &&
               whole->members[1].name && !strcmp(whole->members[0].name, "data_ptr") &&
               !strcmp(whole->members[1].name, "length");
    error_free(err);
    return fat;
}

static void place_word(struct allocation *used, uint64_t value_offset, struct abi_place *ret) {
    if (used->integers < INTEGER_REGISTERS) {
        add_piece(ret, ABI_REGISTER, value_offset, 8)->reg = integer_registers[used->integers++];
    } else {
        add_piece(ret, ABI_STACK, value_offset, 8)->offset = 8 + used->stack;
        used->stack += 8;
    }
}

/* Rust's own ABI (seen in rustc 1.60 to 1.95, promised nowhere): large values by address; small structs are
 * packed in ways that the debug information does not show. */
static bool place_rust_argument(const struct type *type, const struct abi_classes *classes,
                                struct allocation *used, struct abi_place *ret) {
    if (is_scalar(type) || !classes->size)
        return false;
    if (is_fat_pointer(type)) {
        place_word(used, 0, ret);
        place_word(used, 8, ret);
        ret->known = true;
    } else if (classes->size > 16) {
        place_address(classes, used, ret);
        ret->known = true;
    } else {
        unknown(ret, "a small struct in Rust's own ABI");
        used->lost = "it comes after an argument in Rust's own ABI";
    }
    return true;
}

/* gfortran and flang pass the address, except of what has the VALUE attribute. */
static bool place_fortran_argument(const struct type_parameter *parameter, const struct abi_classes *classes,
                                   struct allocation *used, struct abi_place *ret) {
    enum type_kind kind = type_strip(parameter->type)->kind;
    if (kind == TYPE_POINTER || kind == TYPE_REFERENCE)
        return false;
    if (!parameter->location_known) {
        unknown(ret, "Fortran: it may be passed by reference");
        used->lost = "it comes after an argument that is not known";
        return true;
    }
    if (!parameter->by_reference)
        return false;
    place_address(classes, used, ret);
    ret->known = true;
    if (!classes->size) { /* where it begins is known, how much is there is not */
        ret->known = false;
        ret->why = "Fortran: its length stands elsewhere";
    }
    return true;
}

/* A float in an old-style definition is passed as the double that the caller made of it. */
static bool is_promoted(const struct type *function, const struct type *type) {
    type = type_strip(type);
    return function->language == LANGUAGE_C && !function->prototyped && type->kind == TYPE_FLOAT &&
           type->size < 8;
}

static struct error *place_parameter(const struct type *function, const struct type_parameter *parameter,
                                     struct allocation *used, struct abi_place *ret) {
    struct abi_classes classes;
    TRY(abi_classify(parameter->type, &classes));
    ret->size = classes.size;
    if (used->lost) {
        unknown(ret, used->lost);
        return NULL;
    }
    if (function->language == LANGUAGE_RUST && place_rust_argument(parameter->type, &classes, used, ret))
        return NULL;
    if (function->language == LANGUAGE_FORTRAN && place_fortran_argument(parameter, &classes, used, ret))
        return NULL;
    if (classes.unknown) {
        unknown(ret, classes.unknown);
        used->lost = "it comes after an argument that is not known";
    } else if (is_promoted(function, parameter->type)) {
        classes.size = 8;
        place_argument(&classes, used, ret); /* its register is taken all the same */
        unknown(ret, "a float of a function without prototype");
    } else {
        place_argument(&classes, used, ret);
    }
    return NULL;
}

/* ---- the result ---- */

static void place_result_parts(const struct abi_classes *classes, struct abi_place *ret) {
    static const unsigned integers[] = {RAX, RDX}, vectors[] = {XMM0, XMM0 + 1};
    unsigned used_integers = 0, used_vectors = 0;
    ret->known = true;
    for (size_t i = 0; i < ABI_EIGHTBYTES; i++) {
        uint64_t size = i * 8 < classes->size ? bytes_of_eightbyte(classes->size, i) : 0;
        switch (classes->eightbytes[i]) {
        case CLASS_INTEGER:
            add_piece(ret, ABI_REGISTER, i * 8, size)->reg = integers[used_integers++];
            break;
        case CLASS_SSE:
            add_piece(ret, ABI_REGISTER, i * 8, size)->reg = vectors[used_vectors++];
            break;
        case CLASS_SSEUP:
            ret->pieces[ret->piece_count - 1].size += size;
            break;
        case CLASS_X87:
            add_piece(ret, ABI_REGISTER, 0, 10)->reg = ST0;
            break;
        case CLASS_COMPLEX_X87:
            add_piece(ret, ABI_REGISTER, i * classes->size / 2, 10)->reg = ST0 + (unsigned)i;
            break;
        default:
            break;
        }
    }
}

/* A Rust result of at most two words: what the debug information calls a struct may be one number or two. */
static bool is_unknown_rust_result(const struct type *function, const struct abi_classes *classes) {
    return function->language == LANGUAGE_RUST && !is_scalar(function->target) && classes->size &&
           classes->size <= 16 && !is_fat_pointer(function->target);
}

/* Fortran's characters and arrays come back through hidden arguments in front. */
static bool is_unknown_fortran_result(const struct type *function) {
    enum type_kind kind = type_strip(function->target)->kind;
    return function->language == LANGUAGE_FORTRAN && (kind == TYPE_STRING || kind == TYPE_ARRAY);
}

static struct error *place_result(const struct type *function, struct abi_call *call,
                                  struct allocation *used) {
    struct abi_classes classes;
    struct abi_place *ret = &call->result;
    TRY(abi_classify(function->target, &classes));
    ret->size = classes.size;
    if (is_unknown_fortran_result(function)) {
        unknown(ret, "Fortran: it comes back through a hidden argument");
        used->lost = "it comes after hidden arguments";
    } else if (is_unknown_rust_result(function, &classes)) {
        unknown(ret, "a small struct in Rust's own ABI");
    } else if (classes.unknown && !(function->language == LANGUAGE_RUST && classes.size > 16)) {
        unknown(ret, classes.unknown);
        used->lost =
            classes.size > 16 || !classes.size ? "the result is not known to be passed by address" : NULL;
    } else if (classes.eightbytes[0] == CLASS_MEMORY || classes.unknown) {
        call->hidden_result = true;
        used->integers = 1;
        ret->known = true;
        add_piece(ret, ABI_MEMORY, 0, classes.size)->reg = RAX;
    } else {
        place_result_parts(&classes, ret);
    }
    return NULL;
}

/* ---- the call ---- */

struct error *abi_call_init(struct abi_call *call, const struct type *function) {
    struct allocation used = {0};
    struct abi_call fresh = {0};
    function = type_strip(function);
    if (function->kind != TYPE_FUNCTION)
        return error_new(ERROR_USAGE, "%s: is no function type", function->name);
    TRY(place_result(function, &fresh, &used));
    size_t count = function->parameter_count;
    fresh.arguments = calloc(count ? count : 1, sizeof(*fresh.arguments));
    if (!fresh.arguments)
        return &error_no_memory;
    fresh.argument_count = count;
    for (size_t i = 0; i < count; i++) {
        struct error *err = place_parameter(function, &function->parameters[i], &used, &fresh.arguments[i]);
        if (err) {
            abi_call_deinit(&fresh);
            return err;
        }
    }
    *call = fresh;
    return NULL;
}

void abi_call_deinit(struct abi_call *call) {
    free(call->arguments);
    memset(call, 0, sizeof(*call));
}

/* ---- fetching ---- */

static bool fetch_piece(const struct abi_piece *piece, const struct frame_registers *registers,
                        const struct memory_reader *memory, uint8_t *ret) {
    uint64_t address = 0;
    switch (piece->kind) {
    case ABI_REGISTER:
        return frame_register_bytes(registers, piece->reg, ret, (size_t)piece->size);
    case ABI_MEMORY:
        return frame_register(registers, piece->reg, &address) &&
               memory_read_exact(memory, address, ret, (size_t)piece->size);
    default:
        if (!frame_register(registers, FRAME_RSP, &address))
            return false;
        address += piece->offset;
        if (piece->kind == ABI_INDIRECT && !memory_read_exact(memory, address, &address, sizeof(address)))
            return false;
        return memory_read_exact(memory, address, ret, (size_t)piece->size);
    }
}

bool abi_fetch(const struct abi_place *place, const struct frame_registers *registers,
               const struct memory_reader *memory, void *ret, size_t size) {
    if (!place->known || place->size > size)
        return false;
    memset(ret, 0, (size_t)place->size);
    for (size_t i = 0; i < place->piece_count; i++) {
        const struct abi_piece *piece = &place->pieces[i];
        if (piece->value_offset > place->size || piece->size > place->size - piece->value_offset ||
            !fetch_piece(piece, registers, memory, (uint8_t *)ret + piece->value_offset))
            return false;
    }
    return true;
}
