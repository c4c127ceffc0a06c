/* wait in all its forms; stopped, continued and dead children; zombies. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t start(int status, int group) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (group)
            setpgid(0, 0);
        if (status < 0)
            for (;;)
                pause();
        _exit(status);
    }
    return child;
}

static void show(const char *what, int status) {
    printf("%s: status %x\n", what, status);
}

int main(void) {
    int status = 0;
    siginfo_t info = {0};
    struct rusage usage;
    pid_t a = start(1, 0), b = start(2, 0);
    SHOW(wait(&status) > 0);
    SHOW(wait(&status) > 0);
    SHOW(wait(&status));
    a = start(3, 0);
    SHOW(waitid(P_PID, (id_t)a, &info, WEXITED | WNOWAIT));
    CHECK(info.si_pid == a && info.si_status == 3 && info.si_code == CLD_EXITED);
    SHOW(waitid(P_PID, (id_t)a, &info, WEXITED | WNOHANG)); /* a zombie so far */
    CHECK(waitid(P_PID, (id_t)a, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD);
    b = start(4, 1);
    setpgid(b, b);
    SHOW(waitid(P_PGID, (id_t)b, &info, WEXITED));
    a = start(5, 0);
    SHOW(waitid(P_ALL, 0, &info, WEXITED));
    a = start(6, 0);
    CHECK(wait4(a, &status, 0, &usage) == a);
    printf("rusage %ld.%06ld %ld faults\n", usage.ru_utime.tv_sec, usage.ru_utime.tv_usec, usage.ru_minflt);
    show("six", status);
    a = start(-1, 0);
    SHOW(waitpid(a, &status, WNOHANG));
    CHECK(kill(a, SIGSTOP) == 0 && waitpid(a, &status, WUNTRACED) == a && WIFSTOPPED(status));
    show("stopped", status);
    CHECK(kill(a, SIGCONT) == 0 && waitpid(a, &status, WCONTINUED) == a && WIFCONTINUED(status));
    show("continued", status);
    CHECK(kill(a, SIGTERM) == 0 && waitpid(a, &status, 0) == a && WTERMSIG(status) == SIGTERM);
    show("killed", status);
    signal(SIGCHLD, SIG_IGN); /* nobody becomes a zombie */
    a = start(7, 0);
    SHOW(waitpid(a, &status, 0));
    return 0;
}
