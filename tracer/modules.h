/* modules: the ELF files that a process has mapped, and what is read from them for tracing.
 *
 * A file is opened once, whatever number of processes map it: struct traced_module. Where it lies in a
 * process is a struct loaded_module. Addresses in a traced_module are as linked; `as linked + bias` is a
 * process address. */
#ifndef REEL_TRACER_MODULES_H
#define REEL_TRACER_MODULES_H

#include "dwarf/module.h"
#include "dwarf/type.h"
#include "dwarf/unwind.h"
#include "tracer/maps.h"

#include <sys/types.h>

struct module_types; /* private */

struct traced_module {
    struct module *module;
    const struct unwind_table *unwind; /* the module's */
    char *name;                        /* path, as the process knows it */
    /* which file this is */
    dev_t device;
    ino_t inode;
    uint64_t changed_ns; /* its ctime */
    struct module_types *types;
    size_t types_count;
    uint64_t
        *starts; /* of functions, by symbols and unwinding tables, sorted; NULL before they are asked for */
    size_t start_count;
    void *user; /* of whoever traces: what was selected in it. Not owned. */
};

/* All modules seen so far. */
struct module_cache {
    struct module_search search;
    struct traced_module **modules;
    size_t count;
};

struct loaded_module {
    struct traced_module *module;
    uint64_t bias;
    uint64_t start, end;       /* from its first to behind its last mapping, process addresses */
    uint64_t link_map, tls_id; /* of tracer/tls.c; 0 until they were asked for */
};

/* Those of one process, by address. */
struct process_modules {
    struct loaded_module *modules;
    size_t count;
};

/* Opens the file behind a mapping of the process; *ret_name (fresh, the caller's) is the path to call it by.
 * -1: it cannot be had. */
struct module_opener {
    int (*open)(void *context, pid_t pid, const struct mapping *mapping, char **ret_name);
    void *context;
};

/* debug_dir must outlive the cache. */
void module_cache_init(struct module_cache *cache, const struct module_search *search);
void module_cache_deinit(struct module_cache *cache);

/* Bring `modules` up to date with the mappings: loads what is new, forgets what is gone. What is no ELF file,
 * is damaged, or cannot be opened is left out. */
struct error *process_modules_update(struct process_modules *modules, struct module_cache *cache, pid_t pid,
                                     const struct maps *maps, const struct module_opener *opener);
void process_modules_deinit(struct process_modules *modules);

/* The module that holds this process address, or NULL. */
const struct loaded_module *process_modules_find(const struct process_modules *modules, uint64_t address);
/* Where this module lies in the process, or NULL. */
const struct loaded_module *process_modules_by_module(const struct process_modules *modules,
                                                      const struct traced_module *module);

/* Does the ELF file itself say that a function, or a part of one, begins there? Debug information may be
 * damaged, and a probe that does not stand on an instruction kills the program. False too when the file says
 * nothing. */
struct error *traced_module_starts_at(struct traced_module *module, uint64_t vaddr, bool *ret);

/* The type whose DIE is at `place`; void when place->file is NULL. Owned by the module. */
struct error *traced_module_type(struct traced_module *module, const struct die_place *place,
                                 const struct type **ret);

#endif
