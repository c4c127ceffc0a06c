/* dwarf/cfi, cfi_index: rows of real libraries are those that readelf computes; each instruction does what
 * the standard says; damaged records are refused. */
#include "dwarf/cfi.h"
#include "dwarf/cfi_index.h"
#include "dwarf/unwind.h"
#include "scratch.h"

#include <dlfcn.h>
#include <elf.h>
#include <libdwarf/dwarf.h>
#include <link.h>
#include <sys/mman.h>

/* ---- files ---- */

struct file {
    void *data;
    size_t size;
    struct elf_image image;
};

static void file_open(struct file *file, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0 && !fstat(fd, &info), "cannot open %s", path);
    file->size = (size_t)info.st_size;
    file->data = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(file->data, MAP_FAILED);
    close(fd);
    CHECK_OK(elf_image_init(&file->image, file->data, file->size, path));
}

static void file_close(struct file *file) {
    elf_image_deinit(&file->image);
    munmap(file->data, file->size);
}

static void library_path(const char *name, char *ret, size_t size) {
    struct link_map *map;
    void *handle = dlopen(name, RTLD_NOW);
    ck_assert_msg(handle != NULL, "no %s: %s", name, dlerror());
    ck_assert_int_eq(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
    snprintf(ret, size, "%s", map->l_name);
    dlclose(handle);
}

/* ---- what readelf says: lines of addresses and one rule a column ---- */

static const char *const names[FRAME_REGISTERS] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
                                                   "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                   "r12", "r13", "r14", "r15", "ra"};

/* A rule in readelf's words. */
static void print_rule(const struct cfi_rule *rule, bool is_cfa, char *ret, size_t size) {
    switch (rule->kind) {
    case CFI_UNSPECIFIED:
    case CFI_UNDEFINED:
        snprintf(ret, size, "u");
        break;
    case CFI_SAME_VALUE:
        snprintf(ret, size, "s");
        break;
    case CFI_OFFSET:
        snprintf(ret, size, "c%+lld", (long long)rule->offset);
        break;
    case CFI_VAL_OFFSET:
        if (is_cfa)
            snprintf(ret, size, "%s%+lld", names[rule->reg], (long long)rule->offset);
        else
            snprintf(ret, size, "v%+lld", (long long)rule->offset);
        break;
    case CFI_REGISTER:
        snprintf(ret, size, "r%llu", (unsigned long long)rule->reg);
        break;
    case CFI_EXPRESSION:
        snprintf(ret, size, "exp");
        break;
    case CFI_VAL_EXPRESSION:
        snprintf(ret, size, is_cfa ? "exp" : "vexp");
        break;
    }
}

/* The columns of an FDE: register numbers, -1 for others. */
struct columns {
    int registers[40];
    size_t count;
};

static void read_columns(char *line, struct columns *ret) {
    char *save, *word = strtok_r(line, " \n", &save);
    ret->count = 0;
    while ((word = strtok_r(NULL, " \n", &save)))
        if (strcmp(word, "CFA") != 0 && ret->count < 40) {
            int number = -1;
            for (int i = 0; i < FRAME_REGISTERS; i++)
                if (!strcmp(names[i], word))
                    number = i;
            ret->registers[ret->count++] = number;
        }
}

/* Compare a line of readelf with a row. */
static void compare_line(const char *line, const struct columns *columns, const struct cfi_row *row) {
    char copy[512], rule[64], *save;
    snprintf(copy, sizeof(copy), "%s", line);
    strtok_r(copy, " \n", &save);
    char *word = strtok_r(NULL, " \n", &save);
    print_rule(&row->cfa, true, rule, sizeof(rule));
    ck_assert_msg(word && !strcmp(word, rule), "CFA %s in: %s", rule, line);
    for (size_t i = 0; i < columns->count; i++) {
        do /* "r9 (r9)" is one rule */
            word = strtok_r(NULL, " \n", &save);
        while (word && *word == '(');
        ck_assert_msg(word != NULL, "too few columns: %s", line);
        if (columns->registers[i] < 0)
            continue;
        print_rule(&row->rules[columns->registers[i]], false, rule, sizeof(rule));
        ck_assert_msg(!strcmp(word, rule), "%s is %s in: %s", names[columns->registers[i]], rule, line);
    }
}

struct comparison {
    const struct unwind_table *table;
    bool is_fde;      /* the lines that come now belong to one, which table knows */
    uint64_t high;    /* its end */
    uint64_t row_low; /* the last row, checked at its end when that is known */
    char row_line[512];
    struct columns columns;
    size_t fdes, rows;
};

static void check_row_at(struct comparison *comparison, uint64_t vaddr) {
    struct cfi_row row;
    struct error *err = unwind_row(comparison->table, vaddr, &row);
    ck_assert_msg(!err, "0x%llx: %s", (unsigned long long)vaddr, err ? err->message : "");
    compare_line(comparison->row_line, &comparison->columns, &row);
    ck_assert_uint_eq(row.low, comparison->row_low);
    ck_assert_uint_eq(row.return_register, FRAME_RIP);
}

/* The last row is over: it holds from its first byte to its last. */
static void end_row(struct comparison *comparison, uint64_t end) {
    /* readelf prints rows of no bytes, too: those that a longer one follows at the same address. */
    if (comparison->is_fde && comparison->row_line[0] && end > comparison->row_low) {
        check_row_at(comparison, comparison->row_low);
        check_row_at(comparison, end - 1);
        comparison->rows++;
    }
    comparison->row_line[0] = 0;
}

static void take_line(struct comparison *comparison, char *line) {
    unsigned long long low, high;
    const char *pc = strstr(line, " pc=");
    if (pc || strstr(line, " CIE ")) {
        end_row(comparison, comparison->high);
        comparison->is_fde = pc != NULL;
        comparison->columns.count = 0;
        if (!pc)
            return;
        ck_assert_int_eq(sscanf(pc, " pc=%llx..%llx", &low, &high), 2);
        uint64_t found_low, found_high;
        ck_assert_msg(unwind_function_range(comparison->table, low, &found_low, &found_high), "%s", line);
        ck_assert_uint_eq(found_low, low);
        ck_assert_uint_eq(found_high, high);
        comparison->high = high;
        comparison->fdes++;
    } else if (strstr(line, " LOC ")) {
        read_columns(line, &comparison->columns);
    } else if (sscanf(line, "%16llx ", &low) == 1 && line[16] == ' ') {
        end_row(comparison, low);
        comparison->row_low = low;
        snprintf(comparison->row_line, sizeof(comparison->row_line), "%s", line);
    }
}

/* All rows of a file; at least so many FDEs. */
static void compare_with_readelf(const char *path, const struct unwind_table *table, size_t least) {
    char command[512], line[512];
    struct comparison comparison = {.table = table};
    snprintf(command, sizeof(command), "readelf --debug-dump=frames-interp '%s' 2>/dev/null", path);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    while (fgets(line, sizeof(line), pipe))
        take_line(&comparison, line);
    end_row(&comparison, comparison.high);
    pclose(pipe); /* fails for damage elsewhere in the file, too: the counts tell whether it has worked */
    ck_assert_uint_ge(comparison.fdes, least);
    ck_assert_uint_ge(comparison.rows, least);
}

/* ---- real libraries ---- */

static const char *const libraries[] = {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6"};

START_TEST(rows_of_libraries_are_those_of_readelf) {
    struct file file;
    struct unwind_table *table;
    char path[256];
    library_path(libraries[_i], path, sizeof(path));
    file_open(&file, path);
    CHECK_OK(unwind_table_create(&file.image, NULL, &table));
    compare_with_readelf(path, table, 50);
    unwind_table_destroy(table);
    file_close(&file);
}
END_TEST

START_TEST(every_function_of_libraries_has_rows) {
    struct file file;
    struct unwind_table *table;
    struct unwind_range *ranges;
    struct cfi_row row;
    size_t count;
    char path[256];
    library_path(libraries[_i], path, sizeof(path));
    file_open(&file, path);
    CHECK_OK(unwind_table_create(&file.image, NULL, &table));
    CHECK_OK(unwind_ranges(table, &ranges, &count));
    ck_assert_uint_gt(count, 100);
    for (size_t i = 0; i < count; i++)
        for (uint64_t part = 0; part <= 8; part++) {
            uint64_t at = ranges[i].low + (ranges[i].high - 1 - ranges[i].low) * part / 8;
            CHECK_OK(unwind_row(table, at, &row));
            ck_assert(row.low <= at && row.low >= ranges[i].low);
            ck_assert(row.cfa.kind == CFI_VAL_OFFSET || row.cfa.kind == CFI_VAL_EXPRESSION);
        }
    free(ranges);
    unwind_table_destroy(table);
    file_close(&file);
}
END_TEST

/* The linker's table and our own index find the same. */
START_TEST(both_ways_to_search_agree) {
    struct file file;
    struct cfi_index by_header, by_entries;
    char path[256];
    library_path(libraries[_i], path, sizeof(path));
    file_open(&file, path);
    CHECK_OK(cfi_index_init_eh_frame(&by_header, &file.image));
    CHECK_OK(cfi_index_init_eh_frame(&by_entries, &file.image));
    ck_assert_ptr_nonnull(by_header.header_rows);
    by_entries.header_rows = NULL;
    CHECK_OK(cfi_index_scan(&by_entries));
    ck_assert_uint_eq(by_entries.count, by_header.header_row_count);
    for (size_t i = 0; i < by_entries.count; i++) {
        struct cfi_cie cie;
        struct cfi_fde first, second;
        uint64_t at = by_entries.entries[i].high - 1;
        CHECK_OK(cfi_index_find(&by_header, at, &cie, &first));
        CHECK_OK(cfi_index_find(&by_entries, at, &cie, &second));
        ck_assert_uint_eq(first.begin, second.begin);
    }
    ck_assert(!by_header.scanned);
    cfi_index_deinit(&by_header);
    cfi_index_deinit(&by_entries);
    file_close(&file);
}
END_TEST

/* ---- files that the compiler makes ---- */

/* Many functions, so that compressing is worth while. */
static const char program_text[] =
    "#define F(n) int callee##n(int *p, long n) { volatile char room[n + 1]; room[n] = 1; return room[n] + "
    "*p; }\\\n"
    " int caller##n(int a, int b) { for (int i = 0; i < a; i++) if (callee##n(&b, i) > 7)\\\n"
    " return callee##n(&a, b) + b; return a; }\\\n"
    " void *aligned##n(int k) { __attribute__((aligned(64))) volatile char x[64]; x[0] = (char)k;\\\n"
    " callee##n(&k, x[0]); return 0; }\n"
    "#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)\n"
    "G(a) G(b) G(c) G(d) G(e)\n";

/* Compile into the scratch folder; false when this compiler, or one of its options, is not there. */
static bool compile(const struct scratch *scratch, const char *command) {
    char line[512];
    scratch_write(scratch->fd, "p.c", program_text, sizeof(program_text) - 1);
    snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", scratch->path, command);
    return system(line) == 0;
}

static const struct {
    const char *command;
    bool separate; /* with a debug file of its own, p.debug */
    bool must;     /* gcc is there; other compilers may be missing */
} builds[] = {
#define NO_EH "-shared -fPIC -nostdlib -g -fno-asynchronous-unwind-tables -fno-exceptions -o p.so p.c"
    {"gcc -O2 -shared -fPIC -nostdlib -o p.so p.c", false, true},
    {"gcc -O2 -shared -fPIC -nostdlib -Wl,--no-eh-frame-hdr -o p.so p.c", false, true},
    {"gcc -O2 " NO_EH, false, true},
    {"gcc -O0 -gdwarf-2 -gstrict-dwarf " NO_EH, false, true},
    {"gcc -O2 -gdwarf-4 " NO_EH, false, true},
    {"gcc -O2 -gdwarf64 -gdwarf-5 -fno-dwarf2-cfi-asm " NO_EH
     " && readelf --debug-dump=frames p.so | grep -q ' ffffffffffffffff CIE'",
     false, true},
    {"gcc -O2 -gz=zlib " NO_EH " && readelf -t p.so | grep -A4 debug_frame | grep -q COMPRESSED", false,
     true},
    {"gcc -O2 " NO_EH " && objcopy --only-keep-debug p.so p.debug && strip -g p.so", true, true},
    {"gcc -O2 -gz=zlib " NO_EH " && objcopy --only-keep-debug p.so p.debug && strip -g p.so", true, true},
    {"gcc -O2 " NO_EH
     " && objcopy --compress-debug-sections=zlib-gnu p.so && readelf -SW p.so | grep -q zdebug_frame",
     false, true},
    {"gcc -O2 " NO_EH " && objcopy --compress-debug-sections=zstd p.so && readelf -t p.so | grep -q ZSTD",
     false, false},
    {"clang -O2 " NO_EH, false, false},
    {"clang -O2 -fuse-ld=lld " NO_EH, false, false},
    {"clang -O2 -fuse-ld=lld -shared -fPIC -nostdlib -o p.so p.c", false, false},
    {"gcc -O2 -fuse-ld=gold -shared -fPIC -nostdlib -o p.so p.c", false, false},
};

START_TEST(rows_of_made_files_are_those_of_readelf) {
    struct scratch scratch = scratch_create();
    struct file file, debug = {.data = NULL};
    struct unwind_table *table;
    char path[128], debug_path[128];
    if (compile(&scratch, builds[_i].command)) {
        snprintf(path, sizeof(path), "%s/p.so", scratch.path);
        snprintf(debug_path, sizeof(debug_path), "%s/p.debug", scratch.path);
        file_open(&file, path);
        if (builds[_i].separate)
            file_open(&debug, debug_path);
        CHECK_OK(unwind_table_create(&file.image, debug.data ? &debug.image : NULL, &table));
        compare_with_readelf(builds[_i].separate ? debug_path : path, table, 120);
        unwind_table_destroy(table);
        file_close(&file);
        if (builds[_i].separate)
            file_close(&debug);
    } else {
        ck_assert_msg(!builds[_i].must, "failed: %s", builds[_i].command);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(a_file_without_section_table_will_do) {
    struct scratch scratch = scratch_create();
    struct file file;
    struct unwind_table *table;
    char path[128];
    ck_assert(compile(&scratch, builds[0].command));
    snprintf(path, sizeof(path), "%s/p.so", scratch.path);
    file_open(&file, path);
    Elf64_Ehdr *header = file.data;
    header->e_shoff = 0;
    header->e_shnum = header->e_shstrndx = 0;
    CHECK_OK(unwind_table_create(&file.image, NULL, &table));
    compare_with_readelf(path, table, 120);
    unwind_table_destroy(table);
    file_close(&file);
    scratch_remove(&scratch);
}
END_TEST

/* ---- sections made by hand ---- */

#define SECTION_VADDR 0x10000
#define FUNCTION      0x2000
#define FUNCTION_SIZE 0x1000

/* Begin a record: its length is patched by end_record(). */
static size_t begin_record(struct buffer *buffer) {
    buffer_put_u32(buffer, 0);
    return buffer->size;
}

static void end_record(struct buffer *buffer, size_t begin) {
    while ((buffer->size - begin) % 4)
        buffer_put_u8(buffer, DW_CFA_nop);
    uint32_t length = (uint32_t)(buffer->size - begin);
    memcpy(buffer->data + begin - 4, &length, sizeof(length));
}

static void put_cie(struct buffer *buffer, const char *augmentation, uint8_t encoding,
                    const void *instructions, size_t size) {
    size_t begin = begin_record(buffer);
    buffer_put_u32(buffer, 0); /* id */
    buffer_put_u8(buffer, 1);  /* version */
    buffer_put(buffer, augmentation, strlen(augmentation) + 1);
    buffer_put_u8(buffer, 2);    /* code factor */
    buffer_put_u8(buffer, 0x78); /* data factor: -8 */
    buffer_put_u8(buffer, 16);   /* return address */
    if (augmentation[0] == 'z') {
        buffer_put_u8(buffer, 1);
        buffer_put_u8(buffer, encoding);
    }
    buffer_put(buffer, instructions, size);
    end_record(buffer, begin);
}

/* An FDE with absolute 8-byte addresses, of the CIE at offset 0. */
static void put_fde(struct buffer *buffer, bool has_data, const void *instructions, size_t size) {
    size_t begin = begin_record(buffer);
    buffer_put_u32(buffer, (uint32_t)begin);
    buffer_put_u64(buffer, FUNCTION);
    buffer_put_u64(buffer, FUNCTION_SIZE);
    if (has_data)
        buffer_put_u8(buffer, 0);
    buffer_put(buffer, instructions, size);
    end_record(buffer, begin);
}

/* CFA = rsp+8, return address at c-8, rbx at c-24. */
static const uint8_t usual_cie[] = {DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1, DW_CFA_offset | 3, 3};

static struct cfi_section section_of(const struct buffer *buffer) {
    return (struct cfi_section){
        .data = buffer->data, .size = buffer->size, .vaddr = SECTION_VADDR, .is_eh_frame = true};
}

static struct error *row_of_section(const struct cfi_section *section, uint64_t at, struct cfi_row *ret) {
    struct cfi_cie cie = {.end = 0};
    struct cfi_fde fde;
    enum cfi_record kind;
    size_t offset = 0;
    TRY(cfi_read_record(section, 0, &kind, &offset));
    TRY(cfi_read_fde(section, offset, &cie, &fde));
    return cfi_execute(section, &cie, &fde, at, ret);
}

/* The row at FUNCTION + at, after the usual CIE and these instructions. */
static struct error *row_at(const void *instructions, size_t size, uint64_t at, struct cfi_row *ret) {
    static struct buffer buffer;
    buffer_clear(&buffer);
    put_cie(&buffer, "zR", DW_EH_PE_absptr, usual_cie, sizeof(usual_cie));
    put_fde(&buffer, true, instructions, size);
    struct cfi_section section = section_of(&buffer);
    return row_of_section(&section, FUNCTION + at, ret);
}

#define ROW(at, row, ...)                                                                                    \
    row_at((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), at, row)

static void check_rule(const struct cfi_rule *rule, enum cfi_rule_kind kind, int64_t offset) {
    ck_assert_int_eq(rule->kind, kind);
    ck_assert_int_eq(rule->offset, offset);
}

static void check_cfa(const struct cfi_row *row, uint64_t reg, int64_t offset) {
    check_rule(&row->cfa, CFI_VAL_OFFSET, offset);
    ck_assert_uint_eq(row->cfa.reg, reg);
}

START_TEST(the_cie_gives_the_first_row) {
    struct cfi_row row;
    CHECK_OK(ROW(0, &row, DW_CFA_nop));
    check_cfa(&row, 7, 8);
    check_rule(&row.rules[16], CFI_OFFSET, -8);
    check_rule(&row.rules[3], CFI_OFFSET, -24);
    check_rule(&row.rules[6], CFI_UNSPECIFIED, 0);
    ck_assert_uint_eq(row.low, FUNCTION);
    ck_assert(!row.signal_frame);
}
END_TEST

START_TEST(rows_begin_where_the_instructions_say) {
    struct cfi_row row;
    static const struct {
        uint64_t at, low;
        int64_t offset;
    } wanted[] = {{0, 0, 16},     {1, 0, 16},       {2, 2, 24},      {5, 2, 24},
                  {6, 6, 32},     {7, 6, 32},       {12, 12, 40},    {0x1f, 0x1c, 48},
                  {0x1b, 12, 40}, {0x50, 0x50, 64}, {0x4f, 0x3c, 56}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        CHECK_OK(ROW(wanted[i].at, &row, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc | 1,
                     DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc1, 2, DW_CFA_def_cfa_offset, 32,
                     DW_CFA_advance_loc2, 3, 0, DW_CFA_def_cfa_offset, 40, DW_CFA_advance_loc4, 8, 0, 0, 0,
                     DW_CFA_def_cfa_offset, 48, DW_CFA_MIPS_advance_loc8, 16, 0, 0, 0, 0, 0, 0, 0,
                     DW_CFA_def_cfa_offset, 56, DW_CFA_set_loc, 0x50, 0x20, 0, 0, 0, 0, 0, 0,
                     DW_CFA_def_cfa_offset, 64));
        check_cfa(&row, 7, wanted[i].offset);
        ck_assert_uint_eq(row.low, FUNCTION + wanted[i].low);
    }
}
END_TEST

START_TEST(instructions_about_the_cfa) {
    struct cfi_row row;
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa, 6, 0x90, 1));
    check_cfa(&row, 6, 0x90);
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa_sf, 6, 0x7e));
    check_cfa(&row, 6, 16);
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa_register, 10));
    check_cfa(&row, 10, 8);
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa_offset, 72));
    check_cfa(&row, 7, 72);
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa_offset_sf, 0x7d));
    check_cfa(&row, 7, 24);
    CHECK_OK(ROW(0, &row, DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 16));
    ck_assert_int_eq(row.cfa.kind, CFI_VAL_EXPRESSION);
    ck_assert_uint_eq(row.cfa.expression_size, 2);
    ck_assert_int_eq(row.cfa.expression[1], 16);
    CHECK_OK(ROW(0, &row, DW_CFA_GNU_args_size, 0x20));
    ck_assert_uint_eq(row.arguments_size, 0x20);
}
END_TEST

START_TEST(instructions_about_registers) {
    struct cfi_row row;
    CHECK_OK(ROW(0, &row, DW_CFA_offset | 6, 2, DW_CFA_offset_extended, 12, 4, DW_CFA_offset_extended_sf, 13,
                 0x7f, DW_CFA_GNU_negative_offset_extended, 14, 2, DW_CFA_val_offset, 15, 3,
                 DW_CFA_val_offset_sf, 8, 0x7e));
    check_rule(&row.rules[6], CFI_OFFSET, -16);
    check_rule(&row.rules[12], CFI_OFFSET, -32);
    check_rule(&row.rules[13], CFI_OFFSET, 8);
    check_rule(&row.rules[14], CFI_OFFSET, 16);
    check_rule(&row.rules[15], CFI_VAL_OFFSET, -24);
    check_rule(&row.rules[8], CFI_VAL_OFFSET, 16);
    CHECK_OK(ROW(0, &row, DW_CFA_undefined, 16, DW_CFA_same_value, 3, DW_CFA_register, 12, 1,
                 DW_CFA_expression, 13, 1, DW_OP_lit5, DW_CFA_val_expression, 14, 2, DW_OP_breg6, 0));
    ck_assert_int_eq(row.rules[16].kind, CFI_UNDEFINED);
    ck_assert_int_eq(row.rules[3].kind, CFI_SAME_VALUE);
    ck_assert_int_eq(row.rules[12].kind, CFI_REGISTER);
    ck_assert_uint_eq(row.rules[12].reg, 1);
    ck_assert_int_eq(row.rules[13].kind, CFI_EXPRESSION);
    ck_assert_uint_eq(row.rules[13].expression_size, 1);
    ck_assert_int_eq(row.rules[14].kind, CFI_VAL_EXPRESSION);
    ck_assert_uint_eq(row.rules[14].expression_size, 2);
    /* xmm6, as functions of the Microsoft ABI save it: read, and not kept. */
    CHECK_OK(ROW(0, &row, DW_CFA_offset | 23, 8, DW_CFA_restore | 23, DW_CFA_def_cfa_offset, 48));
    check_cfa(&row, 7, 48);
}
END_TEST

START_TEST(rules_are_restored) {
    struct cfi_row row;
    CHECK_OK(ROW(0, &row, DW_CFA_same_value, 3, DW_CFA_restore | 3));
    check_rule(&row.rules[3], CFI_OFFSET, -24);
    CHECK_OK(ROW(0, &row, DW_CFA_offset | 6, 2, DW_CFA_restore_extended, 6));
    check_rule(&row.rules[6], CFI_UNSPECIFIED, 0);
    CHECK_OK(ROW(0, &row, DW_CFA_remember_state, DW_CFA_same_value, 3, DW_CFA_def_cfa, 6, 16,
                 DW_CFA_remember_state, DW_CFA_undefined, 3, DW_CFA_def_cfa_offset, 99,
                 DW_CFA_restore_state));
    ck_assert_int_eq(row.rules[3].kind, CFI_SAME_VALUE);
    check_cfa(&row, 6, 16);
    CHECK_OK(ROW(0, &row, DW_CFA_remember_state, DW_CFA_same_value, 3, DW_CFA_def_cfa, 6, 16,
                 DW_CFA_advance_loc | 2, DW_CFA_restore_state));
    ck_assert_int_eq(row.rules[3].kind, CFI_SAME_VALUE);
    CHECK_OK(ROW(4, &row, DW_CFA_remember_state, DW_CFA_same_value, 3, DW_CFA_def_cfa, 6, 16,
                 DW_CFA_advance_loc | 2, DW_CFA_restore_state));
    check_rule(&row.rules[3], CFI_OFFSET, -24);
    check_cfa(&row, 7, 8);
}
END_TEST

START_TEST(nonsense_is_refused) {
    struct cfi_row row;
    CHECK_FAILS(ROW(0, &row, DW_CFA_restore_state), ERROR_BAD_DATA, "not remembered");
    CHECK_FAILS(ROW(0, &row, 0x3c), ERROR_UNSUPPORTED, "0x3c");
    CHECK_FAILS(ROW(0, &row, DW_CFA_GNU_window_save), ERROR_UNSUPPORTED, "0x2d");
    CHECK_FAILS(ROW(0, &row, DW_CFA_def_cfa_expression, 1, DW_OP_lit0, DW_CFA_def_cfa_offset, 8),
                ERROR_BAD_DATA, "not register and offset");
    CHECK_FAILS(ROW(0, &row, DW_CFA_expression, 3, 100, DW_OP_lit0), ERROR_BAD_DATA, "damaged at byte");
    CHECK_FAILS(ROW(0, &row, 0, 0, 0, 0, 0, DW_CFA_def_cfa, 0x80), ERROR_BAD_DATA, "damaged at byte");
    CHECK_FAILS(ROW(0, &row, DW_CFA_MIPS_advance_loc8, 0, 0, 0, 0, 0, 0, 0, 0xf0), ERROR_BAD_DATA,
                "beyond the end of memory");
    uint8_t many[20];
    memset(many, DW_CFA_remember_state, sizeof(many));
    CHECK_FAILS(row_at(many, sizeof(many), 0, &row), ERROR_BAD_DATA, "too many");
}
END_TEST

/* ---- records ---- */

START_TEST(augmentations) {
    static const struct {
        const char *letters;
        uint8_t data[24];
        uint8_t size;
        enum error_code code; /* ERROR_OTHER: none */
        bool is_signal;
    } rows[] = {
        {"", {0}, 0, ERROR_OTHER, false},
        {"eh", {1, 2, 3, 4, 5, 6, 7, 8}, 8, ERROR_OTHER, false},
        {"z", {0}, 1, ERROR_OTHER, false},
        {"zRS", {1, DW_EH_PE_absptr}, 2, ERROR_OTHER, true},
        {"zPLR",
         {7, DW_EH_PE_sdata4 | 0x80 | DW_EH_PE_pcrel, 9, 9, 9, 9, 0x1b, DW_EH_PE_absptr},
         8,
         ERROR_OTHER,
         false},
        {"zPR", {10, DW_EH_PE_absptr, 1, 2, 3, 4, 5, 6, 7, 8, DW_EH_PE_udata8}, 11, ERROR_OTHER, false},
        {"zRB", {1, DW_EH_PE_absptr}, 2, ERROR_OTHER, false},
        {"zRX", {3, DW_EH_PE_absptr, 1, 2}, 4, ERROR_OTHER, false}, /* data of an unknown letter is skipped */
        {"zR", {1, DW_EH_PE_absptr | 0x80}, 2, ERROR_UNSUPPORTED, false},
        {"X", {0}, 0, ERROR_UNSUPPORTED, false},
        {"zR", {0}, 1, ERROR_BAD_DATA, false},                /* no data, yet a letter that needs some */
        {"zR", {0xff, 0xff, 3, 0}, 4, ERROR_BAD_DATA, false}, /* more data than there is */
        {"zRRRRRRRRRRRRRRRRRRR", {20}, 24, ERROR_BAD_DATA, false},
    };
    struct buffer buffer = {0};
    buffer_put_u32(&buffer, 0);
    size_t begin = buffer.size;
    buffer_put_u32(&buffer, 0);
    buffer_put_u8(&buffer, 1);
    buffer_put(&buffer, rows[_i].letters, strlen(rows[_i].letters) + 1);
    if (!strcmp(rows[_i].letters, "eh")) /* these data come before the factors */
        buffer_put(&buffer, rows[_i].data, 8);
    buffer_put_u8(&buffer, 1);
    buffer_put_u8(&buffer, 0x78);
    buffer_put_u8(&buffer, 16);
    if (strcmp(rows[_i].letters, "eh") != 0)
        buffer_put(&buffer, rows[_i].data, rows[_i].size);
    buffer_put(&buffer, usual_cie, sizeof(usual_cie));
    end_record(&buffer, begin);
    put_fde(&buffer, rows[_i].letters[0] == 'z', "", 0);
    struct cfi_section section = section_of(&buffer);
    struct cfi_row row;
    struct error *err = row_of_section(&section, FUNCTION, &row);
    if (rows[_i].code == ERROR_OTHER) {
        CHECK_OK(err);
        check_cfa(&row, 7, 8);
        ck_assert_int_eq(row.signal_frame, rows[_i].is_signal);
    } else {
        CHECK_FAILS(err, rows[_i].code, "");
    }
    buffer_deinit(&buffer);
}
END_TEST

/* low as 0x2000 and size 0x1000 in each encoding; the field is at offset 0x20 of the section. */
START_TEST(encodings_of_addresses) {
    static const struct {
        uint8_t encoding, size;
        uint64_t low, range;
    } rows[] = {
        {DW_EH_PE_absptr, 8, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_udata8, 8, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_sdata8, 8, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_udata4, 4, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_sdata4, 4, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_udata2, 2, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_sdata2, 2, FUNCTION, FUNCTION_SIZE},
        {DW_EH_PE_uleb128, 2, 0x40 << 8 | 0x80, 0x20 << 8 | 0x80},
        {DW_EH_PE_sleb128, 3, 0x00c080, 0x00a080},
        {DW_EH_PE_pcrel | DW_EH_PE_sdata4, 4, (uint32_t)(FUNCTION - SECTION_VADDR - 0x20), FUNCTION_SIZE},
        {DW_EH_PE_pcrel | DW_EH_PE_absptr, 8, FUNCTION - SECTION_VADDR - 0x20ull, FUNCTION_SIZE},
        {DW_EH_PE_aligned, 8, FUNCTION, FUNCTION_SIZE},
    };
    struct buffer buffer = {0};
    put_cie(&buffer, "zR", rows[_i].encoding, usual_cie, sizeof(usual_cie));
    while (buffer.size < 0x18) /* bring it to the place above */
        buffer_put_u8(&buffer, 0);
    ck_assert_uint_eq(buffer.size, 0x18);
    size_t begin = begin_record(&buffer);
    buffer_put_u32(&buffer, (uint32_t)begin);
    ck_assert_uint_eq(buffer.size, 0x20);
    buffer_put(&buffer, &rows[_i].low, rows[_i].size);
    buffer_put(&buffer, &rows[_i].range, rows[_i].size);
    buffer_put_u8(&buffer, 0);
    end_record(&buffer, begin);
    struct cfi_section section = section_of(&buffer);
    struct cfi_cie cie = {.end = 0};
    struct cfi_fde fde;
    CHECK_OK(cfi_read_fde(&section, 0x18, &cie, &fde));
    ck_assert_uint_eq(fde.low, FUNCTION);
    ck_assert_uint_eq(fde.high, FUNCTION + FUNCTION_SIZE);
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(records_of_every_truncation_are_refused_or_read) {
    static const uint8_t instructions[] = {DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset, 16};
    struct buffer buffer = {0};
    put_cie(&buffer, "zR", DW_EH_PE_absptr, usual_cie, sizeof(usual_cie));
    put_fde(&buffer, true, instructions, sizeof(instructions));
    for (size_t size = 0; size < buffer.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, buffer.data, size);
        struct cfi_section section = {.data = exact, .size = size, .is_eh_frame = true};
        struct cfi_row row;
        CHECK_FAILS(row_of_section(&section, FUNCTION, &row), ERROR_BAD_DATA, "");
        free(exact);
    }
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(confused_records_are_refused) {
    struct buffer buffer = {0};
    struct cfi_cie cie = {.end = 0};
    struct cfi_fde fde;
    enum cfi_record kind;
    size_t next;
    put_cie(&buffer, "zR", DW_EH_PE_absptr, usual_cie, sizeof(usual_cie));
    size_t offset = buffer.size;
    put_fde(&buffer, true, "", 0);
    buffer_put_u32(&buffer, 0);
    struct cfi_section section = section_of(&buffer);
    CHECK_OK(cfi_read_record(&section, 0, &kind, &next));
    ck_assert(kind == CFI_RECORD_CIE && next == offset);
    CHECK_OK(cfi_read_record(&section, offset, &kind, &next));
    ck_assert(kind == CFI_RECORD_FDE && next == buffer.size - 4);
    CHECK_OK(cfi_read_record(&section, next, &kind, &next));
    ck_assert(kind == CFI_RECORD_PADDING && next == buffer.size);
    CHECK_OK(cfi_read_record(&section, next, &kind, &next));
    ck_assert(kind == CFI_RECORD_END);
    CHECK_FAILS(cfi_read_fde(&section, 0, &cie, &fde), ERROR_BAD_DATA, "no FDE");
    CHECK_FAILS(cfi_read_fde(&section, SIZE_MAX, &cie, &fde), ERROR_BAD_DATA, "damaged");
    uint32_t wrong =
        (uint32_t)offset + 5; /* leads out of the section; then to the FDE itself; then to another FDE */
    memcpy(buffer.data + offset + 4, &wrong, sizeof(wrong));
    CHECK_FAILS(cfi_read_fde(&section, offset, &cie, &fde), ERROR_BAD_DATA, "damaged");
    wrong = 4;
    memcpy(buffer.data + offset + 4, &wrong, sizeof(wrong));
    CHECK_FAILS(cfi_read_fde(&section, offset, &cie, &fde), ERROR_BAD_DATA, "no CIE");
    wrong = UINT32_MAX - 1;
    memcpy(buffer.data + offset, &wrong, sizeof(wrong));
    CHECK_FAILS(cfi_read_record(&section, offset, &kind, &next), ERROR_BAD_DATA, "longer than the section");
    buffer_deinit(&buffer);
}
END_TEST

/* ---- steps over rows made by hand ---- */

#define HEADERS      (sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))
#define FRAME_HEADER 12

/* An image of nothing but .eh_frame_hdr, without a table, and .eh_frame. */
static void make_image(struct buffer *buffer, const char *augmentation, const void *instructions,
                       size_t size) {
    struct buffer frames = {0};
    put_cie(&frames, augmentation, DW_EH_PE_absptr, usual_cie, sizeof(usual_cie));
    put_fde(&frames, true, instructions, size);
    uint64_t total = HEADERS + FRAME_HEADER + frames.size;
    const Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                               .e_machine = EM_X86_64,
                               .e_phoff = sizeof(header),
                               .e_phnum = 2,
                               .e_phentsize = sizeof(Elf64_Phdr)};
    const Elf64_Phdr load = {.p_type = PT_LOAD, .p_filesz = total, .p_memsz = total, .p_vaddr = 0x100000};
    const Elf64_Phdr hint = {.p_type = PT_GNU_EH_FRAME,
                             .p_offset = HEADERS,
                             .p_vaddr = 0x100000 + HEADERS,
                             .p_filesz = FRAME_HEADER};
    const uint8_t frame_header[FRAME_HEADER] = {1, DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_EH_PE_omit,
                                                DW_EH_PE_omit, FRAME_HEADER - 4};
    buffer_clear(buffer);
    buffer_put(buffer, &header, sizeof(header));
    buffer_put(buffer, &load, sizeof(load));
    buffer_put(buffer, &hint, sizeof(hint));
    buffer_put(buffer, frame_header, sizeof(frame_header));
    buffer_put(buffer, frames.data, frames.size);
    buffer_deinit(&frames);
}

/* A stack at this process address; each word holds its own number times 0x101. */
#define STACK 0x7000
static uint64_t stack_words[32];

static size_t read_stack(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    if (address < STACK || address - STACK >= sizeof(stack_words))
        return 0;
    size_t left = sizeof(stack_words) - (address - STACK);
    memcpy(ret, (const char *)stack_words + (address - STACK), size < left ? size : left);
    return size < left ? size : left;
}

struct stepped {
    uint64_t cfa;
    struct frame_registers caller;
    bool is_signal;
};

#define BIAS 0x500000

/* rsp is STACK + 16, register n is n * 0x1001. */
static struct error *step_with(const char *augmentation, const void *instructions, size_t size,
                               struct stepped *ret) {
    const struct memory_reader memory = {.read = read_stack};
    struct frame_registers frame = {.known = 0};
    struct buffer buffer = {0};
    struct elf_image image;
    struct unwind_table *table;
    for (unsigned i = 0; i < 32; i++)
        stack_words[i] = i * 0x101;
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        frame_set_register(&frame, i, i * 0x1001);
    frame_set_register(&frame, FRAME_RSP, STACK + 16);
    frame_set_register(&frame, FRAME_RIP, BIAS + FUNCTION + 4);
    make_image(&buffer, augmentation, instructions, size);
    CHECK_OK(elf_image_init(&image, buffer.data, buffer.size, "made"));
    CHECK_OK(unwind_table_create(&image, NULL, &table));
    struct error *err = unwind_step(table, BIAS, &frame, &memory, &ret->cfa, &ret->caller, &ret->is_signal);
    unwind_table_destroy(table);
    elf_image_deinit(&image);
    buffer_deinit(&buffer);
    return err;
}

#define STEP(ret, ...)                                                                                       \
    step_with("zR", (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), ret)

static void check_known(const struct stepped *stepped, unsigned number, uint64_t value) {
    uint64_t found = 0;
    ck_assert_msg(frame_register(&stepped->caller, number, &found), "register %u is unknown", number);
    ck_assert_uint_eq(found, value);
}

START_TEST(a_step_by_offsets) {
    struct stepped stepped;
    uint64_t value;
    CHECK_OK(STEP(&stepped, DW_CFA_def_cfa_offset, 40));
    ck_assert_uint_eq(stepped.cfa, STACK + 56);
    check_known(&stepped, FRAME_RIP, 6 * 0x101);            /* at CFA - 8 */
    check_known(&stepped, FRAME_RBX, 4 * 0x101);            /* at CFA - 24 */
    check_known(&stepped, FRAME_RSP, STACK + 56);           /* the CFA */
    check_known(&stepped, FRAME_RBP, 6 * 0x1001);           /* nothing is said: kept */
    ck_assert(!frame_register(&stepped.caller, 0, &value)); /* nothing is said: lost */
    ck_assert(stepped.caller.is_return_address);
    ck_assert(!stepped.is_signal);
}
END_TEST

START_TEST(a_step_by_other_rules) {
    struct stepped stepped;
    uint64_t value;
    CHECK_OK(STEP(&stepped, DW_CFA_def_cfa_expression, 3, DW_OP_breg7, 24, DW_OP_nop, DW_CFA_val_offset_sf, 7,
                  1, DW_CFA_register, 3, 0, DW_CFA_undefined, 6, DW_CFA_same_value, 0, DW_CFA_expression, 12,
                  2, DW_OP_plus_uconst, 8, DW_CFA_val_expression, 13, 2, DW_OP_lit3, DW_OP_plus));
    ck_assert_uint_eq(stepped.cfa, STACK + 40);
    check_known(&stepped, FRAME_RSP, STACK + 40 - 8);
    check_known(&stepped, FRAME_RBX, 0);
    check_known(&stepped, 0, 0);
    check_known(&stepped, 12, 6 * 0x101); /* the CFA is on the stack when it begins */
    check_known(&stepped, 13, STACK + 43);
    ck_assert(!frame_register(&stepped.caller, FRAME_RBP, &value));
}
END_TEST

START_TEST(ends_of_the_stack) {
    struct stepped stepped;
    uint64_t value;
    CHECK_OK(STEP(&stepped, DW_CFA_undefined, 16));
    ck_assert(!frame_register(&stepped.caller, FRAME_RIP, &value));
    ck_assert(!frame_pc(&stepped.caller, &value));
    CHECK_OK(STEP(&stepped, DW_CFA_val_expression, 16, 1, DW_OP_lit0));
    ck_assert(!frame_register(&stepped.caller, FRAME_RIP, &value));
}
END_TEST

START_TEST(signal_frames_are_said) {
    struct stepped stepped;
    uint64_t pc;
    CHECK_OK(step_with("zRS", "", 0, &stepped));
    ck_assert(stepped.is_signal);
    ck_assert(!stepped.caller.is_return_address);
    ck_assert(frame_pc(&stepped.caller, &pc));
    ck_assert_uint_eq(pc, 2 * 0x101);
    CHECK_OK(STEP(&stepped, DW_CFA_nop));
    ck_assert(frame_pc(&stepped.caller, &pc));
    ck_assert_uint_eq(pc, 2 * 0x101 - 1);
}
END_TEST

START_TEST(steps_that_cannot_be_made) {
    struct stepped stepped;
    uint64_t value;
    CHECK_FAILS(STEP(&stepped, DW_CFA_def_cfa_register, 17), ERROR_BAD_DATA, "register 17");
    /* The return address is at 0x9008, where there is no memory; then by an expression; then rbx alone. */
    CHECK_FAILS(STEP(&stepped, DW_CFA_def_cfa, 7, 0x80, 0x40), ERROR_BAD_DATA, "cannot be read");
    CHECK_FAILS(STEP(&stepped, DW_CFA_expression, 16, 2, DW_OP_lit0, DW_OP_deref), ERROR_BAD_DATA, "at 0x0");
    CHECK_OK(STEP(&stepped, DW_CFA_expression, 3, 1, DW_OP_lit0));
    ck_assert(!frame_register(&stepped.caller, FRAME_RBX, &value));
    CHECK_FAILS(STEP(&stepped, DW_CFA_def_cfa_expression, 0), ERROR_BAD_DATA, "no number");
    CHECK_FAILS(STEP(&stepped, DW_CFA_def_cfa_expression, 1, DW_OP_call_frame_cfa), ERROR_UNSUPPORTED,
                "frame's address");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cfi");
    TCase *real = tcase_create("real files");
    tcase_set_timeout(real, 120);
    tcase_add_loop_test(real, rows_of_libraries_are_those_of_readelf, 0, 4);
    tcase_add_loop_test(real, every_function_of_libraries_has_rows, 0, 4);
    tcase_add_loop_test(real, both_ways_to_search_agree, 0, 4);
    tcase_add_loop_test(real, rows_of_made_files_are_those_of_readelf, 0, sizeof(builds) / sizeof(builds[0]));
    tcase_add_test(real, a_file_without_section_table_will_do);
    suite_add_tcase(suite, real);
    TCase *made = tcase_create("made sections");
    tcase_add_test(made, the_cie_gives_the_first_row);
    tcase_add_test(made, rows_begin_where_the_instructions_say);
    tcase_add_test(made, instructions_about_the_cfa);
    tcase_add_test(made, instructions_about_registers);
    tcase_add_test(made, rules_are_restored);
    tcase_add_test(made, nonsense_is_refused);
    tcase_add_loop_test(made, augmentations, 0, 13);
    tcase_add_loop_test(made, encodings_of_addresses, 0, 12);
    tcase_add_test(made, records_of_every_truncation_are_refused_or_read);
    tcase_add_test(made, confused_records_are_refused);
    suite_add_tcase(suite, made);
    TCase *steps = tcase_create("steps");
    tcase_add_test(steps, a_step_by_offsets);
    tcase_add_test(steps, a_step_by_other_rules);
    tcase_add_test(steps, ends_of_the_stack);
    tcase_add_test(steps, signal_frames_are_said);
    tcase_add_test(steps, steps_that_cannot_be_made);
    suite_add_tcase(suite, steps);
    return scratch_run(suite);
}
