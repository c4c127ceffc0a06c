/* typed: victims for the tests of types and values: compiled when the test runs, loaded into it, and asked
 * what the values of their variables are.
 *
 * A victim is a shared object with global variables and a function
 *     void expect(void (*say)(const char *variable, const char *json))
 * that says for each of them what its value looks like, worked out from the variable itself. */
#ifndef REEL_TESTS_TYPED_H
#define REEL_TESTS_TYPED_H

#include "dwarf/type.h"
#include "scratch.h"
#include "self.h"

#include <dlfcn.h>
#include <libdwarf/dwarf.h>
#include <stdarg.h>
#include <sys/wait.h>

/* The folder of the sources, from where this program is (build/tests/unit/, build/asan/tests/unit/). */
static inline const char *typed_folder(void) {
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 32);
    ck_assert_int_gt(length, 0);
    path[length] = '\0';
    for (char *slash; (slash = strrchr(path, '/'));) {
        struct stat status;
        strcpy(slash, "/tests/unit/typed");
        if (!stat(path, &status))
            return path;
        *slash = '\0';
    }
    ck_abort_msg("the sources of the victims are not found");
}

/* Run a shell command; true if it succeeded. */
__attribute__((format(printf, 1, 2))) static inline bool typed_run(const char *format, ...) {
    char command[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    int status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline bool typed_has(const char *compiler) {
    return typed_run("command -v %s >/dev/null 2>&1", compiler) || scratch_lacks(compiler);
}

/* One that is not everywhere: the test is skipped when it is not here. rustc is where rustup puts it. */
static inline bool typed_find_compiler(const char *compiler) {
    const char *home = getenv("HOME"), *path = getenv("PATH");
    char all[8192];
    snprintf(all, sizeof(all), "%s:%s/.cargo/bin", path ? path : "", home ? home : "");
    setenv("PATH", all, 1);
    return typed_has(compiler);
}

struct typed {
    struct scratch scratch;
    char path[256];
    void *library; /* dlopen()ed */
    int fd;
    Dwarf_Debug dwarf;
    struct types *types;
};

static inline void typed_open(struct typed *typed) {
    Dwarf_Error failure = NULL;
    typed->fd = open(typed->path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(typed->fd, 0);
    ck_assert_int_eq(
        dwarf_init_b(typed->fd, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL, &typed->dwarf, &failure),
        DW_DLV_OK);
    CHECK_OK(types_create(typed->dwarf, &typed->types));
}

/* Compile tests/unit/typed/SOURCE to a shared object and load it. command: compiler and flags. */
static inline void typed_init(struct typed *typed, const char *command, const char *source) {
    typed->scratch = scratch_create();
    snprintf(typed->path, sizeof(typed->path), "%s/victim.so", typed->scratch.path);
    ck_assert_msg(typed_run("cd %s && %s -o %s %s/%s", typed->scratch.path, command, typed->path,
                            typed_folder(), source),
                  "%s: %s does not compile", command, source);
    typed->library = dlopen(typed->path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(typed->library != NULL, "%s", dlerror());
    typed_open(typed);
}

static inline void typed_deinit(struct typed *typed) {
    Dwarf_Error failure = NULL;
    types_destroy(typed->types);
    dwarf_finish(typed->dwarf, &failure);
    close(typed->fd);
    if (typed->library)
        dlclose(typed->library);
    scratch_remove(&typed->scratch);
}

/* ---- finding DIEs by name ---- */

static inline bool typed_die_named(Dwarf_Debug dwarf, Dwarf_Die die, unsigned wanted, const char *name) {
    Dwarf_Half tag = 0;
    Dwarf_Error failure = NULL;
    char *text = NULL;
    (void)dwarf;
    if (dwarf_tag(die, &tag, &failure) != DW_DLV_OK || tag != wanted)
        return false;
    return dwarf_diename(die, &text, &failure) == DW_DLV_OK && !strcmp(text, name);
}

/* A type unit's type. */
static inline uint64_t typed_by_signature(Dwarf_Debug dwarf, Dwarf_Attribute attribute) {
    Dwarf_Sig8 signature;
    Dwarf_Error failure = NULL;
    Dwarf_Die die = NULL;
    Dwarf_Bool is_info = 0;
    Dwarf_Off offset = 0;
    if (dwarf_formsig8(attribute, &signature, &failure) != DW_DLV_OK ||
        dwarf_find_die_given_sig8(dwarf, &signature, &die, &is_info, &failure) != DW_DLV_OK)
        return 0;
    dwarf_dieoffset(die, &offset, &failure);
    dwarf_dealloc_die(die);
    return offset | (is_info ? 0 : TYPE_DIE_IN_TYPES);
}

/* The offset of a DIE of this tag and name in namespaces and modules, and of its type. 0: none. */
static inline uint64_t typed_search(Dwarf_Debug dwarf, Dwarf_Die parent, unsigned tag, const char *name,
                                    bool type) {
    Dwarf_Die child = NULL;
    Dwarf_Error failure = NULL;
    uint64_t found = 0;
    if (dwarf_child(parent, &child, &failure) != DW_DLV_OK)
        return 0;
    while (!found) {
        Dwarf_Half at = 0;
        Dwarf_Attribute attribute;
        Dwarf_Off offset;
        dwarf_tag(child, &at, &failure);
        if (typed_die_named(dwarf, child, tag, name)) {
            if (!type && dwarf_dieoffset(child, &offset, &failure) == DW_DLV_OK)
                found = offset;
            if (type && dwarf_attr(child, DW_AT_type, &attribute, &failure) == DW_DLV_OK) {
                if (dwarf_global_formref(attribute, &offset, &failure) == DW_DLV_OK)
                    found = offset;
                else
                    found = typed_by_signature(dwarf, attribute);
                dwarf_dealloc_attribute(attribute);
            }
        }
        if (!found && (at == DW_TAG_namespace || at == DW_TAG_module))
            found = typed_search(dwarf, child, tag, name, type);
        Dwarf_Die next = NULL;
        int result = dwarf_siblingof_b(dwarf, child, true, &next, &failure);
        dwarf_dealloc_die(child);
        child = next;
        if (result != DW_DLV_OK)
            return found;
    }
    dwarf_dealloc_die(child);
    return found;
}

static inline uint64_t typed_find(struct typed *typed, unsigned tag, const char *name, bool type) {
    Dwarf_Unsigned next = 0;
    Dwarf_Error failure = NULL;
    uint64_t found = 0;
    while (dwarf_next_cu_header_d(typed->dwarf, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &next,
                                  NULL, &failure) == DW_DLV_OK) {
        Dwarf_Die unit = NULL;
        if (dwarf_siblingof_b(typed->dwarf, NULL, true, &unit, &failure) != DW_DLV_OK)
            continue;
        if (!found)
            found = typed_search(typed->dwarf, unit, tag, name, type);
        dwarf_dealloc_die(unit);
    }
    return found;
}

/* The type of a global variable. */
static inline const struct type *typed_variable(struct typed *typed, const char *name) {
    const struct type *type = NULL;
    uint64_t die = typed_find(typed, DW_TAG_variable, name, true);
    ck_assert_msg(die != 0, "%s: no such variable in the debug information", name);
    CHECK_OK(type_load(typed->types, die, &type));
    return type;
}

/* A type by its DIE's tag and name. */
static inline const struct type *typed_type(struct typed *typed, unsigned tag, const char *name) {
    const struct type *type = NULL;
    uint64_t die = typed_find(typed, tag, name, false);
    ck_assert_msg(die != 0, "%s: no such type in the debug information", name);
    CHECK_OK(type_load(typed->types, die, &type));
    return type;
}

#endif
