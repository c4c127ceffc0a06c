/* Double fork, setsid: a daemon outlives both its parents and the program. */
/* expect: exit 3 */
#include "victim.h"
#include <sys/wait.h>
#include <time.h>

static void daemon_main(int out) {
    const struct timespec moment = {.tv_nsec = 100000000};
    for (int i = 0; i < 3; i++) {
        nanosleep(&moment, NULL);
        dprintf(out, "daemon %d, parent %d, session %d\n", (int)getpid(), (int)getppid(), (int)getsid(0));
    }
    nanosleep(&moment, NULL);
    void *memory = malloc(100000);
    fill_random(memory, 100000);
    _exit(hash_bytes(memory, 100000) & 1);
}

int main(void) {
    int ends[2], status;
    char text[400] = "";
    CHECK(pipe(ends) == 0);
    pid_t middle = fork();
    CHECK(middle >= 0);
    if (middle == 0) {
        CHECK(setsid() == getpid());
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            daemon_main(ends[1]);
        _exit(5);
    }
    CHECK(waitpid(middle, &status, 0) == middle && WEXITSTATUS(status) == 5);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    printf("%s", text);
    return 3;
}
