/* A recorded program that wants to trace: it may not, and is told so. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(void) {
    int status, pid = fork();
    if (pid == 0) {
        long result = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        if (result == 0)
            raise(SIGSTOP);
        _exit(result == -1 && errno == EPERM ? 3 : 4);
    }
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    if (WIFSTOPPED(status)) { /* without reel */
        CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid);
        CHECK(WEXITSTATUS(status) == 4);
    } else {
        CHECK(WEXITSTATUS(status) == 3);
        errno = 0;
        CHECK(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == -1 && errno == EPERM);
    }
    printf("pid %d\n", getpid());
    return 0;
}
