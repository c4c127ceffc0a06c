#include "dwarf/debuginfod.h"
#include "dwarf/module_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define SYSTEM_DEBUG_DIR "/usr/lib/debug"

/* What a debug file must be to be believed. */
struct wanted {
    struct bytes build_id; /* none: not known */
    bool has_crc;
    uint32_t crc;
};

uint32_t debug_file_crc(const struct debug_file *file) {
    uLong crc = crc32(0, NULL, 0);
    for (size_t at = 0; at < file->size;) { /* zlib counts in 32 bits */
        size_t count = file->size - at > ((size_t)1 << 30) ? (size_t)1 << 30 : file->size - at;
        crc = crc32(crc, file->data + at, (uInt)count);
        at += count;
    }
    return (uint32_t)crc;
}

static bool same_bytes(struct bytes a, struct bytes b) {
    return a.size == b.size && !memcmp(a.data, b.data, a.size);
}

static struct error *check_wanted(const struct debug_file *file, const struct wanted *wanted) {
    struct bytes build_id = {0};
    struct elf_section symbols;
    bool has_id = elf_build_id(&file->image, &build_id);
    if (wanted->build_id.size && has_id && !same_bytes(wanted->build_id, build_id))
        return error_new(ERROR_BAD_DATA, "%s: belongs to another build (its build-id differs)", file->path);
    if (wanted->has_crc && debug_file_crc(file) != wanted->crc)
        return error_new(ERROR_BAD_DATA, "%s: belongs to another build (its CRC differs)", file->path);
    if (wanted->build_id.size && !has_id && !wanted->has_crc)
        return error_new(ERROR_BAD_DATA, "%s: has no build-id", file->path);
    if (!debug_file_has(file, DEBUG_INFO) && !elf_find_section(&file->image, ".symtab", &symbols))
        return error_new(ERROR_BAD_DATA, "%s: has no debug information", file->path);
    return NULL;
}

/* Open the file at the path if it is what is wanted; NULL when not. What exists and is wrong is a problem
 * worth telling. */
static struct debug_file *try_path(struct module *module, const char *path, const struct wanted *wanted) {
    struct debug_file *file = NULL;
    if (access(path, R_OK))
        return NULL;
    struct error *err = debug_file_open_path(path, false, &file);
    if (!err && file->device == module->own->device && file->inode == module->own->inode) {
        debug_file_close(file); /* a link may lead back to the file itself */
        return NULL;
    }
    if (!err)
        err = check_wanted(file, wanted);
    if (err) {
        debug_file_close(file);
        module_set_problem(module, err);
        return NULL;
    }
    module_add_file(module, file);
    return file;
}

static struct debug_file *try_format(struct module *module, const struct wanted *wanted, const char *format,
                                     ...) __attribute__((format(printf, 3, 4)));

static struct debug_file *try_format(struct module *module, const struct wanted *wanted, const char *format,
                                     ...) {
    char *path = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&path, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    struct debug_file *file = try_path(module, path, wanted);
    free(path);
    return file;
}

static struct debug_file *try_build_id_below(struct module *module, const char *folder,
                                             const struct wanted *wanted) {
    char hex[2 * 64 + 1];
    for (size_t i = 0; i < wanted->build_id.size; i++)
        snprintf(hex + 2 * i, 3, "%02x", wanted->build_id.data[i]);
    struct debug_file *file = try_format(module, wanted, "%s/.build-id/%.2s/%s.debug", folder, hex, hex + 2);
    /* Distributions that keep no .debug suffix, and a plain folder of debug files. */
    return file ? file : try_format(module, wanted, "%s/%s.debug", folder, hex);
}

static struct debug_file *find_by_build_id(struct module *module, const struct wanted *wanted) {
    if (!wanted->build_id.size)
        return NULL;
    struct debug_file *file = NULL;
    if (module->debug_dir)
        file = try_build_id_below(module, module->debug_dir, wanted);
    return file ? file : try_build_id_below(module, SYSTEM_DEBUG_DIR, wanted);
}

/* The folder of a path without the last slash: "" for one in the root, "." for a plain name. Fresh string. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

static struct debug_file *find_link_near(struct module *module, const char *folder, const char *name,
                                         const struct wanted *wanted) {
    struct debug_file *file = try_format(module, wanted, "%s/%s", folder, name);
    if (!file)
        file = try_format(module, wanted, "%s/.debug/%s", folder, name);
    if (!file && *folder != '.')
        file = try_format(module, wanted, SYSTEM_DEBUG_DIR "%s/%s", folder, name);
    if (!file && module->debug_dir && *folder != '.')
        file = try_format(module, wanted, "%s%s/%s", module->debug_dir, folder, name);
    return file;
}

/* .gnu_debuglink: a file name, padded to 4 bytes, and a CRC. */
static bool read_link(const struct elf_image *image, const char **ret_name, uint32_t *ret_crc) {
    struct elf_section section;
    if (!elf_find_section(image, ".gnu_debuglink", &section))
        return false;
    const char *bytes = elf_bytes(image, section.offset, section.size);
    size_t length = bytes ? strnlen(bytes, section.size) : 0;
    size_t at = (length + 4) & ~(size_t)3;
    if (!length || memchr(bytes, '/', length) || section.size < 4 || at > section.size - 4)
        return false;
    memcpy(ret_crc, bytes + at, sizeof(*ret_crc));
    *ret_name = bytes;
    return true;
}

static struct debug_file *find_by_link(struct module *module) {
    struct wanted wanted = {.build_id = module->build_id, .has_crc = true};
    const char *name;
    if (!read_link(&module->own->image, &name, &wanted.crc))
        return NULL;
    struct debug_file *file = NULL;
    char *real = realpath(module->name, NULL);
    const char *paths[] = {module->name, real};
    for (size_t i = 0; i < 2 && !file; i++) {
        char *folder = paths[i] ? folder_of(paths[i]) : NULL;
        if (folder)
            file = find_link_near(module, folder, name, &wanted);
        free(folder);
    }
    free(real);
    if (!file && module->debug_dir)
        file = try_format(module, &wanted, "%s/%s", module->debug_dir, name);
    return file;
}

static struct debug_file *find_by_debuginfod(struct module *module, const struct wanted *wanted) {
    char *path = NULL;
    if (!module->debuginfod || !wanted->build_id.size)
        return NULL;
    struct error *err = debuginfod_fetch(wanted->build_id, &path);
    if (error_is(err, ERROR_NOT_FOUND)) {
        error_free(err);
        return NULL;
    }
    if (err) {
        module_set_problem(module, err);
        return NULL;
    }
    struct debug_file *file = try_path(module, path, wanted);
    free(path);
    return file;
}

static void forget_problem(struct module *module) {
    free(module->problem);
    module->problem = NULL;
}

void module_find_debug(struct module *module) {
    if (debug_file_has(module->own, DEBUG_INFO)) {
        module->debug = module->own;
        return;
    }
    struct wanted wanted = {.build_id = module->build_id};
    struct debug_file *file = find_by_build_id(module, &wanted);
    if (!file)
        file = find_by_link(module);
    if (!file)
        file = find_by_debuginfod(module, &wanted);
    module->debug = file;
    if (file)
        forget_problem(module); /* of those that were no good */
    else
        module_set_problem(module, error_new(ERROR_NOT_FOUND, "%s: no debug information", module->name));
}

/* .gnu_debugaltlink: a file name, NUL, a build-id. */
static bool read_alternate(const struct elf_image *image, const char **ret_name, struct bytes *ret_id) {
    struct elf_section section;
    if (!elf_find_section(image, ".gnu_debugaltlink", &section))
        return false;
    const char *bytes = elf_bytes(image, section.offset, section.size);
    size_t length = bytes ? strnlen(bytes, section.size) : 0;
    if (!length || length == section.size || section.size - length - 1 > 64)
        return false;
    *ret_name = bytes;
    *ret_id = (struct bytes){(const uint8_t *)bytes + length + 1, section.size - length - 1};
    return true;
}

static struct debug_file *find_alternate(struct module *module, const struct debug_file *file,
                                         const char *name, const struct wanted *wanted) {
    struct debug_file *found = NULL;
    char *folder = folder_of(file->path);
    if (*name == '/')
        found = try_path(module, name, wanted);
    else if (folder)
        found = try_format(module, wanted, "%s/%s", folder, name);
    free(folder);
    const char *below = strstr(name, "/.dwz/");
    if (!found && module->debug_dir && below)
        found = try_format(module, wanted, "%s%s", module->debug_dir, below);
    if (!found)
        found = find_by_build_id(module, wanted);
    return found ? found : find_by_debuginfod(module, wanted);
}

struct debug_file *debug_file_alternate(struct debug_file *file) {
    if (file->alternate_tried)
        return file->alternate;
    file->alternate_tried = true;
    struct wanted wanted = {0};
    const char *name;
    if (!read_alternate(&file->image, &name, &wanted.build_id))
        return NULL;
    file->alternate = find_alternate(file->module, file, name, &wanted);
    if (!file->alternate)
        module_set_problem(
            file->module,
            error_new(ERROR_NOT_FOUND, "%s: shared debug information %s is not there", file->path, name));
    return file->alternate;
}
