/* Three hundred short-lived children, one after the other: forked, and executed. */
/* expect: exit 0 */
#include "victim.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

int main(void) {
    char *arguments[] = {"true", NULL};
    for (int i = 0; i < 300; i++) {
        int status;
        pid_t child;
        if (i % 10 == 0) {
            CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        } else {
            child = fork();
            if (child == 0)
                _exit(i % 100);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == (i % 10 ? i % 100 : 0));
    }
    puts("all ended");
    return 0;
}
