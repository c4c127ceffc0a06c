/* A subreaper inherits grandchildren; a program executed by descriptor; a descriptor taken from another
 * process. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

int main(void) {
    int fds[2], status, reaped = 0;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    for (int i = 0; i < 5; i++) {
        int pid = fork();
        if (pid == 0) {
            if (fork() == 0) {
                usleep(1000 * (unsigned)i);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(40 + i);
            }
            _exit(30);
        }
    }
    for (pid_t pid; (pid = wait(&status)) > 0; reaped++)
        printf("%d: 0x%x\n", pid, status);
    CHECK(errno == ECHILD && reaped == 10);
    fflush(stdout);
    int program = open("/bin/echo", O_RDONLY);
    CHECK(program >= 0);
    int pid = fork();
    if (pid == 0) {
        char *arguments[] = {"echo", "by descriptor", NULL}, *environment[] = {"A=1", NULL};
        fexecve(program, arguments, environment);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(pipe(fds) == 0);
    if ((pid = fork()) == 0) {
        close(fds[1]);
        pause();
        _exit(98);
    }
    close(fds[0]);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    CHECK(pidfd >= 0);
    int taken = (int)syscall(SYS_pidfd_getfd, pidfd, fds[0], 0); /* the end that was closed here */
    if (taken >= 0) {
        char byte;
        CHECK(write(fds[1], "z", 1) == 1 && read(taken, &byte, 1) == 1 && byte == 'z');
    }
    CHECK(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
    return 0;
}
