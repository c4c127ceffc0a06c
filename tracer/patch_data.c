#include "tracer/patch_code_state.h"

#include "dwarf/cfi.h"
#include "dwarf/frame.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define WORD 8

/* Most words and entries of tables that are looked at in one module. cc1 has 3 million. */
#define LOOK_MOST (256ull << 20)

struct error *patch_code_note_address(struct patch_code_walk *walk, uint64_t vaddr, bool is_label) {
    if (walk->address_count == walk->address_room) {
        size_t room = walk->address_room ? walk->address_room * 2 : 256;
        struct patch_address *grown = realloc(walk->addresses, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        walk->addresses = grown;
        walk->address_room = room;
    }
    walk->addresses[walk->address_count++] = (struct patch_address){
        .vaddr = vaddr, .function = (uint32_t)(walk->function - walk->code->functions), .is_label = is_label};
    return NULL;
}

bool patch_code_is_tail_call(const struct patch_code_walk *walk, uint64_t vaddr) {
    struct cfi_row row;
    struct error *err = unwind_row(walk->unwind, vaddr, &row);
    if (err) {
        error_free(err);
        return false;
    }
    return row.cfa.kind == CFI_VAL_OFFSET && row.cfa.reg == FRAME_RSP && row.cfa.offset == WORD;
}

/* ---- jump tables ---- */

/* Bytes of the file at vaddr up to the end of its segment, or NULL. */
static const uint8_t *data_at(const struct elf_image *image, uint64_t vaddr, size_t *ret_size) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type != PT_LOAD || vaddr < segment->vaddr || vaddr - segment->vaddr >= segment->filesz)
            continue;
        *ret_size = segment->filesz - (vaddr - segment->vaddr);
        return elf_bytes(image, segment->offset + (vaddr - segment->vaddr), *ret_size);
    }
    return NULL;
}

/* Data leads there. */
static void note_entry(struct patch_code *code, uint64_t vaddr) {
    struct patch_function *function = patch_code_function_of(code, vaddr);
    patch_code_mark(code, vaddr);
    if (function && vaddr != code->low + function->low)
        function->has_table = true;
}

/* The 32-bit offsets at `table`, relative to `base`, as far as they lead to instructions; how many. */
static size_t read_table(struct patch_code_walk *walk, uint64_t table, uint64_t base) {
    struct patch_code *code = walk->code;
    size_t size, count = 0;
    const uint8_t *bytes = data_at(code->image, table, &size);
    for (; bytes && (count + 1) * sizeof(int32_t) <= size && walk->looked_at < LOOK_MOST; count++) {
        int32_t offset;
        memcpy(&offset, bytes + count * sizeof(offset), sizeof(offset));
        uint64_t target = base + (uint64_t)(int64_t)offset;
        if (!patch_code_is_start(code, target))
            break;
        note_entry(code, target);
    }
    walk->looked_at += count;
    return count;
}

/* Each table by itself, and with each label of the function that takes its address. */
static void read_tables(struct patch_code_walk *walk) {
    struct patch_code *code = walk->code;
    for (size_t i = 0; i < walk->address_count; i++) {
        const struct patch_address *address = &walk->addresses[i];
        struct patch_function *function = &code->functions[address->function];
        if (address->is_label)
            continue;
        read_table(walk, address->vaddr, address->vaddr);
        if (!function->has_label || !function->has_jump)
            continue;
        size_t first = i, last = i; /* those of one function stand together */
        while (first && walk->addresses[first - 1].function == address->function)
            first--;
        while (last + 1 < walk->address_count && walk->addresses[last + 1].function == address->function)
            last++;
        for (size_t k = first; k <= last; k++)
            if (walk->addresses[k].is_label && read_table(walk, address->vaddr, walk->addresses[k].vaddr) > 1)
                function->has_label_table = true;
    }
}

/* ---- words ---- */

static bool is_code_offset(const struct patch_code *code, uint64_t offset) {
    for (size_t i = 0; i < code->range_count; i++)
        if (offset >= code->ranges[i].offset && offset - code->ranges[i].offset < code->ranges[i].size)
            return true;
    return false;
}

/* Words that could be addresses. Where the module can lie anywhere they may also be numbers; its relocations
 * tell. */
static void read_words(struct patch_code_walk *walk, const struct elf_segment *segment) {
    struct patch_code *code = walk->code;
    const uint8_t *bytes = elf_bytes(code->image, segment->offset, segment->filesz);
    uint64_t span = code->high - code->low;
    walk->looked_at += bytes ? segment->filesz / WORD : 0;
    if (walk->looked_at > LOOK_MOST)
        return;
    for (uint64_t at = (0 - segment->vaddr) & (WORD - 1); bytes && at + WORD <= segment->filesz; at += WORD) {
        uint64_t value;
        memcpy(&value, bytes + at, sizeof(value));
        if (value - code->low >= span || is_code_offset(code, segment->offset + at))
            continue;
        if (code->image->type == ET_EXEC && patch_code_is_start(code, value))
            note_entry(code, value);
        patch_code_mark(code, value);
    }
}

/* Relocations that make addresses of code: of those with addends the words say nothing. */
static void read_relocations(struct patch_code *code, const struct elf_segment *dynamic) {
    uint64_t table = 0, size = 0;
    const uint8_t *bytes = elf_bytes(code->image, dynamic->offset, dynamic->filesz);
    for (uint64_t at = 0; bytes && at + sizeof(Elf64_Dyn) <= dynamic->filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, bytes + at, sizeof(entry));
        if (entry.d_tag == DT_RELA)
            table = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_RELASZ)
            size = entry.d_un.d_val;
    }
    size_t left = 0;
    const uint8_t *relocations = table ? data_at(code->image, table, &left) : NULL;
    left = left < size ? left : size;
    for (uint64_t at = 0; relocations && at + sizeof(Elf64_Rela) <= left; at += sizeof(Elf64_Rela)) {
        Elf64_Rela relocation;
        memcpy(&relocation, relocations + at, sizeof(relocation));
        if (patch_code_is_start(code, (uint64_t)relocation.r_addend))
            note_entry(code, (uint64_t)relocation.r_addend);
        patch_code_mark(code, (uint64_t)relocation.r_addend);
    }
}

struct error *patch_code_read_data(struct patch_code_walk *walk) {
    const struct elf_image *image = walk->code->image;
    for (size_t i = 0; i < image->segment_count; i++) {
        if (image->segments[i].type == PT_LOAD)
            read_words(walk, &image->segments[i]);
        if (image->segments[i].type == PT_DYNAMIC)
            read_relocations(walk->code, &image->segments[i]);
    }
    read_tables(walk);
    if (walk->looked_at >= LOOK_MOST)
        return error_new(ERROR_UNSUPPORTED, "jump probes: the module has more data than can be searched");
    return NULL;
}
