/* seccomp filters that answer calls: with errors, with what looks like a success, and in children and
 * programs. */
/* expect: exit 0 */
#include "seccomp.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))

static void clocks(void) {
    struct timespec now, resolution;
    struct timeval day;
    unsigned processor;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec > 0); /* by the vdso: no filter sees it */
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && gettimeofday(&day, NULL) == 0);
    CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0);
    printf("%ld.%09ld %ld.%06ld %ld\n", (long)now.tv_sec, now.tv_nsec, (long)day.tv_sec, (long)day.tv_usec,
           (long)time(NULL));
    SHOW(getcpu(&processor, NULL));
    errno = 0;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == -1 && errno == EPERM); /* by the kernel */
    CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) == -1 && errno == EPERM);
}

static void answers(void) {
    CHECK(PARENT() == -1 && errno == EPERM);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK(munmap(page, 4096) == 0); /* it is not made */
    CHECK(page[17] == 0);
    CHECK(syscall(SYS_pwrite64, 1, "never seen\n", 11, 0) == -1 && errno == ENOSPC);
    CHECK(syscall(SYS_fchmod, 1, 0) == -1 && errno == 4095);
    CHECK(syscall(SYS_personality, 0xffffffff) == -1 &&
          errno == 512);                                       /* a number that means a restart elsewhere */
    CHECK(syscall(SYS_fdatasync, -1) == -1 && errno == EBADF); /* LOG */
    CHECK(syscall(SYS_setns, -1, 0) == -1 && errno == ENOSYS); /* TRACE, and no tracer */
    CHECK(syscall(SYS_exit_group, 7) == -1 && errno == EBUSY);
    CHECK(syscall(SYS_execve, "/bin/true", NULL, NULL) == -1 && errno == E2BIG);
    CHECK(syscall(SYS_fork) == -1 && errno == EMFILE);
    SHOW(prctl(PR_GET_SECCOMP));
}

int main(void) {
    char text[200];
    CHECK(setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16) == 0);
    INSTALL({SYS_getppid, ERRNO(EPERM)}, {SYS_munmap, ERRNO(0)}, {SYS_pwrite64, ERRNO(ENOSPC)},
            {SYS_fchmod, ERRNO(4095)}, {SYS_personality, ERRNO(512)}, {SYS_fdatasync, SECCOMP_RET_LOG},
            {SYS_setns, SECCOMP_RET_TRACE | 5}, {SYS_exit_group, ERRNO(EBUSY)}, {SYS_execve, ERRNO(E2BIG)},
            {SYS_fork, ERRNO(EMFILE)}, {SYS_clock_gettime, ERRNO(EPERM)}, {SYS_gettimeofday, ERRNO(EPERM)},
            {SYS_clock_getres, ERRNO(EPERM)}, {SYS_time, ERRNO(EPERM)}, {SYS_getcpu, ERRNO(EPERM)});
    answers();
    clocks();
    for (int i = 0; i < 3; i++) { /* a filter more in each child; and its programs, by execveat */
        int pid = fork();
        if (pid == 0) {
            INSTALL({SYS_gettid, ERRNO(EDOM)}, {SYS_getppid, SECCOMP_RET_ALLOW});
            CHECK(syscall(SYS_gettid) == -1 && errno == EDOM);
            CHECK(PARENT() == -1 && errno == EPERM);
            clocks();
            struct iovec all = {.iov_base = text,
                                .iov_len = (size_t)snprintf(text, sizeof(text), "child %d\n", i)};
            CHECK(syscall(SYS_writev, 1, &all, 1) > 0);
            char *none[] = {"date", "+%s", NULL};
            if (i == 2)
                syscall(SYS_execveat, AT_FDCWD, "/bin/date", none, NULL, 0);
            syscall(SYS_exit, i % 2);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == i % 2);
        printf("status 0x%x\n", status);
    }
    syscall(SYS_exit, 0);
}
