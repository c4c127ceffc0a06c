/* dwarf/elf: what it reads from real images agrees with the dynamic linker; damaged ones are refused and
 * never read beyond. */
#include "dwarf/elf.h"

#include <check.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- real images ---- */

struct file {
    void *data;
    size_t size;
    struct elf_image image;
};

static void file_open(struct file *file, const char *name) {
    struct stat info;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0 && !fstat(fd, &info), "cannot open %s", name);
    file->size = (size_t)info.st_size;
    file->data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(file->data, MAP_FAILED);
    close(fd);
    ck_assert_ptr_null(elf_image_init(&file->image, file->data, file->size, name));
}

static void file_close(struct file *file) {
    elf_image_deinit(&file->image);
    munmap(file->data, file->size);
}

static bool has_value(const uint64_t *values, size_t count, uint64_t value) {
    for (size_t i = 0; i < count; i++)
        if (values[i] == value)
            return true;
    return false;
}

__attribute__((noinline)) static int some_function(int n) {
    return n * 3 + 1;
}

/* Where this program is, and the same place in its file. */
static uint64_t own_base(void) {
    Dl_info info;
    int (*function)(int) = some_function;
    void *address;
    memcpy(&address, &function, sizeof(address));
    ck_assert_int_ne(dladdr(address, &info), 0);
    return (uint64_t)info.dli_fbase;
}

START_TEST(headers_of_this_program) {
    struct file file;
    file_open(&file, "/proc/self/exe");
    ck_assert_uint_eq(file.image.type, ET_DYN);
    ck_assert_uint_eq(file.image.entry + own_base(), getauxval(AT_ENTRY));
    ck_assert_uint_eq(file.image.segment_count, getauxval(AT_PHNUM));
    ElfW(Phdr) *headers = (void *)getauxval(AT_PHDR);
    for (size_t i = 0; i < file.image.segment_count; i++) {
        const struct elf_segment *segment = &file.image.segments[i];
        ck_assert_uint_eq(segment->type, headers[i].p_type);
        ck_assert_uint_eq(segment->flags, headers[i].p_flags);
        ck_assert_uint_eq(segment->offset, headers[i].p_offset);
        ck_assert_uint_eq(segment->vaddr, headers[i].p_vaddr);
        ck_assert_uint_eq(segment->filesz, headers[i].p_filesz);
        ck_assert_uint_eq(segment->memsz, headers[i].p_memsz);
    }
    file_close(&file);
}
END_TEST

START_TEST(function_starts_of_this_program) {
    struct file file;
    uint64_t *starts;
    size_t count;
    file_open(&file, "/proc/self/exe");
    ck_assert_ptr_null(elf_function_starts(&file.image, &starts, &count));
    ck_assert_uint_gt(count, 10);
    for (size_t i = 1; i < count; i++)
        ck_assert_uint_lt(starts[i - 1], starts[i]);
    ck_assert(has_value(starts, count, file.image.entry));
    int (*function)(int) = some_function;
    uint64_t address;
    memcpy(&address, &function, sizeof(address));
    ck_assert(has_value(starts, count, address - own_base()));
    ck_assert(!has_value(starts, count, address - own_base() + 1));
    ck_assert_int_eq(some_function(1), 4);
    free(starts);
    file_close(&file);
}
END_TEST

START_TEST(addresses_and_offsets_translate_both_ways) {
    struct file file;
    uint64_t offset, vaddr;
    file_open(&file, "/proc/self/exe");
    static const char marker[] = "a text that is in the file once";
    uint64_t linked = (uint64_t)marker - own_base();
    ck_assert(elf_vaddr_to_offset(&file.image, linked, &offset));
    ck_assert_str_eq((const char *)file.data + offset, marker);
    ck_assert(elf_offset_to_vaddr(&file.image, offset, &vaddr));
    ck_assert_uint_eq(vaddr, linked);
    ck_assert(!elf_vaddr_to_offset(&file.image, UINT64_MAX, &offset));
    ck_assert(!elf_offset_to_vaddr(&file.image, UINT64_MAX, &vaddr));
    ck_assert(!elf_offset_to_vaddr(&file.image, file.size, &vaddr));
    file_close(&file);
}
END_TEST

START_TEST(code_ranges_hold_the_code) {
    struct file file;
    struct elf_range *ranges;
    size_t count;
    file_open(&file, "/proc/self/exe");
    ck_assert_ptr_null(elf_code_ranges(&file.image, &ranges, &count));
    bool holds_entry = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t vaddr;
        holds_entry |= file.image.entry - ranges[i].vaddr < ranges[i].size;
        ck_assert(elf_offset_to_vaddr(&file.image, ranges[i].offset, &vaddr));
        ck_assert_uint_eq(vaddr, ranges[i].vaddr);
        ck_assert_uint_le(ranges[i].offset + ranges[i].size, file.size);
    }
    ck_assert(holds_entry);
    free(ranges);
    file_close(&file);
}
END_TEST

static int only_here = 4;

START_TEST(static_symbols) {
    struct file file;
    Dl_info info;
    uint64_t value = 99;
    ck_assert_int_ne(dladdr(&only_here, &info), 0);
    file_open(&file, "/proc/self/exe");
    ck_assert_ptr_null(elf_static_symbol(&file.image, "only_here", &value));
    uint64_t base = file.image.type == 2 /* ET_EXEC */ ? 0 : (uint64_t)info.dli_fbase;
    ck_assert_uint_eq(value + base, (uint64_t)&only_here);
    struct error *err = elf_static_symbol(&file.image, "only_here_", &value);
    ck_assert(error_is(err, ERROR_NOT_FOUND));
    error_free(err);
    file_close(&file);
}
END_TEST

/* Symbols of libc as the dynamic linker finds them, too (DT_GNU_HASH alone, or DT_HASH as well, as the
 * distribution has it). Not functions that are chosen at load time. */
START_TEST(dynamic_symbols_of_libc) {
    static const char *const names[] = {"getpid", "malloc", "qsort", "environ"};
    Dl_info info;
    struct file file;
    ck_assert_int_ne(dladdr(dlsym(RTLD_DEFAULT, "getpid"), &info), 0);
    file_open(&file, info.dli_fname);
    void *libc = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    ck_assert_ptr_nonnull(libc);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t value;
        ck_assert_ptr_null(elf_dynamic_symbol(&file.image, names[i], &value));
        if (strcmp(names[i], "malloc")) /* a sanitizer has its own */
            ck_assert_uint_eq(value + (uint64_t)info.dli_fbase, (uint64_t)dlsym(libc, names[i]));
    }
    uint64_t value = 99;
    struct error *err = elf_dynamic_symbol(&file.image, "no_such_symbol", &value);
    ck_assert(error_is(err, ERROR_NOT_FOUND));
    ck_assert_uint_eq(value, 99);
    error_free(err);
    dlclose(libc);
    file_close(&file);
}
END_TEST

START_TEST(symbols_of_the_vdso) {
    const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *header = (const void *)vdso;
    struct elf_image image;
    struct elf_symbol *symbols;
    size_t count;
    uint64_t value;
    bool found = false;
    ck_assert_ptr_null(elf_image_init(
        &image, vdso, header->e_shoff + (size_t)header->e_shnum * header->e_shentsize, "vdso"));
    ck_assert_ptr_null(elf_dynamic_symbol(&image, "__vdso_clock_gettime", &value));
    ck_assert_ptr_null(elf_dynamic_symbols(&image, &symbols, &count));
    for (size_t i = 0; i < count; i++)
        if (!strcmp(symbols[i].name, "__vdso_clock_gettime")) {
            found = true;
            ck_assert_uint_eq(symbols[i].value, value);
            ck_assert_uint_gt(symbols[i].size, 0);
        }
    ck_assert(found);
    free(symbols);
    elf_image_deinit(&image);
}
END_TEST

/* ---- an image made by hand, and what can be wrong with it ---- */

enum { ROWS = 3, SYMBOLS = 4, LINKED_AT = 0x10000 };

/* Its code, and what says that a function starts there. */
enum {
    CODE = LINKED_AT + 0x40,
    CODE_SIZE = 0x20,
    FROM_DYNAMIC = CODE,
    FROM_TABLE = CODE + 1, /* ROWS of them */
    FROM_FRAMES = CODE + 8,
    FROM_MORE_FRAMES = CODE + 9,
    FROM_SYMBOLS = CODE + 16,
    FROM_ENTRY = CODE + CODE_SIZE - 1,
};

/* Of the section table. */
enum { TEXT = 1, NAMES, EH_FRAME, SYMTAB, SECTIONS };

struct tiny {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    Elf64_Shdr sections[SECTIONS];
    char names[16];
    uint8_t eh_frame[128];
    Elf64_Sym local_symbols[SYMBOLS];
    struct {
        uint8_t version, frame_encoding, count_encoding, table_encoding;
        int32_t frame;
        uint32_t count;
        struct {
            int32_t start, entry;
        } rows[ROWS];
    } frames;
    uint32_t padding;
    Elf64_Dyn dynamic[6];
    Elf64_Sym symbols[SYMBOLS];
    uint32_t hash[2 + 1 + SYMBOLS];
    uint32_t gnu_hash[4 + 2 + 2 + 3];
    char strings[32];
};

#define VADDR(member) (LINKED_AT + offsetof(struct tiny, member))

static Elf64_Phdr segment(uint32_t type, size_t offset, size_t size) {
    return (Elf64_Phdr){.p_type = type,
                        .p_flags = PF_R | PF_X,
                        .p_offset = offset,
                        .p_vaddr = LINKED_AT + offset,
                        .p_filesz = size,
                        .p_memsz = size};
}

static void make_hashes(struct tiny *tiny) {
    tiny->hash[0] = 1;
    tiny->hash[1] = SYMBOLS;
    /* 2 buckets, symbols from 1 on, 1 bloom word; bucket 0: symbol 1; bucket 1: symbols 2 and 3, the end of
     * the chain is odd */
    static const uint32_t words[] = {2, 1, 1, 6, ~0u, ~0u, 1, 2, 1, 0x10, 0x11};
    memcpy(tiny->gnu_hash, words, sizeof(words));
}

static void make_symbols(struct tiny *tiny) {
    memcpy(tiny->strings, "\0first\0absent\0second", 21);
    tiny->symbols[1] = (Elf64_Sym){
        .st_name = 1, .st_info = STT_FUNC, .st_shndx = TEXT, .st_value = FROM_DYNAMIC, .st_size = 8};
    tiny->symbols[2] = (Elf64_Sym){.st_name = 7, .st_info = STT_FUNC, .st_shndx = SHN_UNDEF};
    tiny->symbols[3] = (Elf64_Sym){.st_name = 14, .st_shndx = TEXT, .st_value = 0x10080, .st_size = 9};
    tiny->local_symbols[1] =
        (Elf64_Sym){.st_info = STT_FUNC, .st_shndx = TEXT, .st_value = FROM_SYMBOLS, .st_size = 4};
}

/* Sections of all types have their bytes where they are linked. */
static Elf64_Shdr section(uint32_t name, uint32_t type, uint64_t flags, size_t offset, size_t size) {
    return (Elf64_Shdr){.sh_name = name,
                        .sh_type = type,
                        .sh_flags = flags,
                        .sh_addr = LINKED_AT + offset,
                        .sh_offset = offset,
                        .sh_size = size};
}

static void make_sections(struct tiny *tiny) {
    memcpy(tiny->names, "\0.eh_frame", 11);
    tiny->sections[TEXT] = section(0, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, CODE - LINKED_AT, CODE_SIZE);
    tiny->sections[NAMES] = section(0, SHT_STRTAB, 0, offsetof(struct tiny, names), sizeof(tiny->names));
    tiny->sections[EH_FRAME] =
        section(1, SHT_PROGBITS, SHF_ALLOC, offsetof(struct tiny, eh_frame), sizeof(tiny->eh_frame));
    tiny->sections[SYMTAB] =
        section(0, SHT_SYMTAB, 0, offsetof(struct tiny, local_symbols), sizeof(tiny->local_symbols));
}

/* ---- writing .eh_frame ---- */

/* A record; its length, multiple of 4, is written by record_end(). */
struct record {
    uint8_t *bytes;
    size_t size;
};

static void put(struct record *record, uint64_t value, size_t width) {
    memcpy(record->bytes + record->size, &value, width);
    record->size += width;
}

static size_t record_end(struct record *record) {
    while (record->size % 4)
        put(record, 0, 1);
    uint32_t length = (uint32_t)record->size - 4;
    memcpy(record->bytes, &length, 4);
    return record->size;
}

/* The CIE has the augmentation "zR", or "zPLR" when it is long. */
static size_t write_cie(uint8_t *bytes, uint8_t encoding, bool is_long) {
    struct record record = {.bytes = bytes, .size = 4};
    put(&record, 0, 4); /* a CIE */
    put(&record, is_long ? 3 : 1, 1);
    memcpy(bytes + record.size, is_long ? "zPLR" : "zR", is_long ? 5 : 3);
    record.size += is_long ? 5 : 3;
    put(&record, 0x107801, 3);        /* factors of code and data, register of the return address */
    put(&record, is_long ? 7 : 1, 1); /* bytes that follow */
    if (is_long) {
        put(&record, 0x9b, 1); /* personality routine, and where it is */
        put(&record, 0x12345678, 4);
        put(&record, 0x1b, 1); /* language specific data */
    }
    put(&record, encoding, 1);
    return record_end(&record);
}

static size_t pointer_width(uint8_t encoding) {
    return (encoding & 7) == 3 ? 4 : 8;
}

/* At this offset of tiny's .eh_frame, for the CIE at offset 0. */
static size_t write_fde(struct tiny *tiny, size_t offset, uint8_t encoding, uint64_t start) {
    struct record record = {.bytes = tiny->eh_frame + offset, .size = 4};
    put(&record, offset + 4, 4); /* back to the CIE */
    bool relative = encoding & 0x10;
    put(&record, start - (relative ? VADDR(eh_frame) + offset + record.size : 0), pointer_width(encoding));
    put(&record, 4, pointer_width(encoding)); /* size of the function */
    put(&record, 0, 1);                       /* no augmentation data */
    return record_end(&record);
}

/* Two frames; the rest is zeros, which end the section. Returns where the last frame begins. */
static size_t write_frames(struct tiny *tiny, uint8_t encoding, bool is_long) {
    memset(tiny->eh_frame, 0, sizeof(tiny->eh_frame));
    size_t first = write_cie(tiny->eh_frame, encoding, is_long);
    size_t second = first + write_fde(tiny, first, encoding, FROM_FRAMES);
    ck_assert_uint_lt(second + write_fde(tiny, second, encoding, FROM_MORE_FRAMES) + 4,
                      sizeof(tiny->eh_frame));
    return second;
}

static struct tiny make_tiny(void) {
    struct tiny tiny = {.header = {.e_type = ET_DYN,
                                   .e_machine = EM_X86_64,
                                   .e_entry = FROM_ENTRY,
                                   .e_phoff = offsetof(struct tiny, segments),
                                   .e_phentsize = sizeof(Elf64_Phdr),
                                   .e_phnum = 3,
                                   .e_shoff = offsetof(struct tiny, sections),
                                   .e_shentsize = sizeof(Elf64_Shdr),
                                   .e_shnum = SECTIONS,
                                   .e_shstrndx = NAMES}};
    memcpy(tiny.header.e_ident, ELFMAG, SELFMAG);
    tiny.header.e_ident[EI_CLASS] = ELFCLASS64;
    tiny.header.e_ident[EI_DATA] = ELFDATA2LSB;
    tiny.segments[0] = segment(PT_LOAD, 0, sizeof(tiny));
    tiny.segments[1] = segment(PT_GNU_EH_FRAME, offsetof(struct tiny, frames), sizeof(tiny.frames));
    tiny.segments[2] = segment(PT_DYNAMIC, offsetof(struct tiny, dynamic), sizeof(tiny.dynamic));
    tiny.frames.version = 1;
    tiny.frames.frame_encoding = 0x1b;
    tiny.frames.count_encoding = 0x03;
    tiny.frames.table_encoding = 0x3b;
    tiny.frames.count = ROWS;
    for (int32_t i = 0; i < ROWS; i++)
        tiny.frames.rows[i].start = FROM_TABLE + i - (int32_t)VADDR(frames);
    Elf64_Dyn dynamic[6] = {{DT_SYMTAB, {VADDR(symbols)}},
                            {DT_STRTAB, {VADDR(strings)}},
                            {DT_STRSZ, {sizeof(tiny.strings)}},
                            {DT_HASH, {VADDR(hash)}},
                            {DT_GNU_HASH, {VADDR(gnu_hash)}}};
    memcpy(tiny.dynamic, dynamic, sizeof(dynamic));
    make_hashes(&tiny);
    make_symbols(&tiny);
    make_sections(&tiny);
    write_frames(&tiny, 0x1b, false);
    return tiny;
}

static struct elf_image image_of(const struct tiny *tiny) {
    struct elf_image image;
    ck_assert_ptr_null(elf_image_init(&image, tiny, sizeof(*tiny), "tiny"));
    return image;
}

struct starts {
    uint64_t *values;
    size_t count;
};

static struct starts starts_of(const struct tiny *tiny) {
    struct elf_image image = image_of(tiny);
    struct starts starts;
    ck_assert_ptr_null(elf_function_starts(&image, &starts.values, &starts.count));
    elf_image_deinit(&image);
    for (size_t i = 0; i < starts.count; i++) {
        ck_assert_uint_lt(starts.values[i] - CODE, CODE_SIZE);
        if (i)
            ck_assert_uint_lt(starts.values[i - 1], starts.values[i]);
    }
    return starts;
}

static bool starts_at(const struct tiny *tiny, uint64_t address) {
    struct starts starts = starts_of(tiny);
    bool found = has_value(starts.values, starts.count, address);
    free(starts.values);
    return found;
}

static size_t count_starts(const struct tiny *tiny) {
    struct starts starts = starts_of(tiny);
    free(starts.values);
    return starts.count;
}

/* The error of looking up "second", whose value is checked when it is found. */
static bool lookup_fails_with(const struct tiny *tiny, enum error_code code) {
    struct elf_image image = image_of(tiny);
    uint64_t value = 0;
    struct error *err = elf_dynamic_symbol(&image, "second", &value);
    bool as_expected = error_is(err, code);
    error_free(err);
    elf_image_deinit(&image);
    return as_expected;
}

static bool lookup_succeeds(const struct tiny *tiny) {
    struct elf_image image = image_of(tiny);
    uint64_t value = 0;
    struct error *err = elf_dynamic_symbol(&image, "second", &value);
    bool found = !err && value == 0x10080;
    error_free(err);
    elf_image_deinit(&image);
    return found;
}

START_TEST(the_tiny_image_is_sound) {
    struct tiny tiny = make_tiny();
    ck_assert_uint_eq(count_starts(&tiny), ROWS + 3); /* a dynamic symbol, a local one, the entry point */
    ck_assert(lookup_succeeds(&tiny));
    struct elf_image image = image_of(&tiny);
    struct elf_symbol *symbols;
    size_t count;
    ck_assert_ptr_null(elf_dynamic_symbols(&image, &symbols, &count));
    ck_assert_uint_eq(count, 2); /* "absent" is not defined */
    ck_assert_str_eq(symbols[0].name, "first");
    ck_assert_str_eq(symbols[1].name, "second");
    ck_assert_uint_eq(symbols[1].size, 9);
    free(symbols);
    elf_image_deinit(&image);
}
END_TEST

START_TEST(either_hash_table_will_do) {
    struct tiny tiny = make_tiny();
    tiny.dynamic[3].d_tag = DT_DEBUG;
    ck_assert(lookup_succeeds(&tiny)); /* DT_GNU_HASH */
    tiny.dynamic[4].d_tag = DT_DEBUG;
    ck_assert(lookup_fails_with(&tiny, ERROR_NOT_FOUND)); /* neither */
    tiny.dynamic[3].d_tag = DT_HASH;
    ck_assert(lookup_succeeds(&tiny));
}
END_TEST

START_TEST(other_files_are_refused) {
    struct elf_image image;
    struct tiny tiny = make_tiny();
    struct error *err = elf_image_init(&image, "#!/bin/sh\n", 10, "script");
    ck_assert(error_is(err, ERROR_BAD_DATA));
    ck_assert_str_eq(err->message, "script: not an ELF file");
    error_free(err);
    tiny.header.e_ident[EI_CLASS] = ELFCLASS32;
    err = elf_image_init(&image, &tiny, sizeof(tiny), "old");
    ck_assert(error_is(err, ERROR_UNSUPPORTED));
    error_free(err);
    tiny = make_tiny();
    tiny.header.e_machine = EM_AARCH64;
    err = elf_image_init(&image, &tiny, sizeof(tiny), "arm");
    ck_assert(error_is(err, ERROR_UNSUPPORTED));
    error_free(err);
    tiny = make_tiny();
    tiny.header.e_ident[EI_DATA] = ELFDATA2MSB;
    err = elf_image_init(&image, &tiny, sizeof(tiny), "big");
    ck_assert(error_is(err, ERROR_UNSUPPORTED));
    error_free(err);
}
END_TEST

static void refused(const struct tiny *tiny) {
    struct elf_image image;
    struct error *err = elf_image_init(&image, tiny, sizeof(*tiny), "bad");
    ck_assert(error_is(err, ERROR_BAD_DATA));
    error_free(err);
}

START_TEST(bad_program_headers_are_refused) {
    struct tiny tiny = make_tiny();
    tiny.header.e_phoff = sizeof(tiny) - 8;
    refused(&tiny);
    tiny.header.e_phoff = UINT64_MAX - 8;
    refused(&tiny);
    tiny = make_tiny();
    tiny.header.e_phnum = 0xfffe;
    refused(&tiny);
    tiny.header.e_phnum = PN_XNUM;
    refused(&tiny);
    tiny = make_tiny();
    tiny.header.e_phentsize = 8;
    refused(&tiny);
}
END_TEST

START_TEST(every_truncation_is_harmless) {
    struct tiny tiny = make_tiny();
    for (size_t size = 0; size < sizeof(tiny); size++) {
        uint8_t *bytes =
            malloc(size ? size : 1); /* exactly as big, so that a sanitizer sees each step too far */
        memcpy(bytes, &tiny, size);
        struct elf_image image;
        struct error *err = elf_image_init(&image, bytes, size, "cut");
        if (size < offsetof(struct tiny, sections))
            ck_assert(error_is(err, ERROR_BAD_DATA));
        else
            ck_assert_ptr_null(err);
        if (!err) {
            uint64_t *starts, value;
            struct elf_range *ranges;
            size_t count;
            ck_assert_ptr_null(elf_function_starts(&image, &starts, &count));
            /* No section table, and the segment is longer than the file: then there is no code. */
            bool has_code = size >= offsetof(struct tiny, names);
            ck_assert(has_value(starts, count, FROM_ENTRY) == has_code);
            ck_assert(has_value(starts, count, FROM_TABLE) == (size >= offsetof(struct tiny, padding)));
            free(starts);
            struct error *lookup = elf_dynamic_symbol(&image, "second", &value);
            ck_assert(error_is(lookup, ERROR_BAD_DATA));
            error_free(lookup);
            ck_assert_ptr_null(elf_code_ranges(&image, &ranges, &count));
            ck_assert_uint_eq(count, has_code);
            free(ranges);
            elf_image_deinit(&image);
        }
        error_free(err);
        free(bytes);
    }
}
END_TEST

/* Then the frames themselves count. */
static bool table_is_useless(const struct tiny *tiny) {
    return !starts_at(tiny, FROM_TABLE) && starts_at(tiny, FROM_FRAMES) && starts_at(tiny, FROM_MORE_FRAMES);
}

START_TEST(a_useless_frame_table_yields_no_starts) {
    struct tiny tiny = make_tiny();
    ck_assert(!table_is_useless(&tiny));
    tiny.frames.count = UINT32_MAX;
    ck_assert(table_is_useless(&tiny));
    tiny.frames.count = sizeof(tiny);
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.frames.table_encoding = 0x1b;
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.frames.count_encoding = 0xff; /* omitted */
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.frames.version = 2;
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.frames.rows[1].start = 0x10000; /* not sorted */
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.segments[1].p_filesz = UINT64_MAX;
    ck_assert(table_is_useless(&tiny));
    tiny = make_tiny();
    tiny.segments[1].p_type = PT_NULL;
    ck_assert(table_is_useless(&tiny));
}
END_TEST

/* The entry point and the two symbols. */
enum { OTHER_STARTS = 3 };

static struct tiny make_without_table(void) {
    struct tiny tiny = make_tiny();
    tiny.segments[1].p_type = PT_NULL;
    return tiny;
}

START_TEST(frames_are_read_in_each_encoding) {
    static const uint8_t encodings[] = {0x1b, 0x1c, 0x10, 0x13, 0x14, 0x00, 0x03, 0x04, 0x0b, 0x0c};
    for (size_t i = 0; i < 2 * sizeof(encodings); i++) {
        struct tiny tiny = make_without_table();
        size_t last = write_frames(&tiny, encodings[i / 2], i % 2);
        if ((encodings[i / 2] & 0x1f) == 0x13) { /* udata4 reaches forwards only, the code is before */
            ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
            continue;
        }
        ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS + 2);
        ck_assert(starts_at(&tiny, FROM_FRAMES));
        ck_assert(starts_at(&tiny, FROM_MORE_FRAMES));
        memset(tiny.eh_frame + last, 0, 4); /* the end */
        ck_assert(!starts_at(&tiny, FROM_MORE_FRAMES));
        write_frames(&tiny, encodings[i / 2], i % 2);
        tiny.sections[EH_FRAME].sh_size = last + 8; /* cut short */
        ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS + 1);
    }
}
END_TEST

static const struct odd_row {
    size_t offset; /* in .eh_frame: where the value goes, at which reading stops */
    uint64_t value;
    size_t width;
} odd_rows[] = {
    {0, UINT32_MAX, 4},  {0, 3, 4},          {0, 0x1000, 4},
    {0, 0, 4},                                                    /* length */
    {4, 1, 4},           {4, UINT32_MAX, 4},                      /* neither a CIE nor an FDE of one */
    {8, 2, 1},           {8, 0, 1},          {8, 4, 1},           /* version */
    {9, 'e', 1},         {9, 0x6869, 2},     {10, 'x', 1},        /* augmentation */
    {9, ~0ull, 8},       {17, ~0ull, 4},     {12, UINT64_MAX, 7}, /* no end to it, or to numbers */
    {16, 0x9b, 1},       {16, 0xff, 1},      {16, 0x50, 1},
    {16, 0x3b, 1},       {16, 0x19, 1}, /* encoding */
    {24, 0, 4},          {24, 22, 4},        {24, 1000, 4},
    {24, UINT32_MAX, 4}, /* distance to the CIE */
};

START_TEST(odd_frames_end_the_section) {
    const struct odd_row *row = &odd_rows[_i];
    struct tiny tiny = make_without_table();
    ck_assert_uint_eq(tiny.eh_frame[16], 0x1b); /* the offsets above are right */
    ck_assert_uint_eq(tiny.eh_frame[24], 24);
    memcpy(tiny.eh_frame + row->offset, &row->value, row->width);
    size_t count = count_starts(&tiny);
    ck_assert_uint_ge(count, OTHER_STARTS);
    if (row->offset != 17 && !(row->offset == 24 && row->value == 0))
        ck_assert_uint_eq(count, OTHER_STARTS);
}
END_TEST

START_TEST(unreachable_frames_yield_no_starts) {
    struct tiny tiny = make_without_table();
    tiny.names[1] = 'x';
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny = make_without_table();
    tiny.sections[EH_FRAME].sh_name = sizeof(tiny.names) - 3;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny.sections[EH_FRAME].sh_name = UINT32_MAX;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny = make_without_table();
    tiny.sections[EH_FRAME].sh_type = SHT_NOBITS;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny = make_without_table();
    tiny.sections[EH_FRAME].sh_size = UINT64_MAX;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny.header.e_shstrndx = SECTIONS;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny = make_without_table();
    tiny.sections[NAMES].sh_offset = UINT64_MAX;
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
    tiny = make_without_table();
    tiny.sections[EH_FRAME].sh_addr += 0x10000; /* the functions are not in the code */
    ck_assert_uint_eq(count_starts(&tiny), OTHER_STARTS);
}
END_TEST

START_TEST(functions_among_symbols_are_starts) {
    struct tiny tiny = make_tiny();
    Elf64_Sym *symbol = &tiny.local_symbols[2];
    ck_assert(starts_at(&tiny, FROM_SYMBOLS));
    *symbol = (Elf64_Sym){.st_info = STT_GNU_IFUNC, .st_shndx = TEXT, .st_value = FROM_SYMBOLS + 1};
    ck_assert(starts_at(&tiny, FROM_SYMBOLS + 1));
    symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    ck_assert(starts_at(&tiny, FROM_SYMBOLS + 1));
    size_t count = count_starts(&tiny);
    symbol->st_info = STT_OBJECT;
    ck_assert_uint_eq(count_starts(&tiny), count - 1);
    symbol->st_info = STT_FUNC;
    symbol->st_value = CODE + CODE_SIZE; /* behind the code */
    ck_assert_uint_eq(count_starts(&tiny), count - 1);
    symbol->st_value = FROM_SYMBOLS; /* once more */
    ck_assert_uint_eq(count_starts(&tiny), count - 1);
    tiny.sections[SYMTAB].sh_size = UINT64_MAX;
    ck_assert(!starts_at(&tiny, FROM_SYMBOLS));
}
END_TEST

START_TEST(functions_among_dynamic_symbols_are_starts) {
    struct tiny tiny = make_tiny();
    ck_assert(starts_at(&tiny, FROM_DYNAMIC));
    tiny.sections[SYMTAB].sh_type = SHT_NULL; /* neither that nor names are needed */
    tiny.header.e_shstrndx = 0;
    ck_assert(starts_at(&tiny, FROM_DYNAMIC));
    tiny.segments[2].p_type = PT_NULL; /* without a dynamic segment: .dynsym */
    ck_assert(!starts_at(&tiny, FROM_DYNAMIC));
    tiny.sections[SYMTAB] =
        section(0, SHT_DYNSYM, SHF_ALLOC, offsetof(struct tiny, symbols), sizeof(tiny.symbols));
    ck_assert(starts_at(&tiny, FROM_DYNAMIC));
}
END_TEST

START_TEST(the_entry_point_is_a_start) {
    struct tiny tiny = make_without_table();
    tiny.segments[2].p_type = PT_NULL;
    tiny.header.e_shstrndx = 0;
    tiny.sections[SYMTAB].sh_type = SHT_NULL;
    ck_assert_uint_eq(count_starts(&tiny), 1);
    ck_assert(starts_at(&tiny, FROM_ENTRY));
    tiny.header.e_entry = 0; /* a library has none */
    ck_assert_uint_eq(count_starts(&tiny), 0);
    tiny.header.e_entry = FROM_ENTRY;
    tiny.header.e_shnum = 0; /* all of the segment is code then */
    struct elf_image image = image_of(&tiny);
    uint64_t *starts;
    size_t count;
    ck_assert_ptr_null(elf_function_starts(&image, &starts, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(starts[0], FROM_ENTRY);
    free(starts);
    elf_image_deinit(&image);
}
END_TEST

START_TEST(hostile_symbol_tables_are_refused) {
    struct tiny tiny = make_tiny();
    tiny.hash[1] = UINT32_MAX;
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.dynamic[3].d_tag = DT_DEBUG;
    tiny.gnu_hash[0] = UINT32_MAX; /* buckets */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.dynamic[3].d_tag = DT_DEBUG;
    tiny.gnu_hash[2] = UINT32_MAX; /* bloom words */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.dynamic[3].d_tag = DT_DEBUG;
    tiny.gnu_hash[7] = UINT32_MAX; /* a chain that begins nowhere */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.dynamic[2].d_un.d_val = 18; /* strings end within "second" */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny.dynamic[2].d_un.d_val = UINT64_MAX;
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.dynamic[0].d_un.d_ptr = 8; /* in no segment */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.symbols[3].st_name = UINT32_MAX;
    ck_assert(lookup_fails_with(&tiny, ERROR_NOT_FOUND));
    tiny = make_tiny();
    tiny.dynamic[5].d_tag = DT_DEBUG; /* without an end */
    ck_assert(lookup_fails_with(&tiny, ERROR_BAD_DATA));
    tiny = make_tiny();
    tiny.segments[2].p_type = PT_NULL;
    ck_assert(lookup_fails_with(&tiny, ERROR_NOT_FOUND));
}
END_TEST

START_TEST(code_ranges_fall_back_to_segments) {
    struct tiny tiny = make_tiny();
    struct elf_range *ranges;
    size_t count;
    struct elf_image image = image_of(&tiny);
    ck_assert_ptr_null(elf_code_ranges(&image, &ranges, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(ranges[0].offset, 0x40);
    ck_assert_uint_eq(ranges[0].vaddr, LINKED_AT + 0x40);
    ck_assert_uint_eq(ranges[0].size, 0x20);
    free(ranges);
    /* The image does not copy the bytes: each of these makes the section table unsound. */
    for (int i = 0; i < 5; i++) {
        tiny = make_tiny();
        if (i == 0)
            tiny.header.e_shnum = 0;
        if (i == 1)
            tiny.header.e_shoff = UINT64_MAX;
        if (i == 2)
            tiny.sections[1].sh_size = UINT64_MAX;
        if (i == 3)
            tiny.header.e_shnum = 0xffff;
        if (i == 4) /* the same code twice: more than there is in the file */
            tiny.sections[TEXT] = tiny.sections[EH_FRAME] =
                section(0, SHT_PROGBITS, SHF_EXECINSTR, 0, sizeof(tiny) / 2 + 1);
        ck_assert_ptr_null(elf_code_ranges(&image, &ranges, &count));
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(ranges[0].offset, 0);
        ck_assert_uint_eq(ranges[0].size, sizeof(tiny));
        free(ranges);
    }
    elf_image_deinit(&image);
}
END_TEST

START_TEST(translation_does_not_overflow) {
    struct tiny tiny = make_tiny();
    uint64_t value;
    tiny.segments[0].p_vaddr = UINT64_MAX - 4;
    tiny.segments[0].p_filesz = UINT64_MAX;
    struct elf_image image = image_of(&tiny);
    ck_assert(elf_offset_to_vaddr(&image, 4, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(!elf_offset_to_vaddr(&image, 5, &value));
    ck_assert(elf_vaddr_to_offset(&image, UINT64_MAX - 1, &value));
    ck_assert_uint_eq(value, 3);
    elf_image_deinit(&image);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("elf");
    TCase *real = tcase_create("real images");
    tcase_add_test(real, headers_of_this_program);
    tcase_add_test(real, function_starts_of_this_program);
    tcase_add_test(real, addresses_and_offsets_translate_both_ways);
    tcase_add_test(real, code_ranges_hold_the_code);
    tcase_add_test(real, static_symbols);
    tcase_add_test(real, dynamic_symbols_of_libc);
    tcase_add_test(real, symbols_of_the_vdso);
    suite_add_tcase(suite, real);
    TCase *made = tcase_create("made images");
    tcase_add_test(made, the_tiny_image_is_sound);
    tcase_add_test(made, either_hash_table_will_do);
    tcase_add_test(made, other_files_are_refused);
    tcase_add_test(made, bad_program_headers_are_refused);
    tcase_add_test(made, every_truncation_is_harmless);
    tcase_add_test(made, a_useless_frame_table_yields_no_starts);
    tcase_add_test(made, frames_are_read_in_each_encoding);
    tcase_add_loop_test(made, odd_frames_end_the_section, 0, sizeof(odd_rows) / sizeof(odd_rows[0]));
    tcase_add_test(made, unreachable_frames_yield_no_starts);
    tcase_add_test(made, functions_among_symbols_are_starts);
    tcase_add_test(made, functions_among_dynamic_symbols_are_starts);
    tcase_add_test(made, the_entry_point_is_a_start);
    tcase_add_test(made, hostile_symbol_tables_are_refused);
    tcase_add_test(made, code_ranges_fall_back_to_segments);
    tcase_add_test(made, translation_does_not_overflow);
    suite_add_tcase(suite, made);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
