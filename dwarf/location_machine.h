/* location_machine: the inside of the evaluator in dwarf/location.h: what an expression runs on. Nobody else
 * needs this header.
 *
 * An expression is a sequence of simple locations, each closed by DW_OP_piece, or a single one without. A
 * simple location that is no memory (a register, a value, a pointer that is not there) is noted in `simple`
 * by its operator and must be closed at once; one in memory is the address on top of the stack. */
#ifndef REEL_DWARF_LOCATION_MACHINE_H
#define REEL_DWARF_LOCATION_MACHINE_H

#include "base/cursor.h"
#include "dwarf/location.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCATION_STACK_MAX 64    /* values; compilers need a dozen */
#define LOCATION_STEPS_MAX 10000 /* operators, over all expressions that are called */
#define LOCATION_CALLS_MAX 8     /* DW_OP_call* inside each other */

struct location_machine {
    const struct location_context *context;
    struct location_value stack[LOCATION_STACK_MAX];
    size_t depth; /* values on the stack */
    size_t steps;
    unsigned calls;
    bool fresh;      /* nothing was done since the beginning or the last piece: it is optimized out */
    bool has_simple; /* simple, and for PIECE_BYTES value or data, hold what was noted */
    bool gone;       /* an entry value is not known any more: the evaluation is over */
    struct location_piece simple; /* its bytes are not owned: they are in `value` or in the expression */
    bool simple_is_value;         /* PIECE_BYTES: it is `value`, by DW_OP_stack_value */
    struct location_value value;
    const uint8_t *data; /* PIECE_BYTES: else it is this, by DW_OP_implicit_value */
    size_t data_size;
    struct location location; /* the pieces so far */
    size_t room;              /* pieces allocated */
};

void location_machine_init(struct location_machine *machine, const struct location_context *context);
/* Run a whole expression on what is there; also recursively, for DW_OP_call*. */
struct error *location_machine_run(struct location_machine *machine, const uint8_t *expression, size_t size);
/* Close a simple location as a piece of so many bits (0: all of the object); bit_offset: where it begins
 * there. */
struct error *location_machine_piece(struct location_machine *machine, uint64_t bit_size,
                                     uint64_t bit_offset);

/* Close one that is of no size: it is forgotten. */
struct error *location_machine_skip_piece(struct location_machine *machine);

struct error *location_push(struct location_machine *machine, const struct location_value *value);
struct error *location_push_u64(struct location_machine *machine, uint64_t value);
struct error *location_pop(struct location_machine *machine, struct location_value *ret);
/* Pop an integer, an address mostly. */
struct error *location_pop_u64(struct location_machine *machine, uint64_t *ret);

/* An operator: its name, and what it does; the cursor is behind the opcode. NULL: reel knows its name only.
 */
struct location_operator {
    const char *name;
    struct error *(*run)(struct location_machine *machine, struct cursor *cursor, uint8_t opcode);
};
extern const struct location_operator location_operators[256]; /* name NULL: not known */

/* Families of them (dwarf/location_memory.c, location_typed.c). */
typedef struct error *location_run(struct location_machine *machine, struct cursor *cursor, uint8_t opcode);
location_run location_run_addr, location_run_addrx, location_run_constx, location_run_breg,
    location_run_bregx, location_run_fbreg, location_run_deref, location_run_deref_size,
    location_run_call_frame_cfa, location_run_push_object_address, location_run_tls;
location_run location_run_const_type, location_run_regval_type, location_run_deref_type, location_run_convert,
    location_run_entry_value, location_run_parameter_ref;

struct error *location_bad(const char *what);        /* ERROR_BAD_DATA */
struct error *location_no_context(const char *what); /* ERROR_UNSUPPORTED: the context has no WHAT */
/* Read memory, or ERROR_NOT_FOUND. */
struct error *location_read_memory(const struct location_machine *machine, uint64_t address, void *ret,
                                   size_t size);

#endif
