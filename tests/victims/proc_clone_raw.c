/* clone with odd flags: a shared table of descriptors, no signal at the end, the parent's parent, an own
 * stack. */
/* expect: exit 0 */
#include "victim.h"
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static int run(void *argument) {
    int *fd = argument;
    *fd = open("/dev/null", O_RDONLY); /* in the shared table, but not in the shared memory */
    return *fd >= 0 ? *fd : 99;
}

int main(void) {
    int status, fd = -1;
    char *stack = malloc(100000);
    pid_t child = clone(run, stack + 100000, CLONE_FILES | CLONE_FS | SIGCHLD, &fd);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(fd == -1 && fcntl(WEXITSTATUS(status), F_GETFD) >= 0);
    printf("opened %d\n", WEXITSTATUS(status));
    child = clone(run, stack + 100000, 0, &fd);
    CHECK(child > 0 && waitpid(child, &status, __WALL) == child && WIFEXITED(status));
    printf("without a signal: %d\n", WEXITSTATUS(status));
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) { /* makes a brother */
        pid_t brother = clone(run, stack + 100000, CLONE_PARENT | SIGCHLD, &fd);
        _exit(brother > 0 && waitpid(brother, &status, 0) == -1 ? 5 : 6);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    CHECK(waitpid(-1, &status, 0) > 0 && WIFEXITED(status));
    printf("brother: %d\n", WEXITSTATUS(status));
    return 0;
}
