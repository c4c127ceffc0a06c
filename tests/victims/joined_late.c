/* Processes that share nothing map one file: a child with its parent, and two programs with each other. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { SIZE = 8192, ROUNDS = 40 };

static volatile long *map(const char *path, int protection) {
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    void *mapped = mmap(NULL, SIZE, protection, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED && close(fd) == 0);
    return mapped;
}

static void step(volatile long *cell, long mine) {
    for (int i = 0; i < ROUNDS; i++) {
        while (cell[0] % 2 != mine)
            usleep(100);
        cell[1] = cell[1] * 3 + getpid() % 100;
        cell[0]++;
    }
}

static void run(const char *self, const char *path, const char *mine) {
    execl(self, self, path, mine, (char *)NULL);
    _exit(99);
}

int main(int argc, char **argv) {
    int status, ends[2];
    char byte;
    if (argc > 2) {
        step(map(argv[1], PROT_READ | PROT_WRITE), atol(argv[2]));
        printf("program %s\n", argv[2]);
        return 0;
    }
    CHECK(pipe(ends) == 0);
    int fd = random_file("joined_late.in", SIZE);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(read(ends[0], &byte, 1) == 1);
        volatile long *own = map("joined_late.in", PROT_READ | PROT_WRITE);
        own[100] = 77;
        own[101]++;
        _exit(0);
    }
    const volatile long *mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED);
    long before = mapped[101];
    CHECK(write(ends[1], "x", 1) == 1);
    while (mapped[100] != 77)
        usleep(100);
    CHECK(waitpid(child, &status, 0) == child && status == 0 && mapped[101] == before + 1);
    CHECK(munmap((void *)mapped, SIZE) == 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, SIZE) == 0);
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        child = fork();
        CHECK(child >= 0);
        if (child == 0)
            run(argv[0], "joined_late.in", i ? "1" : "0");
    }
    for (int i = 0; i < 2; i++)
        CHECK(wait(&status) > 0 && status == 0);
    long last[2];
    CHECK(pread(fd, last, sizeof last, 0) == sizeof last && last[0] == 2 * ROUNDS);
    printf("%016lx\n", last[1]);
    return 0;
}
