/* A child that becomes another program, and another, while its parent waits for its output. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/wait.h>

int main(int argc, char **argv) {
    int ends[2], status, count = argc > 1 ? atoi(argv[1]) : 0;
    char number[20], text[100];
    if (count == 4) {
        printf("last of %d\n", (int)getpid());
        return 6;
    }
    if (count > 0) {
        printf("link %d of %d at %p\n", count, (int)getpid(), (void *)&count);
        fflush(stdout);
        snprintf(number, sizeof number, "%d", count + 1);
        execl("/proc/self/exe", argv[0], number, (char *)NULL);
        return 98;
    }
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(dup2(ends[1], 1) == 1);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", argv[0], "1", (char *)NULL);
        _exit(98);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    while (fgets(text, sizeof text, from))
        printf("child: %s", text);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 6);
    return 0;
}
