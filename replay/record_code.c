/* record_code: what the recorder does about code that is mapped: instructions whose result the program cannot
 * compute for itself become traps, the vdso's functions system calls, and the loader saves registers in a way
 * that is the same each time. */
#include "replay/recorder_state.h"

#include "dwarf/elf.h"
#include "tracer/maps.h"
#include "tracer/vdso.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096u

/* ---- trapped instructions ---- */

static const uint8_t trap_code[2] = {0x0f, 0x0b}; /* ud2 */

/* Overwrite the sites in [start, end), which were found just now. */
static struct error *patch_sites(struct recorder *recorder, const struct insn_sites *found) {
    for (size_t i = 0; i < found->count; i++) {
        const struct insn_site *site = &found->sites[i];
        uint8_t code[INSN_MAX];
        if (insn_sites_find(&recorder->process->sites, site->address))
            continue; /* trapped already: mprotect made the same code executable once more */
        if (task_read(recorder->thread->task, site->address, code, site->length) != site->length ||
            memcmp(code, site->bytes, site->length) != 0)
            continue; /* the program has changed its copy of this code: it is not what was found in the file
                       */
        TRY(task_write(recorder->thread->task, site->address, trap_code, sizeof(trap_code)));
        TRY(insn_sites_add(&recorder->process->sites, site));
        TRY(effects_add(&recorder->effects, EFFECT_PATCH, site->address, 0, trap_code, sizeof(trap_code)));
    }
    return NULL;
}

/* A view of a mapped ELF file: file offset `offset`, for `size` bytes, is at `address`. */
struct code_view {
    const uint8_t *bytes; /* of the whole file */
    uint64_t address, size, offset;
    const uint64_t *starts; /* of functions, as linked */
    size_t start_count;
};

/* The part of a range that the view shows, as file offsets; false when there is none. */
static bool overlap(const struct code_view *view, const struct elf_range *range, uint64_t *ret_from,
                    uint64_t *ret_to) {
    uint64_t view_end = view->offset + view->size, range_end = range->offset + range->size;
    *ret_from = range->offset > view->offset ? range->offset : view->offset;
    *ret_to = range_end < view_end ? range_end : view_end;
    return *ret_from < *ret_to;
}

/* Search what the view shows of one range of code. */
static struct error *scan_range(const struct code_view *view, const struct elf_range *range,
                                struct insn_sites *found) {
    uint64_t from, to;
    if (!overlap(view, range, &from, &to))
        return NULL;
    uint64_t bias = view->address + (range->offset - view->offset) - range->vaddr;
    uint64_t *starts = malloc((view->start_count + 1) * sizeof(*starts));
    if (!starts)
        return &error_no_memory;
    for (size_t i = 0; i < view->start_count; i++)
        starts[i] = view->starts[i] + bias;
    struct error *err = insn_scan(view->bytes + from, to - from, view->address + (from - view->offset),
                                  starts, view->start_count, found);
    free(starts);
    return err;
}

static struct error *scan_image(const struct elf_image *image, struct code_view *view,
                                struct insn_sites *found) {
    struct elf_range *ranges = NULL;
    uint64_t *starts = NULL;
    size_t count = 0;
    struct error *err = elf_function_starts(image, &starts, &view->start_count);
    view->starts = starts;
    if (!err)
        err = elf_code_ranges(image, &ranges, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = scan_range(view, &ranges[i], found);
    free(ranges);
    free(starts);
    return err;
}

/* ---- the loader ----
 *
 * ld.so saves the argument registers around its lazy binding with xsavec or xsave. Those write what the
 * processor holds to be in use, which a context switch may change: memory would differ from run to run (the
 * stale stack at first). Here they become fxsave and fxrstor, which write all they write always, at the same
 * length: glibc's own choice on a processor without xsave, so the loader itself uses no wider register. */

/* The pairs of sysdeps/x86_64/dl-trampoline.h: `op disp8(%rsp)`, whose modrm byte holds the operation. */
static const struct {
    uint8_t code[4], becomes[4];
} loader_rewrites[] = {
    {{0x0f, 0xc7, 0x64, 0x24}, {0x0f, 0xae, 0x44, 0x24}}, /* xsavec: fxsave */
    {{0x0f, 0xae, 0x64, 0x24}, {0x0f, 0xae, 0x44, 0x24}}, /* xsave: fxsave */
    {{0x0f, 0xae, 0x6c, 0x24}, {0x0f, 0xae, 0x4c, 0x24}}, /* xrstor: fxrstor */
};

static const uint8_t *loader_rewrite(const uint8_t *code) {
    for (size_t i = 0; i < sizeof(loader_rewrites) / sizeof(loader_rewrites[0]); i++)
        if (memcmp(code, loader_rewrites[i].code, sizeof(loader_rewrites[i].code)) == 0)
            return loader_rewrites[i].becomes;
    return NULL;
}

static bool is_loader(const struct elf_image *image) {
    uint64_t value;
    struct error *err = elf_dynamic_symbol(image, "_rtld_global", &value);
    error_free(err);
    return !err;
}

static struct error *rewrite(struct recorder *recorder, uint64_t address, const uint8_t *code,
                             const uint8_t *becomes) {
    uint8_t now[4];
    if (task_read(recorder->thread->task, address, now, sizeof(now)) != sizeof(now) ||
        memcmp(now, code, sizeof(now)) != 0)
        return NULL;
    TRY(task_write(recorder->thread->task, address, becomes, sizeof(now)));
    return effects_add(&recorder->effects, EFFECT_PATCH, address, 0, becomes, sizeof(now));
}

static struct error *rewrite_range(struct recorder *recorder, const struct code_view *view,
                                   const struct elf_range *range) {
    uint64_t from, to;
    if (!overlap(view, range, &from, &to))
        return NULL;
    for (uint64_t at = from; at + 4 <= to; at++) {
        const uint8_t *becomes = loader_rewrite(view->bytes + at);
        if (becomes)
            TRY(rewrite(recorder, view->address + (at - view->offset), view->bytes + at, becomes));
    }
    return NULL;
}

static struct error *rewrite_loader(struct recorder *recorder, const struct elf_image *image,
                                    const struct code_view *view) {
    struct elf_range *ranges = NULL;
    size_t count = 0;
    struct error *err = elf_code_ranges(image, &ranges, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = rewrite_range(recorder, view, &ranges[i]);
    free(ranges);
    return err;
}

/* ---- code that is mapped ---- */

/* Code that is in no ELF file is left alone: nothing tells instructions from data there. */
static struct error *scan_bytes(struct recorder *recorder, const uint8_t *bytes, size_t file_size,
                                uint64_t address, uint64_t size, uint64_t offset) {
    struct elf_image image;
    struct insn_sites found = {0};
    struct code_view view = {.bytes = bytes, .address = address, .size = size, .offset = offset};
    struct error *err = elf_image_init(&image, bytes, file_size, "mapped code");
    if (err) {
        error_free(err);
        return NULL;
    }
    err = scan_image(&image, &view, &found);
    if (error_is(err, ERROR_BAD_DATA)) { /* a damaged file that runs all the same: what was found counts */
        error_free(err);
        err = NULL;
    }
    if (!err)
        err = patch_sites(recorder, &found);
    if (!err && is_loader(&image))
        err = rewrite_loader(recorder, &image, &view);
    insn_sites_deinit(&found);
    elf_image_deinit(&image);
    return err;
}

/* The file itself is read, not what is stored of it: tables that tell code from data lie in parts that are
 * mapped later, or never. */
struct error *record_code(struct recorder *recorder, int fd, uint64_t address, uint64_t size,
                          uint64_t offset) {
    struct stat info;
    if (fstat(fd, &info) < 0)
        return error_system(errno, "mapped code");
    void *bytes = info.st_size ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (bytes == MAP_FAILED)
        return NULL;
    struct error *err = scan_bytes(recorder, bytes, (size_t)info.st_size, address, size, offset);
    munmap(bytes, (size_t)info.st_size);
    return err;
}

/* ---- the vdso ---- */

/* Turn the vdso's functions into system calls. */
struct error *record_patch_vdso(struct recorder *recorder, const struct maps *maps) {
    recorder->process->vdso_syscall = 0;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (strcmp(mapping->name, "[vdso]") != 0)
            continue;
        static uint8_t image[8 * PAGE]; /* too large for a small stack */
        struct vdso_patch patches[VDSO_PATCHES_MAX];
        size_t count, size = mapping->end - mapping->start;
        if (size > sizeof(image))
            return error_new(ERROR_UNSUPPORTED, "vdso: larger than expected");
        TRY(task_read_exact(recorder->thread->task, mapping->start, image, size));
        TRY(vdso_patches(image, size, patches, &count));
        for (size_t k = 0; k < count; k++) {
            TRY(task_write(recorder->thread->task, mapping->start + patches[k].offset, patches[k].code,
                           patches[k].size));
            if (patches[k].code[5] == 0x0f && patches[k].code[6] == 0x05) /* mov eax, number; syscall */
                recorder->process->vdso_syscall = mapping->start + patches[k].offset + 5;
        }
    }
    return NULL;
}
