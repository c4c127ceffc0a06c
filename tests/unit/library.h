/* library: a shared library that a test makes out of source text, loads into itself, and whose debug
 * information it reads: its variables become the scope of an expression, its functions compute what gcc makes
 * of the same expression. */
#ifndef REEL_TESTS_LIBRARY_H
#define REEL_TESTS_LIBRARY_H

#include "dwarf/expression.h"
#include "dwarf/type.h"
#include "scratch.h"
#include "self.h"

#include <dlfcn.h>
#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>

struct compiled {
    struct scratch scratch;
    void *library;
    int fd;
    Dwarf_Debug dwarf;
    struct types *types;
    struct compiled_name {
        char *name; /* of a variable at file scope, or a type */
        bool variable;
        uint64_t type; /* DIE */
    } names[4096];
    size_t count;
};

static inline void compiled_note(struct compiled *compiled, Dwarf_Die die, Dwarf_Half tag) {
    char *name;
    Dwarf_Off offset;
    Dwarf_Attribute attribute;
    bool variable = tag == DW_TAG_variable;
    bool type = tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_typedef ||
                tag == DW_TAG_enumeration_type || tag == DW_TAG_union_type;
    if ((!variable && !type) || compiled->count == sizeof(compiled->names) / sizeof(compiled->names[0]) ||
        dwarf_diename(die, &name, NULL) != DW_DLV_OK)
        return;
    if (!variable)
        ck_assert_int_eq(dwarf_dieoffset(die, &offset, NULL), DW_DLV_OK);
    else if (dwarf_attr(die, DW_AT_type, &attribute, NULL) != DW_DLV_OK ||
             dwarf_global_formref(attribute, &offset, NULL) != DW_DLV_OK)
        return;
    compiled->names[compiled->count++] = (struct compiled_name){strdup(name), variable, offset};
}

/* All DIEs that are children of the unit. */
static inline void compiled_read(struct compiled *compiled) {
    Dwarf_Unsigned next;
    Dwarf_Half tag;
    while (dwarf_next_cu_header_d(compiled->dwarf, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &next,
                                  NULL, NULL) == DW_DLV_OK) {
        Dwarf_Die unit, die;
        ck_assert_int_eq(dwarf_siblingof_b(compiled->dwarf, NULL, 1, &unit, NULL), DW_DLV_OK);
        int found = dwarf_child(unit, &die, NULL);
        while (found == DW_DLV_OK) {
            Dwarf_Die sibling;
            ck_assert_int_eq(dwarf_tag(die, &tag, NULL), DW_DLV_OK);
            compiled_note(compiled, die, tag);
            found = dwarf_siblingof_b(compiled->dwarf, die, 1, &sibling, NULL);
            die = sibling;
        }
    }
}

/* compiler: "gcc" or "g++", and flags. Ends the test when anything goes wrong. */
static inline struct compiled *compiled_create(const char *compiler, const char *suffix, const char *source) {
    char path[96], command[512];
    struct compiled *compiled = calloc(1, sizeof(*compiled));
    compiled->scratch = scratch_create();
    snprintf(path, sizeof(path), "source.%s", suffix);
    scratch_write(compiled->scratch.fd, path, source, strlen(source));
    snprintf(command, sizeof(command),
             "cd %s && %s -g -O0 -w -shared -fPIC -fwrapv -Wl,-Bsymbolic -o library.so source.%s",
             compiled->scratch.path, compiler, suffix);
    ck_assert_msg(system(command) == 0, "%s failed", command);
    snprintf(path, sizeof(path), "%s/library.so", compiled->scratch.path);
    compiled->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(compiled->library != NULL, "%s", dlerror());
    compiled->fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(
        dwarf_init_b(compiled->fd, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL, &compiled->dwarf, NULL),
        DW_DLV_OK);
    CHECK_OK(types_create(compiled->dwarf, &compiled->types));
    compiled_read(compiled);
    return compiled;
}

static inline void compiled_destroy(struct compiled *compiled) {
    types_destroy(compiled->types);
    dwarf_finish(compiled->dwarf, NULL);
    close(compiled->fd);
    dlclose(compiled->library);
    for (size_t i = 0; i < compiled->count; i++)
        free(compiled->names[i].name);
    scratch_remove(&compiled->scratch);
    free(compiled);
}

static inline const struct type *compiled_type(struct compiled *compiled, const char *name, bool variable) {
    const struct type *type;
    for (size_t i = 0; i < compiled->count; i++)
        if (compiled->names[i].variable == variable && !strcmp(compiled->names[i].name, name)) {
            CHECK_OK(type_load(compiled->types, compiled->names[i].type, &type));
            return type;
        }
    return NULL;
}

/* Variables named in_register_* are given as bytes; "gone" is optimized out. */
static inline enum operand_state compiled_resolve(void *context, const char *name,
                                                  struct expression_operand *ret) {
    struct compiled *compiled = context;
    if (!strcmp(name, "gone"))
        return OPERAND_OPTIMIZED_OUT;
    name += !strncmp(name, "::", 2) ? 2 : 0;
    const struct type *type = compiled_type(compiled, name, true);
    void *place = type ? dlsym(compiled->library, name) : NULL;
    if (!place)
        return OPERAND_NOT_FOUND;
    ret->type = type;
    ret->in_memory = strncmp(name, "in_register_", 12) != 0;
    ret->address = address(place);
    if (!ret->in_memory)
        buffer_put(ret->bytes, place, type_strip(type)->size);
    return OPERAND_OK;
}

static inline const struct type *compiled_find_type(void *context, const char *name) {
    return compiled_type(context, name, false);
}

static inline struct expression_scope compiled_scope(struct compiled *compiled) {
    return (struct expression_scope){
        .resolve = compiled_resolve, .find_type = compiled_find_type, .context = compiled, .memory = &self};
}

#endif
