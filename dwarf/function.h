/* function: the functions of a module, by name and by address.
 *
 * What is known comes from three places, best first: DWARF (out-of-line instances with all their ranges), ELF
 * symbols, and .eh_frame. A function that several know is listed once; so is one with several names.
 * Functions belong to the module and live until it is closed. Nothing is read before it is asked for: a
 * question for a name looks at ELF symbols and then reads the one unit that holds the address. */
#ifndef REEL_DWARF_FUNCTION_H
#define REEL_DWARF_FUNCTION_H

#include "dwarf/module.h"

enum function_source {
    FUNCTION_DWARF,  /* everything is known */
    FUNCTION_SYMBOL, /* name, entry and size */
    FUNCTION_FRAME,  /* only that code of one function is here; named sub_ADDRESS */
};

struct dwarf_unit;
struct function_details;

struct function {
    const char *name;         /* qualified, without parameters: "shop::Cart::total" */
    const char *base;         /* last part of it, for patterns: "total" */
    const char *display;      /* as c++filt says it, with parameters: "shop::Cart::total(int) const" */
    const char *linkage_name; /* symbol, with suffixes such as .isra.0; the name when there is none */
    const char *file;         /* declared in, full path where known; NULL: unknown */
    unsigned line;            /* 0: unknown */
    uint64_t entry;           /* as linked */
    const struct address_range *ranges; /* the entry's range first, then the cold parts and the like */
    size_t range_count;
    enum function_source source;
    struct dwarf_unit *unit;      /* NULL: no DWARF */
    uint64_t die;                 /* offset of the concrete DIE in the file of the unit; 0: no DWARF */
    struct die_place place;       /* the same */
    struct die_place return_type; /* file NULL: void, or not known (no DWARF) */
    unsigned language;            /* DW_LANG_*; 0: unknown */
    bool optimized;               /* the unit was compiled with -O1 or more, as far as its producer says */
    bool prototyped, noreturn, external, variadic;
    bool ifunc;      /* a resolver of a GNU indirect function: what it returns is what callers run */
    bool artificial; /* made by the compiler */
    struct function_details *details; /* private: what has been read of its inside */
};

struct function_list {
    const struct function **functions; /* in order of their entries; the array is the caller's */
    size_t count;
};
void function_list_deinit(struct function_list *list);

/* A name to be judged. One function may be offered under several (aliases); one match is enough. */
struct function_name {
    const char *name, *base, *linkage_name; /* as in struct function */
};

struct function_query {
    /* Only functions whose qualified name, base, display or linkage name is exactly this; NULL: any. Far
     * faster than a match that says the same. */
    const char *exact;
    /* Which of them; NULL: all. */
    bool (*match)(const struct function_name *name, void *context);
    void *context;
};

/* Find functions. An empty list is no error. Functions by .eh_frame only are offered under their sub_ names.
 */
struct error *module_functions(struct module *module, const struct function_query *query,
                               struct function_list *ret);

/* The function whose code is at the address. ERROR_NOT_FOUND. */
struct error *module_function_at(struct module *module, uint64_t vaddr, const struct function **ret);

/* A call that was replaced by the code of the called function. */
struct inlined {
    const char *name, *base; /* of the function that was inlined */
    const struct address_range *ranges;
    size_t range_count;
    uint64_t entry;        /* DW_AT_entry_pc, else the lowest address */
    const char *call_file; /* NULL: unknown */
    unsigned call_line;    /* 0: unknown */
    const char *file;      /* where the inlined function is declared */
    unsigned line;
    unsigned depth;         /* 1: called by the function itself */
    int parent;             /* index of the inlined instance around it, or -1 */
    struct die_place place; /* of the DW_TAG_inlined_subroutine */
};

/* The inlined instances inside of a function, outer ones before inner ones. Owned by the module, read once.
 */
struct error *function_inlined(struct module *module, const struct function *function,
                               const struct inlined **ret, size_t *ret_count);

/* A place where a function calls another (DW_TAG_call_site, DW_TAG_GNU_call_site). */
struct call_site {
    uint64_t return_address; /* behind the call */
    bool tail_call;
    struct die_place place;
};
/* The call sites of a function, by return address, where the compiler has described them. */
struct error *function_call_sites(struct module *module, const struct function *function,
                                  const struct call_site **ret, size_t *ret_count);

#endif
