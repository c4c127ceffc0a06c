/* constants: names and shapes of the values that system calls take, as tables: flags and enumerations, fields
 * of structs (constants.def), and the requests of ioctl, fcntl and prctl (ioctls.def, fcntls.def,
 * prctls.def). */
#ifndef REEL_TRACER_CONSTANTS_H
#define REEL_TRACER_CONSTANTS_H

#include "tracer/syscall.h"

#include <stdbool.h>
#include <stdint.h>

/* The bits of a value under `mask` are called `name` when they equal `value`. Rows are tried in order, bits
 * that a row has named are gone for those after it. */
struct constant {
    const char *name;
    uint64_t value;
    uint64_t mask;
};

struct constant_table {
    const char *name;
    const struct constant *rows; /* not owned; ends with a NULL name */
};

/* How a field of a struct is printed. */
enum field_kind {
    FIELD_SIGNED,    /* decimal */
    FIELD_DECIMAL,   /* unsigned decimal */
    FIELD_LIMIT,     /* decimal, all ones as RLIM64_INFINITY */
    FIELD_HEX,       /* hexadecimal, 0 as 0 */
    FIELD_POINTER,   /* hexadecimal, 0 as NULL */
    FIELD_FLAGS,     /* by `constants` */
    FIELD_FILE_MODE, /* S_IFREG|0644 */
    FIELD_SIGNAL,    /* by name */
    FIELD_SIGSET,    /* 64 bits: [INT TERM] */
    FIELD_TEXT,      /* char[size], up to the first NUL */
    FIELD_STATUS,    /* a wait status */
};

struct field {
    const char *name; /* "" prints the value alone */
    enum field_kind kind;
    uint16_t offset;
    uint16_t size; /* bytes */
    const char *constants;
};

/* A struct with at least one field; bytes that no field names are not printed. */
struct struct_table {
    const char *name;
    char open, close;           /* the brackets around it; 0: none */
    const struct field *fields; /* not owned; ends with a NULL name */
};

/* By name; NULL when there is none. Static storage. */
const struct constant_table *constants_find(const char *name);
const struct struct_table *structs_find(const char *name);

/* The names of the first table row that covers value, or NULL: for tables of single values. */
const char *constants_name(const char *table, uint64_t value);

/* What the argument that goes with a request is. */
struct request {
    uint32_t number;
    const char *name; /* NULL when only a family is known */
    enum arg_direction direction;
    uint32_t size;         /* bytes, 0 for ARG_VALUE */
    const char *constants; /* struct table that prints it, may not exist */
};

/* Look up a request; false when it is unknown and what it does therefore too. Only the lower 32 bits count,
 * as in the kernel. */
bool ioctl_find(uint64_t number, struct request *ret);
bool fcntl_find(uint64_t number, struct request *ret);
bool prctl_find(uint64_t number, struct request *ret);

#endif
