/* function_sites: a function that is traced, and the places in its code where something is noted.
 *
 * Belongs to a module, not to a process: addresses are as linked. A site is what struct trap's `user` points
 * to, so sites stay where they are until everything is over. */
#ifndef REEL_TRACER_FUNCTION_SITES_H
#define REEL_TRACER_FUNCTION_SITES_H

#include "config/option.h"
#include "dwarf/abi.h"
#include "dwarf/expression.h"
#include "dwarf/variable.h"
#include "tracer/branches.h"
#include "tracer/modules.h"
#include "tracer/plan.h"

enum site_kind {
    SITE_ENTRY = 1,
    SITE_EXIT = 2,      /* ret */
    SITE_JUMP = 4,      /* may leave the function: a tail call when it does */
    SITE_STATEMENT = 8, /* variables are compared */
    SITE_BRANCH = 16,
    SITE_PLACE = 32,   /* --at */
    SITE_SPECIAL = 64, /* a function of a runtime library that tells of exceptions, or of new modules */
};

enum special {
    SPECIAL_MODULES, /* the loader's list of modules has changed */
    SPECIAL_THROW,
    SPECIAL_RETHROW,
    SPECIAL_CATCH,
    SPECIAL_LONGJMP,
    SPECIAL_ABORT,
    SPECIAL_PANIC,
};

/* What --at wants at one address. */
struct place_probe {
    const struct probe_text *text; /* tracer/selection.h */
    struct place_probe *next;
};

struct site {
    uint64_t vaddr;
    unsigned kinds; /* enum site_kind */
    struct traced_module *module;
    struct traced_function *function; /* NULL: SITE_PLACE or SITE_SPECIAL alone */
    enum special special;
    unsigned line; /* of the statement */
    int inlined;   /* index of the inlined instance that it belongs to, or -1 */
    const char *file;
    struct plan plan; /* SITE_STATEMENT, SITE_EXIT: the variables in scope, items are their indices */
    uint32_t *stored; /* SITE_STATEMENT: variables that its own instructions write to; owned */
    size_t stored_count;
    const struct branch *branch;
    struct place_probe *places;
    char *obstacle; /* why it cannot be a jump probe, as far as that is not a matter of the code; owned */
};

struct traced_function {
    struct traced_module *module;
    const struct function *function;
    struct function_code code;
    struct line_rows rows; /* owned: rows.rows */
    struct branches branches;
    struct variables variables;
    const struct inlined *inlined; /* instances of other functions in it; not owned */
    size_t inlined_count;
    const struct type **variable_types; /* NULL entries: not known */
    uint32_t *arguments;                /* its own parameters in order: indexes of variables */
    size_t argument_count;
    uint32_t *namesakes; /* by variable: the next one of its name, round and round; with plans only */
    int64_t rsp_most; /* the farthest that rsp is from the CFA; 0: not worked out, which is done with plans */
    struct abi_call abi;
    bool has_abi;
    bool optimized;      /* clang does not say so: seen by its locations */
    bool asks_for_entry; /* variables are found by what registers were at the entry; with plans only */
    bool is_left_out;    /* it cannot be traced as was asked: what jump probes of it note is not looked at */
    bool is_private;     /* optimised for its callers alone: it may take other arguments and have no result */
    const struct type *return_type; /* NULL: not known */
    struct site *sites;             /* by address */
    size_t site_count;
    const struct expression **conditions; /* --when; all must hold. The array is owned */
    size_t condition_count;
    uint64_t calls;   /* for --sample, over all processes; unless the agent counts: */
    uint32_t counter; /* the place of its counter there, from 1; 0: none */
};

/* Make sites of a function, for what the options ask. ERROR_BAD_DATA or ERROR_UNSUPPORTED when the function
 * cannot be traced. */
struct error *traced_function_create(struct traced_module *module, const struct function *function,
                                     const struct trace_options *options, struct traced_function **ret);
void traced_function_destroy(struct traced_function *function);

/* Free what --at wants at a site. */
void site_forget_places(struct site *site);

/* The site at this address, or NULL. */
struct site *traced_function_site(const struct traced_function *function, uint64_t vaddr);

/* The function whose code is inlined there, by an index in `inlined`; NULL for -1. */
const char *traced_inlined_name(const struct traced_function *function, int index);

/* Does an instruction at vaddr or behind it write to the memory that the step notes? */
bool traced_function_stores(const struct traced_function *function, const struct plan_step *step,
                            uint64_t vaddr);

/* Bytes of a variable's type that are looked at; 0 when it has no known size. */
uint32_t traced_variable_size(const struct traced_function *function, size_t index);

/* An array or string whose size only the running program knows: tracer/trace_counted.c. */
bool traced_variable_is_counted(const struct traced_function *function, size_t index);
/* Bytes that are noted of a variable: those of its type, or of what trace_counted.c makes of it; 0: none. */
uint32_t traced_look_size(const struct traced_function *function, size_t index);

/* Structs, unions and arrays: what is written part by part. The type must be known. */
bool traced_variable_has_parts(const struct traced_function *function, size_t index);

/* Does what debug information says of the variable's place hold at this address? Not in the prologue, nor,
 * for what is found by rbp or rsp, in the epilogue. */
bool traced_variable_holds(const struct traced_function *function, size_t index, uint64_t vaddr);

/* A plan that notes the variables `wanted` says at an address: wanted(context, index). */
struct error *variables_plan(const struct traced_function *function, uint64_t vaddr,
                             bool (*wanted)(const struct traced_function *function, size_t index,
                                            uint64_t vaddr),
                             struct plan *ret);

#endif
