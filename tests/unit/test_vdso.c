/* tracer/vdso: the patches, applied to a copy of this machine's vdso, answer as the system calls do. */
#include "tracer/vdso.h"

#include "dwarf/elf.h"

#include <check.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The kernel's vdso, never written to; a patched copy that can be called. */
static const uint8_t *original;
static uint8_t *patched;
static size_t vdso_size;

static struct vdso_patch patches[VDSO_PATCHES_MAX];
static size_t patch_count;

/* The mapping is whole pages that hold all of the ELF image: the end of its section table is the end of it.
 */
static size_t size_of_vdso(const uint8_t *image) {
    const ElfW(Ehdr) *header = (const void *)image;
    size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    return (size + 4095) & ~(size_t)4095;
}

static void make_patched_copy(void) {
    original = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    ck_assert_ptr_nonnull(original);
    vdso_size = size_of_vdso(original);
    ck_assert_ptr_null(vdso_patches(original, vdso_size, patches, &patch_count));
    patched = mmap(NULL, vdso_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(patched, MAP_FAILED);
    memcpy(patched, original, vdso_size);
    for (size_t i = 0; i < patch_count; i++)
        memcpy(patched + patches[i].offset, patches[i].code, patches[i].size);
}

/* Where a function of the vdso is in the image; false if this kernel has none of that name. */
static bool find(const char *name, uint64_t *ret_offset) {
    struct elf_image image;
    uint64_t vaddr;
    ck_assert_ptr_null(elf_image_init(&image, original, vdso_size, "vdso"));
    struct error *err = elf_dynamic_symbol(&image, name, &vaddr);
    bool found = !err && elf_vaddr_to_offset(&image, vaddr, ret_offset);
    error_free(err);
    elf_image_deinit(&image);
    return found;
}

typedef long (*vdso_function)(long, long, long, long, long);

static vdso_function function(const char *name) {
    uint64_t offset;
    ck_assert_msg(find(name, &offset), "%s is not in this vdso", name);
    vdso_function code;
    uint8_t *place = patched + offset;
    memcpy(&code, &place, sizeof(code));
    return code;
}

START_TEST(all_functions_of_this_vdso_are_patched) {
    static const char *const names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time",
                                        "__vdso_clock_getres",  "__vdso_getcpu",       "__vdso_getrandom"};
    size_t present = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t offset;
        if (!find(names[i], &offset))
            continue;
        present++;
        bool has_patch = false;
        for (size_t k = 0; k < patch_count; k++)
            has_patch |= patches[k].offset == offset;
        ck_assert_msg(has_patch, "%s has no patch", names[i]);
    }
    ck_assert_uint_ge(present, 4);
    const bool loops = patches[patch_count - 1].loops;
    ck_assert_uint_eq(patch_count - loops, present);
    ck_assert(loops); /* every vdso so far has a long function */
}
END_TEST

START_TEST(clock_gettime_is_the_system_call) {
    struct timespec before, between, after;
    vdso_function call = function("__vdso_clock_gettime");
    ck_assert_int_eq(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before), 0);
    ck_assert_int_eq(call(CLOCK_MONOTONIC, (long)&between, 0, 0, 0), 0);
    ck_assert_int_eq(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after), 0);
    long long ns[3] = {before.tv_sec * 1000000000ll + before.tv_nsec,
                       between.tv_sec * 1000000000ll + between.tv_nsec,
                       after.tv_sec * 1000000000ll + after.tv_nsec};
    ck_assert(ns[0] <= ns[1] && ns[1] <= ns[2]);
    /* The vdso itself would crash here: only a system call answers so. */
    ck_assert_int_eq(call(CLOCK_MONOTONIC, 8, 0, 0, 0), -EFAULT);
    ck_assert_int_eq(call(12345, (long)&between, 0, 0, 0), -EINVAL);
}
END_TEST

START_TEST(clock_getres_is_the_system_call) {
    uint64_t offset;
    if (!find("__vdso_clock_getres", &offset))
        return; /* older than Linux 5.3 */
    struct timespec ours = {0}, kernels = {0};
    vdso_function call = function("__vdso_clock_getres");
    ck_assert_int_eq(call(CLOCK_MONOTONIC_COARSE, (long)&ours, 0, 0, 0), 0);
    ck_assert_int_eq(syscall(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &kernels), 0);
    ck_assert_int_eq(memcmp(&ours, &kernels, sizeof(ours)), 0);
    ck_assert_int_eq(call(CLOCK_MONOTONIC, 8, 0, 0, 0), -EFAULT);
}
END_TEST

START_TEST(gettimeofday_and_time_are_the_system_calls) {
    struct timeval ours = {0};
    vdso_function call = function("__vdso_gettimeofday");
    long before = syscall(SYS_time, NULL);
    ck_assert_int_eq(call((long)&ours, 0, 0, 0, 0), 0);
    long now = function("__vdso_time")(0, 0, 0, 0, 0);
    long after = syscall(SYS_time, NULL);
    ck_assert(before <= now && now <= after);
    /* time(2) is of the coarse clock, which may be a tick behind. */
    ck_assert(before <= ours.tv_sec && ours.tv_sec <= after + 1);
    ck_assert_int_eq(call(8, 0, 0, 0, 0), -EFAULT);
    ck_assert_int_eq(function("__vdso_time")(8, 0, 0, 0, 0), -EFAULT);
}
END_TEST

START_TEST(getcpu_is_the_system_call) {
    unsigned cpu = ~0u, node = ~0u;
    vdso_function call = function("__vdso_getcpu");
    ck_assert_int_eq(call((long)&cpu, (long)&node, 0, 0, 0), 0);
    ck_assert_int_lt(cpu, sysconf(_SC_NPROCESSORS_CONF));
    ck_assert_uint_ne(node, ~0u);
    ck_assert_int_eq(call(8, 0, 0, 0, 0), -EFAULT);
}
END_TEST

START_TEST(getrandom_is_not_implemented) {
    uint64_t offset;
    if (!find("__vdso_getrandom", &offset))
        return; /* older than Linux 6.11 */
    ck_assert_int_eq(function("__vdso_getrandom")(0, 0, 0, 0, -1), -ENOSYS);
}
END_TEST

/* A vdso in which every occurrence of a name is another one of the same length. The caller frees it. */
static uint8_t *renamed(const char *from, const char *to) {
    uint8_t *copy = malloc(vdso_size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, original, vdso_size);
    size_t length = strlen(from), count = 0;
    for (uint8_t *at = copy; (at = memmem(at, (size_t)(copy + vdso_size - at), from, length)); at += length) {
        memcpy(at, to, length);
        count++;
    }
    ck_assert_uint_gt(count, 0);
    return copy;
}

START_TEST(an_unknown_function_is_refused) {
    uint8_t *image = renamed("__vdso_time", "__vdso_tide");
    struct vdso_patch ret[VDSO_PATCHES_MAX];
    size_t count = 77;
    struct error *err = vdso_patches(image, vdso_size, ret, &count);
    ck_assert(error_is(err, ERROR_UNSUPPORTED));
    ck_assert_ptr_nonnull(strstr(err->message, "__vdso_tide"));
    ck_assert_uint_eq(count, 77);
    error_free(err);
    free(image);
}
END_TEST

START_TEST(functions_without_a_clock_are_left_alone) {
    uint8_t *image = renamed("__vdso_getcpu", "_a_sigreturn_");
    struct vdso_patch ret[VDSO_PATCHES_MAX];
    size_t count;
    ck_assert_ptr_null(vdso_patches(image, vdso_size, ret, &count));
    ck_assert_uint_eq(count, patch_count - 1);
    free(image);
    image = renamed("__vdso_clock_gettime", "__vdso_rt_sigreturn_");
    ck_assert_ptr_null(vdso_patches(image, vdso_size, ret, &count));
    ck_assert_uint_eq(count, patch_count - 1);
    free(image);
}
END_TEST

START_TEST(a_damaged_vdso_is_an_error) {
    struct vdso_patch ret[VDSO_PATCHES_MAX];
    size_t count;
    for (size_t size = 0; size < vdso_size; size += 61) {
        uint8_t *image =
            malloc(size ? size : 1); /* exactly as big, so that a sanitizer sees each step too far */
        memcpy(image, original, size);
        struct error *err = vdso_patches(image, size, ret, &count);
        if (size < 64)
            ck_assert(error_is(err, ERROR_BAD_DATA));
        for (size_t i = 0; !err && i < count; i++)
            ck_assert_uint_le(ret[i].offset + ret[i].size, size);
        error_free(err);
        free(image);
    }
}
END_TEST

/* ---- answers without a call: this very process is the task ---- */

static struct task self;
static struct memory_ranges written;

static int64_t answer(uint64_t number, uint64_t first, uint64_t second, uint64_t *ret_rip) {
    struct user_regs_struct regs = {.rax = number, .rdi = first, .rsi = second, .rip = 1000};
    task_init(&self, getpid());
    written.count = 0;
    ck_assert_ptr_null(vdso_answer(&self, &regs, &written));
    *ret_rip = regs.rip;
    return (int64_t)regs.rax;
}

START_TEST(answers_are_those_of_the_clock) {
    struct timespec before, now = {0}, after;
    struct timeval day = {0};
    time_t seconds = 0;
    uint64_t rip;
    clock_gettime(CLOCK_MONOTONIC, &before);
    ck_assert_int_eq(answer(SYS_clock_gettime, CLOCK_MONOTONIC, (uint64_t)&now, &rip), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_int_eq(rip, 1002);
    ck_assert_int_ge(now.tv_sec, before.tv_sec);
    ck_assert_int_le(now.tv_sec, after.tv_sec);
    ck_assert_uint_eq(written.count, 1);
    ck_assert_uint_eq(written.ranges[0].address, (uint64_t)&now);
    ck_assert_uint_eq(written.ranges[0].size, sizeof(now));
    ck_assert_int_eq(answer(SYS_gettimeofday, (uint64_t)&day, 0, &rip), 0);
    ck_assert_int_ge(day.tv_sec, time(NULL) - 2);
    ck_assert_int_eq(answer(SYS_time, (uint64_t)&seconds, 0, &rip), seconds);
    ck_assert_int_ge(seconds, time(NULL) - 2);
    ck_assert_int_eq(answer(SYS_clock_getres, CLOCK_REALTIME, 0, &rip), 0);
    ck_assert_uint_eq(written.count, 0);
}
END_TEST

START_TEST(only_the_kernel_knows_the_clocks_of_processes) {
    static const int clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, -6, 99};
    struct timespec now;
    uint64_t rip;
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        ck_assert_int_eq(answer(SYS_clock_gettime, (uint64_t)clocks[i], (uint64_t)&now, &rip),
                         SYS_clock_gettime);
        ck_assert_int_eq(rip, 1000 + VDSO_SECOND_CALL - VDSO_CALL);
    }
    for (size_t i = 0; i < patch_count; i++)
        if (patches[i].calls) {
            ck_assert_mem_eq(patches[i].code + VDSO_CALL, "\x0f\x05\xc3", 3);
            ck_assert_mem_eq(patches[i].code + VDSO_SECOND_CALL, "\x0f\x05\xc3", 3);
        }
}
END_TEST

START_TEST(what_cannot_be_written_is_told) {
    unsigned processor = 77777;
    uint64_t rip;
    ck_assert_int_eq(answer(SYS_clock_gettime, CLOCK_REALTIME, 16, &rip), -EFAULT);
    ck_assert_int_eq(answer(SYS_clock_gettime, CLOCK_REALTIME, 0, &rip), -EFAULT);
    ck_assert_int_eq(answer(SYS_gettimeofday, 0, 16, &rip), -EFAULT);
    ck_assert_int_eq(answer(SYS_getcpu, (uint64_t)&processor, 16, &rip), -EFAULT);
    ck_assert_uint_lt(processor, 77777);
    ck_assert_int_eq(answer(SYS_getcpu, 0, 0, &rip), 0);
    memory_ranges_deinit(&written);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("vdso");
    TCase *real = tcase_create("this machine");
    tcase_add_unchecked_fixture(real, make_patched_copy, NULL);
    tcase_add_test(real, all_functions_of_this_vdso_are_patched);
    tcase_add_test(real, clock_gettime_is_the_system_call);
    tcase_add_test(real, clock_getres_is_the_system_call);
    tcase_add_test(real, gettimeofday_and_time_are_the_system_calls);
    tcase_add_test(real, getcpu_is_the_system_call);
    tcase_add_test(real, getrandom_is_not_implemented);
    tcase_add_test(real, an_unknown_function_is_refused);
    tcase_add_test(real, functions_without_a_clock_are_left_alone);
    tcase_add_test(real, a_damaged_vdso_is_an_error);
    tcase_add_test(real, answers_are_those_of_the_clock);
    tcase_add_test(real, only_the_kernel_knows_the_clocks_of_processes);
    tcase_add_test(real, what_cannot_be_written_is_told);
    suite_add_tcase(suite, real);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
