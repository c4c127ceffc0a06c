/* tracer/insn: trapped instructions are recognised, found in code where objdump finds them and nowhere else,
 * and imitated as the processor does them. */
#include "tracer/insn.h"

#include "dwarf/elf.h"

#include <check.h>
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The long version of the tests? */
static bool is_soak(void) {
    const char *soak = getenv("SOAK");
    return soak && *soak;
}

/* ---- classify ---- */

static const struct classify_row {
    const char *bytes;
    size_t size;
    enum trapped_instruction kind;
    uint8_t length;
} classify_rows[] = {
    {"\x0f\x31\x90", 3, INSN_RDTSC, 2},
    {"\x66\x0f\x31", 3, INSN_RDTSC, 3},
    {"\x48\x0f\x31", 3, INSN_RDTSC, 3},
    {"\x0f\x01\xf9", 3, INSN_RDTSCP, 3},
    {"\x0f\xc7\xf0", 3, INSN_RDRAND, 3},         /* eax */
    {"\x48\x0f\xc7\xf7", 4, INSN_RDRAND, 4},     /* rdi */
    {"\x66\x41\x0f\xc7\xf4", 5, INSN_RDRAND, 5}, /* r12w */
    {"\x0f\xc7\xf8", 3, INSN_RDSEED, 3},
    {"\x49\x0f\xc7\xff", 4, INSN_RDSEED, 4},
    {"\xf3\x0f\xc7\xf8", 4, INSN_RDPID, 4},
    {"\xf3\x41\x0f\xc7\xff", 5, INSN_RDPID, 5},
    {"\x0f\xa2", 2, INSN_CPUID, 2},
    {"\x0f\xc7\x08", 3, INSN_NONE, 0},         /* cmpxchg8b (%rax) */
    {"\x0f\xc7\x30", 3, INSN_NONE, 0},         /* vmptrld: /6 of memory */
    {"\x0f\x01\xd0", 3, INSN_NONE, 0},         /* xgetbv */
    {"\xf0\x0f\x31", 3, INSN_NONE, 0},         /* lock rdtsc: no such instruction */
    {"\x0f\x0b", 2, INSN_NONE, 0},             /* ud2 */
    {"\xb8\x0f\x31\x00\x00", 5, INSN_NONE, 0}, /* mov $0x310f,%eax */
    {"\x0f", 1, INSN_NONE, 0},                 /* cut short */
    {"\x0f\x01", 2, INSN_NONE, 0},
    {"", 0, INSN_NONE, 0},
};

START_TEST(instructions_are_classified) {
    const struct classify_row *row = &classify_rows[_i];
    uint8_t length = 0;
    ck_assert_int_eq(insn_classify((const uint8_t *)row->bytes, row->size, &length), row->kind);
    ck_assert_uint_eq(length, row->length);
}
END_TEST

START_TEST(kinds_have_names) {
    ck_assert_str_eq(trapped_instruction_name(INSN_RDTSC), "rdtsc");
    ck_assert_str_eq(trapped_instruction_name(INSN_RDTSCP), "rdtscp");
    ck_assert_str_eq(trapped_instruction_name(INSN_RDRAND), "rdrand");
    ck_assert_str_eq(trapped_instruction_name(INSN_RDSEED), "rdseed");
    ck_assert_str_eq(trapped_instruction_name(INSN_RDPID), "rdpid");
    ck_assert_str_eq(trapped_instruction_name(INSN_CPUID), "cpuid");
}
END_TEST

/* ---- scan ---- */

#define BASE 0x400000ull

static struct insn_sites scan(const char *code, size_t size, const uint64_t *starts, size_t count) {
    struct insn_sites sites = {0};
    uint8_t *exact = malloc(size ? size : 1); /* exactly as big, so that a sanitizer sees each step too far */
    memcpy(exact, code, size);
    ck_assert_ptr_null(insn_scan(exact, size, BASE, starts, count, &sites));
    free(exact);
    return sites;
}

#define SCAN(code, starts, count) scan(code, sizeof(code) - 1, starts, count)

static const uint64_t base_start[] = {BASE};

START_TEST(sites_are_found_with_their_bytes) {
    static const char code[] = "\x55"             /* 0 push %rbp */
                               "\x0f\x31"         /* 1 rdtsc */
                               "\x66\x0f\xc7\xf1" /* 3 rdrand %cx */
                               "\x0f\xa2"         /* 7 cpuid */
                               "\xf3\x0f\xc7\xf8" /* 9 rdpid %rax */
                               "\x0f\x01\xf9"     /* 13 rdtscp */
                               "\xc3";
    for (size_t count = 0; count < 2; count++) { /* without a start, and with one */
        struct insn_sites sites = SCAN(code, base_start, count);
        ck_assert_uint_eq(sites.count, 5);
        static const uint64_t at[] = {1, 3, 7, 9, 13};
        static const enum trapped_instruction kinds[] = {INSN_RDTSC, INSN_RDRAND, INSN_CPUID, INSN_RDPID,
                                                         INSN_RDTSCP};
        for (size_t i = 0; i < 5; i++) {
            const struct insn_site *site = insn_sites_find(&sites, BASE + at[i]);
            ck_assert_ptr_eq(site, &sites.sites[i]);
            ck_assert_int_eq(site->kind, kinds[i]);
            ck_assert_int_eq(memcmp(site->bytes, code + at[i], site->length), 0);
        }
        ck_assert_ptr_null(insn_sites_find(&sites, BASE + 2));
        insn_sites_deinit(&sites);
    }
}
END_TEST

START_TEST(constants_are_no_sites) {
    static const char code[] = "\xb8\x0f\x31\x0f\xa2"         /* mov $0xa20f310f,%eax */
                               "\x48\x8d\x05\x0f\x31\x00\x00" /* lea 0x310f(%rip),%rax */
                               "\xc3";
    struct insn_sites sites = SCAN(code, base_start, 1);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_deinit(&sites);
    sites = SCAN(code, NULL, 0);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(the_nearest_start_decides) {
    /* Seen from 0 there is a constant; but a function begins inside it. */
    static const char code[] = "\xb8\x0f\x31\xc3\x90\xc3";
    static const uint64_t starts[] = {BASE, BASE + 1};
    struct insn_sites sites = SCAN(code, starts, 2);
    ck_assert_uint_eq(sites.count, 1);
    ck_assert_uint_eq(sites.sites[0].address, BASE + 1);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(code_behind_a_branch_belongs_to_its_function) {
    static const char code[] = "\x74\x03"     /* 0 je 5 */
                               "\x31\xc0\xc3" /* 2 xor %eax,%eax; ret */
                               "\x0f\x31"     /* 5 rdtsc */
                               "\xc3"
                               "\x06\x06\x06\x06" /* 8 what follows is no code */
                               "\x06\x06\x06\x06";
    struct insn_sites sites = SCAN(code, base_start, 1);
    ck_assert_uint_eq(sites.count, 1);
    ck_assert_uint_eq(sites.sites[0].address, BASE + 5);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(a_pattern_in_a_table_behind_a_function_is_no_site) {
    static const char code[] = "\x31\xc0\xc3"             /* xor %eax,%eax; ret */
                               "\x06\x07\x60\x9c\x0f\x31" /* of libcrypto's table for P-256 */
                               "\x66\x61\xc1\x12\xf4\x32\x0a\x43\xae\x2f\xe5\xac\x88\xd3";
    struct insn_sites sites = SCAN(code, base_start, 1);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(a_function_without_a_start_is_found_behind_a_table) {
    /* padlock_capability of OpenSSL, which has no unwind information and stands behind a table */
    char code[64 + 64] = {0};
    memset(code, 0x06, 64);
    static const char function[] = "\x49\x89\xd8"             /* mov %rbx,%r8 */
                                   "\x31\xc0\x0f\xa2\x31\xc0" /* xor %eax,%eax; cpuid; xor %eax,%eax */
                                   "\x81\xfb\x43\x65\x6e\x74" /* cmp $0x746e6543,%ebx */
                                   "\x75\x22"                 /* jne */
                                   "\xb8\x00\x00\x00\xc0"     /* mov $0xc0000000,%eax */
                                   "\x0f\xa2\x89\xc2\x31\xc0" /* cpuid; mov %eax,%edx; xor %eax,%eax */
                                   "\x81\xfa\x01\x00\x00\xc0" /* cmp $0xc0000001,%edx */
                                   "\x72\x0f"                 /* jb */
                                   "\x89\xd0\x83\xe0\xef\x83\xc8\x10\x4c\x89\xc3\xc3";
    memcpy(code + 64, function, sizeof(function) - 1);
    struct insn_sites sites = scan(code, sizeof(code), NULL, 0);
    ck_assert_uint_eq(sites.count, 2);
    ck_assert_uint_eq(sites.sites[0].address, BASE + 64 + 5);
    ck_assert_uint_eq(sites.sites[1].address, BASE + 64 + 22);
    insn_sites_deinit(&sites);
}
END_TEST

/* A table of random numbers is nearly never taken for code: patching one would make the program compute
 * nonsense. */
START_TEST(random_bytes_are_no_code) {
    size_t size = 8 << 20, patterns = 0;
    uint8_t *bytes = malloc(size);
    uint64_t state = 88172645463325252ull;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)(state >> 32);
    }
    for (size_t i = 0; i + 64 < size; i += 64) { /* one pattern a cache line */
        memcpy(bytes + i + 32, i & 64 ? "\x0f\x31" : "\x0f\xa2", 2);
        patterns++;
    }
    struct insn_sites sites = {0};
    ck_assert_ptr_null(insn_scan(bytes, size, BASE, NULL, 0, &sites));
    ck_assert_uint_lt(sites.count, patterns / 500);
    insn_sites_deinit(&sites);
    free(bytes);
}
END_TEST

/* Bytes that nobody would take for code, but for what is written among them. */
struct desert {
    char code[512];
};

static void write_code(struct desert *desert, size_t at, const char *code, size_t size) {
    memcpy(desert->code + at, code, size);
}

#define WRITE(desert, at, code) write_code(desert, at, code, sizeof(code) - 1)

static struct desert make_desert(void) {
    struct desert desert;
    memset(desert.code, 0x06, sizeof(desert.code));
    WRITE(&desert, 256,
          "\xe8\x3b\x00\x00\x00"                     /* call 320 */
          "\x75\x01"                                 /* jne 264 */
          "\xf4"                                     /* hlt */
          "\xe9\x33\xff\xff\xff");                   /* 264 jmp 64 */
    WRITE(&desert, 320, "\xe8\x53\xff\xff\xff\xc3"); /* call 152; ret */
    WRITE(&desert, 64, "\x66\x0f\xc7\xf1\xc3");      /* rdrand %cx; ret */
    WRITE(&desert, 152, "\x0f\x31\xc3");             /* rdtsc; ret */
    WRITE(&desert, 400, "\x0f\x31\xc3");             /* nobody calls this */
    return desert;
}

START_TEST(functions_that_are_called_from_a_start_are_found) {
    struct desert desert = make_desert();
    static const uint64_t entry[] = {BASE + 256};
    struct insn_sites sites = scan(desert.code, sizeof(desert.code), NULL, 0);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_deinit(&sites);
    sites = scan(desert.code, sizeof(desert.code), entry, 1);
    ck_assert_uint_eq(sites.count, 2);
    ck_assert_uint_eq(sites.sites[0].address, BASE + 64);
    ck_assert_int_eq(sites.sites[0].kind, INSN_RDRAND);
    ck_assert_uint_eq(sites.sites[1].address, BASE + 152);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(what_is_reached_must_look_like_code) {
    struct desert desert = make_desert();
    static const uint64_t entry[] = {BASE + 256};
    WRITE(&desert, 152, "\x90\xb8\x0f\x31\xc3\x90\xc3"); /* nop; mov $0x90c3310f,%eax; ret */
    WRITE(&desert, 68, "\x06");                          /* rdrand, and then nonsense */
    struct insn_sites sites = scan(desert.code, sizeof(desert.code), entry, 1);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(branches_in_all_directions_come_to_an_end) {
    char code[4096];
    uint64_t state = 88172645463325252ull, starts[64];
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof(code); i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            static const char common[] = "\xe8\xeb\xe9\x75\x0f\x31\x66\x00";
            code[i] = state & 0x100 ? common[state % 8] : (char)state;
        }
        for (size_t i = 0; i < COUNT(starts); i++)
            starts[i] = BASE + i * 64;
        struct insn_sites sites = scan(code, sizeof(code), starts, COUNT(starts));
        for (size_t i = 1; i < sites.count; i++)
            ck_assert_uint_lt(sites.sites[i - 1].address, sites.sites[i].address);
        insn_sites_deinit(&sites);
    }
}
END_TEST

START_TEST(starts_outside_or_out_of_order_do_no_harm) {
    static const uint64_t starts[] = {0, BASE - 1, BASE + 4, BASE + 1, UINT64_MAX, BASE + 2, BASE + 1000};
    static const char code[] = "\x0f\x31\x0f\x31\xc3";
    struct insn_sites sites = SCAN(code, starts, COUNT(starts));
    ck_assert_uint_le(sites.count, 2);
    insn_sites_deinit(&sites);
    sites = SCAN(code, starts, 2); /* all before the code */
    ck_assert_uint_eq(sites.count, 2);
    insn_sites_deinit(&sites);
}
END_TEST

START_TEST(any_size_is_scanned_to_its_last_byte) {
    for (size_t size = 0; size < 70; size++) {
        char code[70];
        memset(code, 0x90, sizeof(code));
        if (size >= 2)
            memcpy(code + size - 2, "\x0f\x31", 2);
        struct insn_sites sites = scan(code, size, base_start, 1);
        ck_assert_uint_eq(sites.count, size >= 2);
        insn_sites_deinit(&sites);
    }
}
END_TEST

START_TEST(scans_add_up_and_are_removed) {
    static const uint8_t code[] = {0x0f, 0x31, 0x0f, 0xa2, 0xc3};
    struct insn_sites sites = {0};
    static const uint64_t bases[] = {0x3000, 0x1000, 0x2000, 0x1000}; /* out of order, and one twice */
    for (size_t i = 0; i < COUNT(bases); i++)
        ck_assert_ptr_null(insn_scan(code, sizeof(code), bases[i], &bases[i], 1, &sites));
    ck_assert_uint_eq(sites.count, 6);
    for (size_t i = 1; i < sites.count; i++)
        ck_assert_uint_lt(sites.sites[i - 1].address, sites.sites[i].address);
    insn_sites_remove(&sites, 0x1002, 0x3002); /* the end is not removed */
    ck_assert_uint_eq(sites.count, 2);
    ck_assert_ptr_nonnull(insn_sites_find(&sites, 0x1000));
    ck_assert_ptr_nonnull(insn_sites_find(&sites, 0x3002));
    ck_assert_ptr_null(insn_sites_find(&sites, 0x2000));
    insn_sites_remove(&sites, 5, 5);
    insn_sites_remove(&sites, 0, UINT64_MAX);
    ck_assert_uint_eq(sites.count, 0);
    insn_sites_remove(&sites, 0, UINT64_MAX);
    insn_sites_deinit(&sites);
}
END_TEST

/* ---- scan: the programs of this machine ---- */

struct truth {
    uint64_t address;
    size_t line;
    bool doubtful; /* nonsense is near: objdump has disassembled data */
};

struct truths {
    struct truth rows[4096];
    size_t count;
};

/* Does objdump's line have one of our mnemonics, maybe behind prefixes? */
static bool names_trapped(char *text) {
    char *rest, *token = strtok_r(text, " \t\n", &rest);
    for (; token; token = strtok_r(NULL, " \t\n", &rest))
        for (enum trapped_instruction kind = INSN_RDTSC; kind <= INSN_CPUID; kind++)
            if (!strcmp(token, trapped_instruction_name(kind)))
                return true;
    return false;
}

#define NEAR_LINES 16

static void read_truth(FILE *objdump, struct truths *truths) {
    char *line = NULL;
    size_t room = 0, number = 0, last_bad = 0;
    bool any_bad = false;
    while (getline(&line, &room, objdump) > 0) {
        char *tab = strchr(line, '\t');
        number++;
        if (!tab)
            continue;
        if (strstr(tab, "(bad)")) {
            any_bad = true;
            last_bad = number;
            for (size_t i = truths->count; i && number - truths->rows[i - 1].line <= NEAR_LINES; i--)
                truths->rows[i - 1].doubtful = true;
        } else if (names_trapped(tab)) {
            ck_assert_uint_lt(truths->count, COUNT(truths->rows));
            bool doubtful = any_bad && number - last_bad <= NEAR_LINES;
            truths->rows[truths->count++] = (struct truth){strtoull(line, NULL, 16), number, doubtful};
        }
    }
    free(line);
}

/* False when there is no objdump. */
static bool ask_objdump(const char *name, struct truths *truths) {
    char command[512];
    if (system("objdump --version >/dev/null 2>&1") != 0)
        return false;
    snprintf(command, sizeof(command), "LC_ALL=C objdump -d --no-show-raw-insn %s", name);
    FILE *objdump = popen(command, "r");
    ck_assert_ptr_nonnull(objdump);
    read_truth(objdump, truths);
    ck_assert_int_eq(pclose(objdump), 0);
    return true;
}

/* Scan all code of a file as it is linked; milliseconds of processor time in *ret_ms. False when there is no
 * such file. */
static bool scan_file(const char *name, bool with_starts, struct insn_sites *sites, double *ret_ms) {
    struct stat info;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ck_assert_int_eq(fstat(fd, &info), 0);
    size_t size = (size_t)info.st_size;
    uint8_t *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    ck_assert_ptr_ne(data, MAP_FAILED);
    close(fd);
    struct elf_image image;
    uint64_t *starts;
    struct elf_range *ranges;
    size_t start_count, range_count;
    struct timespec begin, end;
    ck_assert_ptr_null(elf_image_init(&image, data, size, name));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    ck_assert_ptr_null(elf_function_starts(&image, &starts, &start_count));
    ck_assert_ptr_null(elf_code_ranges(&image, &ranges, &range_count));
    for (size_t i = 0; i < range_count; i++)
        ck_assert_ptr_null(insn_scan(data + ranges[i].offset, ranges[i].size, ranges[i].vaddr, starts,
                                     with_starts ? start_count : 0, sites));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    *ret_ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
    free(ranges);
    free(starts);
    elf_image_deinit(&image);
    munmap(data, size);
    return true;
}

static void compare(const char *name, const struct insn_sites *sites, const struct truths *truths) {
    size_t known = 0;
    for (size_t i = 0; i < truths->count; i++) {
        bool found = insn_sites_find(sites, truths->rows[i].address) != NULL;
        ck_assert_msg(found || truths->rows[i].doubtful, "%s: objdump has one more at %llx", name,
                      (unsigned long long)truths->rows[i].address);
        known += found;
    }
    ck_assert_msg(known == sites->count, "%s: %zu sites that objdump does not have", name,
                  sites->count - known);
}

static const struct program_row {
    const char *name;
    size_t least; /* sites on the distribution that reel is developed on; other versions have at least some */
    bool is_huge; /* objdump takes long */
} programs[] = {
    {"/lib64/ld-linux-x86-64.so.2", 1, false},
    {"/lib/x86_64-linux-gnu/libc.so.6", 0, false},
    {"/lib/x86_64-linux-gnu/libcrypto.so.3", 5, false},
    {"/lib/x86_64-linux-gnu/libstdc++.so.6", 1, false},
    {"/usr/bin/python3.11", 0, true},
    {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", 1, true},
};

/* Function starts help to be sure; the sites are there without them, too. */
START_TEST(sites_are_found_without_starts) {
    const struct program_row *program = &programs[_i];
    struct insn_sites with = {0}, without = {0};
    double ms;
    if (!scan_file(program->name, true, &with, &ms))
        return;
    ck_assert(scan_file(program->name, false, &without, &ms));
    ck_assert_uint_ge(with.count, program->least);
    ck_assert_uint_eq(without.count, with.count);
    for (size_t i = 0; i < with.count; i++)
        ck_assert_uint_eq(without.sites[i].address, with.sites[i].address);
    insn_sites_deinit(&with);
    insn_sites_deinit(&without);
}
END_TEST

START_TEST(sites_are_those_of_objdump) {
    const struct program_row *program = &programs[_i];
    struct insn_sites sites = {0};
    static struct truths truths;
    double ms;
    if (program->is_huge && !is_soak())
        return;
    if (scan_file(program->name, true, &sites, &ms) && ask_objdump(program->name, &truths))
        compare(program->name, &sites, &truths);
    insn_sites_deinit(&sites);
}
END_TEST

/* Depends on the machine: not for every day. */
START_TEST(thirty_megabytes_are_scanned_in_no_time) {
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        struct insn_sites sites = {0};
        double ms = 0;
        if (!scan_file("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", true, &sites, &ms))
            return;
        best = ms < best ? ms : best;
        insn_sites_deinit(&sites);
    }
    ck_assert_msg(best < 100, "cc1 took %.1f ms", best);
}
END_TEST

/* ---- imitate ---- */

static struct insn_site site_of(const char *bytes, size_t size) {
    struct insn_site site = {.address = 0x1000};
    site.kind = insn_classify((const uint8_t *)bytes, size, &site.length);
    ck_assert_int_ne(site.kind, INSN_NONE);
    ck_assert_uint_eq(site.length, size);
    memcpy(site.bytes, bytes, size);
    return site;
}

#define SITE(bytes) site_of(bytes, sizeof(bytes) - 1)

#define ALL_ONES        0xffffffffffffffffull
#define RESULT_FLAGS    0x8d5ull /* OF SF ZF AF PF CF */
#define FLAG_CARRY      0x001ull
#define FLAGS_UNTOUCHED (0x246ull & ~RESULT_FLAGS)

static struct user_regs_struct all_ones(void) {
    struct user_regs_struct regs;
    memset(&regs, 0xff, sizeof(regs));
    regs.rip = 0x1000;
    regs.eflags = FLAGS_UNTOUCHED | (RESULT_FLAGS & ~FLAG_CARRY);
    return regs;
}

START_TEST(rdtsc_reads_the_clock) {
    struct insn_site site = SITE("\x0f\x31");
    struct user_regs_struct regs = all_ones(), untouched = all_ones();
    uint64_t before = __rdtsc();
    insn_imitate(&site, &regs);
    uint64_t after = __rdtsc();
    ck_assert_uint_eq(regs.rax >> 32, 0);
    ck_assert_uint_eq(regs.rdx >> 32, 0);
    uint64_t ticks = regs.rdx << 32 | regs.rax;
    ck_assert(before <= ticks && ticks <= after);
    ck_assert_uint_eq(regs.rip, 0x1002);
    /* Nothing else changes. */
    regs.rax = regs.rdx = ALL_ONES;
    regs.rip = 0x1000;
    ck_assert_int_eq(memcmp(&regs, &untouched, sizeof(regs)), 0);
}
END_TEST

/* Imitate, and the IA32_TSC_AUX of this processor (Linux: node << 12 | cpu; under a hypervisor, whatever it
 * likes). Tried again when we were moved meanwhile. */
static struct user_regs_struct imitate_in_place(const struct insn_site *site, uint32_t *ret_aux) {
    for (int i = 0; i < 1000; i++) {
        struct user_regs_struct regs = all_ones();
        unsigned before, after;
        __rdtscp(&before);
        insn_imitate(site, &regs);
        __rdtscp(&after);
        *ret_aux = before;
        if (before == after)
            return regs;
    }
    ck_abort_msg("moved between processors a thousand times");
    return all_ones();
}

START_TEST(rdtscp_reads_the_processor_number_too) {
    struct insn_site site = SITE("\x0f\x01\xf9");
    uint32_t aux;
    uint64_t before = __rdtsc();
    struct user_regs_struct regs = imitate_in_place(&site, &aux);
    ck_assert_uint_eq(regs.rax >> 32 | regs.rdx >> 32, 0);
    ck_assert_uint_ge(regs.rdx << 32 | regs.rax, before);
    ck_assert_uint_eq(regs.rcx, aux);
    ck_assert_uint_eq(regs.rip, 0x1003);
}
END_TEST

START_TEST(rdpid_writes_a_whole_register) {
    struct insn_site site = SITE("\xf3\x41\x0f\xc7\xff");
    uint32_t aux;
    struct user_regs_struct regs = imitate_in_place(&site, &aux);
    ck_assert_uint_eq(regs.r15, aux);
    ck_assert_uint_eq(regs.rax, ALL_ONES);
    ck_assert_uint_eq(regs.rip, 0x1005);
}
END_TEST

START_TEST(cpuid_answers_as_the_processor) {
    struct insn_site site = SITE("\x0f\xa2");
    uint32_t eax, ebx, ecx, edx;
    struct user_regs_struct regs = all_ones();
    regs.rax = 0xffffffff00000000ull; /* the upper half does not count */
    regs.rcx = 0;
    insn_imitate(&site, &regs);
    __cpuid_count(0, 0, eax, ebx, ecx, edx);
    ck_assert_uint_eq(regs.rax, eax);
    ck_assert_uint_eq(regs.rbx, ebx);
    ck_assert_uint_eq(regs.rcx, ecx);
    ck_assert_uint_eq(regs.rdx, edx);
    ck_assert_uint_eq(regs.rip, 0x1002);
    if (eax < 7)
        return;
    regs.rax = 7;
    regs.rcx = 0;
    insn_imitate(&site, &regs);
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    ck_assert_uint_eq(regs.rbx, ebx & ~(1u << 4 | 1u << 11)); /* no HLE, no RTM */
    ck_assert_uint_eq(regs.rcx, ecx & ~(1u << 5));            /* no WAITPKG */
    ck_assert_uint_eq(regs.rdx, edx);
}
END_TEST

/* Or and and of all values that 64 runs leave in a register: which bits change, and which stay. */
static void collect(const struct insn_site *site, size_t offset, uint64_t *ret_or, uint64_t *ret_and) {
    *ret_or = 0;
    *ret_and = ALL_ONES;
    for (int i = 0; i < 64; i++) {
        struct user_regs_struct regs = all_ones(), rest;
        insn_imitate(site, &regs);
        uint64_t value = *(unsigned long long *)((char *)&regs + offset);
        *ret_or |= value;
        *ret_and &= value;
        ck_assert_uint_eq(regs.eflags, FLAGS_UNTOUCHED | FLAG_CARRY);
        ck_assert_uint_eq(regs.rip, 0x1000u + site->length);
        rest = all_ones(); /* all other registers are as before */
        *(unsigned long long *)((char *)&rest + offset) = value;
        rest.eflags = regs.eflags;
        rest.rip = regs.rip;
        ck_assert_int_eq(memcmp(&rest, &regs, sizeof(rest)), 0);
    }
}

#define AT(name) offsetof(struct user_regs_struct, name)

static const struct random_row {
    const char *bytes;
    size_t size, offset;
    int bits;
} random_rows[] = {
    {"\x0f\xc7\xf0", 3, AT(rax), 32},         {"\x48\x0f\xc7\xf0", 4, AT(rax), 64},
    {"\x66\x0f\xc7\xf0", 4, AT(rax), 16},     {"\x0f\xc7\xf1", 3, AT(rcx), 32},
    {"\x0f\xc7\xf2", 3, AT(rdx), 32},         {"\x0f\xc7\xf3", 3, AT(rbx), 32},
    {"\x0f\xc7\xf4", 3, AT(rsp), 32},         {"\x0f\xc7\xf5", 3, AT(rbp), 32},
    {"\x0f\xc7\xf6", 3, AT(rsi), 32},         {"\x0f\xc7\xf7", 3, AT(rdi), 32},
    {"\x49\x0f\xc7\xf0", 4, AT(r8), 64},      {"\x41\x0f\xc7\xf4", 4, AT(r12), 32},
    {"\x66\x41\x0f\xc7\xf7", 5, AT(r15), 16}, {"\x49\x0f\xc7\xfa", 4, AT(r10), 64}, /* rdseed from here on */
    {"\x0f\xc7\xff", 3, AT(rdi), 32},         {"\x66\x0f\xc7\xfb", 4, AT(rbx), 16},
};

START_TEST(random_numbers_fill_their_register) {
    const struct random_row *row = &random_rows[_i];
    struct insn_site site = site_of(row->bytes, row->size);
    uint64_t any, all;
    collect(&site, row->offset, &any, &all);
    /* Every random bit was 1 once and 0 once (64 tries: one failure in 10^17); of the others, 16-bit results
     * leave the old ones, 32-bit results zeros. */
    uint64_t random_bits = row->bits == 64 ? ALL_ONES : (1ull << row->bits) - 1;
    ck_assert_uint_eq(any, row->bits == 16 ? ALL_ONES : random_bits);
    ck_assert_uint_eq(all, row->bits == 16 ? ~random_bits : 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("insn");
    TCase *code = tcase_create("code");
    tcase_add_loop_test(code, instructions_are_classified, 0, COUNT(classify_rows));
    tcase_add_test(code, kinds_have_names);
    tcase_add_test(code, sites_are_found_with_their_bytes);
    tcase_add_test(code, constants_are_no_sites);
    tcase_add_test(code, the_nearest_start_decides);
    tcase_add_test(code, code_behind_a_branch_belongs_to_its_function);
    tcase_add_test(code, a_pattern_in_a_table_behind_a_function_is_no_site);
    tcase_add_test(code, a_function_without_a_start_is_found_behind_a_table);
    tcase_add_test(code, random_bytes_are_no_code);
    tcase_add_test(code, functions_that_are_called_from_a_start_are_found);
    tcase_add_test(code, what_is_reached_must_look_like_code);
    tcase_add_test(code, branches_in_all_directions_come_to_an_end);
    tcase_add_test(code, starts_outside_or_out_of_order_do_no_harm);
    tcase_add_test(code, any_size_is_scanned_to_its_last_byte);
    tcase_add_test(code, scans_add_up_and_are_removed);
    suite_add_tcase(suite, code);
    TCase *real = tcase_create("real programs");
    tcase_set_timeout(real, 120);
    tcase_add_loop_test(real, sites_are_found_without_starts, 0, COUNT(programs));
    tcase_add_loop_test(real, sites_are_those_of_objdump, 0, COUNT(programs));
    if (is_soak() && !SANITIZED)
        tcase_add_test(real, thirty_megabytes_are_scanned_in_no_time);
    suite_add_tcase(suite, real);
    TCase *imitation = tcase_create("imitate");
    tcase_add_test(imitation, rdtsc_reads_the_clock);
    tcase_add_test(imitation, rdtscp_reads_the_processor_number_too);
    tcase_add_test(imitation, rdpid_writes_a_whole_register);
    tcase_add_test(imitation, cpuid_answers_as_the_processor);
    tcase_add_loop_test(imitation, random_numbers_fill_their_register, 0, COUNT(random_rows));
    suite_add_tcase(suite, imitation);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
