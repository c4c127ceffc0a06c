/* record_code: what the recorder does about code that is mapped: instructions whose result the program cannot
 * compute for itself become traps, the vdso's functions system calls, and the loader saves registers in a way
 * that is the same each time. */
#include "replay/recorder_state.h"

#include "dwarf/elf.h"
#include "tracer/maps.h"
#include "tracer/process.h"
#include "tracer/vdso.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

/* ---- trapped instructions ---- */

static const uint8_t trap_code[2] = {0x0f, 0x0b}; /* ud2 */
static const uint8_t call_code[2] = {0x0f, 0x05}; /* syscall */

/* Search one range of code of a file. Addresses are offsets into the file. */
static struct error *scan_range(const uint8_t *bytes, size_t size, const struct elf_range *range,
                                const uint64_t *linked_starts, size_t start_count, struct insn_sites *found) {
    uint64_t from = range->offset, to = from + range->size < size ? from + range->size : size;
    if (from >= to)
        return NULL;
    uint64_t bias = range->offset - range->vaddr;
    uint64_t *starts = malloc((start_count + 1) * sizeof(*starts));
    if (!starts)
        return &error_no_memory;
    for (size_t i = 0; i < start_count; i++)
        starts[i] = linked_starts[i] + bias;
    struct error *err = insn_scan(bytes + from, to - from, from, starts, start_count, found);
    free(starts);
    return err;
}

static struct error *scan_image(const struct elf_image *image, const uint8_t *bytes, size_t size,
                                struct insn_sites *found) {
    struct elf_range *ranges = NULL;
    uint64_t *starts = NULL;
    size_t count = 0, start_count = 0;
    struct error *err = elf_function_starts(image, &starts, &start_count);
    if (!err)
        err = elf_code_ranges(image, &ranges, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = scan_range(bytes, size, &ranges[i], starts, start_count, found);
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
#define REWRITE_SIZE 4
static const struct loader_rewrite {
    uint8_t code[REWRITE_SIZE], becomes[REWRITE_SIZE];
} loader_rewrites[] = {
    {{0x0f, 0xc7, 0x64, 0x24}, {0x0f, 0xae, 0x44, 0x24}}, /* xsavec: fxsave */
    {{0x0f, 0xae, 0x64, 0x24}, {0x0f, 0xae, 0x44, 0x24}}, /* xsave: fxsave */
    {{0x0f, 0xae, 0x6c, 0x24}, {0x0f, 0xae, 0x4c, 0x24}}, /* xrstor: fxrstor */
};

static const struct loader_rewrite *find_rewrite(const uint8_t *code) {
    for (size_t i = 0; i < sizeof(loader_rewrites) / sizeof(loader_rewrites[0]); i++)
        if (memcmp(code, loader_rewrites[i].code, REWRITE_SIZE) == 0)
            return &loader_rewrites[i];
    return NULL;
}

static bool is_loader(const struct elf_image *image) {
    uint64_t value;
    struct error *err = elf_dynamic_symbol(image, "_rtld_global", &value);
    error_free(err);
    return !err;
}

/* ---- what is in a file ----
 *
 * Looked for once a file, whatever number of processes map it. */

struct rewrite_site {
    uint64_t offset; /* into the file */
    const struct loader_rewrite *rewrite;
};

struct file_code {
    dev_t device;
    ino_t inode;
    uint64_t size;
    struct timespec mtime, ctime;
    struct insn_sites sites; /* by offset into the file */
    struct rewrite_site *rewrites;
    size_t rewrite_count;
};

/* A build runs programs that it has just made, and never again: the oldest make room. */
#define CODE_FILES_MOST 512

struct code_cache {
    struct file_code files[CODE_FILES_MOST];
    size_t count, next;
};

static void file_code_deinit(struct file_code *code) {
    insn_sites_deinit(&code->sites);
    free(code->rewrites);
    memset(code, 0, sizeof(*code));
}

void record_code_deinit(struct session *session) {
    for (size_t i = 0; session->code && i < session->code->count; i++)
        file_code_deinit(&session->code->files[i]);
    free(session->code);
    session->code = NULL;
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct file_code *find_code(struct code_cache *cache, const struct stat *info) {
    for (size_t i = 0; i < cache->count; i++) {
        struct file_code *code = &cache->files[i];
        if (code->inode == info->st_ino && code->device == info->st_dev &&
            code->size == (uint64_t)info->st_size && same_time(&code->mtime, &info->st_mtim) &&
            same_time(&code->ctime, &info->st_ctim))
            return code;
    }
    return NULL;
}

static struct error *add_rewrite(struct file_code *code, uint64_t offset,
                                 const struct loader_rewrite *rewrite) {
    struct rewrite_site *sites = reallocarray(code->rewrites, code->rewrite_count + 1, sizeof(*sites));
    if (!sites)
        return &error_no_memory;
    code->rewrites = sites;
    sites[code->rewrite_count++] = (struct rewrite_site){.offset = offset, .rewrite = rewrite};
    return NULL;
}

static struct error *find_rewrites(const struct elf_image *image, const uint8_t *bytes, size_t size,
                                   struct file_code *code) {
    struct elf_range *ranges = NULL;
    size_t count = 0;
    struct error *err = elf_code_ranges(image, &ranges, &count);
    for (size_t i = 0; !err && i < count; i++) {
        uint64_t end = ranges[i].offset + ranges[i].size < size ? ranges[i].offset + ranges[i].size : size;
        for (uint64_t at = ranges[i].offset; !err && at + REWRITE_SIZE <= end; at++) {
            const struct loader_rewrite *rewrite = find_rewrite(bytes + at);
            if (rewrite)
                err = add_rewrite(code, at, rewrite);
        }
    }
    free(ranges);
    return err;
}

/* Code that is in no ELF file is left alone: nothing tells instructions from data there. */
static struct error *search_bytes(const uint8_t *bytes, size_t size, struct file_code *code) {
    struct elf_image image;
    struct error *err = elf_image_init(&image, bytes, size, "mapped code");
    if (err) {
        error_free(err);
        return NULL;
    }
    err = scan_image(&image, bytes, size, &code->sites);
    if (error_is(err, ERROR_BAD_DATA)) { /* a damaged file that runs all the same: what was found counts */
        error_free(err);
        err = NULL;
    }
    if (!err && is_loader(&image))
        err = find_rewrites(&image, bytes, size, code);
    elf_image_deinit(&image);
    return err;
}

/* The file itself is read, not what is stored of it: tables that tell code from data lie in parts that are
 * mapped later, or never. */
static struct error *search_file(int fd, const struct stat *info, struct file_code *code) {
    *code = (struct file_code){.device = info->st_dev,
                               .inode = info->st_ino,
                               .size = (uint64_t)info->st_size,
                               .mtime = info->st_mtim,
                               .ctime = info->st_ctim};
    void *bytes =
        info->st_size ? mmap(NULL, (size_t)info->st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (bytes == MAP_FAILED)
        return NULL;
    struct error *err = search_bytes(bytes, (size_t)info->st_size, code);
    munmap(bytes, (size_t)info->st_size);
    return err;
}

static struct error *get_code(struct session *session, int fd, const struct file_code **ret) {
    struct stat info;
    struct file_code found;
    if (fstat(fd, &info) < 0)
        return error_system(errno, "mapped code");
    if (!session->code)
        session->code = calloc(1, sizeof(*session->code));
    struct code_cache *cache = session->code;
    if (!cache)
        return &error_no_memory;
    *ret = find_code(cache, &info);
    if (*ret)
        return NULL;
    struct error *err = search_file(fd, &info, &found);
    if (err) {
        file_code_deinit(&found);
        return err;
    }
    struct file_code *place = &cache->files[cache->next++ % CODE_FILES_MOST];
    if (cache->count < CODE_FILES_MOST)
        cache->count++;
    else
        file_code_deinit(place);
    *place = found;
    *ret = place;
    return NULL;
}

/* ---- code that is mapped ---- */

/* Put the trap at `address`, unless the program has changed its copy of this code. */
static struct error *patch_site(struct recorder *recorder, struct insn_site site, uint64_t address) {
    uint8_t code[INSN_MAX];
    site.address = address;
    if (insn_sites_find(&recorder->thread->process->sites, address))
        return NULL; /* trapped already: mprotect made the same code executable once more */
    if (task_read(recorder->thread->task, address, code, site.length) != site.length ||
        memcmp(code, site.bytes, site.length) != 0)
        return NULL;
    TRY(task_write(recorder->thread->task, address, trap_code, sizeof(trap_code)));
    TRY(insn_sites_add(&recorder->thread->process->sites, &site));
    return effects_add(&recorder->effects, EFFECT_PATCH, address, 0, trap_code, sizeof(trap_code));
}

static struct error *rewrite(struct recorder *recorder, const struct loader_rewrite *how, uint64_t address) {
    uint8_t now[REWRITE_SIZE];
    if (task_read(recorder->thread->task, address, now, sizeof(now)) != sizeof(now) ||
        memcmp(now, how->code, sizeof(now)) != 0)
        return NULL;
    TRY(task_write(recorder->thread->task, address, how->becomes, sizeof(now)));
    return effects_add(&recorder->effects, EFFECT_PATCH, address, 0, how->becomes, sizeof(now));
}

/* Does [at, at + length) of a file lie in [offset, offset + size) of it? */
static bool is_shown(uint64_t at, uint64_t length, uint64_t offset, uint64_t size) {
    return at >= offset && at - offset < size && length <= size - (at - offset);
}

struct error *record_code(struct recorder *recorder, int fd, uint64_t address, uint64_t size,
                          uint64_t offset) {
    const struct file_code *code;
    TRY(get_code(recorder->session, fd, &code));
    for (size_t i = 0; i < code->sites.count; i++) {
        const struct insn_site *site = &code->sites.sites[i];
        if (is_shown(site->address, site->length, offset, size))
            TRY(patch_site(recorder, *site, address + (site->address - offset)));
    }
    for (size_t i = 0; i < code->rewrite_count; i++)
        if (is_shown(code->rewrites[i].offset, REWRITE_SIZE, offset, size))
            TRY(rewrite(recorder, code->rewrites[i].rewrite, address + (code->rewrites[i].offset - offset)));
    return NULL;
}

/* ---- the vdso ---- */

/* The call of a patched function is a site that becomes a trap when somebody would judge it. */
static struct error *add_vdso_call(struct recorder *recorder, uint64_t function) {
    const struct insn_site site = {.address = function + VDSO_CALL,
                                   .kind = INSN_VDSO,
                                   .length = sizeof(call_code),
                                   .bytes = {call_code[0], call_code[1]}};
    recorder->thread->process->vdso_syscall = function + VDSO_SECOND_CALL;
    return insn_sites_add(&recorder->thread->process->sites, &site);
}

struct error *record_guard_vdso(struct task *task, const struct insn_sites *sites, struct effects *effects) {
    uint8_t code[sizeof(call_code)];
    if (!process_same_namespace(task->tid, getpid(), "time")) /* whose clocks reel does not see */
        return NULL;
    for (size_t i = 0; i < sites->count; i++) {
        const struct insn_site *site = &sites->sites[i];
        if (site->kind != INSN_VDSO || task_read(task, site->address, code, sizeof(code)) != sizeof(code) ||
            memcmp(code, call_code, sizeof(code)) != 0)
            continue;
        TRY(task_write(task, site->address, trap_code, sizeof(trap_code)));
        if (effects)
            TRY(effects_add(effects, EFFECT_PATCH, site->address, 0, trap_code, sizeof(trap_code)));
    }
    return NULL;
}

/* Turn the vdso's functions into system calls. */
struct error *record_patch_vdso(struct recorder *recorder, const struct maps *maps) {
    recorder->thread->process->vdso_syscall = recorder->thread->process->loop = 0;
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
            if (patches[k].calls)
                TRY(add_vdso_call(recorder, mapping->start + patches[k].offset));
            if (patches[k].loops)
                recorder->thread->process->loop = mapping->start + patches[k].offset;
        }
    }
    return recorder->thread->task->filtered || recorder->thread->task->strict
               ? record_guard_vdso(recorder->thread->task, &recorder->thread->process->sites, NULL)
               : NULL;
}
