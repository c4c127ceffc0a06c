/* The system call table against this machine's kernel: that it is complete, and what is found in it. */
#include "tracer/constants.h"
#include "tracer/syscall.h"

#include "tests/unit/scratch.h"

#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

START_TEST(header_has_rows) {
    FILE *file = fopen("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "r");
    if (!file)
        file = fopen("/usr/include/asm/unistd_64.h", "r");
    ck_assert_ptr_nonnull(file);
    char line[256];
    char name[64];
    unsigned number;
    unsigned count = 0;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "#define __NR_%63s %u", name, &number) != 2)
            continue;
        const struct syscall_row *row = syscall_find(number);
        ck_assert_msg(row != NULL, "%s (%u) has no row", name, number);
        ck_assert_str_eq(row->name, name);
        ck_assert_int_eq(syscall_number(name), (int)number);
        count++;
    }
    fclose(file);
    ck_assert_uint_gt(count, 300);
}
END_TEST

START_TEST(rows_are_sound) {
    unsigned count = 0;
    for (unsigned i = 0; i < syscall_table_size(); i++) {
        const struct syscall_row *row = syscall_find(i);
        if (!row)
            continue;
        count++;
        ck_assert_uint_eq(row->number, i);
        ck_assert_int_eq(row->why != NULL, row->handler == HANDLER_REFUSE || row->handler == HANDLER_STOP);
        ck_assert_int_eq(syscall_number(row->name), (int)i);
        for (unsigned j = 0; j < row->arg_count; j++) {
            const struct syscall_arg *arg = &row->args[j];
            ck_assert_ptr_nonnull(arg->name);
            if (arg->rule != SIZE_NONE && arg->rule != SIZE_FIXED && arg->rule != SIZE_STRING)
                ck_assert_msg(arg->argument < row->arg_count, "%s: %s", row->name, arg->name);
            if (arg->type == SHAPE_FLAGS && strcmp(arg->constants, "ioctl") &&
                strcmp(arg->constants, "fcntl") && strcmp(arg->constants, "prctl"))
                ck_assert_msg(constants_find(arg->constants) != NULL, "%s: no table %s", row->name,
                              arg->constants);
        }
    }
    ck_assert_uint_gt(count, 380);
    ck_assert_ptr_null(syscall_find(syscall_table_size()));
    ck_assert_ptr_null(syscall_find(UINT64_MAX));
    ck_assert_int_eq(syscall_number("no_such_call"), -1);
}
END_TEST

/* Numbers without a row: the kernel here must not know them either. */
START_TEST(others_are_enosys) {
    for (int number = 0; number <= 600; number++) {
        if (syscall_find((uint64_t)number))
            continue;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (!pid)
            _exit(syscall(number, -1, -1, -1, -1, -1, -1) == -1 && errno == ENOSYS ? 0 : 1);
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "the kernel knows %d", number);
    }
}
END_TEST

/* Symbols whose call has another name. */
static const char *const renamed[][2] = {{"newstat", "stat"},        {"newfstat", "fstat"},
                                         {"newlstat", "lstat"},      {"newuname", "uname"},
                                         {"sendfile64", "sendfile"}, {"umount", "umount2"}};

/* Symbols of calls that only other ABIs number: 32-bit programs and, sharing the code, other machines. */
static const char foreign[] =
    " adjtimex_time32 chown16 clock_adjtime32 clock_getres_time32 clock_gettime32 "
    "clock_nanosleep_time32 clock_settime32 fadvise64_64 fchown16 fstatfs64 futex_time32 "
    "futimesat_time32 getegid16 geteuid16 getgid16 getgroups16 gethostname getresgid16 getresuid16 "
    "getuid16 ia32_fadvise64 ia32_fadvise64_64 ia32_fallocate ia32_ftruncate64 ia32_pread64 "
    "ia32_pwrite64 ia32_readahead ia32_sync_file_range ia32_truncate64 io_getevents_time32 "
    "io_pgetevents_time32 ipc lchown16 llseek mmap_pgoff mq_timedreceive_time32 mq_timedsend_time32 "
    "nanosleep_time32 ni_syscall nice old_getrlimit old_msgctl old_readdir old_semctl old_shmctl "
    "oldumount olduname pciconfig_iobase pciconfig_read pciconfig_write ppoll_time32 pselect6_time32 "
    "recv recvmmsg_time32 rtas rt_sigtimedwait_time32 s390_ipc s390_pci_mmio_read s390_pci_mmio_write "
    "sched_rr_get_interval_time32 semtimedop_time32 send setfsgid16 setfsuid16 setgid16 setgroups16 "
    "setregid16 setresgid16 setresuid16 setreuid16 setuid16 sgetmask signal sigpending sigprocmask "
    "sigsuspend socketcall spu_create spu_run ssetmask statfs64 stime stime32 subpage_prot "
    "sync_file_range2 time32 timer_gettime32 timer_settime32 timerfd_gettime32 timerfd_settime32 "
    "utime32 utimensat_time32 utimes_time32 vm86 vm86old waitpid stat64 lstat64 fstat64 fstatat64 "
    "truncate64 ftruncate64 fcntl64 sigreturn ";

static bool is_foreign(const char *name) {
    char word[300];
    snprintf(word, sizeof(word), " %s ", name);
    return strstr(foreign, word) != NULL;
}

START_TEST(kernel_symbols_have_rows) {
    FILE *file = fopen("/proc/kallsyms", "r");
    if (!file)
        return; /* nothing to compare with */
    char line[512];
    char symbol[256];
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%*s %*s __x64_sys_%255[a-z0-9_]", symbol) != 1)
            continue;
        const char *name = symbol;
        for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
            if (!strcmp(name, renamed[i][0]))
                name = renamed[i][1];
        }
        ck_assert_msg(is_foreign(name) || syscall_number(name) >= 0, "%s has no row", name);
    }
    fclose(file);
}
END_TEST

START_TEST(ioctl_numbers) {
    static const struct {
        uint64_t number;
        const char *name;
    } known[] = {{TCGETS, "TCGETS"},
                 {TIOCGWINSZ, "TIOCGWINSZ"},
                 {TIOCGPTN, "TIOCGPTN"},
                 {FIONBIO, "FIONBIO"},
                 {FIOCLEX, "FIOCLEX"},
                 {SIOCGIFCONF, "SIOCGIFCONF"},
                 {SIOCGIFINDEX, "SIOCGIFINDEX"},
                 {FIGETBSZ, "FIGETBSZ"},
                 {TIOCSPTLCK, "TIOCSPTLCK"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct request request;
        ck_assert(ioctl_find(known[i].number, &request));
        ck_assert_str_eq(request.name, known[i].name);
    }
    struct request input;
    ck_assert(ioctl_find(0x81004506, &input)); /* EVIOCGNAME(256) */
    ck_assert_int_eq(input.direction, ARG_OUT);
    ck_assert_uint_eq(input.size, 256);
    ck_assert(!ioctl_find(0x80104592, &input)); /* EVIOCGMASK follows a pointer */
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(signal_name(SIGSEGV), "SIGSEGV");
    ck_assert_str_eq(signal_name(42), "SIG42");
    ck_assert_str_eq(errno_name(ENOENT), "ENOENT");
    ck_assert_str_eq(errno_name(EAGAIN), "EAGAIN");
    ck_assert_ptr_null(errno_name(4000));
    ck_assert_ptr_null(errno_name(-1));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("syscall");
    TCase *table = tcase_create("table");
    tcase_set_timeout(table, 60);
    tcase_add_test(table, header_has_rows);
    tcase_add_test(table, rows_are_sound);
    tcase_add_test(table, others_are_enosys);
    tcase_add_test(table, kernel_symbols_have_rows);
    tcase_add_test(table, ioctl_numbers);
    tcase_add_test(table, names);
    suite_add_tcase(suite, table);
    return scratch_run(suite);
}
