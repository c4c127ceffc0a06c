#include "dwarf/elf.h"

#include "base/cursor.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_NAME "ELF image"

static struct error *read_segments(struct elf_image *image, struct cursor *cursor, size_t count) {
    /* The headers must be there before memory for them is: a count alone proves nothing. */
    if (count > cursor_left(cursor) / sizeof(Elf64_Phdr)) {
        cursor_fail(cursor);
        return cursor_check(cursor);
    }
    struct elf_segment *segments = calloc(count ? count : 1, sizeof(*segments));
    if (!segments)
        return &error_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct elf_segment *segment = &segments[i];
        segment->type = cursor_u32(cursor);
        segment->flags = cursor_u32(cursor);
        segment->offset = cursor_u64(cursor);
        segment->vaddr = cursor_u64(cursor);
        cursor_u64(cursor); /* physical address */
        segment->filesz = cursor_u64(cursor);
        segment->memsz = cursor_u64(cursor);
        segment->align = cursor_u64(cursor);
    }
    image->segments = segments;
    image->segment_count = count;
    return NULL;
}

struct error *elf_image_init(struct elf_image *image, const void *data, size_t size, const char *name) {
    struct cursor cursor;
    cursor_init(&cursor, data, size, name);
    const Elf64_Ehdr *bytes = cursor_bytes(&cursor, sizeof(*bytes));
    if (!bytes || memcmp(bytes->e_ident, ELFMAG, SELFMAG))
        return error_new(ERROR_BAD_DATA, "%s: not an ELF file", name);
    Elf64_Ehdr header; /* a copy: the data need not be aligned */
    memcpy(&header, bytes, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64)
        return error_new(ERROR_UNSUPPORTED, "%s: not a 64-bit x86-64 ELF file", name);
    if (header.e_phnum && (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == PN_XNUM))
        return error_new(ERROR_BAD_DATA, "%s: program headers of a wrong size or number", name);

    struct elf_image made = {.data = data, .size = size, .type = header.e_type, .entry = header.e_entry};
    cursor_seek(&cursor, header.e_phnum ? header.e_phoff : 0);
    TRY(cursor_check(&cursor));
    TRY(read_segments(&made, &cursor, header.e_phnum));
    *image = made;
    return NULL;
}

void elf_image_deinit(struct elf_image *image) {
    free(image->segments);
    memset(image, 0, sizeof(*image));
}

/* Translate value from the range [from, from + size) to the one that begins at to. */
static bool translate(uint64_t value, uint64_t from, uint64_t size, uint64_t to, uint64_t *ret) {
    if (value < from || value - from >= size || value - from > UINT64_MAX - to)
        return false;
    *ret = to + (value - from);
    return true;
}

bool elf_offset_to_vaddr(const struct elf_image *image, uint64_t offset, uint64_t *ret) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type == PT_LOAD &&
            translate(offset, segment->offset, segment->filesz, segment->vaddr, ret))
            return true;
    }
    return false;
}

bool elf_vaddr_to_offset(const struct elf_image *image, uint64_t vaddr, uint64_t *ret) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type == PT_LOAD &&
            translate(vaddr, segment->vaddr, segment->filesz, segment->offset, ret))
            return true;
    }
    return false;
}

const void *elf_bytes(const struct elf_image *image, uint64_t offset, uint64_t size) {
    if (offset > image->size || size > image->size - offset)
        return NULL;
    return image->data + offset;
}

const struct elf_segment *elf_find_segment(const struct elf_image *image, uint32_t type) {
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].type == type)
            return &image->segments[i];
    return NULL;
}

/* A cursor over the bytes of the file that are in the segment; failed when they are not all there. */
static void segment_cursor(struct cursor *cursor, const struct elf_image *image,
                           const struct elf_segment *segment) {
    cursor_init(cursor, image->data, image->size, IMAGE_NAME);
    cursor_seek(cursor, segment->offset);
    const void *bytes = cursor_bytes(cursor, segment->filesz);
    if (bytes)
        cursor_init(cursor, bytes, segment->filesz, IMAGE_NAME);
}

size_t elf_section_count(const struct elf_image *image) {
    Elf64_Ehdr header;
    memcpy(&header, image->data, sizeof(header));
    size_t count = header.e_shentsize == sizeof(Elf64_Shdr) ? header.e_shnum : 0;
    return elf_bytes(image, header.e_shoff, count * sizeof(Elf64_Shdr)) ? count : 0;
}

bool elf_section(const struct elf_image *image, size_t index, struct elf_section *ret) {
    if (index >= elf_section_count(image))
        return false;
    Elf64_Ehdr header;
    Elf64_Shdr section;
    memcpy(&header, image->data, sizeof(header));
    memcpy(&section, image->data + header.e_shoff + index * sizeof(section), sizeof(section));
    *ret = (struct elf_section){.name = section.sh_name,
                                .type = section.sh_type,
                                .flags = section.sh_flags,
                                .vaddr = section.sh_addr,
                                .offset = section.sh_offset,
                                .size = section.sh_size};
    return true;
}

bool elf_find_section(const struct elf_image *image, const char *name, struct elf_section *ret) {
    Elf64_Ehdr header;
    struct elf_section names, section;
    memcpy(&header, image->data, sizeof(header));
    if (!elf_section(image, header.e_shstrndx, &names))
        return false;
    const uint8_t *strings = elf_bytes(image, names.offset, names.size);
    size_t size = strlen(name) + 1; /* the NUL is compared, too */
    for (size_t i = 1; strings && elf_section(image, i, &section); i++)
        if (section.name < names.size && names.size - section.name >= size &&
            memcmp(strings + section.name, name, size) == 0) {
            *ret = section;
            return true;
        }
    return false;
}

/* Is the range inside the image, and are there so many bytes left to give out? Thousands of ranges that
 * overlap would make work without end. */
static bool claim(const struct elf_image *image, const struct elf_range *range, uint64_t *left) {
    if (!range->size || !elf_bytes(image, range->offset, range->size) ||
        range->vaddr > UINT64_MAX - range->size || range->size > *left)
        return false;
    *left -= range->size;
    return true;
}

/* Put the executable sections into ranges, which has room for all sections; returns how many, 0 when the
 * table is not sound. */
static size_t read_code_sections(const struct elf_image *image, struct elf_range *ranges) {
    size_t count = 0;
    uint64_t left = image->size;
    struct elf_section section;
    for (size_t i = 0; elf_section(image, i, &section); i++) {
        if (section.type != SHT_PROGBITS || !(section.flags & SHF_EXECINSTR) || !section.size)
            continue;
        ranges[count] = (struct elf_range){section.offset, section.vaddr, section.size};
        if (!claim(image, &ranges[count++], &left))
            return 0;
    }
    return count;
}

static size_t read_code_segments(const struct elf_image *image, struct elf_range *ranges) {
    size_t count = 0;
    uint64_t left = image->size;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type != PT_LOAD || !(segment->flags & PF_X))
            continue;
        ranges[count] = (struct elf_range){segment->offset, segment->vaddr, segment->filesz};
        count += claim(image, &ranges[count], &left);
    }
    return count;
}

struct error *elf_code_ranges(const struct elf_image *image, struct elf_range **ret, size_t *ret_count) {
    size_t room = elf_section_count(image) + image->segment_count;
    struct elf_range *ranges = calloc(room ? room : 1, sizeof(*ranges));
    if (!ranges)
        return &error_no_memory;
    size_t count = read_code_sections(image, ranges);
    if (!count)
        count = read_code_segments(image, ranges);
    *ret = ranges;
    *ret_count = count;
    return NULL;
}

/* The dynamic symbol table, bounds checked: count symbols are there, the last byte of strings is NUL. */
struct symbol_table {
    const uint8_t *symbols;
    size_t count;
    const char *strings;
    size_t strings_size;
};

/* What PT_DYNAMIC says; 0 where it says nothing. */
struct dynamic {
    uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

static struct error *damaged(const char *what) {
    return error_new(ERROR_BAD_DATA, "%s: damaged %s", IMAGE_NAME, what);
}

static struct error *read_dynamic(const struct elf_image *image, struct dynamic *ret) {
    const struct elf_segment *segment = elf_find_segment(image, PT_DYNAMIC);
    if (!segment)
        return error_new(ERROR_NOT_FOUND, "%s: no dynamic section", IMAGE_NAME);
    struct cursor cursor;
    segment_cursor(&cursor, image, segment);
    TRY(cursor_check(&cursor));
    struct dynamic dynamic = {0};
    while (cursor_left(&cursor) >= sizeof(Elf64_Dyn)) {
        uint64_t tag = cursor_u64(&cursor);
        uint64_t value = cursor_u64(&cursor);
        switch (tag) {
        case DT_NULL:
            *ret = dynamic;
            return NULL;
        case DT_SYMTAB:
            dynamic.symbols = value;
            break;
        case DT_STRTAB:
            dynamic.strings = value;
            break;
        case DT_STRSZ:
            dynamic.strings_size = value;
            break;
        case DT_HASH:
            dynamic.hash = value;
            break;
        case DT_GNU_HASH:
            dynamic.gnu_hash = value;
            break;
        }
    }
    return damaged("dynamic section");
}

/* A cursor from this linked address to the end of the file; failed when no segment holds the address. */
static void vaddr_cursor(struct cursor *cursor, const struct elf_image *image, uint64_t vaddr) {
    uint64_t offset = 0;
    cursor_init(cursor, image->data, image->size, IMAGE_NAME);
    if (elf_vaddr_to_offset(image, vaddr, &offset))
        cursor_seek(cursor, offset);
    else
        cursor_fail(cursor);
}

/* The number of symbols from DT_HASH (gABI, "Hash Table"): one chain word a symbol. */
static size_t count_by_hash(struct cursor *cursor) {
    cursor_u32(cursor); /* buckets */
    return cursor_u32(cursor);
}

/* The same from DT_GNU_HASH, which does not say it: the end of the chain that begins last. */
static size_t count_by_gnu_hash(struct cursor *cursor) {
    uint32_t bucket_count = cursor_u32(cursor);
    uint32_t first_hashed = cursor_u32(cursor);
    uint32_t bloom_words = cursor_u32(cursor);
    cursor_u32(cursor); /* bloom shift */
    cursor_bytes(cursor, (size_t)bloom_words * 8);
    uint32_t last = 0;
    for (uint32_t i = 0; i < bucket_count && !cursor->failed; i++) {
        uint32_t bucket = cursor_u32(cursor);
        if (bucket > last)
            last = bucket;
    }
    if (last < first_hashed)
        return first_hashed;
    cursor_bytes(cursor, (size_t)(last - first_hashed) * 4);
    size_t count = last;
    bool more = true;
    while (more && !cursor->failed) {
        more = !(cursor_u32(cursor) & 1);
        count++;
    }
    return count;
}

static struct error *count_symbols(const struct elf_image *image, const struct dynamic *dynamic,
                                   size_t *ret) {
    struct cursor cursor;
    vaddr_cursor(&cursor, image, dynamic->hash ? dynamic->hash : dynamic->gnu_hash);
    size_t count = dynamic->hash ? count_by_hash(&cursor) : count_by_gnu_hash(&cursor);
    if (cursor.failed)
        return damaged("symbol hash table");
    *ret = count;
    return NULL;
}

static struct error *symbol_table_init(struct symbol_table *table, const struct elf_image *image) {
    struct dynamic dynamic = {0};
    TRY(read_dynamic(image, &dynamic));
    if (!dynamic.symbols || !dynamic.strings || !(dynamic.hash || dynamic.gnu_hash))
        return error_new(ERROR_NOT_FOUND, "%s: no dynamic symbols", IMAGE_NAME);
    struct symbol_table made;
    TRY(count_symbols(image, &dynamic, &made.count));
    struct cursor cursor;
    vaddr_cursor(&cursor, image, dynamic.symbols);
    if (made.count > cursor_left(&cursor) / sizeof(Elf64_Sym))
        return damaged("symbol table");
    made.symbols = cursor_bytes(&cursor, made.count * sizeof(Elf64_Sym));

    vaddr_cursor(&cursor, image, dynamic.strings);
    made.strings = cursor_bytes(&cursor, dynamic.strings_size);
    made.strings_size = dynamic.strings_size;
    /* With a NUL at the end every name that begins inside also ends inside. */
    if (!made.symbols || !made.strings || !made.strings_size || made.strings[made.strings_size - 1])
        return damaged("string table");
    *table = made;
    return NULL;
}

/* Read symbol number index; false when it is undefined or no address. */
static bool symbol_table_read(const struct symbol_table *table, size_t index, struct elf_symbol *ret) {
    Elf64_Sym symbol;
    memcpy(&symbol, table->symbols + index * sizeof(symbol), sizeof(symbol));
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= table->strings_size)
        return false;
    if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS || symbol.st_shndx == SHN_ABS)
        return false;
    *ret = (struct elf_symbol){.name = table->strings + symbol.st_name,
                               .value = symbol.st_value,
                               .size = symbol.st_size,
                               .type = ELF64_ST_TYPE(symbol.st_info)};
    return true;
}

struct error *elf_dynamic_symbol(const struct elf_image *image, const char *name, uint64_t *ret) {
    struct symbol_table table;
    TRY(symbol_table_init(&table, image));
    for (size_t i = 0; i < table.count; i++) {
        struct elf_symbol symbol;
        if (symbol_table_read(&table, i, &symbol) && !strcmp(symbol.name, name)) {
            *ret = symbol.value;
            return NULL;
        }
    }
    return error_new(ERROR_NOT_FOUND, "%s: no such symbol", name);
}

struct error *elf_dynamic_symbols(const struct elf_image *image, struct elf_symbol **ret, size_t *ret_count) {
    struct symbol_table table;
    TRY(symbol_table_init(&table, image));
    struct elf_symbol *symbols = calloc(table.count ? table.count : 1, sizeof(*symbols));
    if (!symbols)
        return &error_no_memory;
    size_t count = 0;
    for (size_t i = 0; i < table.count; i++)
        count += symbol_table_read(&table, i, &symbols[count]);
    *ret = symbols;
    *ret_count = count;
    return NULL;
}
