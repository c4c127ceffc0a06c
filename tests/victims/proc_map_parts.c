/* Parent and children map different parts of one file. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

static uint64_t look(int fd, off_t from, size_t size) {
    unsigned char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, from);
    CHECK(mapped != MAP_FAILED);
    mapped[0] ^= 1;
    return hash_bytes(mapped, size);
}

int main(void) {
    int fd = random_file("proc_map_parts.in", 400000);
    uint64_t first = look(fd, 8192, 4096);
    for (int i = 0; i < 4; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            printf("child %d: %016lx\n", i, (unsigned long)look(fd, i * 65536, 70000));
            printf("again %d: %016lx\n", i, (unsigned long)look(fd, 0, 100000));
            exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        printf("parent %d: %016lx\n", i, (unsigned long)look(fd, i * 40960, 80000));
        fflush(stdout);
    }
    printf("%016lx\n", (unsigned long)first);
    return 0;
}
