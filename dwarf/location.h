/* location: DWARF expressions and what they describe (DWARF 5, sections 2.5 and 2.6; versions 2 to 4 are
 * subsets; the GNU operators that DWARF 5 took over are taken under both numbers).
 *
 * An expression is untrusted: it runs for a bounded number of steps on a bounded stack, and what is wrong
 * with it is ERROR_BAD_DATA. It knows no process and no DWARF section: memory and registers come from the
 * context, and what lies in other sections comes from the context's callbacks.
 *
 * Addresses: DW_OP_addr and DW_OP_addrx give addresses as linked; the context's bias is added, so that all
 * addresses on the stack and in a location are process addresses. */
#ifndef REEL_DWARF_LOCATION_H
#define REEL_DWARF_LOCATION_H

#include "base/error.h"
#include "base/memory.h"
#include "dwarf/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A base type on the expression stack (DWARF 5, section 2.5.1). */
struct location_type {
    uint64_t die;     /* whatever the base_type callback was asked for; 0 is the generic type */
    uint8_t size;     /* bytes; 8 for the generic type */
    uint8_t encoding; /* DW_ATE_*; DW_ATE_unsigned for the generic type */
};

#define LOCATION_VALUE_MAX 16 /* bytes of the largest base type: __int128, long double */

/* A value on the expression stack: the first type.size bytes count, the others are 0. */
struct location_value {
    struct location_type type;
    uint8_t bytes[LOCATION_VALUE_MAX];
};

/* value as one of the generic type. */
void location_value_from_u64(uint64_t value, struct location_value *ret);

struct location_piece {
    enum location_piece_kind {
        PIECE_MEMORY,        /* at `address` */
        PIECE_REGISTER,      /* in register `reg` */
        PIECE_BYTES,         /* is `bytes`: it has no place (implicit value, stack value) */
        PIECE_POINTER,       /* a pointer that is not there, to an object that is: see `target` */
        PIECE_OPTIMIZED_OUT, /* nowhere */
    } kind;
    uint64_t address;      /* PIECE_MEMORY: process address */
    unsigned reg;          /* PIECE_REGISTER: DWARF number */
    uint64_t bit_size;     /* of the piece; 0: it is the whole object, whatever the size of that */
    uint64_t bit_offset;   /* where the piece begins in the register, bytes or memory, from the lowest bit */
    uint8_t *bytes;        /* PIECE_BYTES: byte_count bytes, owned */
    size_t byte_count;     /* bytes */
    uint64_t target;       /* PIECE_POINTER: offset in .debug_info of the DIE of what it points into */
    int64_t target_offset; /* PIECE_POINTER: bytes from the beginning of that */
};

/* Where an object is: its pieces, beginning with the lowest bits. */
struct location {
    struct location_piece *pieces;
    size_t count;
};

/* What an expression is evaluated in. Zeroed it is one without anything; address_size is then still to be
 * set. */
struct location_context {
    const struct frame_registers *registers; /* NULL: none is known */
    const struct memory_reader *memory;      /* NULL: none can be read */
    uint64_t bias;                           /* process address - address as linked */
    uint8_t address_size;                    /* bytes; of the unit. Only 8 is supported */
    uint8_t offset_size;    /* bytes of an offset into .debug_info: 4, or 8 in 64-bit DWARF */
    uint16_t dwarf_version; /* of the unit: 2 to 5 */
    bool has_frame_base;
    uint64_t frame_base; /* DW_AT_frame_base, evaluated (location_evaluate_address()) */
    bool has_cfa;
    uint64_t cfa; /* canonical frame address, process address */
    bool has_object;
    uint64_t object_address; /* DW_OP_push_object_address: the object whose type is being examined */

    /* Each callback may be NULL: the operator then gives ERROR_UNSUPPORTED. They get `context`. What they
     * give must stay valid until the evaluation has returned. Their errors become those of the evaluation,
     * but for entry_value and parameter. */
    void *context;
    /* Sets has_frame_base and frame_base, or has_cfa and cfa, of this context if they can be worked out: both
     * cost something, and few expressions ask for them. NULL: what is not set is not known. */
    void (*find_frame_base)(void *context);
    void (*find_cfa)(void *context);
    /* DW_OP_addrx, DW_OP_constx: entry number index of the unit's part of .debug_addr, without the bias. */
    struct error *(*indexed_address)(void *context, uint64_t index, uint64_t *ret);
    /* Size and encoding of the DW_TAG_base_type at this offset in the unit. */
    struct error *(*base_type)(void *context, uint64_t unit_offset, struct location_type *ret);
    /* Value that the expression (mostly DW_OP_regN) had when the function was entered. ERROR_NOT_FOUND when
     * it is not known any more: the object is then optimized out. */
    struct error *(*entry_value)(void *context, const uint8_t *expression, size_t size,
                                 struct location_value *ret);
    /* DW_OP_GNU_parameter_ref: value that the caller gave to the parameter DIE at this offset in the unit;
     * ERROR_NOT_FOUND as above. */
    struct error *(*parameter)(void *context, uint64_t unit_offset, struct location_value *ret);
    /* Process address of a thread-local variable at this offset of the module's TLS block. */
    struct error *(*tls_address)(void *context, uint64_t offset, uint64_t *ret);
    /* DW_OP_call2, call4 (offset in the unit) and call_ref (offset in .debug_info): DW_AT_location of a DIE
     * at the pc of the frame; size 0 when it has none. */
    struct error *(*call)(void *context, bool in_unit, uint64_t offset, const uint8_t **ret,
                          size_t *ret_size);
};

/* Where the object of this expression is. An empty expression, and one that needs an entry value that is
 * gone, give one piece PIECE_OPTIMIZED_OUT: that is no error. ERROR_BAD_DATA: the expression makes no sense.
 * ERROR_UNSUPPORTED: an operator that reel does not know, or one that the context cannot answer; the message
 * names it. ERROR_NOT_FOUND: it needs a register that is not known or memory that cannot be read. The caller
 * frees ret with location_deinit(). */
struct error *location_evaluate(const uint8_t *expression, size_t size,
                                const struct location_context *context, struct location *ret);
void location_deinit(struct location *location);

/* For expressions that compute a number and no place (DW_AT_call_value, DW_AT_upper_bound, CFI, ...): what is
 * on top of the stack at the end. A register location gives the register's contents; an operand
 * DW_OP_stack_value changes nothing. initial, unless NULL, is on the stack at the beginning
 * (DW_AT_data_member_location, CFI). Errors as above; ERROR_NOT_FOUND, too, when it needs an entry value that
 * is gone or yields nothing. */
struct error *location_evaluate_value(const uint8_t *expression, size_t size,
                                      const struct location_context *context, const uint64_t *initial,
                                      struct location_value *ret);
/* The same where the number is an address or another integer of up to 8 bytes (DW_AT_frame_base). */
struct error *location_evaluate_address(const uint8_t *expression, size_t size,
                                        const struct location_context *context, const uint64_t *initial,
                                        uint64_t *ret);

enum location_state {
    LOCATION_OK,
    LOCATION_OPTIMIZED_OUT, /* a part of it is nowhere, or the pieces do not cover the object */
    LOCATION_UNREADABLE,    /* a part of it is in memory or a register that cannot be read, or is too small */
};

/* Copy the lowest bit_size bits of the object to the (bit_size + 7) / 8 bytes at ret; unused bits of the last
 * byte are 0. If not LOCATION_OK, the bits that could not be had are 0. Uses registers and memory of the
 * context. */
enum location_state location_read(const struct location *location, const struct location_context *context,
                                  uint64_t bit_size, void *ret);

#endif
