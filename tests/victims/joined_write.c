/* A child writes to a file that its parent has mapped, by calls; a System V segment is attached by programs
 * that do not descend from each other. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { SIZE = 8192, ROUNDS = 30 };

static void write_all(int fd, int from) {
    CHECK(pwrite(fd, "new", 3, 4096) == 3);
    usleep(2000);
    CHECK(lseek(from, 0, SEEK_SET) == 0 && lseek(fd, 5000, SEEK_SET) == 5000);
    CHECK(sendfile(fd, from, NULL, 100) == 100);
    CHECK(pwrite(fd, "end", 3, 4000) == 3);
    CHECK(ftruncate(fd, 4096 + 1000) == 0);
    puts("written");
}

static void take_turns(int id, long mine) {
    volatile long *cell = shmat(id, NULL, 0);
    CHECK(cell != (void *)-1);
    for (int i = 0; i < ROUNDS; i++) {
        while (cell[0] % 2 != mine)
            usleep(100);
        cell[1] = cell[1] * 3 + getpid() % 100;
        cell[0]++;
    }
    if (mine)
        printf("%016lx\n", cell[1]);
    CHECK(shmdt((void *)cell) == 0);
}

int main(int argc, char **argv) {
    int status;
    char text[16];
    if (argc > 2) {
        take_turns(atoi(argv[1]), atol(argv[2]));
        return 0;
    }
    int fd = random_file("joined_write.in", SIZE), from = random_file("joined_write.from", SIZE);
    const unsigned char *mapped = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(mapped != MAP_FAILED);
    unsigned char before = mapped[4096];
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        write_all(fd, from);
        exit(0);
    }
    while (memcmp((const void *)(mapped + 4000), "end", 3) != 0)
        usleep(100);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(memcmp(mapped + 4096, "new", 3) == 0);
    printf("%d %016llx\n", before, (unsigned long long)hash_bytes(mapped, SIZE));
    fflush(stdout);

    int id = shmget(IPC_PRIVATE, SIZE, 0600);
    CHECK(id >= 0);
    snprintf(text, sizeof text, "%d", id);
    for (int i = 0; i < 2; i++) {
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            execl(argv[0], argv[0], text, i ? "1" : "0", (char *)NULL);
            _exit(99);
        }
    }
    for (int i = 0; i < 2; i++)
        CHECK(wait(&status) > 0 && status == 0);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    return 0;
}
