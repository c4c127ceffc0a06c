#include "tracer/tls.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

/* ---- glibc's tables ----
 *
 * elf/link.h and sysdeps/generic/dl-tls.h. What has moved between versions is looked up in libc.so's own
 * descriptions for debuggers, _thread_db_* (nptl_db/db_info.c): size in bits, count, offset. */

struct r_debug_head {
    int32_t version; /* with 2 and more, `next` is there */
    uint32_t padding;
    uint64_t map, brk, state, base;
    uint64_t next; /* another namespace (dlmopen) */
};

struct link_map_head {
    uint64_t bias, name, dynamic, next;
};

struct slot_list_head { /* of struct slot, length of them behind it */
    uint64_t length, next;
};

struct slot {
    uint64_t generation, map;
};

struct dtv_entry {
    uint64_t block; /* or the number of entries (entry -1), the generation (entry 0) */
    uint64_t to_free;
};

#define NO_BLOCK UINT64_MAX

/* Lists of a process that is damaged may go round in circles. */
enum { MAPS_MOST = 65536, NAMESPACES_MOST = 64 };

static struct error *unreadable(uint64_t address) {
    return error_new(ERROR_NOT_FOUND, "thread-local storage: memory at 0x%llx cannot be read",
                     (unsigned long long)address);
}

static struct error *read_at(const struct tls_request *request, uint64_t address, void *ret, size_t size) {
    return memory_read_exact(request->memory, address, ret, size) ? NULL : unreadable(address);
}

/* The process address of a dynamic symbol of whatever module defines it; *ret_image may be NULL. */
static bool find_symbol(const struct tls_request *request, const char *name, uint64_t *ret,
                        const struct elf_image **ret_image, uint64_t *ret_vaddr) {
    for (size_t i = 0; i < request->modules->count; i++) {
        const struct loaded_module *loaded = &request->modules->modules[i];
        const struct elf_image *image = module_image(loaded->module->module);
        uint64_t vaddr;
        struct error *err = elf_dynamic_symbol(image, name, &vaddr);
        if (err) {
            error_free(err);
            continue;
        }
        *ret = vaddr + loaded->bias;
        *ret_image = image;
        *ret_vaddr = vaddr;
        return true;
    }
    return false;
}

/* Where a field is in its struct. */
static struct error *field_offset(const struct tls_request *request, const char *field, uint32_t *ret) {
    enum { OFFSET = 2 };
    const struct elf_image *image;
    uint64_t address, vaddr, at;
    uint32_t description[3];
    const void *bytes = NULL;
    if (find_symbol(request, field, &address, &image, &vaddr) && elf_vaddr_to_offset(image, vaddr, &at))
        bytes = elf_bytes(image, at, sizeof(description));
    if (!bytes)
        return error_new(ERROR_UNSUPPORTED, "thread-local storage: no %s: the C library is not glibc", field);
    memcpy(description, bytes, sizeof(description));
    *ret = description[OFFSET];
    return NULL;
}

/* ---- the module id ---- */

/* struct link_map of a module: its dynamic section lies in it. */
static struct error *search_maps(const struct tls_request *request, const struct loaded_module *loaded,
                                 uint64_t first, uint64_t *ret) {
    struct link_map_head map;
    *ret = 0;
    for (int i = 0; first && i < MAPS_MOST; i++, first = map.next) {
        TRY(read_at(request, first, &map, sizeof(map)));
        if (map.dynamic >= loaded->start && map.dynamic < loaded->end) {
            *ret = first;
            return NULL;
        }
    }
    return NULL;
}

static struct error *find_link_map(const struct tls_request *request, const struct loaded_module *loaded,
                                   uint64_t *ret) {
    const struct elf_image *image;
    uint64_t debug, vaddr;
    *ret = 0;
    if (!find_symbol(request, "_r_debug", &debug, &image, &vaddr))
        return error_new(ERROR_UNSUPPORTED, "thread-local storage: no dynamic loader of glibc's kind");
    for (int i = 0; debug && !*ret && i < NAMESPACES_MOST; i++) {
        struct r_debug_head head = {0};
        TRY(read_at(request, debug, &head, offsetof(struct r_debug_head, next)));
        TRY(search_maps(request, loaded, head.map, ret));
        if (!*ret && head.version >= 2)
            TRY(read_at(request, debug + offsetof(struct r_debug_head, next), &head.next, sizeof(head.next)));
        debug = head.next;
    }
    return NULL;
}

static struct error *unallocated(bool *ret_unallocated) {
    *ret_unallocated = true;
    return error_new(ERROR_NOT_FOUND, "thread-local storage: not allocated in this thread yet");
}

/* link_map and id stay as they are while the module is loaded. */
static struct error *find_id(const struct tls_request *request, struct loaded_module *loaded,
                             bool *ret_unallocated) {
    uint32_t offset;
    if (loaded->tls_id)
        return NULL;
    TRY(find_link_map(request, loaded, &loaded->link_map));
    if (!loaded->link_map)
        return unallocated(ret_unallocated); /* the loader has not come to it yet */
    TRY(field_offset(request, "_thread_db_link_map_l_tls_modid", &offset));
    TRY(read_at(request, loaded->link_map + offset, &loaded->tls_id, sizeof(loaded->tls_id)));
    return loaded->tls_id ? NULL : unallocated(ret_unallocated);
}

/* ---- the thread's block ---- */

/* An entry of the thread's vector may still be that of a library that had the id before: it holds when the
 * vector is of the generation in which this one got the id, or a later one. */
static struct error *id_generation(const struct tls_request *request, uint64_t id, uint64_t *ret) {
    const struct elf_image *image;
    uint64_t global, vaddr, list;
    uint32_t offset;
    struct slot_list_head head;
    TRY(field_offset(request, "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list", &offset));
    if (!find_symbol(request, "_rtld_global", &global, &image, &vaddr))
        return error_new(ERROR_UNSUPPORTED, "thread-local storage: no _rtld_global");
    TRY(read_at(request, global + offset, &list, sizeof(list)));
    for (int i = 0; list && i < MAPS_MOST; i++, list = head.next) {
        struct slot slot;
        TRY(read_at(request, list, &head, sizeof(head)));
        if (id >= head.length) {
            id -= head.length;
            continue;
        }
        TRY(read_at(request, list + sizeof(head) + id * sizeof(slot), &slot, sizeof(slot)));
        *ret = slot.generation;
        return NULL;
    }
    return error_new(ERROR_NOT_FOUND, "thread-local storage: the loader does not know this module");
}

/* NO_BLOCK: the vector has none. */
static struct error *block_in_vector(const struct tls_request *request, uint64_t id, uint64_t *ret) {
    uint64_t vector, generation;
    struct dtv_entry entries[2], entry; /* -1 and 0 */
    *ret = NO_BLOCK;
    TRY(read_at(request, request->thread_pointer + 8, &vector, sizeof(vector)));
    if (!vector)
        return NULL;
    TRY(read_at(request, vector - sizeof(entry), entries, sizeof(entries)));
    TRY(id_generation(request, id, &generation));
    if (id > entries[0].block || generation > entries[1].block)
        return NULL;
    TRY(read_at(request, vector + id * sizeof(entry), &entry, sizeof(entry)));
    *ret = entry.block ? entry.block : NO_BLOCK;
    return NULL;
}

/* A library that was given a place beside the thread pointer has it in all threads, also in those whose
 * vector does not know of it. */
static struct error *static_block(const struct tls_request *request, const struct loaded_module *loaded,
                                  uint64_t *ret) {
    uint32_t offset;
    int64_t distance;
    TRY(field_offset(request, "_thread_db_link_map_l_tls_offset", &offset));
    TRY(read_at(request, loaded->link_map + offset, &distance, sizeof(distance)));
    *ret = distance == 0 || distance == -1 ? NO_BLOCK : request->thread_pointer - (uint64_t)distance;
    return NULL;
}

static struct error *library_address(const struct tls_request *request, struct loaded_module *loaded,
                                     uint64_t offset, uint64_t *ret, bool *ret_unallocated) {
    uint64_t block;
    TRY(find_id(request, loaded, ret_unallocated));
    TRY(block_in_vector(request, loaded->tls_id, &block));
    if (block == NO_BLOCK)
        TRY(static_block(request, loaded, &block));
    if (block == NO_BLOCK)
        return unallocated(ret_unallocated);
    *ret = block + offset;
    return NULL;
}

/* The linker has counted on the block ending at the thread pointer. */
static struct error *program_address(const struct tls_request *request, const struct loaded_module *loaded,
                                     uint64_t offset, uint64_t *ret) {
    const struct elf_segment *segment = elf_find_segment(module_image(loaded->module->module), PT_TLS);
    uint64_t size;
    if (!segment)
        return error_new(ERROR_BAD_DATA, "%s: it has no thread-local storage", loaded->module->name);
    uint64_t align = segment->align ? segment->align : 1;
    if ((align & (align - 1)) || __builtin_add_overflow(segment->memsz, align - 1, &size))
        return error_new(ERROR_BAD_DATA, "%s: bad PT_TLS", loaded->module->name);
    *ret = request->thread_pointer - (size & ~(align - 1)) + offset;
    return NULL;
}

static struct loaded_module *find_module(const struct tls_request *request) {
    for (size_t i = 0; i < request->modules->count; i++) {
        struct loaded_module *loaded = &request->modules->modules[i];
        if (loaded->module->module == request->module && loaded->bias == request->bias)
            return loaded;
    }
    return NULL;
}

struct error *tls_address(const struct tls_request *request, uint64_t offset, uint64_t *ret,
                          bool *ret_unallocated) {
    struct loaded_module *loaded = find_module(request);
    struct error *err;
    *ret_unallocated = false;
    if (!loaded)
        return error_new(ERROR_NOT_FOUND, "thread-local storage: the module is not loaded");
    if (!request->thread_pointer)
        err = unallocated(ret_unallocated);
    else if (request->program_entry >= loaded->start && request->program_entry < loaded->end)
        err = program_address(request, loaded, offset, ret);
    else
        err = library_address(request, loaded, offset, ret, ret_unallocated);
    const struct elf_segment *segment = elf_find_segment(module_image(loaded->module->module), PT_TLS);
    if (!*ret_unallocated || !segment || offset >= segment->filesz)
        return err;
    error_free(err);
    *ret = loaded->bias + segment->vaddr + offset;
    return NULL;
}
