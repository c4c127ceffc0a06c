#include "tracer/modules.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_PAGE 0xfffull

/* Types are read from one file of debug information each (split DWARF, dwz). */
struct module_types {
    struct traced_module *module;
    const struct debug_file *file;
    struct types *types;
};

/* ---- the cache ---- */

void module_cache_init(struct module_cache *cache, const struct module_search *search) {
    *cache = (struct module_cache){.search = *search};
}

static void traced_module_destroy(struct traced_module *module) {
    if (!module)
        return;
    for (size_t i = 0; i < module->types_count; i++)
        types_destroy(module->types[i].types);
    free(module->types);
    free(module->starts);
    module_close(module->module);
    free(module->name);
    free(module);
}

void module_cache_deinit(struct module_cache *cache) {
    for (size_t i = 0; i < cache->count; i++)
        traced_module_destroy(cache->modules[i]);
    free(cache->modules);
    *cache = (struct module_cache){0};
}

static uint64_t change_time(const struct stat *info) {
    return (uint64_t)info->st_ctim.tv_sec * 1000000000u + (uint64_t)info->st_ctim.tv_nsec;
}

static struct traced_module *cached(const struct module_cache *cache, const struct stat *info) {
    for (size_t i = 0; i < cache->count; i++) {
        struct traced_module *module = cache->modules[i];
        if (module->device == info->st_dev && module->inode == info->st_ino &&
            module->changed_ns == change_time(info))
            return module;
    }
    return NULL;
}

/* Takes the name. */
static struct error *open_module(struct module_cache *cache, int fd, char *name, const struct stat *info,
                                 struct traced_module **ret) {
    struct traced_module *module = calloc(1, sizeof(*module));
    struct traced_module **modules = realloc(cache->modules, (cache->count + 1) * sizeof(*modules));
    if (modules)
        cache->modules = modules;
    if (!module || !modules) {
        free(module);
        free(name);
        return &error_no_memory;
    }
    *module = (struct traced_module){
        .name = name, .device = info->st_dev, .inode = info->st_ino, .changed_ns = change_time(info)};
    struct error *err = module_open(fd, name, &cache->search, &module->module);
    if (!err)
        err = module_unwind_table(module->module, &module->unwind);
    if (err) {
        traced_module_destroy(module);
        return err;
    }
    cache->modules[cache->count++] = module;
    *ret = module;
    return NULL;
}

/* ---- where functions begin ---- */

static int compare_starts(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct error *traced_module_starts_at(struct traced_module *module, uint64_t vaddr, bool *ret) {
    if (!module->starts)
        TRY(elf_function_starts(module_image(module->module), &module->starts, &module->start_count));
    *ret = module->start_count &&
           bsearch(&vaddr, module->starts, module->start_count, sizeof(vaddr), compare_starts);
    return NULL;
}

/* ---- types ---- */

static struct error *check_die(void *context, uint64_t die) {
    struct module_types *types = context;
    struct die_place place = {
        .file = types->file, .offset = die & ~TYPE_DIE_IN_TYPES, .in_types = (die & TYPE_DIE_IN_TYPES) != 0};
    return module_check_die(types->module->module, &place);
}

static struct error *open_types(struct traced_module *module, const struct debug_file *file,
                                struct module_types **ret) {
    enum { MOST = 64 };
    if (!module->types) {
        module->types = calloc(MOST, sizeof(*module->types)); /* they stay where they are */
        if (!module->types)
            return &error_no_memory;
    }
    if (module->types_count == MOST)
        return error_new(ERROR_UNSUPPORTED, "%s: its debug information is in more than %d files",
                         module->name, MOST);
    Dwarf_Debug dwarf = module_file_dwarf(module->module, file);
    if (!dwarf)
        return error_new(ERROR_BAD_DATA, "%s: its debug information cannot be read", module->name);
    struct module_types *types = &module->types[module->types_count];
    *types = (struct module_types){.module = module, .file = file};
    TRY(types_create(dwarf, &types->types));
    types_set_check(types->types, check_die, types);
    module->types_count++;
    *ret = types;
    return NULL;
}

struct error *traced_module_type(struct traced_module *module, const struct die_place *place,
                                 const struct type **ret) {
    struct module_types *types = NULL;
    for (size_t i = 0; i < module->types_count; i++)
        if (module->types[i].file == place->file)
            types = &module->types[i];
    if (!place->file && module->types_count) {
        *ret = type_void(module->types[0].types);
        return NULL;
    }
    if (!place->file)
        return error_new(ERROR_NOT_FOUND, "%s: no type", module->name);
    if (!types)
        TRY(open_types(module, place->file, &types));
    return type_load(types->types, place->offset | (place->in_types ? TYPE_DIE_IN_TYPES : 0), ret);
}

/* ---- the modules of a process ---- */

void process_modules_deinit(struct process_modules *modules) {
    free(modules->modules);
    *modules = (struct process_modules){0};
}

const struct loaded_module *process_modules_find(const struct process_modules *modules, uint64_t address) {
    for (size_t i = 0; i < modules->count; i++)
        if (address >= modules->modules[i].start && address < modules->modules[i].end)
            return &modules->modules[i];
    return NULL;
}

const struct loaded_module *process_modules_by_module(const struct process_modules *modules,
                                                      const struct traced_module *module) {
    for (size_t i = 0; i < modules->count; i++)
        if (modules->modules[i].module == module)
            return &modules->modules[i];
    return NULL;
}

/* The bias of a mapping, from the segment that it shows; false when no segment of the file is mapped like
 * this. Segments are mapped from page boundaries on (gABI, "Program Loading"). */
static bool find_bias(const struct elf_image *image, const struct mapping *mapping, uint64_t *ret) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        uint64_t offset = segment->offset & ~IN_PAGE;
        if (segment->type != PT_LOAD || !(segment->flags & PF_X) || mapping->offset < offset ||
            mapping->offset >= segment->offset + segment->filesz)
            continue;
        *ret = mapping->start - ((segment->vaddr & ~IN_PAGE) + (mapping->offset - offset));
        return true;
    }
    return false;
}

/* Where its segments are. (The file may be mapped elsewhere, too, as data.) */
static void find_extent(const struct elf_image *image, struct loaded_module *ret) {
    ret->start = UINT64_MAX;
    ret->end = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        uint64_t start = (segment->vaddr & ~IN_PAGE) + ret->bias;
        uint64_t end = ((segment->vaddr + segment->memsz + IN_PAGE) & ~IN_PAGE) + ret->bias;
        if (segment->type != PT_LOAD || end <= start)
            continue;
        if (start < ret->start)
            ret->start = start;
        if (end > ret->end)
            ret->end = end;
    }
}

/* The module behind a mapping; *ret stays NULL when there is none to be had. */
static struct error *module_of(struct module_cache *cache, pid_t pid, const struct mapping *mapping,
                               const struct module_opener *opener, struct traced_module **ret) {
    struct stat info;
    char *name = NULL;
    int fd = opener->open(opener->context, pid, mapping, &name);
    *ret = NULL;
    if (fd < 0 || fstat(fd, &info) < 0 || !name) {
        if (fd >= 0)
            close(fd);
        free(name);
        return NULL;
    }
    *ret = cached(cache, &info);
    struct error *err = NULL;
    if (*ret)
        free(name);
    else
        err = open_module(cache, fd, name, &info, ret);
    close(fd);
    if (err && !error_is(err, ERROR_NO_MEMORY)) { /* no ELF file, or a damaged one: nothing to trace there */
        error_free(err);
        err = NULL;
    }
    return err;
}

static struct error *add(struct process_modules *modules, const struct loaded_module *module) {
    struct loaded_module *grown = realloc(modules->modules, (modules->count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    modules->modules = grown;
    grown[modules->count++] = *module;
    return NULL;
}

struct error *process_modules_update(struct process_modules *modules, struct module_cache *cache, pid_t pid,
                                     const struct maps *maps, const struct module_opener *opener) {
    struct process_modules found = {0};
    struct error *err = NULL;
    for (size_t i = 0; !err && i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        struct loaded_module loaded = {0};
        if (!mapping->inode || !(mapping->protection & PROT_EXEC) ||
            process_modules_find(&found, mapping->start))
            continue;
        err = module_of(cache, pid, mapping, opener, &loaded.module);
        if (err || !loaded.module || !find_bias(module_image(loaded.module->module), mapping, &loaded.bias))
            continue;
        find_extent(module_image(loaded.module->module), &loaded);
        err = add(&found, &loaded);
    }
    if (err) {
        process_modules_deinit(&found);
        return err;
    }
    process_modules_deinit(modules);
    *modules = found;
    return NULL;
}
