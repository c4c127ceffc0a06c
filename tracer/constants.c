#include "tracer/constants.h"

#include <stddef.h>
#include <string.h>

/* constants.def is read four times: the rows of each table, and the list of tables; for constants and
 * structs. */
#define TABLE(name)          static const struct constant name##_constants[] = {
#define C(name, value)       {#name, (value), (value)},
#define E(name, value)       {#name, (value), ~0ull},
#define M(name, value, mask) {#name, (value), (mask)},
#define END                                                                                                  \
    { NULL, 0, 0 }                                                                                           \
    }                                                                                                        \
    ;
#define STRUCT(name, open, close)              static const struct field name##_fields[] = {
#define FIELD(name, kind, offset, size, table) {name, FIELD_##kind, (offset), (size), #table},
#define END_STRUCT                                                                                           \
    { NULL, FIELD_SIGNED, 0, 0, NULL }                                                                       \
    }                                                                                                        \
    ;
#include "tracer/constants.def"
#undef TABLE
#undef C
#undef E
#undef M
#undef END
#undef STRUCT
#undef FIELD
#undef END_STRUCT

#define TABLE(name) {#name, name##_constants},
#define C(name, value)
#define E(name, value)
#define M(name, value, mask)
#define END
#define STRUCT(name, open, close)
#define FIELD(name, kind, offset, size, table)
#define END_STRUCT
static const struct constant_table constant_tables[] = {
#include "tracer/constants.def"
};
#undef TABLE
#undef STRUCT

#define TABLE(name)
#define STRUCT(name, open, close) {#name, open, close, name##_fields},
static const struct struct_table struct_tables[] = {
#include "tracer/constants.def"
};

#define VALUE                                          ARG_VALUE
#define IN                                             ARG_IN
#define OUT                                            ARG_OUT
#define INOUT                                          ARG_INOUT
#define REQUEST(number, name, direction, bytes, table) {(number), #name, direction, (bytes), #table},

#define IOCTL REQUEST
#define FAMILY(type, first, last)
static const struct request ioctls[] = {
#include "tracer/ioctls.def"
};
#undef IOCTL
#undef FAMILY

/* Requests that encode a flat struct truthfully, by type byte and number. */
struct family {
    uint8_t type;
    uint8_t first, last;
};

#define IOCTL(number, name, direction, bytes, table)
#define FAMILY(type, first, last) {(type), (first), (last)},
static const struct family families[] = {
#include "tracer/ioctls.def"
};

#define FCNTL REQUEST
static const struct request fcntls[] = {
#include "tracer/fcntls.def"
};

#define PRCTL REQUEST
static const struct request prctls[] = {
#include "tracer/prctls.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct constant_table *constants_find(const char *name) {
    for (size_t i = 0; name && i < COUNT(constant_tables); i++) {
        if (!strcmp(constant_tables[i].name, name))
            return &constant_tables[i];
    }
    return NULL;
}

const struct struct_table *structs_find(const char *name) {
    for (size_t i = 0; name && i < COUNT(struct_tables); i++) {
        if (!strcmp(struct_tables[i].name, name))
            return &struct_tables[i];
    }
    return NULL;
}

const char *constants_name(const char *table, uint64_t value) {
    const struct constant_table *found = constants_find(table);
    for (const struct constant *row = found ? found->rows : NULL; row && row->name; row++) {
        if ((value & row->mask) == row->value)
            return row->name;
    }
    return NULL;
}

static bool find(const struct request *rows, size_t count, uint64_t number, struct request *ret) {
    for (size_t i = 0; i < count; i++) {
        if (rows[i].number == (uint32_t)number) {
            *ret = rows[i];
            return true;
        }
    }
    return false;
}

/* Take direction and size from the number itself (asm-generic/ioctl.h): bit 31 says that the kernel writes,
 * bit 30 that it reads, bits 16..29 are the size. */
static bool find_family(uint32_t number, struct request *ret) {
    uint8_t type = number >> 8 & 0xff;
    uint8_t nr = number & 0xff;
    for (size_t i = 0; i < COUNT(families); i++) {
        if (families[i].type != type || nr < families[i].first || nr > families[i].last)
            continue;
        static const enum arg_direction directions[] = {ARG_VALUE, ARG_IN, ARG_OUT, ARG_INOUT};
        *ret = (struct request){
            .number = number, .direction = directions[number >> 30], .size = number >> 16 & 0x3fff};
        return true;
    }
    return false;
}

bool ioctl_find(uint64_t number, struct request *ret) {
    return find(ioctls, COUNT(ioctls), number, ret) || find_family((uint32_t)number, ret);
}

bool fcntl_find(uint64_t number, struct request *ret) {
    return find(fcntls, COUNT(fcntls), number, ret);
}

bool prctl_find(uint64_t number, struct request *ret) {
    return find(prctls, COUNT(prctls), number, ret);
}
