/* Strict mode: reading, writing, ending. Time may be asked for as well, the vdso makes no call. */
/* expect: signal SIGKILL */
#include "seccomp.h"
#include <sys/wait.h>
#include <time.h>

static int in_child(int call) {
    int status, pid = fork(), fds[2];
    char text[100];
    if (pid == 0) {
        CHECK(pipe(fds) == 0);
        CHECK((call ? syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL)
                    : prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) == 0);
        for (int i = 0; i < 100; i++)
            if (time(NULL) < 1000) /* without rdtsc, which this mode forbids */
                syscall(SYS_exit, 99);
        int length = snprintf(text, sizeof(text), "%ld\n", (long)time(NULL));
        if (write(1, text, (size_t)length) != length || write(fds[1], text, 10) != 10 ||
            read(fds[0], text, 10) != 10)
            syscall(SYS_exit, 98);
        syscall(SYS_exit, 5);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

int main(void) {
    CHECK(in_child(0) == 5 << 8 && in_child(1) == 5 << 8);
    SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL)); /* no flags are known */
    fflush(stdout);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    return (int)PARENT();
}
