#include "tracer/syscall.h"

#include <string.h>

/* The words of syscalls.def. Each argument becomes one struct syscall_arg:
 * name, type, direction, rule, argument, unit, constants. */
#define FIXED(bytes)           SIZE_FIXED, 0, (bytes)
#define RESULT(argument, unit) SIZE_RESULT, (argument), (unit)
#define ARG(argument, unit)    SIZE_ARG, (argument), (unit)
#define LENGTH(argument)       SIZE_LENGTH, (argument), 1
#define PAGES(argument)        SIZE_PAGES, (argument), 1
#define BITS(argument)         SIZE_BITS, (argument), 1
#define TO_NUL                 SIZE_STRING, 0, 1
#define BY_TYPE                SIZE_NONE, 0, 0

#define VALUE(name, type)                                                                                    \
    { #name, type, ARG_VALUE, BY_TYPE, NULL }
#define INT(name)     VALUE(name, SHAPE_INT)
#define LONG(name)    VALUE(name, SHAPE_LONG)
#define UINT(name)    VALUE(name, SHAPE_UINT)
#define HEX(name)     VALUE(name, SHAPE_HEX)
#define ADDRESS(name) VALUE(name, SHAPE_ADDRESS)
#define FD(name)      VALUE(name, SHAPE_FD)
#define DIRFD(name)   VALUE(name, SHAPE_DIRFD)
#define PID(name)     VALUE(name, SHAPE_PID)
#define MODE(name)    VALUE(name, SHAPE_MODE)
#define SIGNAL(name)  VALUE(name, SHAPE_SIGNAL)
#define FLAGS(name, table)                                                                                   \
    { #name, SHAPE_FLAGS, ARG_VALUE, BY_TYPE, #table }

#define PATH(name)                                                                                           \
    { #name, SHAPE_PATH, ARG_IN, TO_NUL, NULL }
#define STRING(name)                                                                                         \
    { #name, SHAPE_STRING, ARG_IN, TO_NUL, NULL }
#define STRINGS(name)                                                                                        \
    { #name, SHAPE_STRINGS, ARG_IN, BY_TYPE, NULL }
#define IN(name, type, size)                                                                                 \
    { #name, SHAPE_##type, ARG_IN, size, NULL }
#define OUT(name, type, size)                                                                                \
    { #name, SHAPE_##type, ARG_OUT, size, NULL }
#define INOUT(name, type, size)                                                                              \
    { #name, SHAPE_##type, ARG_INOUT, size, NULL }
#define IN_STRUCT(name, table, bytes)                                                                        \
    { #name, SHAPE_STRUCT, ARG_IN, FIXED(bytes), #table }
#define OUT_STRUCT(name, table, bytes)                                                                       \
    { #name, SHAPE_STRUCT, ARG_OUT, FIXED(bytes), #table }
#define OUT_ARRAY(name, table, size)                                                                         \
    { #name, SHAPE_STRUCT, ARG_OUT, size, #table }
#define INOUT_STRUCT(name, table, bytes)                                                                     \
    { #name, SHAPE_STRUCT, ARG_INOUT, FIXED(bytes), #table }

#define ROW(nr, text, handling, reason, ...)                                                                 \
    [nr] = {.name = text,                                                                                    \
            .number = (nr),                                                                                  \
            .handler = (handling),                                                                           \
            .arg_count = sizeof((struct syscall_arg[]){__VA_ARGS__}) / sizeof(struct syscall_arg),           \
            .args = {__VA_ARGS__},                                                                           \
            .why = (reason)},
#define SYSCALL(nr, name, handling, ...) ROW(nr, #name, HANDLER_##handling, NULL, __VA_ARGS__)
#define REFUSED(nr, name, reason, ...)   ROW(nr, #name, HANDLER_REFUSE, reason, __VA_ARGS__)
#define STOPPED(nr, name, reason, ...)   ROW(nr, #name, HANDLER_STOP, reason, __VA_ARGS__)

static const struct syscall_row table[] = {
#include "tracer/syscalls.def"
};

const struct syscall_row *syscall_find(uint64_t number) {
    if (number >= syscall_table_size() || !table[number].name)
        return NULL;
    return &table[number];
}

int syscall_number(const char *name) {
    for (unsigned i = 0; i < syscall_table_size(); i++) {
        if (table[i].name && !strcmp(table[i].name, name))
            return (int)i;
    }
    return -1;
}

unsigned syscall_table_size(void) {
    return sizeof(table) / sizeof(table[0]);
}
