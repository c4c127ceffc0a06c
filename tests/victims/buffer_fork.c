/* Forks, vforks and execs among calls that need no stop: each process goes on with its own. */
/* expect: exit 0 */
#include "victim.h"
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t calls(int fd, int count) {
    uint64_t hash = 0;
    for (int i = 0; i < count; i++) {
        char bytes[64];
        struct timespec now;
        CHECK(pread(fd, bytes, sizeof bytes, i % 4000) == sizeof bytes &&
              clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        hash = hash * 31 + hash_bytes(bytes, sizeof bytes) + (uint64_t)now.tv_nsec;
    }
    return hash;
}

static void reap(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
    int fd = random_file(argc > 1 ? argv[1] : "data", 8192);
    setvbuf(stdout, NULL, _IOLBF, 4096);
    printf("%s %016lx\n", argc > 1 ? argv[1] : "first", (unsigned long)calls(fd, 2000));
    if (argc > 1)
        return 0;
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            printf("child %d %016lx\n", i, (unsigned long)calls(fd, 1500));
            if (i == 3) {
                pid_t grandchild = fork();
                if (grandchild == 0) {
                    printf("grandchild %016lx\n", (unsigned long)calls(fd, 1500));
                    _exit(0);
                }
                reap(grandchild);
                execl("/proc/self/exe", argv[0], "executed", NULL);
            }
            _exit(0);
        }
        printf("parent %d %016lx\n", i, (unsigned long)calls(fd, 1000));
        reap(child);
        child = vfork();
        if (child == 0) {
            char byte;
            for (int k = 0; k < 200; k++) /* in the parent's memory, unrecorded */
                if (pread(fd, &byte, 1, k) != 1)
                    _exit(1);
            _exit(0);
        }
        reap(child);
        char *const arguments[] = {argv[0], "spawned", NULL};
        CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
        reap(child);
    }
    printf("last %016lx\n", (unsigned long)calls(fd, 2000));
    return 0;
}
