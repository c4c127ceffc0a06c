#include "tracer/vdso.h"

#include "dwarf/elf.h"
#include "tracer/handover.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define KNOWN_PREFIX "__vdso_"

/* Instead of a system call number: the function answers ENOSYS. */
#define NUMBER_NONE (-1)

/* The system call that each function of the vdso becomes. */
static const struct vdso_row {
    const char *symbol;
    int number;
} rows[] = {
    {"__vdso_clock_gettime", SYS_clock_gettime},
    {"__vdso_clock_getres", SYS_clock_getres},
    {"__vdso_gettimeofday", SYS_gettimeofday},
    {"__vdso_time", SYS_time},
    {"__vdso_getcpu", SYS_getcpu},
    {"__vdso_getrandom", NUMBER_NONE},
};

static const struct vdso_row *find_row(const char *symbol) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(rows[i].symbol, symbol))
            return &rows[i];
    return NULL;
}

/* These yield nothing that a program could not compute, so they stay as they are. */
static bool is_harmless(const char *symbol) {
    return !strcmp(symbol, "__vdso_sgx_enter_enclave") || strstr(symbol, "sigreturn");
}

static void put_syscall(struct vdso_patch *patch, int number) {
    uint8_t code[] = {0xb8, 0,    0, 0, 0, /* mov $number,%eax */
                      0x0f, 0x05,          /* syscall */
                      0xc3,                /* ret */
                      0x0f, 0x05,          /* syscall, when the first has become a trap: vdso_answer() */
                      0xc3};               /* ret */
    memcpy(code + 1, &number, sizeof(number));
    memcpy(patch->code, code, sizeof(code));
    patch->size = sizeof(code);
    patch->calls = true;
}

static void put_not_implemented(struct vdso_patch *patch) {
    uint8_t code[] = {0x48, 0xc7, 0xc0, 0, 0, 0, 0, /* mov $-ENOSYS,%rax */
                      0xc3};                        /* ret */
    int32_t result = -ENOSYS;
    memcpy(code + 3, &result, sizeof(result));
    memcpy(patch->code, code, sizeof(code));
    patch->size = sizeof(code);
}

/* Would a patch of this size at symbol spoil its neighbour? A function that is shorter than its patch has
 * padding behind it, unless another begins there. */
static bool fits(const struct elf_symbol *symbol, size_t size, const struct elf_symbol *all, size_t count) {
    if (symbol->size >= size)
        return true;
    for (size_t i = 0; i < count; i++)
        if (all[i].value > symbol->value && all[i].value - symbol->value < size)
            return false;
    return true;
}

static bool has_patch_at(const struct vdso_patch *patches, size_t count, uint64_t offset) {
    for (size_t i = 0; i < count; i++)
        if (patches[i].offset == offset)
            return true;
    return false;
}

static struct error *make_patch(const struct elf_image *image, const struct vdso_row *row,
                                const struct elf_symbol *symbol, struct vdso_patch *ret) {
    struct vdso_patch patch = {0};
    if (row->number == NUMBER_NONE)
        put_not_implemented(&patch);
    else
        put_syscall(&patch, row->number);
    if (!elf_vaddr_to_offset(image, symbol->value, &patch.offset) || patch.offset > image->size ||
        patch.size > image->size - patch.offset)
        return error_new(ERROR_BAD_DATA, "vdso: %s lies outside", symbol->name);
    *ret = patch;
    return NULL;
}

/* The loop goes into what is left of a long function: where nobody comes by, as its beginning returns. */
#define LOOP_OFFSET 32
static void put_loop(const struct elf_symbol *symbol, const struct vdso_patch *patch,
                     struct vdso_patch *ret) {
    if (symbol->size < LOOP_OFFSET + HANDOVER_LOOP_SIZE)
        return;
    *ret =
        (struct vdso_patch){.offset = patch->offset + LOOP_OFFSET, .size = HANDOVER_LOOP_SIZE, .loops = true};
    memcpy(ret->code, handover_loop, HANDOVER_LOOP_SIZE);
}

/* Make the patches for all symbols; patches holds VDSO_PATCHES_MAX. */
static struct error *patch_symbols(const struct elf_image *image, const struct elf_symbol *symbols,
                                   size_t symbol_count, struct vdso_patch *patches, size_t *ret_count) {
    size_t count = 0;
    struct vdso_patch loop = {0};
    for (size_t i = 0; i < symbol_count; i++) {
        const struct elf_symbol *symbol = &symbols[i];
        if (strncmp(symbol->name, KNOWN_PREFIX, strlen(KNOWN_PREFIX)) || is_harmless(symbol->name))
            continue;
        const struct vdso_row *row = find_row(symbol->name);
        if (!row)
            return error_new(ERROR_UNSUPPORTED, "vdso: %s is not known to reel", symbol->name);
        struct vdso_patch patch;
        TRY(make_patch(image, row, symbol, &patch));
        if (!fits(symbol, patch.size, symbols, symbol_count))
            return error_new(ERROR_UNSUPPORTED, "vdso: %s is too short to patch", symbol->name);
        if (has_patch_at(patches, count, patch.offset))
            continue;
        if (count == VDSO_PATCHES_MAX)
            return error_new(ERROR_BAD_DATA, "vdso: more functions than names");
        patches[count++] = patch;
        if (!loop.loops)
            put_loop(symbol, &patch, &loop);
    }
    if (loop.loops && count < VDSO_PATCHES_MAX && loop.offset + loop.size <= image->size)
        patches[count++] = loop;
    *ret_count = count;
    return NULL;
}

struct error *vdso_patches(const uint8_t *image, size_t size, struct vdso_patch ret[VDSO_PATCHES_MAX],
                           size_t *ret_count) {
    struct elf_image elf;
    TRY(elf_image_init(&elf, image, size, "vdso"));
    struct elf_symbol *symbols = NULL;
    size_t symbol_count = 0, count = 0;
    struct vdso_patch patches[VDSO_PATCHES_MAX];
    struct error *err = elf_dynamic_symbols(&elf, &symbols, &symbol_count);
    if (!err)
        err = patch_symbols(&elf, symbols, symbol_count, patches, &count);
    free(symbols);
    elf_image_deinit(&elf);
    if (err)
        return err;
    memcpy(ret, patches, count * sizeof(patches[0]));
    *ret_count = count;
    return NULL;
}
