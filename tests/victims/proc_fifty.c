/* Fifty children at once, each with its own random bytes, time and heap. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/wait.h>
#include <time.h>

enum { COUNT = 50 };

static void child(int which, int out) {
    unsigned char bytes[3000];
    struct timespec now;
    fill_random(bytes, sizeof bytes);
    clock_gettime(CLOCK_REALTIME, &now);
    char *text = malloc(200000 + which);
    memset(text, which, 200000);
    uint64_t hash = hash_bytes(bytes, sizeof bytes) ^ hash_bytes(text, 200000) ^ (uint64_t)now.tv_nsec;
    CHECK(write(out, &hash, sizeof hash) == sizeof hash);
    _exit(which);
}

int main(void) {
    int ends[2], status, sum = 0;
    uint64_t hash, all = 0;
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < COUNT; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            child(i, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &hash, sizeof hash) == sizeof hash)
        all = all * 31 + hash;
    for (int i = 0; i < COUNT; i++) {
        pid_t pid = wait(&status);
        CHECK(pid > 0 && WIFEXITED(status));
        printf("%d ended with %d\n", (int)pid, WEXITSTATUS(status));
        sum += WEXITSTATUS(status);
    }
    CHECK(sum == COUNT * (COUNT - 1) / 2);
    printf("%016lx\n", (unsigned long)all);
    return 0;
}
