/* Shared by a memfd, a file, shm_open and System V, mapped by each process at its own address. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { SIZE = 16384, ROUNDS = 50 };

static void *map(int fd, int size) {
    void *mapped = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED);
    return mapped;
}

static void step(volatile long *cell, long mine) {
    for (int i = 0; i < ROUNDS; i++) {
        while (cell[0] % 2 != mine)
            usleep(50);
        cell[1] = cell[1] * 3 + mine;
        cell[0]++;
    }
}

int main(void) {
    int status;
    char name[64];
    snprintf(name, sizeof name, "/reel-victim-%d", getpid());
    int memory = memfd_create("victim", 0), file = random_file("joined_objects.in", SIZE);
    int shm = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(memory >= 0 && shm >= 0 && ftruncate(memory, SIZE) == 0 && ftruncate(shm, SIZE) == 0);
    int segment = shmget(IPC_PRIVATE, SIZE, 0600);
    CHECK(segment >= 0);
    long *a = map(memory, SIZE), *b = map(file, SIZE), *c = map(shm, SIZE), *d = shmat(segment, NULL, 0);
    CHECK(d != (void *)-1);
    b[0] = b[1] = 0;
    printf("%016llx\n", (unsigned long long)hash_bytes(b + 2, SIZE - 16));
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) { /* once as inherited, once anew */
        CHECK(munmap(a, SIZE) == 0 && munmap(c, SIZE) == 0 && shmdt(d) == 0);
        CHECK(mmap(NULL, 3 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
        c = map(shm, SIZE);
        a = map(memory, SIZE);
        d = shmat(segment, NULL, 0);
        CHECK(d != (void *)-1);
    }
    long mine = child == 0;
    step(a, mine);
    step(b, mine);
    step(c, mine);
    step(d, mine);
    if (child == 0)
        _exit(0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(a[0] == 2 * ROUNDS && b[0] == 2 * ROUNDS && c[0] == 2 * ROUNDS && d[0] == 2 * ROUNDS);
    CHECK(a[1] == b[1] && b[1] == c[1] && c[1] == d[1]);
    CHECK(shm_unlink(name) == 0 && shmctl(segment, IPC_RMID, NULL) == 0);
    printf("%016lx\n", (unsigned long)a[1]);
    return 0;
}
